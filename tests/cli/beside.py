"""A person who has `d8` too: what is laid out where the Go tool looks for plugins."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from tests import images
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


class BesideD8(Person):
    """A person with a directory of the Go tool, which their commands find in its variable."""

    def __init__(self, home: Path, source: Path) -> None:
        super().__init__(home, source)
        self.directory = home / "d8"
        self.env = {"DECKHOUSE_CLI_PATH": str(self.directory)}

    def plugin(self, name: str) -> Path:
        """Return the directory of a plugin."""
        return self.directory / "plugins" / name

    def lays_out(self) -> None:
        """Begin to lay out."""
        self.ok("sync", "--layout", "d8")

    def runs(self, name: str) -> str:
        """Run a plugin as the Go tool does, by the link `current`, and return its line."""
        return ran(self.plugin(name) / "current")

    @property
    def tree(self) -> dict[str, str]:
        """Everything below the directory: a file with its bytes, a link with its target, a directory empty."""
        return tree(self.directory)


class ComesFromD8(BesideD8):
    """A person for whom the Go tool has installed plugins."""

    def d8_installs(self, name: str, tag: str, *, contract: str | None = None, data: bytes | None = None) -> Path:
        """Leave what `d8 dist plugins install` leaves (rpp.md §10); *contract* is the version in the contract."""
        major = tag.removeprefix("v").partition(".")[0]
        program = self.plugin(name) / f"v{major}" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_bytes(images.script(f"{name} {tag} {images.host_platform()}") if data is None else data)
        program.chmod(0o755)
        current = self.plugin(name) / "current"
        current.unlink(missing_ok=True)
        current.symlink_to(program)
        if contract is not None:
            kept = self.directory / "cache/contracts" / f"{name}.json"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps({"name": name, "version": contract, "description": "", "requirements": {}}))
        return program

    def imports(self, *words: str, code: int = 0, **env: str) -> dict[str, tuple[str, str | None]]:
        """Run it; return what became of each plugin: its status and version."""
        done = self.json("import", "d8", *words, code=code, **env)
        return {one["image"]: (one["status"], one["version"]) for one in done["plugins"]}


def ran(program: Path) -> str:
    """Run a program, and return the line that it prints."""
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.rstrip("\n")


def tree(top: Path) -> dict[str, str]:
    """Return everything below *top*: a file with its bytes, a link with its target, a directory empty."""
    found = {}
    for where, directories, files in os.walk(top):
        for name in (*directories, *files):
            path = os.path.join(where, name)
            text = ""
            if os.path.islink(path):
                text = f"-> {os.readlink(path)}"
            elif os.path.isfile(path):
                with open(path, encoding="utf-8") as file:
                    text = file.read()
            found[os.path.relpath(path, top)] = text
    return found


def same_file(path: Path) -> tuple[int, int, int]:
    """Return what tells whether a file was replaced or written; not when it was read."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_mode
