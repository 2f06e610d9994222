"""The guides that keep a token and set up shells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.command import environment
from tests.guides.desk import Desk
from tests.guides.proxy import TOKEN, asking_for_a_token

if TYPE_CHECKING:
    from pathlib import Path


def test_keep_a_token(tmp_path: Path) -> None:
    images = tmp_path / "images"
    Desk(tmp_path / "author", images, "").publish_program("stronghold", "1.4.2")
    with asking_for_a_token(tmp_path, images) as url:
        desk = Desk(tmp_path / "home", images, url)
        (desk.home / "token").write_text(f"{TOKEN}\n")
        desk.types("token")
    assert not (desk.manifest.parent / "logins.json").exists()


def test_shells(desk: Desk) -> None:
    desk.publish_program("stronghold", "1.4.2")
    desk.has_endpoint()
    desk.ok("install", "stronghold")
    desk.types("shells", SHELL="/bin/bash", PATH=environment(str(desk.home))["PATH"])
    assert "__complete" in (desk.home / ".local/share/bash-completion/completions/d8-installer").read_text()
