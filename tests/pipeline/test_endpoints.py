"""Endpoints of clusters: the first one that verifies, what the home keeps of it, and the source that asks again."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from d8_installer.cluster.discovery import NamedEndpoint
from d8_installer.errors import D8Error, NotAllowedError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.pipeline import endpoint_cache
from d8_installer.pipeline.discovered_source import DiscoveredSource
from d8_installer.pipeline.endpoint_choice import ChosenEndpoint, first_verified
from d8_installer.registry.handshake import PeerCertificate
from d8_installer.store.paths import Home

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from d8_installer.model.source import ManifestBytes, Source
    from d8_installer.pipeline.endpoint_search import EndpointSearch

KEY = "a" * 64
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
VERIFIED = PeerCertificate(is_verified=True, issuer="a CA", names=("proxy",), until=NOW.timestamp())


def endpoint(name: str, ca: str | None = None) -> NamedEndpoint:
    return NamedEndpoint(f"https://{name}.example", "ConfigMap", ca)


def chosen(name: str = "one", *, cached: bool = False, found: datetime = NOW) -> ChosenEndpoint:
    return ChosenEndpoint(
        endpoint=endpoint(name, "PEM"), asked=("ConfigMap: it",), found=found.timestamp(), is_cached=cached
    )


# -- the choice ------------------------------------------------------------------------------------------------


def test_all_are_tried_at_once_and_the_first_in_order_is_used() -> None:
    begun = threading.Barrier(3)

    def attempt(one: NamedEndpoint) -> PeerCertificate:
        begun.wait(5)  # no one comes through before all three have begun
        if one.url == "https://a.example":
            raise UnreachableError("a is down")
        return VERIFIED

    used, lines = first_verified([endpoint("a"), endpoint("b"), endpoint("c")], attempt)
    assert used.url == "https://b.example"
    assert lines == (
        "https://a.example (ConfigMap): a is down",
        "https://b.example (ConfigMap): its certificate verifies, issued by a CA",
    )


def test_one_that_does_not_answer_holds_up_only_those_before_it() -> None:
    over = threading.Event()

    def attempt(one: NamedEndpoint) -> PeerCertificate:
        if one.url == "https://b.example":
            over.wait(30)
        return VERIFIED

    used, _ = first_verified([endpoint("a"), endpoint("b")], attempt)
    over.set()
    assert used.url == "https://a.example"


def test_an_error_names_every_address_and_its_reason() -> None:
    def attempt(one: NamedEndpoint) -> PeerCertificate:
        raise UnreachableError(f"{one.url[8:9]} is down", hint=f"look at {one.url[8:9]}")

    with pytest.raises(UnreachableError) as failed:
        first_verified([endpoint("a"), endpoint("b")], attempt)
    assert "https://a.example (ConfigMap): a is down; https://b.example (ConfigMap): b is down" in failed.value.message
    assert str(failed.value.hint).startswith("look at a; or look at b; or name the endpoint with --endpoint ")


# -- what is kept ----------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "schema").write_text("1\n")
    return Home(str(tmp_path))


def test_what_is_kept_is_read_again_for_an_hour(home: Home) -> None:
    endpoint_cache.save(home, KEY, chosen())
    assert os.stat(home.endpoint(KEY)).st_mode & 0o777 == 0o600
    assert os.stat(home.endpoints).st_mode & 0o777 == 0o700
    for seconds, there in ((0, True), (3600, True), (3601, False), (-1, False)):
        found = endpoint_cache.load(home, KEY, NOW + timedelta(seconds=seconds))
        assert found == (chosen(cached=True) if there else None)
    assert endpoint_cache.load(home, "b" * 64, NOW) is None
    endpoint_cache.drop(home, KEY)
    assert endpoint_cache.load(home, KEY, NOW) is None


def test_nothing_is_kept_where_there_is_no_home(tmp_path: Path) -> None:
    endpoint_cache.save(Home(str(tmp_path / "none")), KEY, chosen())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://a.example"},
        {"url": 7},
        {"named_by": "Service"},
        {"asked": "x"},
        {"found": "now"},
        {"ca": 1},
        {"found": None},
    ],
)
def test_a_file_that_says_something_else_counts_as_none(home: Home, change: dict[str, object]) -> None:
    from d8_installer.store import private_document

    endpoint_cache.save(home, KEY, chosen())
    content = private_document.read(home.endpoint(KEY))
    assert content is not None
    private_document.write(home.endpoint(KEY), content | change)
    assert endpoint_cache.load(home, KEY, NOW) is None


def test_a_damaged_file_counts_as_none(home: Home) -> None:
    endpoint_cache.save(home, KEY, chosen())
    with open(home.endpoint(KEY), encoding="utf-8") as file:
        document = json.load(file)
    document["content"]["url"] = "https://evil.example"
    for text in (json.dumps(document), "", "[]", "{", "\udc80"):
        with open(home.endpoint(KEY), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        assert endpoint_cache.load(home, KEY, NOW) is None


def test_leftovers_and_forgotten_clusters_go_when_an_endpoint_is_kept(home: Home) -> None:
    now, day = NOW.timestamp(), 24 * 3600
    os.makedirs(home.endpoints)
    ages = {"b": 31 * day, "c": 29 * day}
    files = {home.endpoint(letter * 64): age for letter, age in ages.items()}
    files |= {f"{home.endpoint('d' * 64)}.{number}.tmp": age for number, age in ((1, 61), (2, 59))}
    for file, age in files.items():
        with open(file, "w", encoding="utf-8"):
            os.utime(file, (now - age, now - age))
    endpoint_cache.save(home, KEY, chosen())
    left = {os.path.join(home.endpoints, name) for name in os.listdir(home.endpoints)}
    assert left == {home.endpoint(KEY), home.endpoint("c" * 64), f"{home.endpoint('d' * 64)}.2.tmp"}


def test_all_are_forgotten_at_once(home: Home) -> None:
    endpoint_cache.save(home, KEY, chosen())
    endpoint_cache.save(home, "b" * 64, chosen())
    assert sorted(endpoint_cache.forget(home)) == [home.endpoint(KEY), home.endpoint("b" * 64)]
    assert endpoint_cache.forget(home) == []


# -- the source ------------------------------------------------------------------------------------------------


class At:
    """A source at one address, which answers or fails as a test says."""

    def __init__(self, name: str, fault: D8Error | None, wait: Callable[[float], object] | None) -> None:
        self.name = name
        self.fault = fault
        self.wait = wait
        self.is_closed = False

    def tags(self, image: str) -> Sequence[str]:
        if self.fault is not None:
            if isinstance(self.fault, TryAgainError) and self.wait is not None:
                self.wait(0)  # as the client does between two tries
            raise self.fault
        return [f"{image} at {self.name}"]

    def manifest(self, _image: str, _ref: str) -> ManifestBytes:
        raise NotFoundError("not there")

    def close(self) -> None:
        self.is_closed = True


class Searching:
    """A search that found one endpoint, and finds another one when it is asked again."""

    def __init__(self, *, cached: bool, faults: dict[str, D8Error | None]) -> None:
        self.chosen = chosen("one", cached=cached)
        self.faults = faults
        self.opened: list[At] = []
        self.times = 0
        self.dropped = 0
        self.failure: D8Error | None = None

    def again(self, _error: D8Error | None) -> ChosenEndpoint:
        self.times += 1
        if self.failure is not None:
            raise self.failure
        return chosen("two")

    def drop(self) -> None:
        self.dropped += 1

    def source(self) -> DiscoveredSource:
        def opening(one: ChosenEndpoint, wait: Callable[[float], object] | None) -> Source:
            at = At(one.url, self.faults.get(one.url), wait)
            self.opened.append(at)
            return cast("Source", at)

        return DiscoveredSource(cast("EndpointSearch", self), opening)


ONE, TWO = "https://one.example", "https://two.example"
DOWN = UnreachableError("no answer")


@pytest.mark.parametrize("fault", [DOWN, TryAgainError("503")])
def test_a_kept_endpoint_that_fails_is_looked_for_once(fault: D8Error) -> None:
    search = Searching(cached=True, faults={ONE: fault})
    source = search.source()
    assert source.tags("x") == [f"x at {TWO}"]
    assert source.tags("y") == [f"y at {TWO}"]
    assert (source.name, search.times, [one.is_closed for one in search.opened]) == (TWO, 1, [True, False])


def test_many_threads_ask_the_cluster_once() -> None:
    search = Searching(cached=True, faults={ONE: DOWN})
    source = search.source()
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(source.tags("x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (search.times, answers) == (1, [[f"x at {TWO}"]] * 8)


def test_a_cluster_that_cannot_say_is_asked_once_too() -> None:
    search = Searching(cached=True, faults={ONE: DOWN})
    search.failure = NotAllowedError("you may not")
    source = search.source()
    for _ in range(3):
        with pytest.raises(NotAllowedError, match="you may not"):
            source.tags("x")
    assert search.times == 1


def test_if_the_next_one_fails_too_it_is_not_kept_and_nothing_is_asked_again() -> None:
    search = Searching(cached=True, faults={ONE: DOWN, TWO: DOWN})
    source = search.source()
    for _ in range(2):
        with pytest.raises(UnreachableError, match="no answer"):
            source.tags("x")
    assert search.times == 1
    assert search.dropped


def test_an_endpoint_that_was_just_found_is_not_looked_for_again() -> None:
    search = Searching(cached=False, faults={ONE: DOWN})
    with pytest.raises(UnreachableError):
        search.source().tags("x")
    assert (search.times, search.dropped) == (0, 1)


@pytest.mark.parametrize("fault", [NotAllowedError("403"), NotFoundError("404")])
def test_an_answer_is_no_failure_of_the_endpoint(fault: D8Error) -> None:
    search = Searching(cached=True, faults={ONE: fault})
    with pytest.raises(type(fault)):
        search.source().tags("x")
    assert (search.times, search.dropped) == (0, 0)


def test_a_kept_endpoint_that_has_answered_gets_its_tries() -> None:
    search = Searching(cached=True, faults={})
    source = search.source()
    source.tags("x")
    search.opened[0].fault = TryAgainError("503")
    with pytest.raises(TryAgainError):
        source.tags("x")
    assert search.times == 0
