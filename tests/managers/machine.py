"""A person's machine for the managers: an empty HOME, a PATH with chosen managers on it, and what may be left there."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests import command
from tests.command import PROGRAM, SYSTEM_PATH, Completed
from tests.managers.plugin_wheel import PluginWheel
from tests.managers.wheelhouse import PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.managers.images import Images
    from tests.managers.index import Index

NOWHERE = "http://127.0.0.1:9"
"""An endpoint that nobody listens on."""


@dataclass
class Machine:
    """A HOME of its own below *root*, the index and the images that it can reach, and the variables that are set.

    ``word`` is part of every name that the test uses for images and plugins: the index and the proxy are shared.
    """

    root: Path
    index: Index
    images: Images
    word: str
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for directory in (self.home, self.commands, self.wheels):
            directory.mkdir(parents=True, exist_ok=True)
        # not UV_PYTHON: with that `uv pip install` changes this very Python, whatever environment is active
        (self.commands / "python3").symlink_to(PYTHON)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def commands(self) -> Path:
        """The directory on PATH that managers are linked into."""
        return self.root / "commands"

    @property
    def wheels(self) -> Path:
        return self.root / "wheels"

    @property
    def local_bin(self) -> Path:
        """Where pipx and uv put commands."""
        return self.home / ".local/bin"

    @property
    def data(self) -> Path:
        """d8-installer's home."""
        return self.home / ".local/share/d8-installer"

    @property
    def bin(self) -> Path:
        return self.data / "bin"

    def put_on_path(self, *programs: Path) -> None:
        """Link *programs* into the directory on PATH."""
        for program in programs:
            (self.commands / program.name).symlink_to(program)

    def environment(self) -> dict[str, str]:
        """Return what the person has set; nothing else of this machine's is known to the managers."""
        url = self.index.url
        return {
            "PATH": os.pathsep.join([str(self.local_bin), str(self.commands), SYSTEM_PATH]),
            "D8_RPP_ENDPOINT": self.images.url,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": url,
            "PIP_NO_COMPILE": "1",  # it is all about what is installed, and half of the time were spent on compiling
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_REQUIRE_VIRTUALENV": "1",
            "PIPX_DEFAULT_PYTHON": PYTHON,
            "UV_DEFAULT_INDEX": url,
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "PDM_PYPI_URL": url,
            "PDM_CHECK_UPDATE": "0",
            "NO_COLOR": "1",
            **self.variables,
        }

    # What is typed

    def run(self, *line: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Completed:
        """Run a command line; the first word is looked up on the person's PATH."""
        environment = {**self.environment(), **(env or {})}
        words = [_found(str(line[0]), environment["PATH"]), *map(str, line[1:])]
        where = None if cwd is None else str(cwd)
        return command.ended(words, home=str(self.home), env=environment, cwd=where)

    def does(self, *line: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Completed:
        """Run a command line that must do what it was asked, and must not hurt the store."""
        done = self.run(*line, cwd=cwd, env=env)
        assert done.code == 0, (line, str(done))
        assert "Traceback" not in done.err, (line, str(done))
        self.check_store()
        return done

    def d8(self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Completed:
        """Run the d8-installer under test, which must succeed."""
        return self.does(PROGRAM, *arguments, cwd=cwd, env=env)

    def start(self, *line: str | Path) -> subprocess.Popen[str]:
        """Start a command line; the caller waits for its end."""
        environment = self.environment()
        words = [_found(str(line[0]), environment["PATH"]), *map(str, line[1:])]
        variables = command.environment(str(self.home), **environment)
        pipe = subprocess.PIPE
        return subprocess.Popen(
            words, env=variables, cwd=self.home, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def bring_tool(self, directory: Path) -> None:
        """Put the wheel of the tool under test into *directory*, as if it were downloaded."""
        wheel = self.index.wheel_of("d8-installer")
        (directory / wheel.name).symlink_to(wheel)

    # Plugins

    def image(self, name: str, *tags: str) -> str:
        """Offer *tags* of an image of this test's own, and return its name."""
        image = f"{self.word}-{name}"
        for tag in tags:
            self.images.publish(image, tag)
        return image

    def plugin(self, name: str, version: str, tag: str, *, launchers: bool = True, needs: Sequence[str] = ()) -> str:
        """Offer a plugin ``d8-plug-…`` that wants its image at just *tag*; return the plugin's name."""
        self.image(name, tag)
        return self.plugin_wanting(name, version, tag.replace("v", "="), launchers=launchers, needs=needs)

    def plugin_wanting(
        self, name: str, version: str, wanted: str, *, launchers: bool = True, needs: Sequence[str] = ()
    ) -> str:
        """Offer a plugin whose manifest wants *wanted* of its image, and that needs other plugins."""
        image = f"{self.word}-{name}"
        manifest = f'schema = 1\n[[images]]\nname = "{image}"\nversion = "{wanted}"\n'
        requires = ("d8-installer", *needs)
        wheel = PluginWheel(f"d8-plug-{image}", version, manifest, requires, launchers)
        self.index.add([wheel.write(self.wheels)])
        return wheel.name

    # What must hold

    def says(self, program: str | Path, image: str, tag: str) -> Completed:
        """Run *program*, which must be *tag* of *image*, with an argument that must reach it."""
        done = self.does(program, "an argument")
        assert done.out == f"{image} {tag} an argument\n", str(done)
        return done

    def check_store(self) -> None:
        """Check that every stored file has the content that its directory's name promises."""
        for path in self.stored():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name, path
            assert path.stat().st_mode & 0o222 == 0, path

    def stored(self) -> list[Path]:
        """Return the files of the store."""
        return sorted(path for path in (self.data / "store/sha256").glob("*/*") if path.parent.name != "incoming")

    def placed(self) -> list[str]:
        """Return the names in the managed ``bin``."""
        return sorted(path.name for path in self.bin.glob("*")) if self.bin.exists() else []

    def traces_of(self, name: str, *, ignoring: Sequence[str] = (".cache",)) -> list[str]:
        """Return the paths below HOME, outside caches and d8-installer's history, with *name* in their last part.

        The lock file that pipx leaves for each environment it ever had is pipx's.
        """
        found = []
        for directory, folders, files in os.walk(self.home):
            folders[:] = [folder for folder in folders if folder not in {*ignoring, "generations", "store"}]
            found += [os.path.join(directory, entry) for entry in (*folders, *files) if name in entry]
        return [path for path in found if not path.endswith(".lock") or "pipx" not in path]


def first_words(command: str, tag: str, plugin: str) -> str:
    """Return the pattern of what a launcher's first run says of itself: what it fetches, then what is there."""
    lines = (
        rf"d8-installer: fetching {command} {re.escape(tag)} \([\d.]+ k?B\)",
        f"d8-installer: installed {command} {re.escape(tag)} for {plugin}",
    )
    return "".join(f"{line}\n" for line in lines)


def activate(machine: Machine, program: Path) -> None:
    """Do what an environment's ``activate`` does; *program* is in its ``bin``."""
    path = os.pathsep.join([str(program.parent), machine.environment()["PATH"]])
    machine.variables |= {"VIRTUAL_ENV": str(program.parent.parent), "PATH": path}


def _found(program: str, path: str) -> str:
    where = shutil.which(program, path=path)
    assert where is not None, f"{program} is not on {path}"
    return where
