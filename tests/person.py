"""A person: their HOME, their source of images, the commands they type, and the files they then have.

Test modules derive from `Person` what is their own: the images that are published, the state that tests begin with.
Other ways to run the command: `tests.own` (a tool with plugins of the tests), `tests.managers` (any package manager),
`tests.terminal` (a pseudo-terminal) and `tests.faults.driver` (a disk that fails).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from d8_installer.model.lock import Lock
from tests import command, images
from tests.installed import install, library

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.command import Completed
    from tests.images import Build
    from tests.installed import Plugin


class Person:
    """A HOME and a source of images; *env* is set in the shell, and *always* is typed before other words."""

    def __init__(
        self, home: Path, source: Path | str = "", *, env: Mapping[str, str] | None = None, always: tuple[str, ...] = ()
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.source = source
        self.env = dict(env or {})
        self.always = always
        self.cwd = home
        """Where commands are typed, unless a test says otherwise."""

    # -- what is typed

    @property
    def endpoint(self) -> str:
        """The source of images as ``D8_RPP_ENDPOINT`` names it; a path is a directory of OCI layouts."""
        return self.source if isinstance(self.source, str) else f"oci-layout:{self.source}"

    @property
    def variables(self) -> dict[str, str]:
        """Return what is set in their shell."""
        return ({"D8_RPP_ENDPOINT": self.endpoint} if self.endpoint else {}) | self.env

    def run(self, *words: str, cwd: Path | str | None = None, endpoint: str | None = None, **env: str) -> Completed:
        """Run ``d8-installer WORDS``; any end but a traceback will do. *cwd* is relative to their directory."""
        named = {} if endpoint is None else {"D8_RPP_ENDPOINT": endpoint}
        done = self._command(*self.always, *words, env=self.variables | named | env, cwd=str(self.cwd / (cwd or "")))
        assert "Traceback" not in done.err, done
        return done

    def _command(self, *words: str, env: dict[str, str], cwd: str) -> Completed:
        return command.run(*words, home=str(self.home), env=env, cwd=cwd)

    def ok(self, *words: str, cwd: Path | str | None = None, endpoint: str | None = None, **env: str) -> Completed:
        """Run it; it must succeed."""
        return self.ends(0, *words, cwd=cwd, endpoint=endpoint, **env)

    def fails(
        self, code: int, *words: str, cwd: Path | str | None = None, endpoint: str | None = None, **env: str
    ) -> Completed:
        """Run it; it must fail with *code*."""
        assert code, "a failure is not 0"
        return self.ends(code, *words, cwd=cwd, endpoint=endpoint, **env)

    def ends(
        self, code: int, *words: str, cwd: Path | str | None = None, endpoint: str | None = None, **env: str
    ) -> Completed:
        """Run it; it must end with *code*."""
        done = self.run(*words, cwd=cwd, endpoint=endpoint, **env)
        assert done.code == code, done
        return done

    def json(self, *words: str, cwd: Path | str | None = None, code: int = 0, **env: str) -> dict[str, Any]:
        """Run it with ``--json``; it must end with *code*. Return the envelope's data."""
        data: dict[str, Any] = json.loads(self.ends(code, "--json", *words, cwd=cwd, **env).out)["data"]
        return data

    # -- what there is to be had

    def publish(self, name: str, *tags: str, builds: Mapping[str, Build] | None = None) -> None:
        """Publish tags of an image; the program says its name and tag, unless *builds* are given."""
        for tag in tags:
            built = images.executables(f"{name} {tag}", images.host_platform()) if builds is None else builds
            images.add_image(str(self.source), name, tag, built)

    def project(self, text: str, place: str = "project") -> Path:
        """Make a project with the manifest *text*, below HOME."""
        project = self.home / place
        project.mkdir(parents=True)
        (project / "d8.toml").write_text(text)
        return project

    def environment(self, name: str) -> Path:
        """Return the virtual environment that pipx has for an application."""
        return self.home / ".local/share/pipx/venvs" / name

    def pipx(self, name: str, text: str, version: str = "1.0") -> Plugin:
        """Install a plugin with the manifest *text* as pipx leaves it, in place of an older one of that name."""
        place = library(self.environment(name))
        for old in place.glob("*.dist-info"):
            shutil.rmtree(old)
        return install(place, name, version, text)

    # -- what they have

    @property
    def data(self) -> Path:
        """The tool's own home."""
        return self.home / (".local/share/d8-installer" if os.name == "posix" else "AppData/Local/d8-installer")

    @property
    def bin(self) -> Path:
        return self.data / "bin"

    @property
    def user(self) -> Path:
        """The directory of the user's profile."""
        return self.data / "profiles/user"

    @property
    def manifest(self) -> Path:
        return self.home / (".config" if os.name == "posix" else "AppData/Roaming") / "d8-installer/d8.toml"

    @property
    def lock(self) -> Path:
        return self.user / "d8.lock"

    def locked(self) -> Lock:
        """Return what the lock says."""
        return Lock.parse(self.lock.read_bytes(), "d8.lock")

    def says(self, binary: str) -> str:
        """Run a binary of ``bin`` and return the line that it prints."""
        return subprocess.run([self.bin / binary], capture_output=True, text=True, check=True).stdout.rstrip("\n")

    def has(self, *where: str, cwd: Path | str | None = None) -> dict[str, str]:
        """Return what ``list`` shows: each binary with its version."""
        return {one["binary"]: one["version"] for one in self.json(*where, "list", cwd=cwd)["binaries"]}
