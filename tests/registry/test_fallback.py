"""Several sources as one: the first that answers and has it is taken, and none is believed in another's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import (
    ConfigError,
    D8Error,
    MismatchError,
    NotAllowedError,
    NotFoundError,
    TryAgainError,
    UnreachableError,
)
from d8_installer.model.value import replace
from d8_installer.registry.bundle import BundleSource
from d8_installer.registry.fallback import Candidate, FallbackSource
from d8_installer.registry.oci_layout import LayoutDestination, LayoutSource
from d8_installer.testing.contract import PLATFORMS, Sample, SourceContract, read_layer
from d8_installer.testing.memory import MemorySource, image_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from d8_installer.model.source import Source
    from d8_installer.testing.memory import Operation

GOES_ON = (UnreachableError("no route"), TryAgainError("status 503"), NotFoundError("not here"))
STOPS = (NotAllowedError("forbidden"), MismatchError("other bytes"))
OPERATIONS: tuple[Operation, ...] = ("tags", "manifest", "layer")


@pytest.fixture
def sample() -> Sample:
    return Sample.make("chained", size=5_000)


class Pair:
    """Two sources with the same in them, and a fallback over both."""

    def __init__(self, sample: Sample) -> None:
        self.first, self.second = MemorySource("first"), MemorySource("second")
        sample.publish(self.first)
        sample.publish(self.second)
        self.first.calls.clear()
        self.said: list[str] = []
        self.sample = sample
        by_url = {"a": self.first, "b": self.second}
        self.sources = FallbackSource([Candidate(url, by_url.__getitem__) for url in "ab"], self.said.append)

    def do(self, operation: Operation) -> object:
        if operation == "tags":
            return self.sources.tags(self.sample.image)
        if operation == "manifest":
            return self.sources.manifest(self.sample.image, self.sample.tag)
        return read_layer(self.sources, self.sample.request(PLATFORMS[0]))


@pytest.fixture
def pair(sample: Sample) -> Pair:
    return Pair(sample)


class TestContract(SourceContract):
    @pytest.fixture(params=["the first has it", "the second has it"])
    def source(self, request: pytest.FixtureRequest, tmp_path: Path, sample: Sample) -> Source:
        good, other = str(tmp_path / "good"), str(tmp_path / "other")
        sample.publish(LayoutDestination(good))
        Sample.make("something-else", size=500).publish(LayoutDestination(other))
        order = (good, other) if request.param == "the first has it" else (other, good)
        return FallbackSource([Candidate(url, LayoutSource) for url in order], pytest.fail, lambda _: None)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("error", GOES_ON, ids=lambda error: type(error).__name__)
def test_the_next_one_is_asked(pair: Pair, operation: Operation, error: D8Error) -> None:
    right = pair.do(operation)
    pair.first.fail(operation, error)
    assert pair.do(operation) == right
    assert pair.do(operation) == right
    asked = pair.first.count(operation)
    if isinstance(error, NotFoundError):
        assert (pair.said, asked) == ([], 3), "lacking one thing says nothing of the next"
    else:
        assert len(pair.said) == 1
        assert "first" in pair.said[0]
        assert asked == 2, "one that does not answer is asked last from then on"


@pytest.mark.parametrize(
    ("operation", "error"),
    [(operation, error) for operation in OPERATIONS for error in STOPS if (operation, error) != ("layer", STOPS[1])],
)
def test_a_refusal_and_wrong_bytes_end_it(pair: Pair, operation: Operation, error: D8Error) -> None:
    pair.first.fail(operation, error)
    with pytest.raises(type(error), match="first:"):
        pair.do(operation)
    assert pair.second.count(operation) == 0


def test_one_that_announces_another_layer_than_the_locked_one_lacks_it(pair: Pair) -> None:
    """It has said so before the first byte (a tag that moved), and the digest proves whoever is asked instead."""
    right = pair.do("layer")
    pair.first.fail("layer", MismatchError("the tag moved", hint="take a mirror"))
    assert pair.do("layer") == right
    assert pair.do("layer") == right
    assert pair.said == ["first has other bytes than the locked ones, so the other sources are asked: the tag moved"]
    pair.second.fail("layer", NotFoundError("not here"))
    with pytest.raises(MismatchError, match=r"first: the tag moved; second: not here") as error:
        pair.do("layer")
    assert error.value.hint == "take a mirror"


def test_one_that_is_not_there_is_passed_by_and_named(sample: Sample, tmp_path: Path) -> None:
    memory, said, warned = MemorySource("second"), list[str](), list[str]()
    sample.publish(memory)

    def opened(url: str) -> Source:
        kinds: dict[str, Callable[[str], Source]] = {"oci-layout": LayoutSource, "bundle": BundleSource}
        kind, _, path = url.partition(":")
        return kinds[kind](str(tmp_path / path)) if kind in kinds else memory

    sources = FallbackSource(
        [Candidate(url, opened) for url in ("oci-layout:layout", "bundle:file", "c")], said.append, warned.append
    )
    assert sources.tags(sample.image)
    assert sources.manifest(sample.image, sample.tag).digest == sample.index.digest
    assert [line.partition(", so")[0] for line in warned] == [
        "oci-layout:layout is not there",
        "bundle:file is not there",
    ]
    assert said == []
    assert sources.giver(sample.image, sample.tag) == "second"
    with pytest.raises(UnreachableError, match=r"nobody in second; .*layout.*; .*bundle") as error:
        sources.tags("nobody")
    assert error.value.hint
    (tmp_path / "layout").write_text("a file")
    with pytest.raises(ConfigError, match="is not a directory"):
        FallbackSource([Candidate(url, opened) for url in ("oci-layout:layout", "c")], said.append).tags(sample.image)


def test_another_manifest_than_asked_for_ends_it(pair: Pair) -> None:
    """Also where it came whole and well-formed: no second source may make good for a lying one."""
    child = pair.sample.children[PLATFORMS[0]]
    pair.first.add_manifest(pair.sample.image, image_manifest([b"evil"]), str(child.digest))
    with pytest.raises(MismatchError, match=r"^first:.*was asked for"):
        pair.sources.manifest(pair.sample.image, str(child.digest))
    pair.first.add_manifest(pair.sample.image, replace(child, raw=b"<html>"), pair.sample.tag)
    with pytest.raises(MismatchError, match=r"^first:.*not JSON"):
        pair.sources.manifest(pair.sample.image, pair.sample.tag)
    assert pair.second.count("manifest") == 0


def test_wrong_bytes_found_by_the_reader_name_the_source(pair: Pair) -> None:
    def read() -> None:
        with pair.sources.layer(pair.sample.request(PLATFORMS[0])):
            raise MismatchError("the layer's bytes have another digest", hint="h")

    with pytest.raises(MismatchError, match=r"^first: the layer's bytes"):
        read()


def test_a_cut_transfer_is_begun_anew_at_the_next(pair: Pair) -> None:
    def cut(at: int) -> None:
        raise TryAgainError(f"cut at {at}")

    pair.first.before_chunk = cut
    with pytest.raises(TryAgainError):
        pair.do("layer")
    assert pair.do("layer") == pair.sample.layers[PLATFORMS[0]]
    assert (pair.first.count("layer"), pair.second.count("layer")) == (1, 1)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (NotFoundError("a lacks it"), NotFoundError("b lacks it"), NotFoundError),
        (NotFoundError("a lacks it"), UnreachableError("b is gone"), UnreachableError),
        (UnreachableError("a is gone"), TryAgainError("b is busy"), TryAgainError),
    ],
)
def test_when_nobody_has_it_all_are_named(pair: Pair, first: D8Error, second: D8Error, kind: type[D8Error]) -> None:
    pair.first.fail("tags", first)
    pair.second.fail("tags", second)
    with pytest.raises(kind) as error:
        pair.do("tags")
    assert type(error.value) is kind
    assert all(text in str(error.value) for text in ("first:", "second:", str(first), str(second)))


def test_a_second_source_is_opened_only_when_it_is_needed(sample: Sample) -> None:
    opened: list[str] = []
    memory = MemorySource()
    sample.publish(memory)

    def open_source(url: str) -> Source:
        opened.append(url)
        return memory

    sources = FallbackSource(
        [Candidate("a", open_source), Candidate("https://me:secret@host", open_source)], lambda _: None
    )
    assert sources.tags(sample.image)
    assert opened == ["a"]
    assert "secret" not in sources.name
