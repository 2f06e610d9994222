"""Requesters who are not here, and what makes a lock stale."""

from __future__ import annotations

from d8_installer.errors import MismatchError
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock
from d8_installer.model.value import replace
from d8_installer.model.version import Specifier
from d8_installer.resolve.stale import staleness
from tests.resolve.asking import KEPT, A, failing, locked, offering, only, requirement, said, want
from tests.strategies import (
    LINUX,
    MAC,
    WINDOWS,
)

# -- requesters who are not here -----------------------------------------------------------------------------


def test_absent_requesters_are_kept_or_dropped() -> None:
    catalogue = offering("v1.0.0")
    catalogue.publish("b", "v1.0.0")
    lock = locked(catalogue, want("x: a", "d8.toml: a", "x: b"))
    kept = locked(catalogue, want("a", locked=lock, kept=KEPT))
    assert kept == lock
    dropped = locked(catalogue, want("a", locked=lock))
    assert [str(image.name) for image in dropped.images] == ["a"]
    assert [who for who, _ in only(dropped).requests] == ["d8.toml"]


def test_keeping_absent_requesters_asks_nothing() -> None:
    catalogue = offering("v1.0.0")
    lock = locked(catalogue, want("x: a", "a"))
    catalogue.asked.clear()
    assert locked(catalogue, want("a", locked=lock, kept=KEPT)) == lock
    assert locked(catalogue, want(locked=lock, kept=KEPT)).find(A) is not None
    assert catalogue.asked == []


def test_who_is_here_and_no_longer_asks_loses_the_line() -> None:
    catalogue = offering("v1.0.0")
    lock = locked(catalogue, want("x: a", "a"))
    wanted = want(locked=lock, kept=KEPT)
    assert [who for who, _ in only(locked(catalogue, wanted)).requests] == ["x"]
    assert said(wanted) == ("a is locked and no requester here wants it",)
    assert staleness(replace(wanted, locked=locked(catalogue, wanted))) == ()


def test_what_absent_requesters_need_stays_locked() -> None:
    catalogue = offering("v1.0.0", "v1.1.0", on=(LINUX, MAC, WINDOWS))
    absent = requirement("x: a", platforms=(MAC,), binaries=(("x-a", "file"),))
    mine = requirement("a <1.1", platforms=(LINUX,), optional=True)
    lock = locked(catalogue, want(absent, mine))
    assert dict(only(lock).platforms).keys() == {"darwin-arm64", "linux-amd64"}
    again = replace(mine, request=replace(mine.request, version=Specifier.parse(">=1.1")))
    image = only(locked(catalogue, want(again, locked=lock, kept=KEPT)))
    assert (image.version, image.optional) == ("v1.1.0", False)
    assert dict(image.platforms).keys() == {"darwin-arm64", "linux-amd64"}
    assert dict(image.binaries) == {"a": "plugin", "x-a": "file"}
    assert dict(image.requests)["x"] == absent.request.hash
    pruned = only(locked(catalogue, want(again, locked=lock)))
    assert dict(pruned.platforms).keys() == {"linux-amd64"}
    assert (dict(pruned.binaries), pruned.optional) == ({"a": "plugin"}, True)


def test_an_absent_requesters_platform_may_go_with_the_image() -> None:
    catalogue = offering("v1.0.0", on=(LINUX, MAC))
    lock = locked(catalogue, want("x: a", "a"))
    catalogue.publish("a", "v1.1.0", on=(LINUX,))
    image = only(locked(catalogue, want("a >=1.1", locked=lock, kept=KEPT)))
    assert [key for key, _ in image.platforms] == ["linux-amd64"]


# -- what is stale -------------------------------------------------------------------------------------------


def test_staleness_in_words() -> None:
    catalogue = offering("v1.0.0")
    catalogue.publish("b", "v1.0.0")
    lock = locked(catalogue, want("a", "b"))
    assert staleness(want("a", "b", locked=lock)) == ()
    assert said(want("a >=1", "y: c", "x: c", locked=lock)) == (
        "a is locked for another request than that of d8.toml",
        "c is wanted by x and y and not locked",
        "b is locked and no requester here wants it",
    )
    gone = replace(want("x: a", locked=lock), present=frozenset(["x"]))
    assert said(gone) == (
        "a is locked for another request than that of x",
        "b is locked and no requester here wants it",
    )
    assert staleness(replace(gone, requirements=(), kept=KEPT)) == ()


def test_a_version_outside_its_range_is_stale() -> None:
    lock = locked(offering("v1.0.0"), want("a"))
    odd = Lock.of([replace(only(lock), version="v1.0.0-rc.1")])
    assert said(want("a", locked=odd)) == ("a is locked at v1.0.0-rc.1, which d8.toml (*) does not allow",)


def test_a_lock_of_other_bytes_than_demanded_is_stale_and_refused() -> None:
    catalogue = offering("v1.0.0")
    top = only(locked(catalogue, want("a"))).top
    demand = requirement("a ===v1.0.0", digest=top)
    lock = locked(catalogue, want(demand))
    assert staleness(want(demand, locked=lock)) == ()
    forged = Lock.of([replace(only(lock), index=Digest("0" * 64))])
    assert staleness(want(demand, locked=forged))
    assert "was moved" in failing(MismatchError, catalogue, want(demand, locked=forged)).message
