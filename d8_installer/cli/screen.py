"""The screen: the process's stdout and stderr. One object owns both, from the first line to the last.

``main`` creates it before any thread starts, and all output goes through it. It promises:

- Lines and bars never mix. A line is written by one call, above the bars. The bars are removed before stdout is
  written to.
- The terminal stays usable, even if the process is killed: the cursor is never hidden, and every write ends in
  column 0.
- stdout is data. If it cannot be written, that is an OutputError, except if the reader has gone (``| head``, a closed
  terminal): then the rest is dropped, and the command keeps its own exit code.
- stderr is talk. If it cannot be written, it is dropped, and changes neither the work nor the exit code.
- A secret that the command knows is shown on neither, whatever text it is in.

The no-op ``sync`` imports this module, so it imports little itself.
"""

from __future__ import annotations

import errno
import os
import sys
from _thread import RLock

from d8_installer.cli.own_command import typeable
from d8_installer.cli.tilde import with_tilde
from d8_installer.errors import DiskError
from d8_installer.model.secrets import Secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self, TextIO

    from d8_installer.cli.bars import Bars

RED, YELLOW, CYAN = 31, 33, 36
"""Colours by their ANSI numbers: red only for failures, yellow for warnings, cyan for hints and table heads."""
_CLOSED_PIPE = frozenset([errno.EPIPE, errno.EINVAL] if sys.platform == "win32" else [errno.EPIPE])
"""The errors of a write to a closed pipe. Windows's ERROR_NO_DATA has no number of C, so it becomes EINVAL."""
_DUMB = frozenset(["dumb", "unknown"])
"""Values of TERM."""
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class OutputError(DiskError):
    """stdout cannot be written to."""

    code = "output-lost"


class Toned(str):
    """A line whose first *length* characters have a colour, if the stream shows colours."""

    __slots__ = ("length", "tone")

    def __new__(cls, text: str, tone: int, length: int | None = None) -> Self:
        """Return *text* with a colour, all of it if there is no *length*."""
        made = super().__new__(cls, text)
        made.tone = tone
        made.length = len(text) if length is None else length
        return made

    tone: int
    length: int


class Fitting(Toned):
    """A line that knows how to be narrower."""

    __slots__ = ()

    def fitted(self, columns: int) -> list[str]:
        """Return the lines that take its place on a terminal of *columns*; none if it then says nothing.

        A line that does not override this is broken between words.
        """
        from d8_installer.cli.wrapping import wrapped

        return wrapped(self, columns).split("\n")


class Screen:
    """The owner of stdout and stderr. Safe for threads."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._lock = RLock()
        self._out = out
        self._err = err
        self._bars: Bars | None = None
        self._is_silent = False
        self._colours: str | None = None
        self.secrets = Secrets()
        """Texts that are never shown; the session adds those that it knows."""
        self._out_is_terminal = _is_terminal(out)
        self._err_is_terminal = _is_terminal(err)
        self._is_dumb = _is_dumb(*(stream for stream in (out, err) if _is_terminal(stream)))
        self._may_draw = self._err_is_terminal and not self._is_dumb

    @classmethod
    def of_process(cls) -> Screen:
        """Take over ``sys.stdout`` and ``sys.stderr``; on a terminal, text of others on stderr goes above the bars."""
        screen = cls(sys.stdout, sys.stderr)
        if screen.shows_bars:
            from d8_installer.cli.stderr_stream import replacement

            sys.stderr = replacement(sys.stderr, screen.say, screen.has_bars)
        return screen

    def choose_colours(self, when: str | None) -> None:
        """Use colours ``always`` or ``never``; otherwise the variables that people set for all programs decide."""
        self._colours = when

    @property
    def shows_bars(self) -> bool:
        """Whether stderr is a terminal that can show bars, and the command has not ended."""
        return self._may_draw

    def has_bars(self) -> bool:
        """Return whether bars are on the terminal now."""
        return self._bars is not None

    def say(self, *lines: str) -> None:
        """Write lines to stderr; no line of another thread comes between them."""
        text = "".join(self._shown(line, self._err) for line in lines)
        with self._lock:
            if self._is_silent:
                return
            if self._bars is None:
                self._draw(text)
            else:
                self._bars.print_above(text)

    def write(self, *lines: str, is_for_scripts: bool = False) -> None:
        """Write lines to stdout; those for scripts have whole paths. Raises OutputError."""
        self.write_raw("".join(self._shown(line, self._out, is_for_scripts=is_for_scripts) for line in lines))

    def write_raw(self, text: str) -> None:
        """Write text to stdout as it is, such as a script or a JSON document. Raises OutputError."""
        with self._lock:
            self.end_bars()
            try:
                self._out.flush()  # a plugin's command prints there by itself
                _put(self._out, self.secrets.hide_shown(text))
            except OSError as error:
                self._lose_stdout(error)

    def bars(self) -> Bars | None:
        """Return the bars, which appear with the first call, or None if none can be shown."""
        with self._lock:
            if self._bars is None and self._may_draw:
                from d8_installer.cli.bars import Bars

                self._bars = Bars(self._draw, is_coloured=self._has_colours(is_terminal=True))
                self._bars.start()
            return self._bars

    def end_bars(self) -> None:
        """Remove the bars, if there are any."""
        with self._lock:
            if self._bars is not None:
                self._bars.end()
                self._bars = None
                sys.stderr.flush()

    def close(self) -> None:
        """Remove the bars for good, and flush stdout. Raises OutputError."""
        with self._lock:
            self.end_bars()
            self._may_draw = False
            try:
                self._out.flush()
            except OSError as error:
                self._lose_stdout(error)

    def is_of_lost_reader(self, error: OSError) -> bool:
        """Return whether *error* says that a pipe is closed, and stdout is a pipe without a reader."""
        return error.errno in _CLOSED_PIPE and _has_lost_its_reader(self._out.fileno())

    def drop_output(self) -> None:
        """Discard what stdout still holds and what is written later."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._out.fileno())
        os.close(nowhere)

    def silence(self) -> None:
        """Discard what threads that are still running say from now on."""
        with self._lock:
            self._is_silent = True

    def leave_line(self) -> None:
        """End the line on which the terminal shows ``^C``. No lock is taken, since this end waits for nothing."""
        if self._err_is_terminal:
            self._draw("\n")

    def _draw(self, text: str) -> None:
        """Write to stderr without a lock: the thread that redraws the bars writes here too."""
        try:
            _put(self._err, text)
        except (OSError, ValueError):
            # A full disk or a closed terminal: talk that is lost changes nothing about the work.
            self._is_silent = True

    def _lose_stdout(self, error: OSError) -> None:
        """Discard the rest of stdout. Raise OutputError unless the reader has gone."""
        is_closed = error.errno == errno.EPIPE or self.is_of_lost_reader(error)
        has_gone = is_closed or (error.errno == errno.EIO and self._out_is_terminal)
        self.drop_output()
        if has_gone:
            return
        reason = (error.strerror or "unknown").lower()
        raise OutputError(f"cannot write the output: {reason}", hint="check what stdout is redirected to") from error

    def _shown(self, line: str, stream: TextIO, *, is_for_scripts: bool = False) -> str:
        is_terminal = self._out_is_terminal if stream is self._out else self._err_is_terminal
        shown = self.secrets.hide_shown(line)
        line = line if shown == line else shown
        text = printable(line if is_for_scripts else with_tilde(typeable(line)))
        if is_terminal:
            text = known(text)
            if not is_for_scripts and not self._is_dumb:
                laid_out = _laid_out(line, text, _columns(stream))
                if not laid_out:
                    return ""
                text = "\n".join(laid_out)
        if not isinstance(line, Toned) or not line.length or not self._has_colours(is_terminal=is_terminal):
            return f"{text}\n"
        end = len(text) if line.length >= len(line) else line.length
        return f"\033[{line.tone}m{text[:end]}\033[0m{text[end:]}\n"

    def _has_colours(self, *, is_terminal: bool) -> bool:
        """Return whether a stream shows colours: by the option, else by the variables (no-color.org), in this order."""
        if self._colours in {"always", "never"}:
            return self._colours == "always"
        if os.environ.get("NO_COLOR"):
            return False
        forced = [os.environ.get(name, "") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")]
        if any(value not in {"", "0"} for value in forced):
            return True
        return is_terminal and not self._is_dumb and os.environ.get("CLICOLOR") != "0"


def _put(stream: TextIO, text: str) -> None:
    """Write all of *text* now. On POSIX, paths are written as the bytes that they are, whatever the locale."""
    number = _number(stream)
    if os.name != "posix" or number is None:
        stream.write(known(text))
        stream.flush()
        return
    data = memoryview(_bytes(text))
    while data:
        data = data[os.write(number, data) :]


def _columns(stream: TextIO) -> int:
    """Return the width of a terminal, or 0 if it is not known."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0


def _laid_out(line: str, text: str, columns: int) -> list[str]:
    """Return the lines of *text*, with breaks where it is too long; *line* is what it was made from."""
    lines = text.split("\n")
    if isinstance(line, Fitting) and columns:
        return [printable(known(part)) for part in line.fitted(columns)]
    if not columns or max(map(len, lines)) <= columns:
        return lines
    from d8_installer.cli.wrapping import wrapped

    return [wrapped(part, columns) for part in lines]


if sys.platform == "win32":

    def _has_lost_its_reader(number: int) -> bool:
        """Return whether *number* is a pipe without a reader: then even writing nothing to it fails."""
        import _winapi
        import msvcrt
        import stat

        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                _winapi.WriteFile(msvcrt.get_osfhandle(number), b"")
        except OSError:
            return True
        return False

else:

    def _has_lost_its_reader(number: int) -> bool:
        """Return whether *number* is a pipe without a reader."""
        import select

        poll = select.poll()
        poll.register(number, 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _number(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # a stream of a test
        return None


def _bytes(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


if sys.platform == "win32":

    def _is_terminal(stream: TextIO) -> bool:
        """Return whether *stream* is a console."""
        from d8_installer.cli.windows_console import is_console

        return is_console(stream)

    def _is_dumb(*terminals: TextIO) -> bool:
        """Return whether one of the consoles obeys no escape sequences, or TERM says so."""
        from d8_installer.cli.windows_console import obeys_escapes

        return os.environ.get("TERM", "") in _DUMB or not all(map(obeys_escapes, terminals))

else:

    def _is_terminal(stream: TextIO) -> bool:
        """Return whether *stream* is a terminal."""
        return stream.isatty()

    def _is_dumb(*_terminals: TextIO) -> bool:
        """Return whether the terminal obeys no escape sequences."""
        return os.environ.get("TERM", "") in _DUMB


def printable(text: str) -> str:
    """Return *text* without control characters: names from outside must not control the terminal.

    Surrogates that stand for a byte that is not UTF-8 are kept.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" or _is_byte(char) else _UNKNOWN for char in text)


def with_bytes(text: str) -> str:
    """Return a message with the bytes that are not UTF-8 restored, which ``repr`` wrote as ``\\udcff``."""
    begin, *rest = text.split("\\udc")
    for part in rest:
        is_code = len(part) >= 2 and part[0] in "89abcdef" and part[1] in "0123456789abcdef"
        begin += chr(0xDC00 + int(part[:2], 16)) + part[2:] if is_code else f"\\udc{part}"
    return begin


def known(text: str) -> str:
    """Return *text* with U+FFFD for bytes that are not UTF-8 and for lone surrogates (RFC 8259 §8.2)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        whole = "".join(char if _is_byte(char) or not "\ud800" <= char <= "\udfff" else _UNKNOWN for char in text)
        return whole.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text


def _is_byte(char: str) -> bool:
    return "\udc80" <= char <= "\udcff"
