"""The file of ``facts -o``: read as it was written, and an edit that makes no sense is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from d8_installer.errors import ConfigError, D8Error, DocumentError
from d8_installer.model.facts import ClusterFacts
from tests.strategies import any_bytes, facts, json_values, steady

WHOLE = {
    "schema": 1,
    "cluster": "https://127.0.0.1:6443",
    "read_at": "2026-11-28T12:00:00Z",
    "kubernetes": "v1.31.4",
    "deckhouse": None,
    "modules": {"stronghold": {"enabled": True, "version": "v1.3.0"}},
}


def parse(document: object) -> ClusterFacts:
    return ClusterFacts.parse(json.dumps(document).encode(), "facts.json")


@steady
@given(facts)
def test_what_is_written_is_read_again(one: ClusterFacts) -> None:
    assert ClusterFacts.parse(one.render().encode(), "f") == one


@steady
@given(any_bytes | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_facts_or_an_error(raw: bytes) -> None:
    try:
        found = ClusterFacts.parse(raw, "f")
    except D8Error as error:
        assert error.exit_code in (65, 78)
    else:
        assert ClusterFacts.parse(found.render().encode(), "f") == found


def test_a_kind_that_is_not_there_was_not_read() -> None:
    assert parse(WHOLE).kinds == {"kubernetes", "deckhouse", "modules"}
    assert parse({"schema": 1, "deckhouse": None}).kinds == {"deckhouse"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema": None}, "facts.json: schema: must be 1"),
        ({"kubernetes": "latest"}, "facts.json: kubernetes: must be a version such as v1.31.4, or null"),
        ({"cluster": "\ud800"}, "facts.json: cluster: must be text of at most 1024 characters"),
        ({"modules": []}, "facts.json: modules: must be an object"),
        ({"modules": {"a": {}}}, "facts.json: modules.a.enabled: must be true or false"),
        (
            {"modules": {"a": {"enabled": True, "version": 1}}},
            "facts.json: modules.a.version: must be a version such as v1.31.4, or null",
        ),
    ],
)
def test_an_edit_that_makes_no_sense_is_named(change: dict[str, object], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(WHOLE | change)
    assert str(caught.value) == problem


def test_facts_of_a_newer_tool_are_not_guessed_at() -> None:
    with pytest.raises(ConfigError, match="schema 2"):
        parse(WHOLE | {"schema": 2})


def test_broken_json_is_named_with_its_line() -> None:
    with pytest.raises(DocumentError, match=r"facts\.json:2: is not JSON: "):
        ClusterFacts.parse(b"{\n  x\n}", "facts.json")
