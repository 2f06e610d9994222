"""A person's project with its manifest and lock, for the tests of ``lock``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import images
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.model.digest import Digest

NOWHERE = "http://127.0.0.1:9"


class Project(Person):
    """A person's project with its manifest, its lock, and a layout of images."""

    def __init__(self, home: Path, place: Path, layout: Path) -> None:
        super().__init__(home, layout)
        self.layout = layout
        self.place = self.cwd = place

    @property
    def lock(self) -> Path:
        return self.place / "d8.lock"

    def wants(self, *entries: str, platforms: str = "") -> None:
        """Write the manifest: each entry is ``name range``, or the lines of a table."""
        lines = ["schema = 1", *([f"platforms = {platforms}"] if platforms else [])]
        for entry in entries:
            name, _, spec = entry.partition(" ")
            lines += ["[[images]]", f'name = "{name}"', f'version = "{spec or "*"}"']
        (self.place / "d8.toml").write_text("\n".join([*lines, ""]))

    def blob(self, name: str, digest: Digest) -> Path:
        return self.layout / "deckhouse-cli/plugins" / name / "blobs/sha256" / digest.hex


def a_project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "home", tmp_path / "home/work", tmp_path / "reg")
    made.place.mkdir(parents=True)
    for tag in ("v1.0.0", "v1.1.0"):
        for name in ("stronghold", "vault"):
            images.add_image(str(made.layout), name, tag, images.executables(f"{name} {tag}"))
    return made


def everything(place: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file below *place* with its bytes and time, and every directory with its time."""
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mtime_ns) for path in place.rglob("*")
    }
