"""(c) ``lock`` of 100 images for 4 platforms, each answer 50 ms late, against the least time that its requests take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

from bench import many
from bench.delay import COUNT, DELAY
from bench.measure import service
from bench.rig import remove
from bench.table import Row, Target, ratios, seconds

if TYPE_CHECKING:
    from bench.rig import Rig

_IMAGES = 100
_PLATFORMS = ("darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64")
_ROUNDS = 3


def rows(rig: Rig) -> list[Row]:
    """Lock from nothing in every round. The first round is not timed: it fills the delaying server's memory."""
    layout = many.layout(rig, _IMAGES, _PLATFORMS)
    place = many.project(rig, _IMAGES)
    taken, ideal, counts = [], [], []
    script = str(Path(__file__).with_name("delay.py"))
    with (
        rig.proxy(f"oci-layout:{layout}") as upstream,
        service([rig.python, "-I", script, upstream], rig.env, str(rig.directory)) as output,
    ):
        endpoint = output.readline().strip()
        _lock(rig, endpoint, place)
        _count(endpoint)
        for _ in range(rig.often(_ROUNDS)):
            taken.append(_lock(rig, endpoint, place))
            counts.append(_count(endpoint))
            ideal.append(counts[-1][0] * DELAY / rig.connections)
    requests, at_once = counts[-1]
    return [
        Row(
            f"lock {_IMAGES} images, {len(_PLATFORMS)} platforms ÷ (requests · 50 ms / {rig.connections})",
            ratios(taken, ideal),
            "x",
            Target("<=", 1.12),
            seconds(taken),
            f"{seconds(ideal)} ({requests} requests, {at_once} at once)",
            {"ours": taken, "ideal": ideal, "requests": [float(count) for count, _ in counts]},
        )
    ]


def _lock(rig: Rig, endpoint: str, place: str) -> float:
    """Lock with an empty home and no lock."""
    home = rig.fresh()
    lock = Path(place) / "d8.lock"
    lock.unlink(missing_ok=True)
    spent = rig.d8("--endpoint", endpoint, "--home", home, "lock", directory=place)
    if lock.read_text().count("child = ") != _IMAGES * len(_PLATFORMS):
        raise SystemExit(f"bench: {lock} does not pin everything")
    remove(home)
    return spent.seconds


def _count(endpoint: str) -> tuple[int, int]:
    """Return the number of requests since the last call, and the most that were concurrent."""
    with urlopen(f"{endpoint}{COUNT}") as answer:  # noqa: S310 - our own server on loopback
        requests, at_once = json.load(answer)
    return requests, at_once
