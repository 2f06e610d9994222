"""Beside `d8` in a cluster: its plugins are taken over and laid out, by the kubeconfig alone, with their contracts."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cluster.deckhouse import publish_alpha_beta_gamma

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator


@pytest.fixture
def person(deckhouse: Deckhouse, tmp_path: Path) -> Operator:
    publish_alpha_beta_gamma(deckhouse)
    deckhouse.announce()
    deckhouse.cluster.deckhouse("v1.77.0")
    deckhouse.cluster.module("stronghold", "v1.3.0")
    made = deckhouse.person(tmp_path / "home")
    made.env["DECKHOUSE_CLI_PATH"] = str(tmp_path / "d8")
    return made


def laid_out(person: Operator, tmp_path: Path) -> Path:
    """Install beta and what it needs, lay both out, and forget that d8-installer did it: as if `d8` had."""
    person.ok("install", "beta")
    person.ok("sync", "--layout", "d8")
    for place in (person.data, person.manifest.parent):
        for path in [*place.rglob("*"), place]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(place)
    return tmp_path / "d8"


def test_the_dependency_and_the_contracts_are_laid_out(person: Operator, tmp_path: Path) -> None:
    directory = laid_out(person, tmp_path)
    assert sorted(path.name for path in (directory / "plugins").iterdir()) == ["alpha", "beta"]
    contract = json.loads((directory / "cache/contracts/beta.json").read_text())
    assert list(contract) == ["name", "version", "description", "requirements"]
    assert contract["requirements"]["plugins"] == {"mandatory": [{"name": "alpha", "constraint": ">= 1.1, < 2"}]}


def test_what_is_taken_over_must_fit_the_cluster(person: Operator, deckhouse: Deckhouse, tmp_path: Path) -> None:
    laid_out(person, tmp_path)
    deckhouse.cluster.module("stronghold", "v1.3.0", enabled=False)
    done = person.fails(65, "import", "d8")
    assert 'requires module "stronghold" to be enabled' in done.err
    assert person.has() == {}
    deckhouse.cluster.module("stronghold", "v1.3.0")
    person.ok("import", "d8")
    assert person.has() == {"alpha": "v1.2.0", "beta": "v1.0.0"}
    assert person.ok("sync", "--layout", "d8").out == "nothing to do\n"


def test_without_the_check(person: Operator, deckhouse: Deckhouse, tmp_path: Path) -> None:
    laid_out(person, tmp_path)
    deckhouse.cluster.module("stronghold", "v1.3.0", enabled=False)
    person.ok("import", "d8", "--skip-cluster-checks")
    assert person.has() == {"alpha": "v1.2.0", "beta": "v1.0.0"}
