"""Fuzz tests show that their draws reach the branch that matters: a test whose every draw is refused proves little."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec

from hypothesis import event
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypothesis.strategies import SearchStrategy

P = ParamSpec("P")

_reached: set[str] = set()


def reached(what: str) -> None:
    """Say that a draw reached *what*; ``--hypothesis-show-statistics`` shows how many did."""
    event(what)
    _reached.add(what)


def reaches(*wanted: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Make a fuzz test fail if none of its draws called `reached` with each of *wanted*."""

    def decorated(test: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(test)
        def checked(*arguments: P.args, **named: P.kwargs) -> None:
            _reached.clear()
            test(*arguments, **named)
            assert set(wanted) <= _reached, f"no draw reached {sorted(set(wanted) - _reached)}"

        return checked

    return decorated


@st.composite
def spoilt(draw: st.DrawFn, sound: Sequence[bytes], pieces: SearchStrategy[bytes] | None = None) -> bytes:
    """One of *sound*, as it is or with one or two places overwritten, left out or added to."""
    raw = draw(st.sampled_from(sound))
    edits = st.tuples(st.integers(0, len(raw)), st.integers(0, 3), st.binary(max_size=3) if pieces is None else pieces)
    for at, length, piece in draw(st.lists(edits, max_size=2)):
        raw = raw[:at] + piece + raw[at + length :]
    return raw
