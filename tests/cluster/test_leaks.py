"""`Operator` sees a secret wherever a command could leave it; these tests plant one in each place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.person import Operator

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "k9-tOp-seCret"


@pytest.fixture
def person(tmp_path: Path) -> Operator:
    kubeconfig = tmp_path / "home/.kube/config"
    kubeconfig.parent.mkdir(parents=True)
    kubeconfig.write_text(SECRET)
    return Operator(tmp_path / "home", token=SECRET, kubeconfig=kubeconfig)


def test_a_kubeconfig_may_hold_it(person: Operator) -> None:
    person.ok("list")


def test_in_what_is_said(person: Operator) -> None:
    with pytest.raises(AssertionError, match="leaked"):
        person.run("config", "set", SECRET, "x")


def test_in_a_file(person: Operator) -> None:
    with pytest.raises(AssertionError, match="leaked"):
        person.run("config", "set", "endpoint", f"https://{SECRET}.example")


def test_in_the_arguments_of_a_program(person: Operator) -> None:
    person.source = person.home.parent / "images"
    person.publish("hello", "v1.0.0")
    person.run("run", "hello", "--", "word")
    assert "word" in person.started.read_text()
    with pytest.raises(AssertionError, match="leaked"):
        person.run("--quiet", "run", "hello", "--", SECRET)


@pytest.mark.parametrize(
    ("secret", "found", "harmless"),
    [
        ("e30.e30.c2ln", "c2ln", "e30.e30."),
        ("-----BEGIN KEY-----\n" + "A" * 64 + "\n-----END KEY-----\n", "A" * 64, "-----BEGIN KEY-----"),
    ],
    ids=["signature", "key"],  # tmp_path has the id in it, and commands show paths
)
def test_in_part(person: Operator, secret: str, found: str, harmless: str) -> None:
    person.secrets = [secret]
    (person.home / "note").write_text(harmless)
    person.ok("list")
    (person.home / "note").write_text(found)
    with pytest.raises(AssertionError, match="leaked"):
        person.run("list")
