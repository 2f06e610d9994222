"""What helps when no API server answers: the hint names what is to blame. No control plane is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import write_kubeconfig
from tests.cluster.connect_proxy import connect_proxy
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = "https://api.example"


def person(tmp_path: Path, server: str = SERVER, **cluster: object) -> Person:
    """Return a person whose kubeconfig names this cluster."""
    someone = Person(tmp_path / "home", env={"D8_PATIENCE": "2"})
    document = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "it", "user": {"token": "t0ken"}}],
    }
    write_kubeconfig(tmp_path / "home" / ".kube" / "config", document)
    return someone


@pytest.fixture(params=["dead", "refuses"])
def proxy(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of a forward proxy that is not there, or that connects to nothing."""
    with connect_proxy({}) as running:
        if request.param == "refuses":
            yield running.url
    if request.param == "dead":
        yield running.url


def test_the_proxy_of_the_environment(tmp_path: Path, proxy: str) -> None:
    said = person(tmp_path).fails(69, "install", "alpha", HTTPS_PROXY=proxy).err
    assert "the Kubernetes API does not answer: " in said
    assert "hint: check HTTPS_PROXY, and name the host of `server` in NO_PROXY if it needs no proxy" in said


def test_the_proxy_of_the_kubeconfig(tmp_path: Path, proxy: str) -> None:
    said = person(tmp_path, **{"proxy-url": proxy}).fails(69, "install", "alpha").err
    assert "hint: check `proxy-url` in the kubeconfig; without it HTTPS_PROXY and NO_PROXY count" in said
