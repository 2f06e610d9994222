"""(a) ``install`` of a large binary from the embedded proxy, against ``curl | tar xz`` of the same layer.

Ours verifies the layer and the binary by sha256, checks the executable, writes a lock, and syncs everything to the disk
before the switch. The other only unpacks, and returns before the disk has anything.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench import inside
from bench.images import joined
from bench.measure import interleaved
from bench.rig import missing, remove
from bench.table import Row, Target, ratios, seconds

if TYPE_CHECKING:
    from bench.images import Image
    from bench.rig import Rig

SIZES = ((1, 5, 0.65), (4, 3, 0.40))
"""Size in units of 100 MB, rounds, and target."""
_PIPE = 'curl -sf "$1" | tar xz -C "$2"'


def rows(rig: Rig) -> list[Row]:
    """Measure both sizes."""
    if lacking := missing(["curl", "tar", "sh"]):
        raise SystemExit(f"bench: install needs {', '.join(lacking)}")
    return [_row(rig, joined(rig, times), rounds, target) for times, rounds, target in SIZES]


def breakdown(rig: Rig) -> dict[str, object]:
    """Return where the time of one install of 100 MB goes."""
    image = joined(rig, 1)
    with rig.proxy(image.source) as endpoint:
        rig.spend("curl", "-sf", "-o", os.devnull, image.layer_url(endpoint))
        return inside.report_of(rig, "--endpoint", endpoint, "install", image.name)


def _row(rig: Rig, image: Image, rounds: int, target: float) -> Row:
    with rig.proxy(image.source) as endpoint:
        url = image.layer_url(endpoint)
        _ours(rig, endpoint, image)  # warms the layer, the page cache and the bytecode, for both
        ours, others = interleaved(
            rig.often(rounds), lambda: _ours(rig, endpoint, image), lambda: _other(rig, url, image)
        )
    return Row(
        f"install {image.unpacked / 1e6:.0f} MB ÷ curl | tar xz",
        ratios(ours, others),
        "x",
        Target("<=", target),
        seconds(ours),
        seconds(others),
        {"ours": ours, "other": others},
    )


def _ours(rig: Rig, endpoint: str, image: Image) -> float:
    home = rig.fresh()
    spent = rig.d8("--endpoint", endpoint, "--home", home, "install", image.name)
    _check(os.path.join(home, "bin", image.name), image)
    remove(home)
    return spent.seconds


def _other(rig: Rig, url: str, image: Image) -> float:
    with tempfile.TemporaryDirectory(dir=rig.directory) as directory:
        spent = rig.spend("sh", "-c", _PIPE, "sh", url, directory)
        _check(os.path.join(directory, "plugin"), image)
    return spent.seconds


def _check(path: str, image: Image) -> None:
    if Path(path).stat().st_size != image.unpacked:
        raise SystemExit(f"bench: {path} is not whole")
