"""The JSON Schemas give the verdict of the parsers, for every rule that JSON Schema can state."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from d8_installer.errors import D8Error
from d8_installer.model.config import Config
from d8_installer.model.document import FileText, Table
from d8_installer.model.json_schema import config_schema, manifest_schema
from d8_installer.model.manifest import Manifest
from d8_installer.model.platform import architectures, spellings, systems

MANIFEST = Draft202012Validator(manifest_schema())
CONFIG = Draft202012Validator(config_schema())


def is_manifest(data: dict[str, Any]) -> bool:
    try:
        Manifest.from_table(Table(data=data, origin=FileText("d8.toml", "")))
    except D8Error:
        return False
    return True


def is_config(data: dict[str, Any]) -> bool:
    try:
        Config._from_table(Table(data=data, origin=FileText("config.toml", "")))
    except D8Error:
        return False
    return True


LETTERS = st.text(alphabet="aZ0._+-/\\*~ \x07é=", max_size=12)
NAMES = st.one_of(
    LETTERS,
    st.from_regex(r"[a-z0-9]{1,3}([._+-]{1,2}[a-z0-9]{0,3}){0,3}", fullmatch=True),
    st.sampled_from(["deckhouse-cli", "con", "com1", "com1.exe", "com0", "nul.txt", "lpt9x", "a" * 64, "a" * 65]),
    st.sampled_from(["a" * 128, "a" * 129, "x.", "x.exe"]),
)
WORDS = st.one_of(
    st.sampled_from([*systems(), *architectures(), *spellings()[0], *spellings()[1]]),
    st.text(alphabet=string.ascii_lowercase + "0", max_size=4),
)
PLATFORMS = st.one_of(
    st.builds("{}-{}".format, WORDS, WORDS), LETTERS, st.just("linux/amd64"), st.just("a" * 33 + "-b")
)
MEMBERS = st.one_of(
    LETTERS, st.lists(st.sampled_from(["usr", "bin", "", ".", "..", "...", "d8", "x" * 256]), max_size=4).map("/".join)
)
DIGESTS = st.one_of(LETTERS, st.sampled_from(["sha256:" + "a" * 64, "sha256:" + "A" * 64, "sha256:" + "a" * 63]))
OTHERS: st.SearchStrategy[Any] = st.sampled_from([1, 0, True, 1.5, "", [], {}, ["x"], {"x": "y"}, [1]])


def one_wild(good: dict[str, Any], wild: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a table of good values, some of them left out, in which one value is wild, or there is a surplus key."""

    def with_wild(key: str) -> st.SearchStrategy[dict[str, Any]]:
        others = {name: st.just(value) for name, value in good.items() if name != key}
        return st.fixed_dictionaries({key: wild.get(key, st.just(1))}, optional=others)

    return st.sampled_from([*wild, "surplus"]).flatmap(with_wild)


def lists(entries: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a list, most often of one entry, or something else."""
    return st.one_of(st.lists(entries, min_size=1, max_size=1), st.lists(entries | OTHERS, max_size=2), OTHERS)


IMAGES = one_wild(
    {"name": "stronghold", "version": "===v1", "binaries": {"x": "plugin"}, "platforms": ["linux-amd64"]},
    {
        "name": NAMES | OTHERS,
        "version": st.sampled_from(["*", ">=1.4, <2", "===v1.2.3", "==1.2.*"])
        | OTHERS.filter(lambda value: value != ""),
        "binaries": st.dictionaries(NAMES, MEMBERS | OTHERS, max_size=1) | OTHERS,
        "platforms": lists(PLATFORMS),
        "optional": st.booleans() | OTHERS,
        "digest": DIGESTS | OTHERS,
    },
).map(lambda image: {"name": "stronghold", **image})
MANIFESTS = one_wild(
    {"schema": 1, "platforms": ["linux-amd64", "darwin-arm64"]},
    {
        "schema": st.sampled_from([1, 2]) | OTHERS,
        "platforms": lists(PLATFORMS),
        "images": st.lists(IMAGES, max_size=1) | OTHERS,
    },
).map(lambda manifest: {"schema": 1, **manifest})
PATHS = LETTERS | st.sampled_from(["/srv/*", "*", "C:\\x", "C:/x", "C:x", "\\\\server\\x", "~/x", "x"])
CONFIGS = one_wild(
    {"endpoint": "https://rpp.example.com", "retention": 5},
    {
        **dict.fromkeys(("endpoint", "ca_file", "client_cert", "client_key", "token_file"), LETTERS | OTHERS),
        **dict.fromkeys(("sources", "allow", "plugins"), lists(LETTERS)),
        "reserved": lists(NAMES),
        "gate": lists(NAMES | st.just("*")),
        "owners": st.dictionaries(NAMES, NAMES | OTHERS, max_size=2) | OTHERS,
        "retention": st.sampled_from([1, 10, 10_000, 10_001, -1]) | OTHERS,
        "environments": lists(PATHS),
        "safe_directories": lists(PATHS),
        "layout": st.sampled_from(["d8", "D8", "none"]) | OTHERS,
        "cluster_checks": st.sampled_from(["auto", "always", "never", "Auto"]) | OTHERS,
    },
)


@given(MANIFESTS)
def test_a_manifest_has_one_verdict(data: dict[str, Any]) -> None:
    assert MANIFEST.is_valid(data) == is_manifest(data), data


@given(CONFIGS)
def test_a_config_has_one_verdict(data: dict[str, Any]) -> None:
    assert CONFIG.is_valid(data) == is_config(data), data


@pytest.mark.parametrize("schema", [manifest_schema(), config_schema()], ids=["d8.toml", "config.toml"])
def test_the_schemas_are_schemas_and_describe_every_key(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    tables = [schema["properties"]]
    if "images" in schema["properties"]:
        tables.append(schema["properties"]["images"]["items"]["properties"])
    for properties in tables:
        assert [key for key, value in properties.items() if not value.get("description")] == []
    assert json.loads(json.dumps(schema)) == schema
