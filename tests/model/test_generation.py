"""``generation.json``: what we write we read, and what we did not write is damage and no crash."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import ConfigError, D8Error, DocumentError
from d8_installer.model.digest import Digest
from d8_installer.model.generation import Generation, Placed, Placement
from d8_installer.model.reference import ImageName
from tests.reaching import reached, reaches
from tests.strategies import LINUX, any_bytes, built, digests, generations, json_values, placements, steady


@steady
@given(generations)
def test_parse_undoes_render(generation: Generation) -> None:
    assert Generation.parse(generation.render().encode(), "generation.json") == generation


@steady
@given(any_bytes | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_generation_or_damage(raw: bytes) -> None:
    with pytest.raises(D8Error) as caught:
        Generation.parse(raw, "g.json")
    assert "g.json" in caught.value.message


@reaches("a generation")
@steady
@given(generations, st.data())
def test_any_changed_value_is_a_generation_or_damage(generation: Generation, data: st.DataObject) -> None:
    document = json.loads(generation.render())
    holder = data.draw(st.sampled_from([document, *document["binaries"]]))
    key = data.draw(st.sampled_from(sorted(holder)))
    holder[key] = data.draw(json_values | st.sampled_from([float("inf"), float("nan"), "1e5", [], {}, -1]))
    try:
        parsed = Generation.parse(json.dumps(document).encode(), "g.json")
        reached("a generation")
    except DocumentError as error:
        assert error.hint == "run `d8-installer sync`, which makes a new generation"
    except ConfigError as error:
        assert error.hint == "upgrade d8-installer"
    else:
        assert Generation.parse(parsed.render().encode(), "g.json") == parsed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"size": 1', '"size": "1"'),
        ('"requests": []', '"requests": {}'),
        ('"requests": []', '"requests": [1]'),
        ('"in_bin": true,', ""),
        ('"d8"', '"../d8"'),
        ('"plugin"', '"a//b"'),
        ('"schema": 1', '"schema": null'),
        ('"number": 1', '"number": 1e999'),
        ('"number": 1', '"number": ' + "9" * 5000),
        ('"linux-amd64"', '"linux"'),
    ],
)
def test_damage(old: str, new: str) -> None:
    placement = Placement(
        binary="d8", name=ImageName("a"), version="v1", layer=Digest("a" * 64), member="plugin", requests=()
    )
    text = Generation(
        number=1, platform=LINUX, time="", reason="", placed=(Placed(placement, Digest("b" * 64), 1),), lock=""
    ).render()
    changed = re.sub(r'"requests": \[\s*\]', '"requests": []', text).replace(old, new)
    assert Generation.parse(text.encode(), "g.json")
    assert changed != text
    with pytest.raises(DocumentError, match=r"^g\.json is damaged$"):
        Generation.parse(changed.encode(), "g.json")


def test_a_newer_schema_is_no_damage() -> None:
    generation = Generation(number=1, platform=LINUX, time="", reason="", placed=(), lock="")
    newer = generation.render().replace('"schema": 1', '"schema": 2')
    with pytest.raises(ConfigError, match=r"^g\.json was written by a newer d8-installer"):
        Generation.parse(newer.encode(), "g.json")


@steady
@given(st.lists(built(Placed, placements, digests, st.integers(1, 9)), max_size=4))
def test_what_is_placed_is_sorted_and_found(placed: list[Placed]) -> None:
    generation = Generation(
        number=3,
        platform=LINUX,
        time="2026-01-02T03:04:05Z",
        reason="sync",
        placed=tuple(sorted(placed, key=lambda one: one.sort_key)),
        lock="lock",
    )
    assert (generation.number, generation.reason, set(generation.placed)) == (3, "sync", set(placed))
    assert generation.placements == {one.placement for one in placed}
    for one in placed:
        found = generation.find(one.placement.binary)
        assert found is None or (found in placed and found.placement.in_bin)
        assert found is not None or not one.placement.in_bin


def test_what_is_not_in_bin_is_not_found() -> None:
    assert Generation(number=1, platform=LINUX, time="", reason="", placed=(), lock="").find("d8") is None
