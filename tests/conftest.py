"""Fixtures for every test: the real registry, the measurement of started processes, the form that runs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from coverage import Coverage
from hypothesis import settings

from d8_installer.testing.docker_registry import PROGRAM, RunningRegistry, docker_registry, is_installed
from tests import forms
from tests.measured import collected
from tests.windows import wine

if TYPE_CHECKING:
    from collections.abc import Iterator


settings.register_profile("usual", max_examples=forms.examples(100), deadline=None, derandomize=not forms.THOROUGH)
settings.load_profile("usual")
forms.hold_quick_tests()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--quick``."""
    parser.addoption("--quick", action="store_true", help="only the tests without processes and servers")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files that the quick form does not run."""
    left_out = config.getoption("quick") and collection_path.is_file() and not forms.is_quick(collection_path)
    return True if left_out else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect the failures that are Wine's."""
    if wine.is_running():
        wine.expect_failures(items)


@pytest.fixture(autouse=True)
def _quick_tests_stay_quick(request: pytest.FixtureRequest) -> Iterator[None]:
    forms.begin(request.path)
    yield
    forms.end()


def _need_registry() -> None:
    if is_installed():
        return
    message = f"{PROGRAM} is not on PATH; on Debian: apt-get install {PROGRAM}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session", autouse=True)
def _processes_are_measured() -> Iterator[None]:
    """With ``--cov``, measure the processes that tests start as well."""
    running = Coverage.current()
    if running is None:
        yield
        return
    with (
        tempfile.TemporaryDirectory(prefix="d8-measured-", ignore_cleanup_errors=True) as directory,
        collected(Path(directory), os.path.abspath(str(running.get_option("run:data_file")))),
    ):
        yield


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A docker-registry that everybody may write to; shared, so use an image name of your own."""
    _need_registry()
    with docker_registry(str(tmp_path_factory.mktemp("registry"))) as running:
        yield running


@pytest.fixture(scope="session")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A docker-registry that wants testing.docker_registry.USER and PASSWORD; shared as well."""
    _need_registry()
    with docker_registry(str(tmp_path_factory.mktemp("locked-registry")), with_password=True) as running:
        yield running
