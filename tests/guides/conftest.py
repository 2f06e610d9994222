"""What a reader of a guide has: the tool, an endpoint, and images behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.guides.checkout import Checkout
from tests.guides.desk import Desk
from tests.guides.proxy import asking_for_a_token
from tests.managers.conftest import d8_wheel as d8_wheel
from tests.managers.conftest import images as images
from tests.managers.conftest import index as index
from tests.managers.conftest import machine as machine
from tests.managers.images import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.managers.machine import Machine


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A reader's desk; the images come from an embedded proxy, as from a cluster's."""
    with serving(tmp_path) as served:
        yield Desk(tmp_path / "home", tmp_path / "images", served.url)


@pytest.fixture
def checkout(machine: Machine, tmp_path: Path) -> Iterator[Checkout]:
    """A project with a lock and the tool's wheel, as CI checks it out; its proxy asks for a token."""
    images = tmp_path / "images"
    Desk(tmp_path / "author", images, "").publish_program("stronghold", "1.4.2")
    with asking_for_a_token(tmp_path, images) as url:
        yield Checkout(machine, url)
