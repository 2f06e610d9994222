"""YAML from hostile hands: a value of JSON's kinds or a DocumentError, within a bounded time and memory."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given

from d8_installer.errors import DocumentError
from d8_installer.model.yaml_document import parse_yaml
from tests.strategies import any_bytes, json_values, steady

LIMIT = 1 << 20


def read(text: str | bytes, *, unique_keys: bool = False) -> object:
    raw = text if isinstance(text, bytes) else text.encode()
    return parse_yaml(raw, "f.yaml", limit=LIMIT, unique_keys=unique_keys)


def refused(text: str | bytes, *, unique_keys: bool = False) -> str:
    with pytest.raises(DocumentError) as caught:
        read(text, unique_keys=unique_keys)
    return str(caught.value)


@steady
@given(any_bytes)
def test_any_bytes_give_a_value_that_json_has_or_an_error(raw: bytes) -> None:
    try:
        value = read(raw)
    except DocumentError as error:
        assert error.file == "f.yaml"
    else:
        json.dumps(value, allow_nan=False).encode("ascii")


def plain(value: object) -> bool:
    """Whether YAML reads the JSON text of *value* as JSON does: no half surrogates, no control characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text.isprintable() and text.isascii() and "NaN" not in text and "Infinity" not in text


@steady
@given(json_values.filter(plain))
def test_json_is_yaml(value: object) -> None:
    got, want = read(json.dumps(value)), json.loads(json.dumps(value))
    assert json.dumps(got, sort_keys=True) == json.dumps(want, sort_keys=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("N", False),
        ("on", True),
        ("~", None),
        ("", None),
        ("null", None),
        ("2001-01-01", "2001-01-01"),
        ("12:30:45", "12:30:45"),
        ("1_000", 1000),
        ("0x1F", 31),
        ("017", 15),
        ("0o17", 15),
        ("-0b11", -3),
        ("08", 8.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1e999", "1e999"),
        ("18446744073709551616", 18446744073709551616.0),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!float 3", 3.0),
        ("!!binary aGk=", "hi"),
        ("!mine 3", "3"),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
        ("1: a\ntrue: b\n1.5: c\n", {"1": "a", "true": "b", "1.5": "c"}),
        ("a: 1\na: 2\n", {"a": 2}),
        ("a: 1\n---\nb: 2\n", {"a": 1}),
        ("p: &p {a: 1}\nq: {<<: *p, b: 2}\n", {"p": {"a": 1}, "q": {"a": 1, "b": 2}}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_a_value_is_what_the_go_tools_read(text: str, value: object) -> None:
    got = read(text)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"name":"a"', "f.yaml:2: is not YAML: "),
        ("a: 1\nb: [\n", "f.yaml:3: is not YAML: "),
        (b"a: 1\nb: \xff", "f.yaml:2: is not YAML: "),
        (b"a: \x01", "f.yaml:1: is not YAML: "),
        ("a: .nan", "f.yaml:1: has a number that JSON has no form for"),
        ("~: a", "f.yaml:1: has a key that is not text"),
        ("[1]: a", "f.yaml:1: has a key that is not text"),
        ("a: &x [*x]", "f.yaml:1: has a value that contains itself"),
        ("a: *x", "f.yaml:1: repeats a value that was not given a name"),
        ("a: !!int x", "f.yaml:1: has a value that is not what its tag !!int says"),
        ("<<: 1", "f.yaml:1: merges something that is not a mapping"),
        ('"\\ud800"', "f.yaml:1: "),
        ("[" * 1000, "f.yaml:1: is nested more than 64 levels deep"),
        ("- " * 1000, "f.yaml:1: is nested more than 64 levels deep"),
    ],
)
def test_an_error_names_the_line_and_no_value(text: str | bytes, problem: str) -> None:
    assert refused(text).startswith(problem)


def test_equal_keys_are_refused_on_demand() -> None:
    assert refused("a: 1\nb:\n  c: 1\n  c: 2\n", unique_keys=True) == "f.yaml:4: has a key twice in one mapping"


def test_a_billion_laughs_are_not_laughed() -> None:
    pairs = list(itertools.pairwise("abcdefghi"))
    lists = "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairs)
    merges = "".join(f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n" for before, name in pairs)
    for text in (lists, merges):
        assert "has more than 100000 values, aliases counted" in refused(f"a: &a {{x: 1}}\n{text}")


def test_numbers_of_any_length_cost_no_time() -> None:
    assert read("9" * 200_000) == "9" * 200_000


def test_more_bytes_than_allowed_are_not_read() -> None:
    assert refused(b" " * (LIMIT + 1)) == f"f.yaml has {LIMIT + 1} bytes; at most {LIMIT} are read"
