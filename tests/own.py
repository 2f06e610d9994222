"""A d8-installer in an environment of its own, with plugins in it whose code is written by the tests."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from tests import images
from tests.command import run_in
from tests.installed import install, running_environment, write_recorded
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.command import Completed

HEAD = "import os, sys\nfrom d8_installer.plugin import *\nfrom d8_installer.errors import *\n"


class OwnTool(Person):
    """The tool, its environment, and somebody's home with a registry of two images."""

    def __init__(self, root: Path, env: Mapping[str, str] | None = None) -> None:
        super().__init__(root / "home", root / "registry", env={"LOG": str(root / "log"), **(env or {})})
        self.root = root
        self.library = running_environment(root / "own")
        for tag in ("v1.0.0", "v1.1.0"):
            images.add_image(str(self.source), "hello", tag, images.executables(f"hello {tag}"))
        images.add_image(str(self.source), "vault", "v1.0.0", images.executables("vault"))

    def plugin(self, code: str, name: str = "d8-toy", *, verifies: bool = False, hooks: bool = True) -> str:
        """Put a plugin into the tool's environment and return its name; its module is the name with underscores."""
        module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-1.0.dist-info"
        groups = ["d8_installer.hooks"] * hooks + ["d8_installer.verifiers"] * verifies
        points = "".join(f"[{group}]\ntoy = {module}\n" for group in groups)
        files = {f"{module}.py": HEAD + textwrap.dedent(code), f"{info}/entry_points.txt": points}
        write_recorded(self.library, info, {path: text.encode() for path, text in files.items()})
        return name

    def enabled(self, code: str, name: str = "d8-toy", *, verifies: bool = False, hooks: bool = True) -> str:
        """Put a plugin in and enable it."""
        self.plugin(code, name, verifies=verifies, hooks=hooks)
        self.ok("plugins", "enable", name)
        return name

    def data_plugin(self, name: str, text: str) -> None:
        """Put a plugin that is only a manifest into the tool's environment."""
        install(self.library, name, "1.0", text)

    def remove(self, name: str) -> None:
        """Take a plugin out of the environment, as ``pipx uninject`` does."""
        module = name.replace("-", "_")
        (self.library / f"{module}.py").unlink()
        for file in (self.library / f"{module}-1.0.dist-info").iterdir():
            file.unlink()
        (self.library / f"{module}-1.0.dist-info").rmdir()

    def _command(self, *words: str, env: dict[str, str], cwd: str) -> Completed:
        return run_in(self.root / "own", *words, home=str(self.home), env=env, cwd=cwd)

    def row(self, name: str = "d8-toy") -> dict[str, Any]:
        """Return what ``plugins`` says of a plugin."""
        (row,) = [row for row in self.json("plugins")["plugins"] if row["name"] == name]
        assert isinstance(row, dict)
        return row

    def placed(self) -> list[str]:
        """Return the binaries that are in place, with their versions."""
        return [f"{row['binary']} {row['version']}" for row in self.json("list")["binaries"]]

    def log(self) -> list[str]:
        """Return the lines that plugins wrote with the ``log`` of LOGGING."""
        log = self.root / "log"
        return log.read_text().splitlines() if log.exists() else []

    def files(self) -> dict[str, bytes]:
        """Return manifest, lock and where ``current`` leads."""
        texts = {path.name: path.read_bytes() for path in (self.manifest, self.lock) if path.exists()}
        current = self.user / "current"
        return texts | ({"current": bytes(current.readlink())} if current.is_symlink() else {})


LOGGING = """
def log(*words):
    with open(os.environ["LOG"], "a") as file:
        print(*words, file=file)
"""
