"""The progress bars of transfers, drawn by rich. Only this module imports it.

Three things differ from rich's own ``Progress``. The cursor stays visible, below the bars and in column 0, so that the
terminal is usable however the process ends. A finished transfer leaves no bar behind: the last lines of the command
report it. On a narrow terminal, columns are dropped instead of lines being wrapped.
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
"""Columns of a long bar; a short bar has half as many."""
_WITH_LONG_BAR, _WITH_SPEED, _WITH_BAR, _WITH_SIZE = 90, 70, 50, 30
"""Columns that the terminal needs for each."""
_LONGEST_NAME = 32


class Bars(Progress):
    """One line for each running transfer. Safe for threads."""

    def __init__(self, write: Callable[[str], None], *, is_coloured: bool) -> None:
        self._terminal = _Terminal(write, is_coloured=is_coloured)
        super().__init__(
            console=self._terminal, transient=True, redirect_stdout=False, redirect_stderr=False, refresh_per_second=10
        )

    def end(self) -> None:
        """Remove all lines."""
        for number in self.task_ids:
            self.remove_task(number)
        self.stop()

    def take_down(self, number: TaskID) -> None:
        """Remove one line, if it is still there."""
        with self._lock:
            if number in self._tasks:
                self.remove_task(number)

    def move(self, number: TaskID, amount: int) -> None:
        """Advance one bar, if it is still there."""
        with self._lock:
            if number in self._tasks:
                self.advance(number, amount)

    def print_above(self, text: str) -> None:
        """Write whole lines above the bars."""
        self.console.print(Text.from_ansi(text.removesuffix("\n")), soft_wrap=True)

    def get_renderables(self) -> Iterable[Text]:
        """Yield the lines, and an empty one for the cursor."""
        size = self._terminal.size = _terminal_size()
        tasks = self.tasks[: max(size.height - 2, 0)]
        longest = max((cell_len(task.description) for task in tasks), default=0)
        for task in tasks:
            yield _line(task, min(longest, _LONGEST_NAME), size.width, is_ascii=self._terminal.options.ascii_only)
        yield Text()


class _Terminal(Console):
    """A Console of rich on stderr that never hides the cursor. The screen decides what is drawn, and whether."""

    def __init__(self, write: Callable[[str], None], *, is_coloured: bool) -> None:
        super().__init__(
            file=_Sink(write),  # type: ignore[arg-type]  # rich calls nothing else of it
            force_terminal=True,
            force_interactive=True,
            no_color=not is_coloured,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,  # the screen draws only where escape sequences are obeyed
        )

    def show_cursor(self, show: bool = True) -> bool:
        """Leave the cursor as it is."""
        return show


class _Sink:
    """The methods of a file that rich calls."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self.encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"  # decides how a bar is drawn

    def flush(self) -> None:
        """Do nothing: every write is already complete."""


def _terminal_size() -> ConsoleDimensions:
    """Return the current size of the terminal; a pseudo-terminal may report 0."""
    try:
        columns, lines = os.get_terminal_size(_STDERR)
    except OSError:
        columns = lines = 0
    return ConsoleDimensions(columns or 80, lines or 25)


def _line(task: Task, longest: int, columns: int, *, is_ascii: bool) -> Text:
    """Return the line of a transfer, narrower than the terminal: as much of name, bar, bytes and speed as fits."""
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
