"""An identity is asked for once, and again for each that has expired or was refused, by however many threads."""

from __future__ import annotations

import threading

import pytest

from d8_installer.errors import ConfigError
from d8_installer.model.identity import Identity
from d8_installer.pipeline.credentials import Renewing


class Giver:
    """Gives identities one after another; the last one stays."""

    def __init__(self, *identities: Identity | None) -> None:
        self.left = list(identities)
        self.asked: list[Identity | None] = []

    def __call__(self, refused: Identity | None) -> Identity | None:
        self.asked.append(refused)
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


A, B = Identity(token="a"), Identity(token="b")


def test_a_refused_one_is_asked_for_once() -> None:
    giver = Giver(A, B, A)
    identity = Renewing(giver, lambda: 0)
    assert identity.current() is identity.current() is A
    assert identity.renewed(A) is B
    assert identity.renewed(A) is B, "another thread has renewed it"
    assert giver.asked == [None, A]


def test_the_same_one_again_ends_it() -> None:
    giver = Giver(A)
    identity = Renewing(giver, lambda: 0)
    identity.current()
    assert [identity.renewed(A), identity.renewed(A), identity.current()] == [None, None, A]
    assert giver.asked == [None, A]


def test_none_stays_none() -> None:
    giver = Giver(None)
    identity = Renewing(giver, lambda: 0)
    assert identity.current() is identity.current() is None
    assert giver.asked == [None]


def test_an_expired_one_is_renewed_and_a_wrong_clock_asks_no_more() -> None:
    first, second, third = (Identity(token=str(end), expires=end) for end in (10.0, 20.0, 15.0))
    time = [0.0]
    giver = Giver(first, second, third)
    identity = Renewing(giver, lambda: time[0])
    assert identity.current() is first
    time[0] = 10
    assert identity.current() is identity.current() is second
    time[0] = 30
    assert identity.current() is identity.current() is third, "it has expired by our clock, and is all that there is"
    assert giver.asked == [None, first, second]


def test_a_failure_is_repeated_and_not_asked_for_again() -> None:
    def fail(_refused: Identity | None) -> Identity | None:
        calls.append(1)
        raise ConfigError("the plugin exited with 1", hint="log in again")

    calls: list[int] = []
    identity = Renewing(fail, lambda: 0)
    for _ in range(3):
        with pytest.raises(ConfigError, match="exited with 1") as caught:
            identity.current()
        assert caught.value.hint == "log in again"
    assert len(calls) == 1


def test_many_threads_ask_once_for_each_refusal() -> None:
    giver = Giver(*(Identity(token=str(number)) for number in range(50)))
    identity = Renewing(giver, lambda: 0)
    begin = threading.Barrier(8)

    def refuse() -> None:
        begin.wait()
        for _ in range(5):
            current = identity.current()
            assert current is not None
            identity.renewed(current)

    threads = [threading.Thread(target=refuse) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [one.token for one in giver.asked if one is not None]
    assert len(refused) == len(set(refused)) > 0, "each was asked for once"
