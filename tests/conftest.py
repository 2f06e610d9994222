"""Fixtures for every test: the real registry."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.registry import PROGRAM, RunningRegistry, docker_registry, is_installed

if TYPE_CHECKING:
    from collections.abc import Iterator


def _need_registry() -> None:
    if is_installed():
        return
    message = f"{PROGRAM} is not on PATH; on Debian: apt-get install {PROGRAM}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A docker-registry that everybody may write to; shared, so use an image name of your own."""
    _need_registry()
    with docker_registry(str(tmp_path_factory.mktemp("registry"))) as running:
        yield running


@pytest.fixture(scope="session")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A docker-registry that wants testing.registry.USER and PASSWORD; shared as well."""
    _need_registry()
    with docker_registry(str(tmp_path_factory.mktemp("locked-registry")), with_password=True) as running:
        yield running
