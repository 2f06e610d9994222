"""Guides for one machine: what they have their reader type is typed, and prints what they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.guides.desk import Desk


def test_upgrade_and_roll_back(desk: Desk) -> None:
    desk.publish_program("stronghold", "1.4.2")
    desk.has_endpoint()
    desk.ok("install", "stronghold>=1.4,<2")
    desk.publish_program("stronghold", "1.5.0", "2.0.0")
    desk.types("upgrade")
