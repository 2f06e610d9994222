"""The facts of a cluster: only what is asked for is read, and what cannot be read is an error with a way out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from d8_installer.cluster.api import Api, ApiReply
from d8_installer.cluster.facts import DECKHOUSE_PATH, MODULES_PATH, VERSION_ANNOTATION, VERSION_PATH, read_facts
from d8_installer.errors import D8Error, NotAllowedError
from d8_installer.model.facts import ClusterFacts, ModuleFact
from tests.strategies import any_bytes, json_values, steady

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.facts import FactKind

ALL: tuple[FactKind, ...] = ("kubernetes", "deckhouse", "modules")
USER = "system:serviceaccount:people:anna"


def module(name: object, *enabling: str, version: object = "v1.2.3") -> dict[str, object]:
    conditions = [{"type": kind, "status": "True"} for kind in enabling]
    return {"metadata": {"name": name}, "status": {"conditions": conditions}, "properties": {"version": version}}


class Answers:
    """An API server that answers what a test says, also nonsense; ``asked`` are the paths."""

    name = "https://127.0.0.1:6443"

    def __init__(self, **documents: object) -> None:
        self.documents = documents
        self.asked: list[str] = []

    def send(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes | None, limit: int
    ) -> ApiReply:
        self.asked.append(path)
        keys = {VERSION_PATH: "kubernetes", DECKHOUSE_PATH: "deckhouse", MODULES_PATH: "modules"}
        document = self.documents[keys[path]]
        if isinstance(document, bytes):
            return ApiReply(200, document)
        if isinstance(document, int):
            said = f'deployments.apps is forbidden: User "{USER}" cannot get resource'
            return ApiReply(document, json.dumps({"kind": "Status", "message": said}).encode())
        return ApiReply(200, json.dumps(document).encode())


def sound() -> Answers:
    return Answers(
        kubernetes={"gitVersion": "v1.31.4+k3s1"},
        deckhouse={"metadata": {"annotations": {VERSION_ANNOTATION: "v1.70.3"}}},
        modules={"items": [module("a", "EnabledByModuleConfig"), module("b", version="dev"), module("c", "Ready")]},
    )


def test_the_facts_are_those_that_the_cluster_says() -> None:
    facts = read_facts(Api(sound()), ALL, read_at="2026-11-28T12:00:00Z")
    assert facts == ClusterFacts(
        kinds=frozenset(ALL),
        kubernetes="v1.31.4+k3s1",
        deckhouse="v1.70.3",
        modules={"a": ModuleFact(True, "v1.2.3"), "b": ModuleFact(False), "c": ModuleFact(False, "v1.2.3")},
        cluster="https://127.0.0.1:6443",
        read_at="2026-11-28T12:00:00Z",
    )


@pytest.mark.parametrize(
    ("kind", "path"), [("kubernetes", VERSION_PATH), ("deckhouse", DECKHOUSE_PATH), ("modules", MODULES_PATH)]
)
def test_only_what_is_asked_for_is_read(kind: FactKind, path: str) -> None:
    server = sound()
    assert read_facts(Api(server), [kind]).kinds == {kind}
    assert server.asked == [path]


def test_versions_that_are_none_are_unknown() -> None:
    server = Answers(kubernetes={"gitVersion": "weird"}, deckhouse={"metadata": {}}, modules={"items": None})
    facts = read_facts(Api(server), ALL)
    assert (facts.kubernetes, facts.deckhouse, facts.modules) == (None, None, {})


def test_names_that_no_module_has_are_left_out() -> None:
    names = [1, "", "\ud800", "a\x1b[2J", "é", "x" * 300, "good"]
    server = Answers(modules={"items": [None, {}, *(module(name) for name in names)]})
    assert list(read_facts(Api(server), ["modules"]).modules) == ["good"]


@pytest.mark.parametrize(
    ("kind", "said", "right"),
    [
        (
            "deckhouse",
            "you lack the right to get deployments.apps/deckhouse in d8-system",
            "kubectl create role d8-installer-deckhouse -n d8-system",
        ),
        ("modules", "you lack the right to list modules.deckhouse.io", "kubectl create clusterrole"),
    ],
)
def test_a_missing_right_is_named_with_the_command_that_grants_it(kind: FactKind, said: str, right: str) -> None:
    with pytest.raises(NotAllowedError) as caught:
        read_facts(Api(Answers(**{kind: 403})), [kind])
    assert said in caught.value.message
    assert caught.value.hint is not None
    assert right in caught.value.hint
    assert "people:anna" in caught.value.hint
    assert "--skip-cluster-checks" in caught.value.hint


@pytest.mark.parametrize(("status", "code"), [(401, 77), (404, 69), (500, 75), (302, 69)])
@pytest.mark.parametrize("kind", ALL)
def test_what_cannot_be_read_is_an_error_with_a_way_out(kind: FactKind, status: int, code: int) -> None:
    with pytest.raises(D8Error) as caught:
        read_facts(Api(Answers(**{kind: status})), [kind])
    assert caught.value.exit_code == code
    assert caught.value.message.startswith("cannot read the ")
    assert "--skip-cluster-checks" in (caught.value.hint or "")


@steady
@given(any_bytes | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_answer_gives_facts_or_an_error(raw: bytes) -> None:
    try:
        facts = read_facts(Api(Answers(kubernetes=raw, deckhouse=raw, modules=raw)), ALL)
    except D8Error:
        return
    assert ClusterFacts.parse(facts.render().encode(), "f") == facts
