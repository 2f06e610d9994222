"""Talk on stderr: notes, warnings and progress; never data. Rich is imported only to draw on a terminal."""

from __future__ import annotations

import sys
import time

from d8_installer.cli.own_command import typeable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Talk:
    """The Reporter of the command line: bars on a terminal, plain lines elsewhere, nothing with ``-q``."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._bars: Progress | None = None
        self._transfers = 0
        self._bytes = 0
        self._begin = 0.0

    def note(self, text: str) -> None:
        """Write a line, unless quiet."""
        if not self._quiet:
            self._line(text)

    def detail(self, text: str) -> None:
        """Write a line if verbose."""
        if self._verbose and not self._quiet:
            self._line(text)

    def warn(self, text: str) -> None:
        """Write a warning, also when quiet."""
        self._line(f"warning: {text}")

    def task(self, name: str, total: int) -> BarTask | LineTask:
        """Announce a transfer of *total* bytes."""
        self._begin = self._begin or time.monotonic()
        self._transfers += 1
        if self._quiet or not sys.stderr.isatty():
            self.note(f"fetching {name} ({megabytes(total)})")
            return LineTask(self)
        bars = self._progress()
        return BarTask(self, bars, bars.add_task(printable(name), total=total))

    def count(self, amount: int) -> None:
        """Add to the bytes that arrived."""
        self._bytes += amount

    def fail(self) -> None:
        """End the bars; a total of what came to nothing is not told."""
        self._transfers = 0
        self.close()

    def close(self) -> None:
        """End the bars and tell the total."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        if self._transfers:
            seconds = time.monotonic() - self._begin
            self.note(f"fetched {megabytes(self._bytes)} in {seconds:.1f} s")
            self._transfers = 0

    def _line(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(printable(text), markup=False, highlight=False)
        else:
            sys.stderr.write(f"{printable(text)}\n")

    def _progress(self) -> Progress:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
            self._bars = Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True))
            self._bars.start()
        return self._bars


class BarTask:
    """A transfer with a bar."""

    def __init__(self, talk: Talk, bars: Progress, number: TaskID) -> None:
        self._talk = talk
        self._bars = bars
        self._number = number

    def advance(self, amount: int) -> None:
        """Move the bar."""
        self._talk.count(amount)
        self._bars.advance(self._number, amount)

    def finish(self) -> None:
        """Leave the bar where it is."""
        self._bars.stop_task(self._number)


class LineTask:
    """A transfer that only counts."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def advance(self, amount: int) -> None:
        """Count."""
        self._talk.count(amount)

    def finish(self) -> None:
        """Nothing to take down."""


def megabytes(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def printable(text: str) -> str:
    """Return *text* as a person is shown it: its commands can be typed here, and it has no control characters.

    Names from outside must not steer a terminal.
    """
    shown = typeable(text)
    return "".join(char if _may_be_shown(char) else "\N{REPLACEMENT CHARACTER}" for char in shown)


def _may_be_shown(char: str) -> bool:
    """A surrogate stands for a byte of a file's name that is no UTF-8; it goes out as that byte again."""
    return char.isprintable() or char == "\n" or "\udc80" <= char <= "\udcff"
