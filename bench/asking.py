"""(n) What a person waits for at the prompt: the help, and the names that a completion asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measure import interleaved
from bench.table import Row, Target, ratios, seconds

if TYPE_CHECKING:
    from bench.rig import Rig

_ASKED = (("--help",), ("install", "-h"), ("__complete", "fish", "uninstall"))
_MOST = 5
_ROUNDS = 15


def rows(rig: Rig) -> list[Row]:
    """Measure each against the bare interpreter, in the same rounds."""
    home = rig.fresh()
    *ours, bare = interleaved(
        rig.often(_ROUNDS),
        *(lambda words=words: rig.d8("--home", home, *words).seconds for words in _ASKED[:2]),
        lambda: rig.d8(*_ASKED[2], "--home", home, "+").seconds,
        lambda: rig.spend(rig.python, "-I", "-c", "pass").seconds,
    )
    return [_row(" ".join(words), times, bare) for words, times in zip(_ASKED, ours, strict=True)]


def _row(name: str, times: list[float], bare: list[float]) -> Row:
    raw = {"ours": times, "python": bare}
    shown = seconds(times), seconds(bare)
    return Row(f"{name} ÷ python -I -c pass", ratios(times, bare), "x", Target("<=", _MOST), *shown, raw)
