"""(d) Peak resident memory of an ``install`` whose layer holds just under 1 GiB, the most that a layer may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.images import huge
from bench.rig import remove
from bench.table import Row, Target, seconds

if TYPE_CHECKING:
    from bench.rig import Rig

_MIB = 1 << 20


def rows(rig: Rig) -> list[Row]:
    """Install once. The other side is the peak of ``--version``, which is mostly the interpreter."""
    image = huge(rig)
    with rig.proxy(image.source) as endpoint:
        home = rig.fresh()
        spent = rig.d8("--endpoint", endpoint, "--home", home, "install", image.name)
        remove(home)
    least = rig.d8("--version").peak / _MIB
    peak = spent.peak / _MIB
    name = f"install {image.unpacked / _MIB:,.0f} MiB, peak memory"
    raw = {"peak MiB": [peak], "--version MiB": [least], "seconds": [spent.seconds]}
    ours = f"{peak:.0f} MiB in {seconds([spent.seconds])}"
    return [Row(name, [peak], "MiB", Target("<=", 60), ours, f"{least:.0f} MiB (--version: the floor)", raw)]
