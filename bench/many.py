"""Projects with many small images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.rig import Rig


def layout(rig: Rig, count: int, platforms: Sequence[str]) -> str:
    """Publish *count* scripts and return the layout's directory."""
    place = str(rig.directory / f"tools-{count}-{len(platforms)}")
    rig.spend(rig.python, str(Path(__file__).with_name("seed.py")), place, str(count), *platforms)
    return place


def project(rig: Rig, count: int) -> str:
    """Return the directory of a new project that wants *count* images."""
    place = rig.fresh()
    entries = "".join(f'[[images]]\nname = "tool-{number:04}"\n' for number in range(count))
    (Path(place) / "d8.toml").write_text(f"schema = 1\n{entries}")
    return place
