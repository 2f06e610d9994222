"""A real terminal for tests: the installed command on a pseudo-terminal, and what a person would see on it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyte

from tests import forking, measured
from tests.command import PROGRAM, TIMEOUT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# `environment` starts from nothing; this says what must never be passed on, since users have neither.
NOT_A_USERS = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")


@dataclass
class Seen:
    """What a terminal shows, and the bytes that made it."""

    raw: bytes
    columns: int
    rows: int

    def __post_init__(self) -> None:
        self._screen = pyte.Screen(self.columns, self.rows)
        pyte.ByteStream(self._screen).feed(self.raw)

    @property
    def lines(self) -> list[str]:
        """The lines that are shown, without empty ones at the end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip("\n").split("\n")

    @property
    def colours(self) -> dict[str, str]:
        """The colour of each line's first character, by its first word."""
        first = {row: line.split()[0] for row, line in enumerate(self._screen.display) if line.strip()}
        return {word: self._screen.buffer[row][0].fg for row, word in first.items()}

    def colours_drawn(self) -> set[str]:
        """Return every colour that was ever set."""
        return {code for part in self.raw.split(b"\x1b[")[1:] for code in _colours(part)}

    def is_usable(self) -> bool:
        """Whether the next prompt begins a line of its own, and the cursor can be seen."""
        cursor = self._screen.cursor
        return cursor.x == 0 and not cursor.hidden


def _colours(part: bytes) -> list[str]:
    numbers, _, _ = part.partition(b"m")
    return numbers.decode().split(";") if all(char in b"0123456789;" for char in numbers) else []


@dataclass
class Terminal:
    """A pseudo-terminal of *columns* and *rows*. ``child`` is the side that a command gets."""

    columns: int = 80
    rows: int = 24
    raw: bytearray = field(default_factory=bytearray)

    def __enter__(self) -> Terminal:
        self._ours, self.child = pty.openpty()
        self.resize(self.columns, self.rows)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._news = threading.Condition()
        self._reader.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close_child()
        self._reader.join(TIMEOUT)
        with contextlib.suppress(OSError):
            os.close(self._ours)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Type on the keyboard."""
        os.write(self._ours, text.encode())

    def wait_for(self, text: bytes) -> None:
        """Wait until *text* was written."""
        with self._news:
            assert self._news.wait_for(lambda: text in self.raw, TIMEOUT), bytes(self.raw)

    def seen(self) -> Seen:
        """Return what is shown, once no process has the terminal any more."""
        self.close_child()
        self._reader.join(TIMEOUT)
        return Seen(bytes(self.raw), self.columns, self.rows)

    def hang_up(self) -> None:
        """Take the other end away."""
        os.close(self._ours)

    def close_child(self) -> None:
        if self.child >= 0:
            os.close(self.child)
            self.child = -1

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 1 << 16)
            except OSError as error:  # Linux says EIO when nobody has the other side open
                if error.errno in {errno.EIO, errno.EBADF}:
                    return
                raise
            if not data:
                return
            with self._news:
                self.raw += data
                self._news.notify_all()


@contextlib.contextmanager
def on(
    terminal: Terminal,
    *arguments: str,
    home: str,
    env: Mapping[str, str] | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    command: Sequence[str] = (PROGRAM,),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command with stdin, stdout and stderr on *terminal*, but for those given.

    What is typed sends it signals, as it is the leader of a session whose terminal this is.
    """
    process = subprocess.Popen(
        ["setsid", "--ctty", *command, *arguments],
        # Not measured: the measurement has a SIGTERM handler of its own, which the tool leaves alone.
        env=environment(home, **{"TERM": "xterm-256color", measured.VARIABLE: "", **(env or {})}),
        cwd=home,
        stdin=terminal.child,
        stdout=terminal.child if stdout is None else stdout,
        stderr=terminal.child if stderr is None else stderr,
    )
    try:
        yield process
        process.wait(TIMEOUT)
    finally:
        process.kill()
        process.wait()


def forked(*arguments: str, home: str, env: Mapping[str, str], files: Sequence[int]) -> forking.Started:
    """Start ``d8-installer ARGUMENTS`` with *files* as its streams, as the leader of a session; do not wait for it.

    Output that it has not written when ``main`` returns is lost.
    """
    variables = environment(home, **env)
    job = forking.Job(arguments=arguments, env=variables, cwd=home, umask=0o022, session=True, measured=False)
    return forking.forker().start(job, files)
