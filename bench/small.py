"""(l) ``install`` of an image of 100 bytes from the embedded proxy, against the start of the bare interpreter.

Nearly all of it is the tool's own start: what it imports, and the steps that do not depend on the size.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import interleaved
from bench.rig import remove
from bench.table import Row, Target, ratios, seconds

if TYPE_CHECKING:
    from bench.rig import Rig

_BYTES = 100
_ROUNDS = 15
_NAME = "small"


def rows(rig: Rig) -> list[Row]:
    """Install in a fresh home in every round."""
    with rig.proxy(f"oci-layout:{_published(rig)}") as endpoint:
        _install(rig, endpoint)  # warms the page cache and the bytecode
        ours, bare = interleaved(
            rig.often(_ROUNDS),
            lambda: _install(rig, endpoint),
            lambda: rig.spend(rig.python, "-I", "-c", "pass").seconds,
        )
    name = f"small: install of a {_BYTES}-byte image ÷ python -I -c pass"
    raw = {"ours": ours, "python": bare}
    return [Row(name, ratios(ours, bare), "x", Target("<=", 18), seconds(ours), seconds(bare), raw)]


def _published(rig: Rig) -> str:
    """Publish a script of that size, and return the layout's directory."""
    script = Path(rig.fresh()) / "plugin"
    script.write_bytes(b"#!/bin/sh\n".ljust(_BYTES - 1, b"#") + b"\n")
    script.chmod(0o755)
    layout = str(rig.directory / "small")
    rig.d8(
        *("publish", f"{rig.platform}={script}", "--image", _NAME, "--version", "v1.0.0"),
        *("--to", f"oci-layout:{layout}"),
    )
    return layout


def _install(rig: Rig, endpoint: str) -> float:
    home = rig.fresh()
    spent = rig.d8("--endpoint", endpoint, "--home", home, "install", _NAME)
    if (Path(home) / "bin" / _NAME).stat().st_size != _BYTES:
        raise SystemExit("bench: the image was not installed")
    remove(home)
    return spent.seconds
