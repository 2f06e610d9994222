"""Contracts are written by strangers: whatever one holds, a command ends soon and changes nothing by half."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.deckhouse import annotation, needs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

SOON = 20
ESCAPE = "\x1b[31mred\x07\x9b2J"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def ready(deckhouse: Deckhouse) -> Deckhouse:
    deckhouse.announce()
    deckhouse.cluster.deckhouse("v1.77.0")
    return deckhouse


@pytest.fixture
def person(ready: Deckhouse, tmp_path: Path) -> Operator:
    return ready.person(tmp_path / "home")


def plain(text: str) -> bool:
    """Whether a terminal only prints it."""
    return all(character.isprintable() or character == "\n" for character in text)


def refused(person: Operator, name: str = "evil") -> str:
    """Install an image that cannot be; nothing may change. Return what is said."""
    before, started = person.state(), time.monotonic()
    done = person.run("install", name)
    assert time.monotonic() - started < SOON
    assert done.code in (65, 69, 76), done
    assert len(done.errors) == 1
    assert plain(done.err)
    assert person.state() == before
    assert name in done.err
    return done.err


UNREADABLE = {
    "no base64": "!!!",
    "base64 with a space in it": f"{annotation('{}')[:2]} {annotation('{}')[2:]}",
    "bytes": annotation("\x00\x01\ufffe"),
    "a bomb of aliases": annotation(BOMB),
    "deep JSON": annotation('{"requirements":' * 20_000),
    "deep YAML": annotation("- " * 20_000),
    "a list": annotation("[]"),
    "v1": annotation('{"requirements": {"modules": []}}'),
    "another type": annotation('{"name": ["x"]}'),
    "modules in two places": annotation(
        json.dumps({"requirements": {"modules": {s: [{"name": "a"}] for s in ("mandatory", "conditional")}}})
    ),
    "an escape in a key": annotation(json.dumps({"requirements": {"modules": {"anyOf": [{"name": ESCAPE}]}}})),
    "a dependency that is a path": annotation(json.dumps(needs(plugins={"../../../tmp/x": ">= 1"}))),
    "a dependency that is an escape": annotation(json.dumps(needs(plugins={ESCAPE: ">= 1"}))),
    "a dependency on itself": annotation(json.dumps(needs(plugins={"evil": ">= 1"}))),
    "a dependency that is not there": annotation(json.dumps(needs(plugins={"nowhere": ">= 1"}))),
    "a constraint that is none": annotation(json.dumps(needs(plugins={"good": ">=1.0<2.0"}))),
    "a constraint that is an escape": annotation(json.dumps(needs(kubernetes=ESCAPE))),
    "a long constraint": annotation(json.dumps(needs(kubernetes=" || ".join(["> 900.0"] * 50_000)))),
    "an unmet module that is an escape": annotation(json.dumps(needs(modules={ESCAPE: ">= 1"}))),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_contract_that_cannot_be_met_or_read(person: Operator, ready: Deckhouse, what: str) -> None:
    ready.publish("good", "v1.0.0")
    ready.publish_raw("evil", "v1.0.0", {"contract": UNREADABLE[what]})
    refused(person)
    shown = person.run("show", "evil")
    assert plain(shown.out + shown.err), shown
    person.ok("install", "good")


def test_what_is_shown_of_a_contract_is_printed_only(person: Operator, ready: Deckhouse) -> None:
    hostile: Mapping[str, Any] = {
        "description": f"{ESCAPE}\nerror: forged",
        "flags": [{"name": ESCAPE}],
        "env": [{"name": ESCAPE}, {"name": "$(touch pwned)"}, {"name": "A=B"}],
    }
    ready.publish("evil", "v1.0.0", contract=hostile)
    for words in (("--verbose", "install"), ("show",), ("--verbose", "show"), ("lock", "--explain"), ("run",)):
        done = person.ok(*words, "evil")
        assert plain(done.out + done.err), done
        assert "\nerror: forged" not in done.out + done.err
    assert person.says("evil").startswith("evil v1.0.0")
    assert not list(person.home.rglob("pwned"))


def test_another_name_than_the_images_is_a_warning(person: Operator, ready: Deckhouse) -> None:
    ready.publish("evil", "v1.0.0", contract={"name": "good"})
    said = person.ok("install", "evil").err
    assert "good" in said
    assert person.has() == {"evil": "v1.0.0"}


def test_a_cycle_is_named_with_its_path(person: Operator, ready: Deckhouse) -> None:
    ready.publish("one", "v1.0.0", contract=needs(plugins={"two": ">= 1"}))
    ready.publish("two", "v1.0.0", contract=needs(plugins={"three": ">= 1"}))
    ready.publish("three", "v1.0.0", contract=needs(plugins={"one": ">= 1"}))
    assert "one -> two -> three -> one" in refused(person, "one")


def test_a_chain_that_is_too_long_is_named(person: Operator, ready: Deckhouse) -> None:
    for number in range(20):
        ready.publish(f"p{number}", "v1.0.0", contract=needs(plugins={f"p{number + 1}": ">= 1"}))
    ready.publish("p20", "v1.0.0")
    assert "p15 -> p16" in refused(person, "p0")
    person.ok("install", "p15")
    assert len(person.has()) == 6
