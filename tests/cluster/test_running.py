"""A checked run on a real cluster: it is asked once in five minutes, and a change is seen once somebody has read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.test_startup import loaded_by
from tests.cluster.deckhouse import publish_alpha_beta_gamma
from tests.cluster.faults import relay
from tests.command import ended

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

OFF = 'requires module "stronghold" to be enabled, but it is not'


def prepared(deckhouse: Deckhouse, home: Path, server: str | None = None) -> Operator:
    cluster = deckhouse.cluster
    cluster.deckhouse("v1.77.0")
    cluster.module("stronghold", "1.3.0")
    cluster.module("console", "1.0.0", enabled=False)
    publish_alpha_beta_gamma(deckhouse)
    deckhouse.announce()
    return deckhouse.person(home) if server is None else deckhouse.person(home, server=server)


def test_a_run_asks_the_cluster_once_in_five_minutes(deckhouse: Deckhouse, tmp_path: Path) -> None:
    with relay(deckhouse.cluster.port) as api:
        person = prepared(deckhouse, tmp_path / "home", f"https://127.0.0.1:{api.port}")
        person.ok("install", "beta")
        asked = api.connections
        for _ in range(3):
            assert person.ok("run", "beta", "x").out.startswith("beta v1.0.0")
        assert api.connections == asked, "the install has read the facts"
        deckhouse.cluster.module("stronghold", "1.3.0", enabled=False)
        person.ok("run", "beta")
        assert api.connections == asked
        person.fails(65, "check")  # reads the cluster, whatever is kept
        asked = api.connections
        assert OFF in person.fails(65, "run", "beta").err
        assert api.connections == asked
        deckhouse.cluster.module("stronghold", "1.4.0")
        assert OFF in person.fails(65, "run", "beta").err
        person.ok("facts")
        assert "argparse" not in loaded_by(person.home, "run", "beta"), "whoever reads the facts judges the programs"
        person.ok("run", "beta")
        api.behaviour = "drop"
        api.end_connections()
        person.ok("run", "beta")
        person.kubeconfig.touch()
        person.ok("run", "beta")  # the kubeconfig is parsed again, and names the cluster whose facts are kept
        person.fails(69, "check")


def test_a_gated_program_is_checked_without_run(deckhouse: Deckhouse, tmp_path: Path) -> None:
    person = prepared(deckhouse, tmp_path / "home")
    person.ok("config", "set", "gate", "beta")
    person.ok("install", "beta")
    program = [str(person.bin / "beta"), "x"]
    assert ended(program, home=str(person.home)).out.startswith("beta v1.0.0")
    deckhouse.cluster.module("stronghold", "1.3.0", enabled=False)
    person.ok("facts")
    done = ended(program, home=str(person.home))
    assert done.code == 65
    assert OFF in done.err


def test_what_is_not_installed_is_checked_too(deckhouse: Deckhouse, tmp_path: Path) -> None:
    person = prepared(deckhouse, tmp_path / "home")
    assert 'module "console"' in person.fails(65, "run", "gamma").err
    person.ok("run", "--skip-cluster-checks", "gamma==1.0.0", "x")
    said = person.fails(65, "run", "gamma==1.0.0", "x").err
    assert "`d8-installer show gamma==1.0.0`" in said
    assert "`d8-installer run --skip-cluster-checks gamma==1.0.0`" in said
    person.ok("show", "gamma==1.0.0")
    said = person.fails(65, "run", "beta").err
    assert 'requires plugin "alpha" >= 1.1, < 2, but it is not installed' in said
    assert "`d8-installer install beta`" in said
    person.ok("install", "alpha<2")
    assert person.ok("run", "beta", "x").out.startswith("beta v1.0.0")
    assert not (person.bin / "beta").exists()
