"""A d8-installer in an environment of its own, with plugins in it whose code is written by the tests."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests import images
from tests.command import Completed, run_in
from tests.installed import install, running_environment, write_recorded

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "import os, sys\nfrom d8_installer.plugin import *\nfrom d8_installer.errors import *\n"


@dataclass
class OwnTool:
    """The tool, its environment, and somebody's home with a registry of two images."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.library = running_environment(self.root / "own")
        self.home = self.root / "home"
        self.home.mkdir()
        self.registry = self.root / "registry"
        for tag in ("v1.0.0", "v1.1.0"):
            images.add_image(str(self.registry), "hello", tag, images.executables(f"hello {tag}"))
        images.add_image(str(self.registry), "vault", "v1.0.0", images.executables("vault"))
        self.env["D8_RPP_ENDPOINT"] = f"oci-layout:{self.registry}"
        self.env["LOG"] = str(self.root / "log")

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

    def run(self, *words: str, cwd: Path | None = None, **env: str) -> Completed:
        """Run the tool; no command of ours may end in a traceback."""
        where = str(cwd if cwd is not None else self.home)
        done = run_in(self.root / "own", *words, home=str(self.home), env={**self.env, **env}, cwd=where)
        assert "Traceback" not in done.err, done
        return done

    def ok(self, *words: str) -> Completed:
        """Run it; it must succeed."""
        done = self.run(*words)
        assert done.code == 0, done
        return done

    def fails(self, code: int, *words: str) -> str:
        """Run it; it must end with *code*. Returns what it said on stderr."""
        done = self.run(*words)
        assert done.code == code, done
        return done.err

    def json(self, *words: str) -> dict[str, Any]:
        """Run it and return the envelope's data."""
        data: dict[str, Any] = json.loads(self.run("--json", *words).out)["data"]
        return data

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
        base = self.home / ".local/share/d8-installer/profiles/user"
        found = [self.home / ".config/d8-installer/d8.toml", base / "d8.lock"]
        texts = {path.name: path.read_bytes() for path in found if path.exists()}
        current = base / "current"
        return texts | ({"current": bytes(current.readlink())} if current.is_symlink() else {})


LOGGING = """
def log(*words):
    with open(os.environ["LOG"], "a") as file:
        print(*words, file=file)
"""
