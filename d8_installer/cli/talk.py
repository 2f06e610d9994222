"""Notes, warnings and progress on stderr; never data."""

from __future__ import annotations

import time
from _thread import allocate_lock

from d8_installer.cli.screen import YELLOW, Toned, known, printable, with_bytes
from d8_installer.model.plurals import sized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import TaskID

    from d8_installer.cli.bars import Bars
    from d8_installer.cli.screen import Screen


class Talk:
    """The Reporter of the command line: bars on a terminal, plain lines elsewhere, nothing with ``-q``.

    With ``--no-progress`` it reports only the total of the transfers.
    """

    def __init__(self, screen: Screen, *, quiet: bool, verbose: bool, has_progress: bool = True) -> None:
        self.screen = screen
        self._has_progress = has_progress
        self._quiet = quiet
        self._verbose = verbose
        self._lock = allocate_lock()
        self._transfers = 0
        self._bytes = 0
        self._begin = 0.0

    def note(self, text: str) -> None:
        """Write a line, unless quiet."""
        if not self._quiet:
            self.screen.say(text)

    def detail(self, text: str) -> None:
        """Write a line, if verbose."""
        if self._verbose and not self._quiet:
            self.screen.say(text)

    def warn(self, text: str) -> None:
        """Write a warning, even if quiet."""
        self.screen.say(Toned(f"warning: {with_bytes(text)}", YELLOW, len("warning:")))

    def task(self, name: str, total: int) -> LineTask:
        """Announce a transfer of *total* bytes."""
        self._begin = self._begin or time.monotonic()
        if not self._has_progress:
            return LineTask(self)
        bars = None if self._quiet else self.screen.bars()
        if bars is None:
            self.announce(name, total)
            return LineTask(self)
        return BarTask(self, bars, bars.add_task(known(printable(name)), total=total))

    def announce(self, name: str, total: int) -> None:
        """Write a line about what is fetched, if no bar can be shown."""
        self.note(f"fetching {name} ({sized(total)})")

    def count(self, size: int) -> None:
        """Add a transfer of *size* bytes to the total."""
        with self._lock:
            self._transfers += 1
            self._bytes += size

    def fail(self) -> None:
        """Remove the bars; a command that failed reports no total."""
        self._transfers = 0
        self.close()

    def close(self) -> None:
        """Remove the bars, and report the total of the finished transfers."""
        self.screen.end_bars()
        if self._transfers:
            seconds = time.monotonic() - self._begin
            self.note(f"fetched {sized(self._bytes)} in {seconds:.1f} s")
            self._transfers = 0


class LineTask:
    """A transfer that is only counted."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._size = 0

    def advance(self, amount: int) -> None:
        """Count the bytes."""
        self._size += amount

    def finish(self, *, is_whole: bool) -> None:
        """Add the transfer to the total if it is complete."""
        if is_whole:
            self._talk.count(self._size)


class BarTask(LineTask):
    """A transfer with a bar."""

    def __init__(self, talk: Talk, bars: Bars, number: TaskID) -> None:
        super().__init__(talk)
        self._bars = bars
        self._number = number

    def advance(self, amount: int) -> None:
        """Advance the bar."""
        super().advance(amount)
        self._bars.move(self._number, amount)

    def finish(self, *, is_whole: bool) -> None:
        """Remove the bar."""
        super().finish(is_whole=is_whole)
        self._bars.take_down(self._number)
