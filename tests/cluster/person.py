"""Somebody who works with a cluster; after each of their commands, no secret of theirs is where it must not be."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from tests import forking
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Completed


class Operator(Person):
    """A person whose HOME has a kubeconfig; they name no endpoint.

    ``secrets`` are looked for in what every command says, in the arguments and the environment of every program that it
    starts, and in every file below HOME, but for those in ``allowed``.
    """

    def __init__(self, home: Path, *, account: str = "", token: str = "", kubeconfig: Path) -> None:
        super().__init__(home)
        self.account = account
        self.token = token
        self.kubeconfig = kubeconfig
        self.secrets: list[str] = [token] if token else []
        self.allowed = {kubeconfig}
        self.started = home.with_name(f"{home.name}-started")
        """What the last command started: one line of JSON for each program."""

    def _command(self, *words: str, env: dict[str, str], cwd: str) -> Completed:
        self.started.unlink(missing_ok=True)
        done = super()._command(*words, env=env | {forking.STARTED: str(self.started)}, cwd=cwd)
        assert list(self._leaks(done, env)) == [], f"a secret leaked: {done}"
        return done

    def _leaks(self, done: Completed, env: dict[str, str]) -> Iterator[str]:
        """Yield where a secret is that belongs nowhere but in a kubeconfig; *env* is handed on as it is."""
        pieces = [piece.encode() for secret in self.secrets for piece in spellings(secret)]
        texts = {"stdout": done.out.encode(), "stderr": done.err.encode()}
        if self.started.exists():
            started = self.started.read_text()
            for value in env.values():
                started = started.replace(json.dumps(repr(value))[1:-1], "")
            texts["a program that it started"] = started.encode()
        for where, text in (*texts.items(), *self._files()):
            if any(piece in text for piece in pieces):
                yield where

    def state(self) -> dict[str, object]:
        """Return what a command that fails leaves as it was: manifest, lock, generation, and what ``bin`` holds."""
        current = self.user / "current"
        return {
            "manifest": self.manifest.read_bytes() if self.manifest.exists() else None,
            "lock": self.lock.read_bytes() if self.lock.exists() else None,
            "generation": current.readlink() if current.is_symlink() else None,
            "binaries": {path.name: path.read_bytes() for path in self.bin.iterdir()} if self.bin.is_dir() else {},
        }

    def _files(self) -> Iterator[tuple[str, bytes]]:
        for directory, _, names in os.walk(self.home):
            for path in (os.path.join(directory, name) for name in names):
                if os.path.isfile(path) and not any(known.exists() and known.samefile(path) for known in self.allowed):
                    with open(path, "rb") as file:
                        yield path, file.read()


def spellings(secret: str) -> Iterator[str]:
    """Yield what must not be found of a secret: a PEM's inner lines, a JWT's signature, else the text itself."""
    if secret.startswith("-----BEGIN"):
        yield from (line for line in secret.splitlines() if len(line) > 40 and not line.startswith("-----"))
    elif secret.count(".") == 2:
        yield secret.rpartition(".")[2]
    else:
        yield secret
