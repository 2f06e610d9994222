"""A Windows machine for tests: a copy of the prefix with d8-installer installed in it, and an agent that runs commands.

A copy costs half a second, since it shares the files of the prefix by hard links; nothing may write into one of them
in place. Two machines have nothing else in common: each has its registry, its users and its processes.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from tests.windows import prefix as base

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PYTHON = r"C:\Python311\python.exe"
PROGRAM = r"C:\Python311\Scripts\d8-installer.exe"
SECONDS = 120
"""How long a command may take, on a machine that does much else."""
_AGENT = Path(__file__).resolve().parent / "agent.py"


@dataclass(frozen=True)
class Ended:
    """How a command ended there: the exit code with all 32 bits, and the bytes of its streams."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        """The text of stdout with Unix's line ends; as UTF-8, else as Windows's code page."""
        return _text(self.stdout)

    @property
    def err(self) -> str:
        return _text(self.stderr)

    def __str__(self) -> str:
        return f"exit {self.code:#x}\n-- stdout\n{self.out}-- stderr\n{self.err}"


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return text.replace("\r\n", "\n")


class Machine:
    """A running machine. Paths on drive C are below ``drive_c``; every path of Linux is on drive Z."""

    def __init__(self, prefix: Path, port: int) -> None:
        self.prefix = prefix
        self.port = port

    @property
    def drive_c(self) -> Path:
        return self.prefix / "drive_c"

    def path(self, windows: str) -> Path:
        """Return where Linux has a path of drive C or Z."""
        parts = PureWindowsPath(windows).parts
        return (self.drive_c if parts[0].upper() == "C:\\" else Path("/")).joinpath(*parts[1:])

    def spelled(self, path: Path | str) -> str:
        """Return how Windows spells a path of Linux."""
        absolute = Path(os.path.abspath(path))
        if absolute.is_relative_to(self.drive_c):
            return str(PureWindowsPath("C:\\", *absolute.relative_to(self.drive_c).parts))
        return str(PureWindowsPath("Z:\\", *absolute.parts[1:]))

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: str | None = None,
        given: bytes | None = None,
        closed: bool = False,
        seconds: float = SECONDS,
    ) -> Ended:
        """Run a command line in a new console's environment plus *env*; PATH is the registry's unless *env* has it.

        With *closed* nobody reads its stdout.
        """
        job: dict[str, Any] = {"argv": list(argv), "env": dict(env or {}), "cwd": cwd, "seconds": seconds}
        job |= {"closed": closed, "input": None if given is None else base64.b64encode(given).decode()}
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.settimeout(seconds + 60)
            connection.sendall(json.dumps(job).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the agent has ended"}
        if "error" in answer:
            raise OSError(f"{argv[0]} cannot be run: {answer['error']}")
        out, err = (base64.b64decode(answer[name]) for name in ("out", "err"))
        if answer["code"] is None:
            raise subprocess.TimeoutExpired(list(argv), seconds, out, err)
        return Ended(answer["code"], out, err)

    def python(self, code: str, *arguments: str, **more: Any) -> Ended:
        """Run a Python program there; it must succeed."""
        done = self.run([PYTHON, "-c", code, *arguments], **more)
        assert done.code == 0, done
        return done


@contextmanager
def machine(directory: Path, *, editable: bool = False) -> Iterator[Machine]:
    """Run a machine in *directory*, with this checkout's d8-installer; *editable*: its source is read at each start."""
    prefix = directory / "wine"
    copy_prefix(base.find(), prefix)
    env = base.wine_environment(prefix)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        command = ["wine", PYTHON, "Z:" + str(_AGENT).replace("/", "\\"), str(listener.getsockname()[1])]
        # To null: the services of Wine inherit the streams, and live on.
        null = subprocess.DEVNULL
        process = subprocess.Popen(command, env=env, stdin=null, stdout=null, stderr=null, start_new_session=True)
        try:
            control, _ = listener.accept()
            with control, control.makefile("rb") as said:
                made = Machine(prefix, int(said.readline()))
                _install(made, directory, editable=editable)
                yield made
        finally:
            subprocess.run(["wineserver", "-k"], env=env, check=False, stdin=null, stdout=null, stderr=null)
            subprocess.run(["wineserver", "-w"], env=env, check=False, stdin=null, stdout=null, stderr=null)
            process.wait()


def copy_prefix(source: Path, target: Path) -> None:
    """Copy a prefix by hard links; Wine writes its registry, ``*.reg``, in place."""

    def copy(old: str, new: str) -> None:
        if old.endswith(".reg"):
            shutil.copy2(old, new)
            return
        try:
            os.link(old, new)
        except OSError:  # another file system
            shutil.copy2(old, new)

    shutil.copytree(source, target, symlinks=True, copy_function=copy)


def _install(made: Machine, directory: Path, *, editable: bool) -> None:
    """Install d8-installer as a person does, from its wheel; the packages that it needs are in the prefix."""
    root, dist = base.ROOT, directory / "dist"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)]
    subprocess.run(build, cwd=root, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (wheel,) = dist.glob("*.whl")
    pip = [PYTHON, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile", "--no-warn-script-location"]
    done = made.run([*pip, made.spelled(wheel)])
    assert done.code == 0, done
    if editable:
        library = made.drive_c / "Python311/Lib/site-packages"
        for package in ("d8_installer", "d8_hooks"):
            shutil.rmtree(library / package)
        lines = [made.spelled(root), made.spelled(root / "hooks")]
        (library / "d8_installer_checkout.pth").write_text("".join(f"{line}\n" for line in lines))
