"""(j) ``rollback`` against the bare interpreter, and (k) how ``lock`` and a no-op ``sync`` grow with the images."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from bench import many
from bench.measure import interleaved
from bench.rig import remove
from bench.table import Row, Target, ratios, seconds

if TYPE_CHECKING:
    from bench.rig import Rig

COUNTS = (10, 100, 1000)
_ROUNDS = 5
_ROLLBACKS = 15


def rollback_rows(rig: Rig) -> list[Row]:
    """Switch back and forth between two generations of ten images."""
    home, source = rig.fresh(), f"oci-layout:{many.layout(rig, 10, [rig.platform])}"
    for number in range(10):
        rig.d8("--endpoint", source, "--home", home, "install", f"tool-{number:04}")
    numbers = cycle(("9", "10"))
    ours, bare = interleaved(
        rig.often(_ROLLBACKS),
        lambda: rig.d8("--home", home, "rollback", next(numbers)).seconds,
        lambda: rig.spend(rig.python, "-I", "-c", "pass").seconds,
    )
    remove(home)
    raw = {"ours": ours, "python": bare}
    name = "rollback ÷ python -I -c pass"
    return [Row(name, ratios(ours, bare), "x", Target("<=", 8), seconds(ours), seconds(bare), raw)]


def rows(rig: Rig) -> list[Row]:
    """Lock from nothing, lock again, and sync with nothing to do, from a layout: no network is in the figures."""
    found = []
    for count in COUNTS:
        source = f"oci-layout:{many.layout(rig, count, [rig.platform])}"
        place = many.project(rig, count)
        rounds = rig.often(3 if count > 100 else _ROUNDS)
        first = [_lock(rig, source, place) for _ in range(rounds)]
        rig.d8("--endpoint", source, "sync", directory=place)
        again, noop = interleaved(
            rounds,
            partial(_seconds, rig, place, "--endpoint", source, "lock"),
            partial(_seconds, rig, place, "sync"),
        )
        for name, times in (("lock from nothing", first), ("lock again", again), ("no-op sync", noop)):
            each = f"{sum(times) / len(times) / count * 1000:.2f} ms an image"
            found.append(Row(f"{name}, {count:,} images", [1000 * t for t in times], "ms", None, seconds(times), each))
    return sorted(found, key=lambda row: row.name.partition(",")[0])


def _seconds(rig: Rig, place: str, *arguments: str) -> float:
    return rig.d8(*arguments, directory=place).seconds


def _lock(rig: Rig, source: str, place: str) -> float:
    """Lock with an empty home and no lock."""
    home = rig.fresh()
    (Path(place) / "d8.lock").unlink(missing_ok=True)
    spent = rig.d8("--endpoint", source, "--home", home, "lock", directory=place)
    remove(home)
    return spent.seconds
