"""The replacement of ``sys.stderr`` on a terminal: what plugins and Python write there does not run into the bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO


def replacement(err: TextIO, say: Callable[..., None], has_bars: Callable[[], bool]) -> TextIO:
    """Return a stream to use instead of *err*; *say* takes whole lines."""
    return cast("TextIO", _AboveBars(err, say, has_bars))


class _AboveBars:
    """A stream that passes text on. While there are bars, it passes on whole lines only, to be written above them."""

    def __init__(self, err: TextIO, say: Callable[..., None], has_bars: Callable[[], bool]) -> None:
        self._err = err
        self._say = say
        self._has_bars = has_bars
        self._partial = ""

    def write(self, text: str) -> int:
        """Write the whole lines of *text*; while there are bars, keep the rest until its line is complete."""
        *lines, self._partial = f"{self._partial}{text}".split("\n")
        if lines:
            self._say(*lines)
        if not self._has_bars():
            self.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write all *lines*."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write the incomplete line, unless there are bars."""
        if self._partial and not self._has_bars():
            partial, self._partial = self._partial, ""
            self._err.write(partial)
        self._err.flush()

    def __getattr__(self, name: str) -> object:
        """Return any other attribute of the stream: ``fileno``, ``encoding``, ``buffer``."""
        return getattr(self._err, name)
