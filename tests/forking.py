"""Runs commands quickly, each in a process of its own: one process imports everything and forks for each command.

`Forker` is the end of the tests; run as a module, this file is the other end. A job (a line of JSON) and the command's
files go over a socket. The process number and the exit code come back over a pipe, so commands can run at the same time
and receive signals. The forked process is what the console script's would be: the same ``main``, arguments,
environment, directory and streams; a `list` costs 13 ms of a processor instead of 79. Tests of start-up, closed
streams, Python's own variables and locales need a process that starts from nothing.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import pkgutil
import select
import selectors
import signal
import socket
import subprocess
import sys
import sysconfig
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests import measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.faults.disk import Fault

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(sysconfig.get_path("scripts"), "d8-installer" + (".exe" if os.name == "nt" else ""))
CAN_FORK = sys.platform == "linux"
"""Other systems have no file descriptor for a process, which a selector can wait for."""
TIMEOUT = 120
STARTED = "D8_TEST_STARTED"
"""In the environment of a command: the file that gets a line of JSON for each program that it starts."""
LONGEST = 1 << 16
"""The most bytes of a job; a longer one gets a process that starts from nothing."""
NOT_WARM = ("d8_installer.testing", "d8_installer.__main__", "d8_hooks.hatch", "d8_hooks.pdm", "d8_hooks.poetry")
ALSO_WARM = ("gettext", "httpx2", "isal.igzip_lib", "isal.isal_zlib", "rich.cells", "rich.console", "rich.progress")


class Started:
    """A command that was started."""

    def __init__(self, answers: int) -> None:
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self.pid = self._answer()

    def wait(self) -> int:
        """Wait for its end and return its exit code, or the negative number of the signal that ended it."""
        with self._answers:
            if not select.select([self._answers], [], [], TIMEOUT)[0]:
                os.kill(self.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired("d8-installer", TIMEOUT)
            return self._answer()

    def _answer(self) -> int:
        return int(self._answers.readline())


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command to run, and in which circumstances."""

    arguments: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    umask: int
    program: str = PROGRAM
    session: bool = False
    """Whether it leads a session of its own, which signals from a terminal need."""
    prefix: str | None = None
    """The virtual environment that its Python seems to be of; that one's site-packages come first."""
    measured: bool = True
    user: int | None = None
    tampered: bool = False
    """Whether `faults.disk` stands between it and the disk, and writes its calls to the fourth file."""
    fault: dict[str, Any] | None = None


class Forker:
    """The process that forks. It ends with the process that made it."""

    def __init__(self) -> None:
        from tests.command import environment

        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
                cwd=ROOT,
                env=environment(os.devnull),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def close(self) -> None:
        """End the process."""
        self._control.close()
        self._process.wait()

    def start(self, job: Job, files: Sequence[int]) -> Started:
        """Start a command with *files* of this process as its first ones."""
        reader, writer = os.pipe()
        try:
            socket.send_fds(self._control, [json.dumps(asdict(job)).encode()], [writer, *files])
        finally:
            os.close(writer)
        return Started(reader)


@cache
def forker() -> Forker:
    """Return the one of this process; the first call starts it."""
    started = Forker()
    atexit.register(started.close)
    return started


def can_run(arguments: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a forked process does the same as one that starts with *env*."""
    if not CAN_FORK or sum(map(len, (*arguments, *env, *env.values()))) > LONGEST // 2:
        return False
    return not any(name.startswith(("PYTHON", "LC_", "LANG", "TZ", "LD_")) for name in env)


def run(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    prefix: str | None = None,
    program: str = PROGRAM,
) -> tuple[int, str, str]:
    """Run a command and return its exit code and what it wrote."""
    job = Job(arguments=arguments, env=env, cwd=cwd, umask=umask(), prefix=prefix, program=program)
    code, out, err, _ = _finished(job)
    return code, out, err


def run_tampered(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: str, fault: Fault | None, user: int | None
) -> tuple[int, str, str, str]:
    """Run a command whose disk has a *fault*, as that *user*; the last text names its calls of the disk."""
    given = None if fault is None else asdict(fault)
    job = Job(
        arguments=arguments, env=env, cwd=cwd, umask=umask(), measured=False, user=user, tampered=True, fault=given
    )
    return _finished(job)


def _finished(job: Job) -> tuple[int, str, str, str]:
    files = [os.open(os.devnull, os.O_RDONLY), *(os.memfd_create(name) for name in ("out", "err", "calls"))]
    try:
        code = forker().start(job, files).wait()
        out, err, calls = map(_text, files[1:])
    finally:
        for file in files:
            os.close(file)
    return code, out, err, calls


def _text(file: int) -> str:
    data = os.pread(file, os.fstat(file).st_size, 0)
    return io.TextIOWrapper(io.BytesIO(data), "utf-8", "replace").read()


def umask() -> int:
    """Return this process's mask; only a call that sets it returns it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# -- in the process that forks ------------------------------------------------------------------------------------


def serve(control: socket.socket) -> None:
    """Do job after job until the other end of *control* is closed."""
    for name in (*_modules(), *ALSO_WARM, "tests.faults.disk"):
        import_module(name)
    measured.save_and_forget()
    gc.collect()
    gc.freeze()  # or the first collection in each child would copy all that
    children: dict[int, tuple[int, int]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not control:
                    selector.unregister(key.fileobj)
                    _report_end(key.fd, *children.pop(key.fd))
                    continue
                data, files, _, _ = socket.recv_fds(control, LONGEST, 8)
                if not data:
                    return
                child = os.fork()
                if child == 0:
                    _be_the_command(json.loads(data), files)
                for file in files[1:]:
                    os.close(file)
                watched = os.pidfd_open(child)
                children[watched] = child, files[0]
                selector.register(watched, selectors.EVENT_READ)
                _tell(files[0], child)


def _modules() -> Iterator[str]:
    for top in ("d8_installer", "d8_hooks"):
        for module in pkgutil.walk_packages(import_module(top).__path__, f"{top}."):
            if not module.name.startswith(NOT_WARM):
                yield module.name


def _report_end(watched: int, child: int, answers: int) -> None:
    _, status = os.waitpid(child, 0)
    _tell(answers, os.waitstatus_to_exitcode(status))
    os.close(watched)
    os.close(answers)


def _tell(answers: int, number: int) -> None:
    with suppress(BrokenPipeError):  # the test has stopped waiting
        os.write(answers, b"%d\n" % number)


def _be_the_command(job: dict[str, Any], files: Sequence[int]) -> None:
    """Run the command in this forked process, and end it."""
    try:
        _set_up(job, files[1:])
        from d8_installer.cli.main import main

        main()
    except BaseException:  # noqa: BLE001 - this process must not go on as a server
        traceback.print_exc()
    finally:
        os._exit(99)


def _set_up(job: dict[str, Any], files: Sequence[int]) -> None:
    if job["session"]:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number, inheritable=number <= 2)
    os.closerange(max(3, len(files)), 4096)
    errors = sys.stdout.errors
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), errors=errors)
    sys.stdout = io.TextIOWrapper(_buffer(1), errors=errors, line_buffering=os.isatty(1))
    sys.stderr = io.TextIOWrapper(_buffer(2), errors="backslashreplace", line_buffering=True)
    os.environ.clear()
    os.environ.update(job["env"])
    if started := os.environ.pop(STARTED, None):
        _record_what_is_started(started)
    os.umask(job["umask"])
    os.chdir(job["cwd"])
    if job["prefix"] is not None:
        _move_to(job["prefix"])
    sys.argv = [job["program"], *job["arguments"]]
    sys.path[0] = os.path.dirname(job["program"])
    vars(os)["fsync"] = vars(os)["fdatasync"] = lambda _file: None  # costs more than all else, and no power is cut here
    if not job["measured"]:
        measured.stop()
    if job["user"] is not None:
        # Not with setpriv: other users may not be able to read root's interpreter. This process has read it already.
        os.setgroups([])
        os.setresgid(job["user"], job["user"], job["user"])
        os.setresuid(job["user"], job["user"], job["user"])
    if job["tampered"]:
        from tests.faults.disk import tamper

        tamper(job["fault"], calls=3)


def _record_what_is_started(path: str) -> None:
    """Write the arguments and the environment of each program that this process starts, or becomes, to *path*."""

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps([event, repr(arguments)]) + "\n")

    sys.addaudithook(hear)


def _buffer(number: int) -> io.BufferedWriter:
    return io.BufferedWriter(io.FileIO(number, "w", closefd=False))


def _move_to(prefix: str) -> None:
    """Make this process look like one of another virtual environment, which can import what this one can."""
    place = next(number for number, path in enumerate(sys.path) if path.startswith(os.path.join(sys.prefix, "")))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    sys.path.insert(place, os.path.join(prefix, "lib", version, "site-packages"))
    sys.prefix = sys.exec_prefix = prefix
    sys.executable = os.path.join(prefix, "bin", "python")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        serve(given)
