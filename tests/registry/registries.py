"""Registries of the tests, opened by a client that does not wait; and docker's config.json for them."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.registry.client import Client, ClientOptions
from d8_installer.registry.oci_registry import Registry
from d8_installer.registry.retry import RetryPolicy
from d8_installer.testing.docker_registry import PASSWORD, USER
from tests.registry.servers import Answer, Received, Running, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def no_wait(seconds: float) -> None:
    """Do not wait between tries."""


@contextmanager
def opened(url: str, env: dict[str, str] | None = None) -> Iterator[Registry]:
    client = Client(ClientOptions(insecure=True, retry=RetryPolicy(tries=3), wait=no_wait))
    try:
        yield Registry(url, client, env or {})
    finally:
        client.close()


@contextmanager
def asking(
    answer: Callable[[Received], Answer], env: dict[str, str] | None = None
) -> Iterator[tuple[Running, Registry]]:
    with serving(answer) as server, opened(f"oci://{server.host}/root", env) as registry:
        yield server, registry


def logged_in(tmp_path: Path, *hosts: str) -> dict[str, str]:
    auths = {host: {"auth": BASIC.removeprefix("Basic ")} for host in hosts}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    return {"DOCKER_CONFIG": str(tmp_path)}
