"""The ground of every case: the installed tool in a new environment, an empty HOME, a proxy on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import output_of, service, spend

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.measure import Spent

ROOT = Path(__file__).resolve().parents[1]
_FACTS = """\
import json
from d8_installer.model.platform import Platform
from d8_installer.pipeline.scope import host_facts
from d8_installer.pipeline.scope import DEFAULT_CONNECTIONS
print(json.dumps([str(Platform.of_host(host_facts())), DEFAULT_CONNECTIONS]))
"""


@dataclass(frozen=True, slots=True)
class Rig:
    """The environment to measure in; *directory* is removed when the bench ends."""

    directory: Path
    python: str
    command: str
    env: dict[str, str]
    platform: str
    connections: int
    rounds: int | None

    def d8(self, *arguments: str, directory: str | None = None) -> Spent:
        """Run the installed tool and return its cost."""
        return self.spend(self.command, *arguments, directory=directory)

    def spend(self, *command: str, directory: str | None = None) -> Spent:
        """Run a command in the rig's environment and return its cost."""
        return spend(command, self.env, directory or str(self.directory))

    def output(self, *command: str, directory: str | None = None) -> str:
        """Run a command in the rig's environment and return what it prints."""
        return output_of(command, self.env, directory or str(self.directory))

    def often(self, default: int) -> int:
        """Return the number of rounds: the typed one, or the default of the case."""
        return self.rounds or default

    def fresh(self) -> str:
        """Return the path of a new empty directory."""
        return tempfile.mkdtemp(dir=self.directory)

    @contextmanager
    def proxy(self, upstream: str) -> Iterator[str]:
        """Serve *upstream* with the embedded proxy while the context lasts; yield the address."""
        command = [self.command, "proxy", "serve", "--from", upstream, "--listen", "127.0.0.1:0", "--quiet"]
        with service(command, self.env, str(self.directory)) as output:
            yield output.readline().removeprefix("listening on ").strip()


@contextmanager
def make_rig(rounds: int | None) -> Iterator[Rig]:
    """Install our wheel with its extra ``proxy``, pipx and uv in a new environment; remove everything at the end."""
    with tempfile.TemporaryDirectory(prefix="d8-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name).resolve()
        try:
            yield _rig(directory, rounds)
        finally:
            remove(str(directory))


def _rig(directory: Path, rounds: int | None) -> Rig:
    place = directory / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    python = str(place / "bin" / "python")
    pip("wheel", "--no-deps", "--wheel-dir", str(directory), str(ROOT))
    wheel = next(directory.glob("d8_installer-*.whl"))
    pip("--python", python, "install", "--compile", f"{wheel}[proxy]", "pipx", "uv")
    home = directory / "home"
    home.mkdir()
    env = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
    env |= {"HOME": str(home), "NO_COLOR": "1", "PIPX_HOME": str(home / "pipx")}
    platform, connections = json.loads(output_of([python, "-c", _FACTS], env, str(home)))
    return Rig(directory, python, str(place / "bin" / "d8-installer"), env, platform, connections, rounds)


def pip(*arguments: str) -> None:
    """Run the pip of the developer's environment, which prints why it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", *arguments]
    if subprocess.run(command, check=False).returncode != 0:
        raise SystemExit(f"bench: could not {' '.join(arguments)[:200]}")


def remove(path: str) -> None:
    """Remove a tree, with the read-only directories of generations."""
    for directory, _, _ in os.walk(path):
        os.chmod(directory, 0o700)
    shutil.rmtree(path, ignore_errors=True)


def missing(programs: Sequence[str]) -> list[str]:
    """Return those of *programs* that are not installed."""
    return [program for program in programs if shutil.which(program) is None]
