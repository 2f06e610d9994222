"""Fixtures of a Windows machine; README.md says how to use them."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from tests.windows import prefix
from tests.windows.machine import Machine, machine
from tests.windows.user import WindowsUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_names = itertools.count(1)


@pytest.fixture(scope="session")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine of this test process, with d8-installer in it; without Wine a test skips here, and fails in CI."""
    try:
        prefix.find()
    except prefix.WindowsMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with machine(tmp_path_factory.mktemp("windows")) as running:
        yield running


@pytest.fixture
def user(windows: Machine, tmp_path: Path) -> WindowsUser:
    """A person who has nothing yet, and a source of images that is empty."""
    return WindowsUser(windows, f"ann{next(_names)}", tmp_path / "source")
