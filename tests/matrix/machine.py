"""A person's machine for the matrix: a HOME with something good installed, a proxy that may misbehave, the command."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from d8_installer.cli.screen import Screen
from d8_installer.cli.talk import Talk
from d8_installer.ops.list import list_installed
from d8_installer.pipeline.scope import Options, Scope
from d8_installer.pipeline.session import wire
from d8_installer.testing.memory import MemorySource
from tests.matrix.layers import HOST, OTHER, program
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from d8_installer.testing.faults import FaultServer
    from tests.command import Completed

NAME = "stronghold"
IMAGE = f"deckhouse-cli/plugins/{NAME}"
OLD, NEW = "v1.4.1", "v1.4.2"
"""OLD is installed when a test begins, NEW is what it asks for."""
TO_NEW = ("install", f"{NAME}=1.4.2")
TOKEN = "eyJhbGciOi.secret-of-this-test"


@dataclass(frozen=True)
class State:
    """All that a refused command must leave as it was; ``listed`` is what ``list --json`` has to tell."""

    files: Mapping[str, bytes]
    links: Mapping[str, str]
    listed: object
    said: str


def add_version(source: MemorySource, tag: str, layer: bytes | None = None, other: bytes | None = None) -> None:
    """Publish *tag* for HOST and OTHER; the program says its version and platform."""
    source.add_index(IMAGE, tag, {HOST: layer or program(f"{tag} {HOST}"), OTHER: other or program(f"{tag} {OTHER}")})


def catalogue() -> MemorySource:
    """Return a source with OLD and NEW."""
    source = MemorySource()
    for tag in (OLD, NEW):
        add_version(source, tag)
    return source


class Machine(Person):
    """A person with a HOME of their own, and the proxy and images that they know."""

    def __init__(
        self, home: Path, proxy: FaultServer, images: MemorySource, env: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(home, env=env)
        self.proxy = proxy
        self.images = images

    @property
    def endpoint(self) -> str:
        return self.proxy.url

    @property
    def config(self) -> Path:
        return self.manifest.parent

    @property
    def binary(self) -> Path:
        return self.bin / NAME

    @property
    def variables(self) -> dict[str, str]:
        """What the person has set; a variable that is empty is not set."""
        return {name: value for name, value in super().variables.items() if value}

    def succeeds(self, *arguments: str, cwd: Path | None = None) -> Completed:
        """Run the command, which must do what it was asked."""
        done = self.run(*arguments, cwd=cwd)
        assert done.code == 0, done
        assert "error:" not in done.err, done
        assert "Traceback" not in done.err, done
        assert self.leftovers() == []
        return done

    def refuses(self, *arguments: str, code: int, says: str, cwd: Path | None = None, lists: bool = True) -> Completed:
        """Run the command, which must end with *code*, say *says* (a pattern) with a hint, and change nothing.

        *lists* False: what is broken is so near that ``list`` fails too.
        """
        before = self.state(lists=lists)
        done = self.run(*arguments, cwd=cwd)
        check_complaint(done, code, says)
        assert self.state(lists=lists) == before
        assert self.leftovers() == []
        return done

    def state(self, *, lists: bool = True) -> State:
        """Return everything that must survive a refusal: every document, generation and stored file."""
        paths = [path for path in self.home.rglob("*") if not _may_change(path)]
        links = {str(path): str(path.readlink()) for path in paths if path.is_symlink()}
        files = {str(path): path.read_bytes() for path in paths if path.is_file() and not path.is_symlink()}
        return State(files, links, self.listed() if lists else None, self.say())

    def listed(self) -> object:
        """Ask the verb behind ``list`` in this process: the same answer as the command's, in a tenth of the time."""
        scope = Scope(
            options=Options(),
            environ={"HOME": str(self.home)},
            clock=lambda: datetime.now(UTC),
            directory=str(self.home),
        )
        with wire(scope, _SILENT) as session:
            return list_installed(session).as_json()

    def say(self) -> str:
        """Run the installed binary."""
        return subprocess.run([self.binary, "!"], capture_output=True, text=True, check=True).stdout

    def leftovers(self) -> list[str]:
        """Return what a cut-short command would leave: unverified bytes, drafts, temporary files."""
        paths = [path.relative_to(self.home) for path in self.home.rglob("*")]
        drafts = [str(path) for path in paths if path.suffix in {".tmp", ".new"} or "incoming" in path.parts[:-1]]
        stored = [path for path in paths if path.parent.name == "sha256"]
        return drafts + [str(path) for path in stored if not any((self.home / path).iterdir())]


_SILENT = Talk(Screen.of_process(), quiet=True, verbose=False)


def _may_change(path: Path) -> bool:
    """Lock files hold the number of the last process that held them."""
    return path.name == "mutex" or path.suffix == ".mutex" or path.name == "incoming"


def check_complaint(done: Completed, code: int, says: str) -> None:
    """Check that a failure is one clear sentence with a hint, the right code, and no traceback or secret."""
    lines = done.err.splitlines()
    errors = done.errors
    hints = [line for line in lines if line.startswith("hint: ")]
    assert done.code == code, done
    assert len(errors) == 1, done
    assert len(hints) == 1, done
    assert re.search(says, errors[0]), done
    assert "Traceback" not in done.err, done
    assert TOKEN not in done.out + done.err, done
