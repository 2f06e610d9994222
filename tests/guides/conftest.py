"""What a reader of a guide has: the tool, an endpoint, and images behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.guides.desk import Desk
from tests.managers.images import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A reader's desk; the images come from an embedded proxy, as from a cluster's."""
    with serving(tmp_path) as images:
        yield Desk(tmp_path / "home", tmp_path / "images", images.url)
