"""Fixtures of the registry tests: a client that does not wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.registry.client import Client, ClientOptions
from d8_installer.registry.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

from tests.registry.clients import Waits

TINY = RetryPolicy(jitter=lambda upper: upper)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def client(waits: Waits) -> Iterator[Client]:
    client = Client(ClientOptions(retry=TINY, wait=waits, read_timeout=5))
    yield client
    client.close()
