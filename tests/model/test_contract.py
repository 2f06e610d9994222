"""Contracts: any bytes give one or a DocumentError that says where, and what is written is read again."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.model.contract import (
    MAX_CONTRACT,
    Contract,
    Need,
    PluginNeeds,
    annotation_bytes,
    contract_of_annotation,
)
from tests.strategies import any_bytes, contracts, json_values, steady

FULL = """\
{
  "name": "beta",
  "version": "v1.2.3",
  "description": "the \\"second\\" <plugin>",
  "env": [
    {
      "name": "KUBECONFIG"
    }
  ],
  "flags": [
    {
      "name": "--x"
    }
  ],
  "requirements": {
    "kubernetes": {
      "constraint": ">= 1.28"
    },
    "deckhouse": {
      "constraint": ""
    },
    "modules": {
      "mandatory": [
        {
          "name": "stronghold",
          "constraint": ">=1.3"
        }
      ],
      "anyOf": [
        {
          "name": "ingress",
          "description": "one of two",
          "modules": [
            {
              "name": "a",
              "constraint": ""
            },
            {
              "name": "b",
              "constraint": "^2"
            }
          ]
        }
      ]
    },
    "plugins": {
      "mandatory": [
        {
          "name": "alpha",
          "constraint": ">=1.1 <2"
        }
      ]
    }
  }
}
"""
"""As the Go tool writes it into its cache (rpp.md §18.11), with each kind of member."""


def parse(document: object) -> Contract:
    return Contract.parse(json.dumps(document).encode(), "beta", "v1")


def refused(document: object) -> str:
    with pytest.raises(DocumentError) as caught:
        parse(document)
    return str(caught.value)


# -- what is read and written ----------------------------------------------------------------------------------


def test_what_the_go_tool_writes_is_read_and_written_again() -> None:
    contract = Contract.parse(FULL.encode(), "other", "v9")
    assert contract.render() == FULL
    assert Contract.parse_rendered(FULL.encode(), "other", "v9") == contract
    assert contract.plugins == PluginNeeds((Need("alpha", ">=1.1 <2"),))


def test_an_empty_contract_is_written_with_all_its_requirements() -> None:
    written = Contract(name="a", version="v1").render()
    requirements = json.loads(written)["requirements"]
    assert list(requirements) == ["kubernetes", "deckhouse", "modules", "plugins"]
    assert requirements == {
        "kubernetes": {"constraint": ""},
        "deckhouse": {"constraint": ""},
        "modules": {},
        "plugins": {},
    }
    assert '"modules": {},' in written


@steady
@given(contracts())
def test_what_is_written_is_read_as_the_same(contract: Contract) -> None:
    assert Contract.parse_rendered(contract.render().encode(), "x", "x") == contract


@steady
@given(contracts())
def test_a_document_of_plain_characters_is_the_same_in_yaml(contract: Contract) -> None:
    text = contract.render()
    if text.isascii() and "\x7f" not in text:
        assert Contract.parse(text.encode(), "x", "x") == contract


@pytest.mark.parametrize("text", ["", "null", "{}", "requirements:\n", '{"unknown": {"a": [1, null]}}'])
def test_a_document_without_content_takes_the_identity_of_the_image(text: str) -> None:
    assert Contract.parse(text.encode(), "beta", "v1") == Contract(name="beta", version="v1")


def test_keys_are_read_in_any_case_and_unknown_ones_are_ignored() -> None:
    contract = parse({"NAME": "b", "Requirements": {"Kubernetes": {"CONSTRAINT": ">=1"}}, "x": 1})
    assert (contract.name, contract.kubernetes) == ("b", ">=1")


def test_the_last_of_two_equal_keys_counts_and_text_behind_the_document_does_not() -> None:
    assert Contract.parse(b'{"name":"x","name":"y"} trailing', "b", "v1").name == "y"


# -- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "a contract must be an object, and is a list"),
        ({"name": 1}, "name: must be text, and is a number"),
        ({"env": ["A"]}, "env[0]: must be an object, and is text"),
        ({"env": {}}, "env: must be a list, and is an object"),
        (
            {"requirements": {"modules": [{"name": "a"}]}},
            "requirements.modules: must be an object with sections such as mandatory and conditional, and is a list",
        ),
        (
            {"requirements": {"modules": {"mandatory": [{"name": True}]}}},
            "requirements.modules.mandatory[0].name: must be text, and is true or false",
        ),
        (
            {"requirements": {"plugins": {"mandatory": [{"name": "../../etc"}]}}},
            "requirements.plugins: '../../etc' is not the name of a plugin",
        ),
        (
            {"requirements": {"modules": {"anyOf": [{"name": "g", "modules": [{"name": "a", "constraint": "?"}]}]}}},
            "requirements.modules.anyOf[0]: '?' is not a version specifier",
        ),
    ],
)
def test_an_error_says_where_and_what(document: object, problem: str) -> None:
    assert refused(document) == f"contract: {problem}"


def test_the_go_tool_accepts_names_of_plugins_that_no_image_has() -> None:
    document = b'{"requirements": {"plugins": {"mandatory": [{"name": "../x"}]}}}'
    assert Contract.parse(document, "b", "v1", compat="go").plugins.mandatory == (Need("../x"),)


@steady
@given(any_bytes | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_contract_or_a_document_error(raw: bytes) -> None:
    for read in (Contract.parse, Contract.parse_rendered):
        try:
            contract = read(raw, "beta", "v1")
        except DocumentError:
            continue
        assert Contract.parse_rendered(contract.render().encode(), "", "") == contract


def test_half_of_a_surrogate_pair_is_replaced_as_in_go() -> None:
    raw = b'{"description": "a\\ud800b", "\\udfff": 1}'
    contract = Contract.parse_rendered(raw, "beta", "v1")
    assert contract.description == "a\ufffdb"
    contract.render().encode()
    with pytest.raises(DocumentError):
        Contract.parse(raw, "beta", "v1")


def test_a_contract_that_is_too_long_is_not_read() -> None:
    with pytest.raises(DocumentError, match="at most"):
        Contract.parse(b" " * (MAX_CONTRACT + 1), "b", "v1")
    with pytest.raises(DocumentError, match="at most"):
        Contract.parse_rendered(b" " * (MAX_CONTRACT + 1), "b", "v1")


# -- the annotation --------------------------------------------------------------------------------------------


@steady
@given(st.binary(max_size=100), st.sampled_from(["", "\n", "\r\n"]))
def test_base64_is_read_with_line_ends_in_it(raw: bytes, end: str) -> None:
    text = base64.b64encode(raw).decode()
    assert annotation_bytes(end.join([text[:5], text[5:], ""])) == raw


@pytest.mark.parametrize("text", ["e30", "e3-=", "e30==", "=", "====", "!!not-base64!!", "e3 0=", "ab==cd==", "é==="])
def test_other_alphabets_and_missing_padding_are_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="the contract annotation is not base64"):
        contract_of_annotation(text, "b", "v1")
