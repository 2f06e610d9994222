"""The fixture for publishing: executables in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.model.platform import Platform


from tests.publish.recorder import CONTENT


@pytest.fixture
def builds(tmp_path: Path) -> list[tuple[Platform, str]]:
    found = []
    for platform, content in CONTENT.items():
        path = tmp_path / f"stronghold-{platform}"
        path.write_bytes(content)
        found.append((platform, str(path)))
    return found
