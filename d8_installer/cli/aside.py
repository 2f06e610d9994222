"""What stands in for ``sys.stderr`` on a terminal, so that plugins, warnings and tracebacks do not run into bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO


def stand_in(err: TextIO, say: Callable[..., None], has_bars: Callable[[], bool]) -> TextIO:
    """Return a stream to use in place of *err*; *say* takes whole lines."""
    return cast("TextIO", _Aside(err, say, has_bars))


class _Aside:
    """Passes text on as it is while there are no bars, and whole lines, above the bars, while there are some."""

    def __init__(self, err: TextIO, say: Callable[..., None], has_bars: Callable[[], bool]) -> None:
        self._err = err
        self._say = say
        self._has_bars = has_bars
        self._begun = ""

    def write(self, text: str) -> int:
        """Write, or keep what is not a whole line yet."""
        *lines, self._begun = f"{self._begun}{text}".split("\n")
        if lines:
            self._say(*lines)
        if not self._has_bars():
            self.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is kept; while there are bars it stays until its line is whole."""
        if self._begun and not self._has_bars():
            begun, self._begun = self._begun, ""
            self._err.write(begun)
        self._err.flush()

    def __getattr__(self, name: str) -> object:
        """Be the stream in everything else: ``fileno``, ``encoding``, ``buffer``."""
        return getattr(self._err, name)
