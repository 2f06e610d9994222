"""(b) A ``sync`` with nothing to do, against the bare interpreter and ``pipx list`` of the same environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import many
from bench.measure import interleaved
from bench.table import Row, Target, ratios, seconds

if TYPE_CHECKING:
    from bench.rig import Rig

SIZES = ((100, 2.7), (1000, 3.6))
"""Images, and target."""
_ROUNDS = 15


def rows(rig: Rig) -> list[Row]:
    """Measure both sizes in the same rounds."""
    projects = [_synced(rig, count) for count, _ in SIZES]
    pipx = rig.command.replace("d8-installer", "pipx")
    *ours, bare, listing = interleaved(
        rig.often(_ROUNDS),
        *(lambda place=place: rig.d8("sync", directory=place).seconds for place in projects),
        lambda: rig.spend(rig.python, "-I", "-c", "pass").seconds,
        lambda: rig.spend(pipx, "list").seconds,
    )
    found = []
    for (count, target), times in zip(SIZES, ours, strict=True):
        raw = {"ours": times, "python": bare, "pipx": listing}
        name = f"no-op sync, {count:,} images"
        shown = seconds(times), seconds(bare)
        found.append(Row(f"{name} ÷ python -I -c pass", ratios(times, bare), "x", Target("<=", target), *shown, raw))
        shown = seconds(times), seconds(listing)
        found.append(Row(f"{name} ÷ pipx list", ratios(times, listing), "x", Target("<=", 1), *shown))
    return found


def _synced(rig: Rig, count: int) -> str:
    """Return a project that is in sync with a layout."""
    source = f"oci-layout:{many.layout(rig, count, [rig.platform])}"
    place = many.project(rig, count)
    rig.d8("--endpoint", source, "sync", directory=place)
    rig.d8("sync", directory=place)
    return place
