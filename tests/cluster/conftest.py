"""Fixtures of a real cluster; README.md says how to use them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import control_plane
from tests.cluster.deckhouse import Deckhouse
from tests.cluster.deckhouse import deckhouse as deckhouse_of
from tests.cluster.tools import ToolsMissingError, find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.tools import Tools

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests of one cluster in one worker of xdist: they share a control plane, whose objects have fixed names."""
    for item in items:
        if HERE in item.path.parents and "running_cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture(scope="session")
def tools() -> Tools:
    """The programs of the control plane; without them a test skips here, and fails in CI."""
    try:
        return find()
    except ToolsMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="package")
def running_cluster(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The one control plane, which ends after the last of these tests."""
    with control_plane(tools, tmp_path_factory.mktemp("control-plane")) as running:
        made = Cluster(running)
        made.prepare()
        yield made


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with namespaces, the CRD of modules and unbound roles in it; what a test makes is removed."""
    yield running_cluster
    running_cluster.reset()


@pytest.fixture(scope="package")
def running_deckhouse(running_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deckhouse]:
    """The proxy and its front, which end after the last of these tests."""
    with deckhouse_of(running_cluster, tmp_path_factory.mktemp("deckhouse")) as made:
        yield made


@pytest.fixture
def deckhouse(running_deckhouse: Deckhouse, cluster: Cluster) -> Iterator[Deckhouse]:
    """The cluster with a proxy and a front; no image, ConfigMap, Ingress or pod is in it yet."""
    yield running_deckhouse
    running_deckhouse.empty()
