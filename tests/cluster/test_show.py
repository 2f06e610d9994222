"""`show` says whether the cluster of the kubeconfig meets the contract, and why it cannot say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.deckhouse import needs
from tests.cluster.rights import LIST_MODULES, USUAL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse


def test_the_cluster_is_asked_what_the_contract_needs(deckhouse: Deckhouse, tmp_path: Path) -> None:
    cluster = deckhouse.cluster
    cluster.deckhouse("v1.77.0")
    cluster.module("stronghold", "v1.3.1", enabled=True)
    cluster.module("console", "v1.0.0", enabled=False)
    deckhouse.publish("alpha", "v1.0.0", contract=needs(kubernetes=">= 1.28", modules={"stronghold": ">= 1.3"}))
    deckhouse.publish("gamma", "v1.0.0", contract=needs(deckhouse=">= 1.99", modules={"console": ""}))
    deckhouse.announce()
    person = deckhouse.person(tmp_path / "home", USUAL)
    met = person.json("show", "alpha")["requirements"]
    assert (met["met"], met["unmet"]) == (True, [])
    assert met["cluster"]
    unmet = person.json("show", "gamma")["requirements"]
    assert unmet["met"] is False
    assert unmet["unmet"] == [
        "plugin gamma requires Deckhouse >= 1.99, but the cluster runs v1.77.0",
        'plugin gamma requires module "console" to be enabled, but it is not',
    ]
    assert "requirements: not met by " in person.ok("show", "gamma").out
    cluster.take_away(person.account, LIST_MODULES)
    done = person.fails(77, "show", "alpha")
    assert done.out.startswith("alpha v1.0.0, not installed\n"), "what is known is shown all the same"
    assert "you lack the right to list modules.deckhouse.io" in done.err
    assert "kubectl create clusterrole" in done.err
