"""What a contract requires of a cluster, beyond the conformance cases: all that is unmet, in sentences."""

from __future__ import annotations

import pytest
from hypothesis import given

from d8_installer.errors import DocumentError
from d8_installer.model.contract import Contract, ModuleGroup, ModuleNeeds, Need
from d8_installer.model.facts import ClusterFacts, ModuleFact
from d8_installer.resolve.requirements import check, missing_facts
from tests.strategies import contracts, facts, steady

FACTS = ClusterFacts(
    kinds=frozenset(["kubernetes", "deckhouse", "modules"]),
    kubernetes="v1.27.4",
    deckhouse="v1.70.3",
    modules={"old": ModuleFact(True, "v0.9.0"), "off": ModuleFact(False, "v2.0.0"), "bare": ModuleFact(True)},
)


def texts(contract: Contract, known: ClusterFacts = FACTS) -> list[str]:
    return [one.text for one in check(contract, known).unmet]


def beta(*mandatory: Need) -> Contract:
    return Contract(name="beta", version="v1", modules=ModuleNeeds(mandatory=mandatory))


@steady
@given(contracts(), facts)
def test_any_contract_and_any_facts_give_a_judgement_or_a_document_error(
    contract: Contract, known: ClusterFacts
) -> None:
    try:
        judgement = check(contract, known)
    except DocumentError as error:
        assert error.hint
    else:
        assert not missing_facts(contract, known)
        assert judgement.is_met is not bool(judgement.unmet)
        assert {one.kind for one in judgement.unmet} <= contract.fact_kinds


def test_everything_that_is_unmet_is_said_in_sentences() -> None:
    contract = Contract(
        name="beta",
        version="v1",
        kubernetes=">=1.28",
        deckhouse=">=1.71",
        modules=ModuleNeeds(
            mandatory=(Need("off"), Need("old", ">=1"), Need("gone", ">=1")),
            conditional=(Need("absent", ">=1"),),
            any_of=(ModuleGroup(name="ingress", modules=(Need("off"), Need("bare", ">=1"))),),
            none_of=(ModuleGroup(name="legacy", modules=(Need("old", "<1"),)),),
        ),
    )
    assert texts(contract) == [
        "plugin beta requires Kubernetes >=1.28, but the cluster runs v1.27.4",
        "plugin beta requires Deckhouse >=1.71, but the cluster runs v1.70.3",
        'plugin beta requires module "off" to be enabled, but it is not',
        'plugin beta requires module "old" >=1, but the cluster has v0.9.0',
        'plugin beta requires module "gone" to be enabled, but it is not',
        "plugin beta requires at least one of [off, bare] (ingress), but none is satisfied",
        'plugin beta forbids module "old" (legacy), but it is enabled in the cluster',
    ]


def test_what_cannot_be_judged_is_a_warning() -> None:
    contract = beta(Need("bare", ">=1"))
    judgement = check(contract, FACTS)
    assert judgement.is_met
    assert judgement.warnings == (
        'plugin beta requires module "bare" >=1; that is not checked: the module has no version that can be read',
    )


@pytest.mark.parametrize(
    ("contract", "known", "problem"),
    [
        (
            Contract(name="beta", version="v1", kubernetes=">=1"),
            ClusterFacts(kinds=frozenset(["kubernetes"])),
            "plugin beta requires Kubernetes >=1, but the cluster's Kubernetes version is unknown",
        ),
        (
            beta(Need("old", "junk")),
            FACTS,
            "the constraint of plugin beta for module \"old\": 'junk' is not a version specifier",
        ),
        (
            beta(Need("bare", "junk")),
            FACTS,
            "the constraint of plugin beta for module \"bare\": 'junk' is not a version specifier",
        ),
        (
            beta(Need("old")),
            ClusterFacts(kinds=frozenset(["deckhouse"])),
            "plugin beta has requirements for modules, and these facts say nothing of them",
        ),
    ],
)
def test_what_has_to_be_judged_and_cannot_be_is_an_error(contract: Contract, known: ClusterFacts, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check(contract, known)
    assert caught.value.message == problem
    assert caught.value.hint


def test_what_stands_behind_an_unmet_requirement_is_no_error() -> None:
    contract = beta(Need("off"), Need("old", "junk"))
    assert texts(contract) == ['plugin beta requires module "off" to be enabled, but it is not']
