"""(m) ``run`` of a program whose contract was checked a moment ago, and a wrapper, both over calling the binary.

No cluster is asked: the facts that a contract is checked by are kept for five minutes, and are put there as a command
that read them would.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import interleaved
from bench.table import Row, Target, ratios, seconds

if TYPE_CHECKING:
    from bench.rig import Rig

_NAME = "d8-bench-run"
_CONTRACT = {
    "name": _NAME,
    "version": "v1.0.0",
    "env": [{"name": "KUBECONFIG"}, {"name": "PLUGINS_CALLER"}],
    "requirements": {"kubernetes": {"constraint": ">= 1.28"}},
}
_KEEP = """\
import os, sys
from datetime import UTC, datetime
from d8_installer.model.facts import ClusterFacts
from d8_installer.store.kept_facts import SeenKubeconfigs, save
from d8_installer.store.kubeconfig_choice import KubeconfigChoice
from d8_installer.store.paths import Home
seen = SeenKubeconfigs(KubeconfigChoice.of(None, None, os.environ, "/"))
facts = ClusterFacts(kinds=frozenset(["kubernetes"]), kubernetes="v1.31.0", cluster="bench")
save(Home(sys.argv[1]), "ab" * 32, seen, facts, datetime.now(UTC))
"""


def rows(rig: Rig) -> list[Row]:
    """Measure both."""
    home = rig.fresh()
    _install(rig, home)
    return [_checked(rig, home), _judged(rig, home), _wrapper(rig, home)]


def _install(rig: Rig, home: str) -> None:
    """Install ``true`` with a contract, for somebody who has a kubeconfig that need not be read."""
    kubeconfig = Path(rig.env["HOME"]) / ".kube" / "config"
    kubeconfig.parent.mkdir(exist_ok=True)
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")
    contract = rig.directory / "contract.json"
    contract.write_text(json.dumps(_CONTRACT))
    layout, true = f"oci-layout:{rig.directory / 'running'}", shutil.which("true") or "/bin/true"
    rig.d8(
        *("publish", f"{rig.platform}={true}", "--image", _NAME, "--version", "v1.0.0"),
        *("--contract", str(contract), "--to", layout),
    )
    rig.d8("--endpoint", layout, "--home", home, "install", "--skip-cluster-checks", _NAME)


def _keep_facts(rig: Rig, home: str) -> None:
    rig.spend(rig.python, "-c", _KEEP, home)


def _checked(rig: Rig, home: str) -> Row:
    _keep_facts(rig, home)
    run = ("--home", home, "run", _NAME)
    rig.d8(*run)  # judges, once in five minutes
    ours, direct, bare = interleaved(
        rig.often(25),
        lambda: rig.d8(*run).seconds,
        lambda: rig.spend(_stored(home)).seconds,
        lambda: rig.spend(rig.python, "-I", "-c", "pass").seconds,
    )
    before = [mine - other for mine, other in zip(ours, direct, strict=True)]
    name = "run with fresh facts, all before the program ÷ python -I -c pass"
    raw = {"run": ours, "direct": direct, "python": bare}
    return Row(name, ratios(before, bare), "x", Target("<=", 4), seconds(before), seconds(bare), raw)


def _judged(rig: Rig, home: str) -> Row:
    """Measure the first run after facts were read, which judges."""

    def judged() -> float:
        _keep_facts(rig, home)
        return rig.d8("--home", home, "run", _NAME).seconds

    ours, bare = interleaved(rig.often(7), judged, lambda: rig.spend(rig.python, "-I", "-c", "pass").seconds)
    name = "the first run after facts were read, which judges ÷ python -I -c pass"
    return Row(name, ratios(ours, bare), "x", None, seconds(ours), seconds(bare), {"run": ours, "python": bare})


def _wrapper(rig: Rig, home: str) -> Row:
    wrapper = os.path.join(home, "bin", _NAME)
    if os.path.islink(wrapper):
        raise SystemExit("bench: a contract that lists variables gets a wrapper")
    ours, direct = interleaved(
        rig.often(200), lambda: rig.spend(wrapper).seconds, lambda: rig.spend(_stored(home)).seconds
    )
    over = [(mine - other) * 1000 for mine, other in zip(ours, direct, strict=True)]
    name = "wrapper of a program that asks for variables, over calling the program"
    raw = {"wrapper": ours, "direct": direct}
    return Row(name, over, "ms", Target("<=", 1), seconds(ours), seconds(direct), raw)


def _stored(home: str) -> str:
    (path,) = Path(home, "store", "sha256").glob(f"*/{_NAME}")
    return str(path)
