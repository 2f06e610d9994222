"""When requirements are compared with a cluster: every cell of the table in docs/explanation/requirements.md."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, get_args

import pytest

from d8_installer.errors import ConfigError
from d8_installer.model.config import CheckMode
from d8_installer.pipeline.check_policy import (
    CheckSettings,
    Connection,
    Decision,
    Occasion,
    Purpose,
    decide,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLAIN = Occasion()
MODES, CONNECTIONS, PURPOSES = get_args(CheckMode), get_args(Connection), get_args(Purpose)
CHECKING: list[Purpose] = ["choose", "admit", "report"]
"""The purposes for which requirements are compared with facts."""
HELD: list[str] = ["--locked", "--frozen", "--to", "bundle", "lock --check"]
YES = [True, False]
OCCASIONS = [
    Occasion(held_by=held, is_offline=offline, is_shared=shared, places=places)
    for held, offline, shared, places in product([None, *HELD], YES, YES, YES)
]
NO_CLUSTER = Decision(None, "requirements not checked: no cluster is configured")


def never_asked() -> Connection:
    raise AssertionError("where a cluster is configured must not matter here")


def found(connection: Connection) -> Callable[[], Connection]:
    return lambda: connection


def every_cell() -> Iterator[tuple[CheckMode, Occasion, Purpose, Connection]]:
    return product(MODES, OCCASIONS, CHECKING, CONNECTIONS)


def outcome(mode: CheckMode, occasion: Occasion, purpose: Purpose, connection: Connection) -> str | None:
    """Return where facts come from, "error" for a ConfigError."""
    try:
        return decide(CheckSettings(mode=mode), occasion, purpose, found(connection)).facts_from
    except ConfigError as error:
        assert error.hint, error
        return "error"


# -- the switches, which come before all else


def test_a_facts_file_is_used_whatever_the_rest_says() -> None:
    for mode, occasion, purpose, _ in every_cell():
        for skipped_by in (None, "D8_PLUGINS_SKIP_CLUSTER_CHECKS is set"):
            settings = CheckSettings(mode=mode, skipped_by=skipped_by, has_facts_file=True)
            assert decide(settings, occasion, purpose, never_asked) == Decision("file")


def test_the_switch_skips_every_check_and_says_so() -> None:
    for mode, occasion, purpose, _ in every_cell():
        settings = CheckSettings(mode=mode, skipped_by="--skip-cluster-checks")
        assert decide(settings, occasion, purpose, never_asked) == Decision(
            None, "requirements not checked: --skip-cluster-checks"
        )


# -- never, always


def test_never_asks_no_cluster_and_says_nothing() -> None:
    for occasion, purpose in product(OCCASIONS, ["choose", "admit"]):
        assert decide(CheckSettings(mode="never"), occasion, purpose, never_asked) == Decision(None)  # type: ignore[arg-type]


def test_always_asks_the_cluster_or_is_an_error() -> None:
    for occasion, purpose, connection in product(OCCASIONS, PURPOSES, CONNECTIONS):
        asked = "error" if occasion.is_offline or connection == "none" else "cluster"
        assert outcome("always", occasion, purpose, connection) == asked


@pytest.mark.parametrize("purpose", ["report", "read"])
@pytest.mark.parametrize("mode", MODES)
def test_a_report_asks_the_cluster_or_is_an_error(mode: CheckMode, purpose: Purpose) -> None:
    """`facts` and `check` are typed for their own sake, so the setting decides only whether a pod's account counts."""
    for occasion, connection in product(OCCASIONS, CONNECTIONS):
        usable = connection == "kubeconfig" or (connection == "account" and mode == "always")
        asked = "cluster" if usable and not occasion.is_offline else "error"
        assert outcome(mode, occasion, purpose, connection) == asked


def test_facts_that_are_to_be_shown_are_those_of_the_cluster_whatever_was_typed() -> None:
    settings = CheckSettings(skipped_by="--skip-cluster-checks", has_facts_file=True)
    assert decide(settings, PLAIN, "read", found("kubeconfig")) == Decision("cluster")
    with pytest.raises(ConfigError, match="the facts of the cluster cannot be read: no cluster") as caught:
        decide(settings, PLAIN, "read", found("none"))
    assert "--facts" not in str(caught.value.hint)


# -- auto


@pytest.mark.parametrize("purpose", ["choose", "admit"])
@pytest.mark.parametrize(
    ("connection", "decision"),
    [("kubeconfig", Decision("cluster")), ("account", NO_CLUSTER), ("none", NO_CLUSTER)],
)
def test_auto_asks_the_cluster_of_a_kubeconfig(purpose: Purpose, connection: Connection, decision: Decision) -> None:
    assert decide(CheckSettings(), PLAIN, purpose, found(connection)) == decision


@pytest.mark.parametrize("purpose", ["choose", "admit"])
@pytest.mark.parametrize("held", HELD)
def test_auto_asks_no_cluster_for_a_command_that_is_held(purpose: Purpose, held: str) -> None:
    told = f"requirements not checked: {held} contacts no cluster (--facts FILE checks without one)"
    assert decide(CheckSettings(), Occasion(held_by=held), purpose, never_asked) == Decision(None, told)


@pytest.mark.parametrize("held", [None, *HELD])
def test_offline_is_named_first(held: str | None) -> None:
    told = "requirements not checked: --offline contacts no cluster (--facts FILE checks without one)"
    occasion = Occasion(held_by=held, is_offline=True)
    assert decide(CheckSettings(), occasion, "admit", never_asked) == Decision(None, told)


def test_no_cluster_chooses_the_versions_of_a_project() -> None:
    told = "requirements not checked: facts choose the versions of a project only with --facts FILE"
    for held, offline in product([None, *HELD], [False, True]):
        shared = Occasion(held_by=held, is_offline=offline, is_shared=True)
        assert decide(CheckSettings(), shared, "choose", never_asked) == Decision(None), "admit speaks, if it has to"
        only_locks = Occasion(held_by=held, is_offline=offline, is_shared=True, places=False)
        assert decide(CheckSettings(), only_locks, "choose", never_asked) == Decision(None, told)


def test_the_versions_of_a_project_are_admitted_like_those_of_a_person() -> None:
    for occasion, connection in product(OCCASIONS, CONNECTIONS):
        own = Occasion(held_by=occasion.held_by, is_offline=occasion.is_offline, places=occasion.places)
        same = decide(CheckSettings(), own, "admit", found(connection))
        assert decide(CheckSettings(), occasion, "admit", found(connection)) == same


# -- what every cell holds


def test_a_note_is_given_only_for_what_is_not_checked() -> None:
    for mode, occasion, purpose, connection in every_cell():
        try:
            decision = decide(CheckSettings(mode=mode), occasion, purpose, found(connection))
        except ConfigError:
            continue
        assert decision.facts_from is None or decision.said is None
        assert decision.said is None or decision.said.startswith("requirements not checked: ")


def test_the_account_of_a_pod_counts_only_under_always() -> None:
    for mode, occasion, purpose in product(MODES, OCCASIONS, PURPOSES):
        if mode != "always":
            assert outcome(mode, occasion, purpose, "account") != "cluster"
    assert outcome("always", PLAIN, "admit", "account") == "cluster"
