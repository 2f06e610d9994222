"""(n) ``install`` of 100 MB with nothing but a kubeconfig, against the same with endpoint and token given.

A real kube-apiserver, and the TLS front that asks it who may download (``tests/cluster``). The endpoint was found
before, as it is for an hour; the front asks its API server for each request of both sides. The proxy behind the front
and the front itself are the same for both.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.images import joined
from bench.measure import interleaved
from bench.rig import remove
from bench.table import Row, Target, ratios, seconds

if TYPE_CHECKING:
    from bench.images import Image
    from bench.rig import Rig
    from tests.cluster.deckhouse import Deckhouse

_ROUNDS = 7
_FIRST = "d8-bench-first"


def rows(rig: Rig) -> list[Row]:
    """Measure it, or say why there is no cluster to measure it on."""
    try:
        from tests.cluster.tools import ToolsMissingError, find
    except ImportError as error:
        return _skipped(error)
    try:
        tools = find()
    except ToolsMissingError as error:
        return _skipped(error)
    from tests.cluster.cluster import Cluster
    from tests.cluster.control_plane import control_plane
    from tests.cluster.deckhouse import deckhouse

    image = joined(rig, 1)
    with control_plane(tools, Path(rig.fresh())) as running:
        cluster = Cluster(running)
        cluster.prepare()
        with deckhouse(cluster, Path(rig.fresh())) as images:
            shutil.copytree(image.layout, images.layouts, dirs_exist_ok=True)
            images.publish(_FIRST, "v1.0.0")
            images.announce()
            return [_row(rig, images, image)]


def _skipped(error: Exception) -> list[Row]:
    print(f"cluster: skipped, since there is no cluster here: {error}", file=sys.stderr)
    return []


def _row(rig: Rig, images: Deckhouse, image: Image) -> Row:
    found, given = _Side(rig, image, _kubeconfig(rig, images)), _Side(rig, image, _given(rig, images))
    found.install(), given.install()  # warm the layer, the page cache and the bytecode
    ours, others = interleaved(rig.often(_ROUNDS), found.install, given.install)
    return Row(
        f"install {image.unpacked / 1e6:.0f} MB on a cluster, endpoint found before ÷ endpoint and token given",
        ratios(ours, others),
        "x",
        Target("<=", 1.15),
        seconds(ours),
        seconds(others),
        {"found": ours, "given": others},
    )


class _Side:
    """Installs with one set of variables, each time in a copy of a home in which something was installed before."""

    def __init__(self, rig: Rig, image: Image, variables: dict[str, str]) -> None:
        self._rig = rig
        self._image = image
        self._command = ["/usr/bin/env", *(f"{name}={value}" for name, value in variables.items()), rig.command]
        self._before = rig.fresh()
        rig.spend(*self._command, "--home", self._before, "install", _FIRST)

    def install(self) -> float:
        home = os.path.join(self._rig.fresh(), "home")
        shutil.copytree(self._before, home, symlinks=True)
        spent = self._rig.spend(*self._command, "--home", home, "install", self._image.name)
        if os.stat(os.path.join(home, "bin", self._image.name)).st_size != self._image.unpacked:
            raise SystemExit("bench: the image is not whole")
        remove(os.path.dirname(home))
        return spent.seconds


def _token(images: Deckhouse, name: str) -> str:
    from tests.cluster.rights import USUAL

    return images.cluster.service_account(name, USUAL)


def _kubeconfig(rig: Rig, images: Deckhouse) -> dict[str, str]:
    path = rig.directory / "bench.kubeconfig"
    images.cluster.kubeconfig_for(path, token=_token(images, "found"))
    return {"KUBECONFIG": str(path)}


def _given(rig: Rig, images: Deckhouse) -> dict[str, str]:
    authority = rig.directory / "front-ca.pem"
    authority.write_text(images.front.ca_pem)
    return {
        "D8_RPP_ENDPOINT": f"https://{images.front.address}",
        "D8_RPP_CA_FILE": str(authority),
        "D8_RPP_TOKEN": _token(images, "given"),
    }
