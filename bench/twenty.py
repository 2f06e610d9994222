"""(i) ``install`` of 20 images of 10 MB from the embedded proxy, against ``curl | tar xz`` of them, four at a time.

As in (a), ours verifies, locks and syncs to the disk; the other only unpacks.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.images import TAG, executables
from bench.measure import interleaved
from bench.rig import missing, remove
from bench.table import Row, Target, ratios, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.rig import Rig

_COUNT = 20
_SIZE = 10_000_000
_ROUNDS = 5
_HEAD = b"#!/bin/sh\nexit 0\n"
_FETCH = 'mkdir "$2/$1" && curl -sf "$3/v1/images/deckhouse-cli/plugins/$1/images/$4" | tar xz -C "$2/$1"'
_FOUR_AT_A_TIME = (
    'directory=$1 endpoint=$2 tag=$3 script=$4; shift 4; printf "%s\\n" "$@" |'
    ' xargs -P 4 -I NAME sh -c "$script" sh NAME "$directory" "$endpoint" "$tag"'
)


def rows(rig: Rig) -> list[Row]:
    """Measure both in the same rounds."""
    if lacking := missing(["curl", "tar", "sh", "xargs"]):
        raise SystemExit(f"bench: twenty needs {', '.join(lacking)}")
    names = [f"part-{number:02}" for number in range(_COUNT)]
    layout = _published(rig, names)
    with rig.proxy(f"oci-layout:{layout}") as endpoint:
        _other(rig, endpoint, names)  # warms the layers, the page cache and the bytecode, for both
        _ours(rig, endpoint, names)
        ours, others = interleaved(
            rig.often(_ROUNDS), lambda: _ours(rig, endpoint, names), lambda: _other(rig, endpoint, names)
        )
    name = f"install {_COUNT} images of {_SIZE / 1e6:.0f} MB ÷ curl | tar xz, 4 at a time"
    raw = {"ours": ours, "other": others}
    return [Row(name, ratios(ours, others), "x", Target("<=", 0.85), seconds(ours), seconds(others), raw)]


def _published(rig: Rig, names: Sequence[str]) -> str:
    """Publish pieces of real executables; return the layout's directory."""
    whole = b"".join(path.read_bytes() for path in executables())
    step = (len(whole) - _SIZE) // len(names)
    layout = rig.directory / "twenty"
    for number, name in enumerate(names):
        folder = Path(rig.fresh())
        (folder / "plugin").write_bytes(_HEAD + whole[number * step :][: _SIZE - len(_HEAD)])
        (folder / "plugin").chmod(0o755)
        published = rig.output(
            *(rig.command, "--json", "publish", f"{rig.platform}={folder / 'plugin'}", "--image", name),
            *("--version", TAG, "--to", f"oci-layout:{layout}"),
        )
        if not json.loads(published)["data"]["changed"]:
            raise SystemExit(f"bench: {name} was there already")
        shutil.rmtree(folder)
    return str(layout)


def _ours(rig: Rig, endpoint: str, names: Sequence[str]) -> float:
    home = rig.fresh()
    spent = rig.d8("--endpoint", endpoint, "--home", home, "install", *names)
    _check([Path(home) / "bin" / name for name in names])
    remove(home)
    return spent.seconds


def _other(rig: Rig, endpoint: str, names: Sequence[str]) -> float:
    directory = rig.fresh()
    tag = f"{TAG}?platform={rig.platform}"
    spent = rig.spend("sh", "-c", _FOUR_AT_A_TIME, "sh", directory, endpoint, tag, _FETCH, *names)
    _check([Path(directory) / name / "plugin" for name in names])
    shutil.rmtree(directory)
    return spent.seconds


def _check(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.stat().st_size != _SIZE:
            raise SystemExit(f"bench: {path} is not whole")
