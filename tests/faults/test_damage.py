"""State files damaged behind our back: the next command repairs them, or names them with the right exit code.

After cargo's test `corrupted_ok_overwritten`: each file in turn is cut, emptied, filled with zeros, removed.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.faults import driver
from tests.faults.scenarios import CONFIG, DATA, Prepared, Scenario, prepare, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.driver import Ran

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked")

USER = os.path.join(DATA, "profiles", "user")
INSTALLED = Scenario("damage", (("install", "tool==1.0.0", "other"),), ("sync", "--prune"), "one", "one")
COMMANDS = (("sync",), ("sync", "--prune"), ("install", "tool"), ("install", "tool", "--dry-run"), ("list",))


@dataclass(frozen=True)
class State:
    """A file that is damaged (a pattern below HOME), and the exit code of who names it; None: always repaired."""

    name: str
    pattern: str
    code: int | None = None

    def __str__(self) -> str:
        return self.name


STATES = (
    State("schema", os.path.join(DATA, "schema"), 78),
    State("tags", os.path.join(DATA, "tags.json"), 65),
    State("lock", os.path.join(USER, "d8.lock"), 65),
    State("manifest", os.path.join(CONFIG, "d8.toml"), 65),
    State("config", os.path.join(CONFIG, "config.toml"), 78),
    State("generation", os.path.join(USER, "generations", "1", "generation.json"), 65),
    State("stamp", os.path.join(USER, "stamp.json")),
    State("layer", os.path.join(DATA, "store", "layers", "*.json")),
    State("executable", os.path.join(DATA, "store", "sha256", "*", "tool")),
)


def cut(path: str) -> None:
    os.truncate(path, os.path.getsize(path) // 2)


def emptied(path: str) -> None:
    os.truncate(path, 0)


def zeroed(path: str) -> None:
    size = os.path.getsize(path)
    os.truncate(path, 0)
    os.truncate(path, size)


def removed(path: str) -> None:
    os.unlink(path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(INSTALLED, str(tmp_path_factory.mktemp("damage")))


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, removed])
@pytest.mark.parametrize("state", STATES, ids=str)
def test_damage_is_repaired_or_named(prepared: Prepared, state: State, damage: Callable[[str], None]) -> None:
    for command in COMMANDS:
        if (state.name, damage) == ("executable", zeroed):
            continue  # the same number of bytes: only `verify` reads stored files whole
        with prepared.home() as home:
            assert driver.run("sync", home=home).code == 0  # the home was copied: make its stamp match
            for path in glob.glob(os.path.join(home, state.pattern)):
                make_writable(path)
                damage(path)
            ran = driver.run(*command, home=home)
            if ran.code == 0:
                check_repaired(prepared, command, state, home)
            else:
                check_named(ran, state)


def make_writable(path: str) -> None:
    for place in (os.path.dirname(path), path):
        os.chmod(place, 0o700)


def check_repaired(prepared: Prepared, command: tuple[str, ...], state: State, home: str) -> None:
    """A sync that says nothing is wrong must be right; a manifest without images is one, too."""
    if command[0] == "sync" and state.name != "manifest":
        assert (said(home, "tool"), said(home, "other")) == ("one", "other"), command
        assert driver.run("list", home=home).code == 0, command
    if command[0] == "sync":  # one that had nothing to do looks at less than this
        thorough = driver.run("sync", "--prune", home=home)
        if thorough.code != 0:
            check_named(thorough, state)


def check_named(ran: Ran, state: State) -> None:
    assert ran.code == state.code, ran
    assert "Traceback" not in ran.err
    errors = ran.errors
    assert len(errors) == 1, ran
    assert os.path.basename(state.pattern) in errors[0]
    assert "\nhint: " in ran.err


@pytest.mark.parametrize("link", [os.path.join(DATA, "bin"), os.path.join(USER, "current")], ids=os.path.basename)
@pytest.mark.parametrize("command", COMMANDS[:3], ids=" ".join)
def test_a_lost_link_is_made_again(prepared: Prepared, link: str, command: tuple[str, ...]) -> None:
    with prepared.home() as home:
        assert driver.run("sync", home=home).code == 0
        os.unlink(os.path.join(home, link))
        ran = driver.run(*command, home=home)
        assert ran.code == 0, ran
        assert (said(home, "tool"), said(home, "other")) == ("one", "other"), ran


@pytest.mark.parametrize("command", COMMANDS[:3], ids=" ".join)
def test_a_link_to_a_lost_generation_is_mended(prepared: Prepared, command: tuple[str, ...]) -> None:
    with prepared.home() as home:
        assert driver.run("sync", home=home).code == 0
        current = os.path.join(home, USER, "current")
        os.unlink(current)
        os.symlink("generations/7", current)
        ran = driver.run(*command, home=home)
        assert ran.code == 0, ran
        assert (said(home, "tool"), said(home, "other")) == ("one", "other"), ran
