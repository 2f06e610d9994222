"""The bars of transfers that are under way, drawn with rich, which is imported here alone.

Three things differ from rich's own ``Progress``. The cursor stays visible and below the bars, in column 0, so that
whatever ends the process leaves a usable terminal. A transfer that is over leaves no bar behind: the command's last
lines say what came. On a narrow terminal columns drop out, in place of lines that break.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleDimensions
from rich.progress import Progress
from rich.text import Text

from d8_installer.model.plurals import sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.progress import Task, TaskID

_STDERR = 2
_BAR = 24
"""Columns of a long bar; a short one has half of them."""
_WITH_LONG_BAR, _WITH_SPEED, _WITH_BAR, _WITH_SIZE = 90, 70, 50, 30
"""Columns that a terminal must have for each."""
_LONGEST_NAME = 32


class Bars(Progress):
    """A line for each transfer that is under way. Safe for threads."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._terminal = _Terminal(write)
        super().__init__(
            console=self._terminal, transient=True, redirect_stdout=False, redirect_stderr=False, refresh_per_second=10
        )

    def end(self) -> None:
        """Take all lines away."""
        for number in self.task_ids:
            self.remove_task(number)
        self.stop()

    def take_down(self, number: TaskID) -> None:
        """Take one line away, if it is still there."""
        with self._lock:
            if number in self._tasks:
                self.remove_task(number)

    def move(self, number: TaskID, amount: int) -> None:
        """Move one bar, if it is still there."""
        with self._lock:
            if number in self._tasks:
                self.advance(number, amount)

    def print_above(self, text: str) -> None:
        """Write whole lines above the bars."""
        self.console.print(Text.from_ansi(text.removesuffix("\n")), soft_wrap=True)

    def get_renderables(self) -> Iterable[Text]:
        """Yield the lines, and an empty one where the cursor stays."""
        size = self._terminal.size = _terminal_size()
        tasks = self.tasks[: max(size.height - 2, 0)]
        longest = max((cell_len(task.description) for task in tasks), default=0)
        for task in tasks:
            yield _line(task, min(longest, _LONGEST_NAME), size.width, is_ascii=self._terminal.options.ascii_only)
        yield Text()


class _Terminal(Console):
    """rich's Console on stderr, whose cursor is never hidden; what and whether to draw is the screen's decision."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__(
            file=_Sink(write),  # type: ignore[arg-type]  # rich calls nothing else of it
            force_terminal=True,
            force_interactive=True,
            no_color=bool(os.environ.get("NO_COLOR")),
            highlight=False,
            markup=False,
            emoji=False,
        )

    def show_cursor(self, show: bool = True) -> bool:
        """Leave the cursor as it is."""
        return show


class _Sink:
    """The part of a file that rich uses."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self.encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"  # decides how a bar is drawn

    def flush(self) -> None:
        """Every write is whole already."""


def _terminal_size() -> ConsoleDimensions:
    """Return the terminal's size at this moment; a pseudo-terminal may say 0."""
    try:
        columns, lines = os.get_terminal_size(_STDERR)
    except OSError:
        columns = lines = 0
    return ConsoleDimensions(columns or 80, lines or 25)


def _line(task: Task, longest: int, columns: int, *, is_ascii: bool) -> Text:
    """Return one transfer's line, narrower than the terminal: name, bar, bytes and speed, as far as they fit."""
    total = int(task.total or 0)
    share = min(task.completed / total, 1.0) if total else 0.0
    line = Text(no_wrap=True, overflow="crop")
    if columns >= _WITH_BAR:
        cells = _BAR if columns >= _WITH_LONG_BAR else _BAR // 2
        done, block = int(cells * share), "-" if is_ascii else "\N{BOX DRAWINGS HEAVY HORIZONTAL}"
        line.append("  ").append(block * done, "cyan").append(block * (cells - done), "bright_black")
    if columns >= _WITH_SIZE:
        line.append(f"  {f'{sized(int(task.completed))}/{sized(total)}':<17}")
    else:
        line.append(f"{share:>5.0%}")
    if columns >= _WITH_SPEED:
        line.append(f"  {'' if task.speed is None else f'{sized(int(task.speed))}/s':>10}", "cyan")
    return Text(_name(task.description, min(longest, columns - 1 - line.cell_len))).append(line)


def _name(text: str, columns: int) -> str:
    if cell_len(text) > columns > 0:
        return f"{set_cell_size(text, columns - 1)}\N{HORIZONTAL ELLIPSIS}"
    return set_cell_size(text, max(columns, 0))
