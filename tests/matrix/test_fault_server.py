"""The fault server itself: without a fault it is a proxy as any other, and its programming counts as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import TryAgainError
from d8_installer.plugin.records import Access
from d8_installer.plugin.schemes import open_source
from d8_installer.testing.contract import Sample, SourceContract
from d8_installer.testing.faults import FaultServer, fault_server, status
from d8_installer.testing.memory import MemorySource
from d8_installer.testing.oci_answers import OciWire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.source import Source


@pytest.fixture
def sample() -> Sample:
    return Sample.make("sample", size=20_000)


@pytest.fixture
def proxy(sample: Sample) -> Iterator[FaultServer]:
    images = MemorySource()
    sample.publish(images)
    with fault_server(images) as running:
        yield running


@pytest.fixture
def source(proxy: FaultServer) -> Iterator[Source]:
    opened = open_source(proxy.url, Access(tries=1))
    yield opened
    opened.close()


class TestWithoutFaults(SourceContract):
    """It serves what its source has."""


class TestAsARegistry(SourceContract):
    """And so it does as an OCI registry, from a part of a layer on as well."""

    @pytest.fixture
    def source(self, sample: Sample) -> Iterator[Source]:
        images = MemorySource()
        sample.publish(images)
        with fault_server(images, wire=OciWire()) as running:
            opened = open_source(f"oci://{running.url.partition('://')[2]}/root", Access(tries=1))
            yield opened
            opened.close()


def test_a_fault_strikes_as_often_as_it_says_and_after_what_it_says(
    proxy: FaultServer, source: Source, sample: Sample
) -> None:
    proxy.on("tags", status(500), times=2, after=1)
    answers = []
    for _ in range(5):
        try:
            answers.append(len(source.tags(sample.image)))
        except TryAgainError:
            answers.append(0)
    assert answers == [2, 0, 0, 2, 2]
    assert [request.method for request in proxy.seen("tags")] == ["GET"] * 5
    proxy.on(None, status(500))
    proxy.reset()
    assert proxy.seen() == ()
    assert len(source.tags(sample.image)) == 2
