"""Runs many commands quickly, each in a process of its own: imports once, then forks for each.

``Driver`` is the test's end of it; run as a module this file is the other: a JSON job a line on stdin, a JSON
result a line on stdout. The forked process is what the console script's would be: same ``main``, environment given
by the job, output to files. Only there the disk is tampered with.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

from tests import measured
from tests.command import Completed, environment
from tests.faults.disk import Disk, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WARM_COMMANDS = ("doctor", "gc", "install", "list", "lock", "rollback", "sync", "uninstall", "verify", "which")
WARM = (
    "d8_hooks.checks",
    "d8_hooks.oci_layout",
    *(f"d8_installer.cli.{name}" for name in ("main", "parser", "text")),
    *(f"d8_installer.cli.commands.{name}" for name in WARM_COMMANDS),
    *(f"d8_installer.ops.{name}" for name in ("doctor", "first_run", "history", "install", "list", "lock", "rollback")),
    *(f"d8_installer.ops.{name}" for name in ("sync", "uninstall", "upgrade", "use")),
    *(f"d8_installer.ops.upkeep.{name}" for name in ("gc", "repair", "verify")),
    *("d8_installer.fast.argv", "d8_installer.fast.sync", "d8_installer.plugin.schemes"),
    *("gettext", "isal.isal_zlib", "isal.igzip_lib", "platform", "tomli_w", "tomlkit", "tomllib"),
)
"""What a command imports: done once, before the forks."""
DEADLOCK = 60
"""Seconds after which a command counts as hanging, and is killed by SIGALRM."""


@dataclass(frozen=True)
class Ran(Completed):
    """How a command ended, and the calls that ``store/fs.py`` made (up to where it was killed)."""

    calls: tuple[str, ...]


class Driver:
    """The process that forks; use as a context manager, in one thread."""

    def __enter__(self) -> Driver:
        # Forked children end without telling anybody, so measuring there would only cost time.
        kept = {name: text for name, text in os.environ.items() if name != measured.VARIABLE}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.driver"],
            cwd=ROOT,
            env=kept,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._process.communicate()

    def run(
        self,
        *arguments: str,
        home: str,
        fault: Fault | None = None,
        user: int | None = None,
        cwd: str | None = None,
        env_home: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run ``d8-installer ARGUMENTS`` with that HOME and fault, in *cwd* (default: *home*).

        Root can have it run as another *user*. *env_home*: the HOME, where *home* is only the working directory. *env*
        adds to the clean environment.
        """
        job = {
            "arguments": arguments,
            "env": environment(env_home or home, **(env or {})),
            "cwd": cwd or home,
            "user": user,
            "fault": None if fault is None else asdict(fault),
        }
        talk, answers = self._process.stdin, self._process.stdout
        assert talk is not None
        assert answers is not None
        talk.write(json.dumps(job) + "\n")
        talk.flush()
        result = json.loads(answers.readline())
        return Ran(result["code"], result["out"], result["err"], tuple(result["calls"]))


def serve() -> None:
    """Do job after job until stdin ends."""
    for name in WARM:
        import_module(name)
    gc.freeze()  # or the first collection in each child would copy all that
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as calls:
            child = os.fork()
            if child == 0:
                _be_the_command(json.loads(line), (out, err, calls))
            _, status = os.waitpid(child, 0)
            texts = [_text(file) for file in (out, err, calls)]
        code = os.waitstatus_to_exitcode(status)
        answer = {"code": code, "out": texts[0], "err": texts[1], "calls": texts[2].split()}
        print(json.dumps(answer), flush=True)  # noqa: T201 - the result, for Driver.run


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _be_the_command(job: dict[str, Any], files: Sequence[IO[bytes]]) -> None:
    """Run the command in this forked process and end it."""
    code = 99
    try:
        signal.alarm(DEADLOCK)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(files[0].fileno(), 1)
        os.dup2(files[1].fileno(), 2)
        os.environ.clear()
        os.environ.update(job["env"])
        os.chdir(job["cwd"])
        if job["user"] is not None:
            # Not with setpriv: root's interpreter may lie where nobody else can read it. This one has read it all.
            os.setgroups([])
            os.setresgid(job["user"], job["user"], job["user"])
            os.setresuid(job["user"], job["user"], job["user"])
        disk = Disk(None if job["fault"] is None else Fault(**job["fault"]))
        disk.install()
        _tell_before_becoming_another(disk, files[2].fileno())
        from d8_installer.cli.main import run

        code = run(job["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(files[2].fileno(), " ".join(disk.log).encode())
    finally:
        os._exit(code)


def _tell_before_becoming_another(disk: Disk, file: int) -> None:
    """Write the calls down before ``execve``, after which nobody could."""
    execute = os.execve

    def told(*arguments: Any) -> None:
        os.write(file, " ".join(disk.log).encode())
        execute(*arguments)

    vars(os)["execve"] = told


if __name__ == "__main__":
    serve()
