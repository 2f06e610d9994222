"""axe-core, the rules of accessibility, from npm: fetched once for each machine."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.parts import built, place

VERSION = "4.14.1"


class AxeMissingError(Exception):
    """axe-core cannot be had here."""


def script() -> str:
    """Return the text of axe-core."""
    part = built(place(f"axe-core-{VERSION}"), _fetch, "axe.lock")
    return (part / "axe.min.js").read_text(encoding="utf-8")


def _fetch(part: Path) -> None:
    """Let npm fetch the package, which checks its hash, and keep the one file."""
    npm = shutil.which("npm")
    if npm is None:
        raise AxeMissingError("npm is not on PATH; on Debian: apt-get install npm")
    with tempfile.TemporaryDirectory(dir=part.parent) as directory:
        command = [npm, "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", directory]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
        if done.returncode:
            raise AxeMissingError(f"npm cannot fetch axe-core {VERSION}: {done.stderr.strip()[-300:]}")
        (archive,) = Path(directory).glob("*.tgz")
        with tarfile.open(archive) as tar:
            member = tar.extractfile("package/axe.min.js")
            assert member is not None
            text = member.read()
        made = Path(directory, "axe")
        made.mkdir()
        (made / "axe.min.js").write_bytes(text)
        made.rename(part)
