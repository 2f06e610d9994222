"""``python -m tests.site.screenshots`` makes the three pictures of the real site in ``docs/images`` again."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.site import chromium

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs/images"


class Picture(NamedTuple):
    """One picture: its name, the page that it shows, and the form of it."""

    name: str
    page: str
    width: int
    theme: str


PICTURES = (
    Picture("site-start.png", "index.html", 1280, "light"),
    Picture("site-commands.png", "reference/commands.html", 1280, "dark"),
    Picture("site-phone.png", "tutorials/first-tool.html", 390, "light"),
)


def build(directory: Path) -> Path:
    """Build the site as ``dev.py docs`` does, and return where its pages are."""
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html"]
    subprocess.run(
        [*command, "-d", str(directory / "doctrees"), str(ROOT / "docs"), str(directory / "html")], check=True
    )
    return directory / "html"


def main() -> None:
    """Build the site and make the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, chromium.browser() as tab:
        pages = build(Path(directory))
        for picture in PICTURES:
            tab.show(picture.width, picture.theme)
            tab.open((pages / picture.page).as_uri())
            (IMAGES / picture.name).write_bytes(tab.screenshot())


if __name__ == "__main__":
    main()
