"""The installed command as a person runs it: an empty HOME, a clean environment, a process of its own.

`run` forks the process from one that has imported everything (`tests.forking`). `run_started`, `start` and `ended`
start a process from nothing, for tests of start-up, signals and streams.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli.parser import parse
from tests import forking, measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROGRAM = forking.PROGRAM
TIMEOUT = forking.TIMEOUT
SOON = 60
"""Seconds that a command may take on a busy machine; tests make what it must not wait for take ten times as long."""
SYSTEM_PATH = r"C:\Windows\System32;C:\Windows" if os.name == "nt" else "/usr/local/bin:/usr/bin:/bin"
ON_PATH = os.path.join(os.path.dirname(os.path.dirname(PROGRAM)), "on-path")
"""A directory with only ``d8-installer`` in it, for the PATH."""
# What a child needs and no shell of a person sets: where the measurement writes to, and Windows's own variables.
_WINDOWS = ("SYSTEMROOT", "COMSPEC", "PATHEXT", "PROGRAMDATA", "PROCESSOR_ARCHITECTURE", "TEMP", "TMP")
_TILDE = re.compile(r"(?<![\w/~.=-])~(?=/)")
"""HOME, as messages write it."""
_KEPT = (measured.VARIABLE, *(_WINDOWS if os.name == "nt" else ()))


_ERROR = re.compile(r"^(?:d8-installer: )?error\[[a-z][a-z0-9-]*\]: (.*)$", re.MULTILINE)


def error_messages(said: str) -> list[str]:
    """Return the messages of the errors in *said*, without their codes."""
    return _ERROR.findall(said)


@dataclass(frozen=True)
class Completed:
    """How a command ended. Paths in ``out`` and ``err`` are whole; ``shown`` has both as they were written."""

    code: int
    out: str
    err: str
    shown: str = field(default="", kw_only=True)

    @property
    def errors(self) -> list[str]:
        """Return the message of each error on stderr."""
        return error_messages(self.err)

    def __str__(self) -> str:
        return f"exit {self.code}\n-- stdout\n{self.out}-- stderr\n{self.err}"


def completed(code: int, out: str, err: str, home: str) -> Completed:
    """Return how a command ended; ``~`` is replaced by *home*, since tests compare paths (`test_tilde` looks at it)."""
    return Completed(code, whole(out, home), whole(err, home), shown=f"{out}{err}")


def whole(text: str, home: str) -> str:
    """Return *text* with *home* for ``~`` in paths."""
    return _TILDE.sub(lambda _: home.rstrip("/"), text) if os.name != "nt" else text


def environment(home: str, **more: str) -> dict[str, str]:
    """Return the environment of a person whose HOME is *home*; it has no other variable of this process.

    ``d8-installer`` is on its PATH.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = os.pathsep.join([SYSTEM_PATH, _on_path()])
    return {**kept, **_home_variables(home), "PATH": path, **more}


def _home_variables(home: str) -> dict[str, str]:
    """Return what a session of the system sets for a person."""
    if os.name != "nt":
        return {"HOME": home, "LANG": "C.UTF-8"}
    data = os.path.join(home, "AppData")
    local, roaming = os.path.join(data, "Local"), os.path.join(data, "Roaming")
    return {"USERPROFILE": home, "LOCALAPPDATA": local, "APPDATA": roaming}


def _on_path() -> str:
    """Return ON_PATH, and make it if it is missing; several test processes may do so at once."""
    if os.name == "nt":  # where links need rights
        return os.path.dirname(PROGRAM)
    os.makedirs(ON_PATH, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.symlink(PROGRAM, os.path.join(ON_PATH, os.path.basename(PROGRAM)))
    return ON_PATH


def run(
    *arguments: str,
    home: str,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> Completed:
    """Run ``d8-installer ARGUMENTS`` in *cwd* (default: *home*) and return how it ended.

    *env* adds to the clean environment.
    """
    if not forking.can_run(arguments, env or {}):
        return run_started(*arguments, home=home, env=env, cwd=cwd)
    variables = environment(home, **(env or {}))
    return completed(*forking.run(arguments, env=variables, cwd=cwd or home), variables.get("HOME", ""))


def run_started(
    *arguments: str,
    home: str,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> Completed:
    """Run the same in a process that starts from nothing."""
    return ended([PROGRAM, *arguments], home=home, env=env, cwd=cwd)


def run_in(prefix: Path, *arguments: str, home: str, env: Mapping[str, str], cwd: str) -> Completed:
    """Run ``python -m d8_installer ARGUMENTS`` with the Python of the virtual environment *prefix*."""
    if not forking.can_run(arguments, env):
        return ended([str(prefix / "bin/python"), "-m", "d8_installer", *arguments], home=home, env=env, cwd=cwd)
    program = os.path.join(forking.ROOT, "d8_installer", "__main__.py")
    variables = environment(home, **env)
    done = forking.run(arguments, env=variables, cwd=cwd, prefix=str(prefix), program=program)
    return completed(*done, variables.get("HOME", ""))


def printed_help(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what the parser of this process prints for *words*, which must end it with 0."""
    with pytest.raises(SystemExit) as done:
        parse(words)
    assert done.value.code == 0
    return capsys.readouterr().out


def ended(
    command: Sequence[str], *, home: str, env: Mapping[str, str] | None = None, cwd: str | None = None
) -> Completed:
    """Run any command line in the same clean environment."""
    variables = environment(home, **(env or {}))
    done = subprocess.run(
        command,
        env=variables,
        cwd=cwd or home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=TIMEOUT,
        check=False,
    )
    return completed(done.returncode, done.stdout, done.stderr, variables.get("HOME", ""))


def start(*arguments: str, home: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start ``d8-installer ARGUMENTS`` and do not wait; the caller waits for its end."""
    return subprocess.Popen(
        [PROGRAM, *arguments],
        env=environment(home, **(env or {})),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
