"""The Go tool's lock file as d8-installer takes it (rpp.md §10; §18, 12)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import TryAgainError
from d8_installer.store.install_lock import STALE, install_lock, refuse_held, remove_stale

if TYPE_CHECKING:
    from pathlib import Path

NOW = time.time()
OURS = "/home/me/profiles/user"
OTHERS = "/home/other/profiles/user"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    (tmp_path / "plugins/vault").mkdir(parents=True)
    return tmp_path / "plugins/vault/install.lock"


def held_by_d8(lock: Path, age: float) -> None:
    """Leave what the Go tool creates."""
    lock.touch()
    os.utime(lock, (NOW - age, NOW - age))


def test_it_exists_while_it_is_held_and_leaves_nothing(lock: Path) -> None:
    with install_lock(str(lock), OURS, NOW):
        assert [file.name for file in lock.parent.iterdir()] == ["install.lock"]
        with pytest.raises(TryAgainError), install_lock(str(lock), OTHERS, NOW):
            pass
        assert lock.exists()
    assert not lock.parent.exists(), "an empty directory of a plugin would be shown by `d8 dist plugins list`"


@pytest.mark.parametrize(("age", "is_held"), [(0, True), (STALE - 1, True), (STALE + 1, False), (-STALE, True)])
def test_a_lock_of_d8_counts_for_an_hour(lock: Path, age: float, *, is_held: bool) -> None:
    held_by_d8(lock, age)
    if is_held:
        with pytest.raises(TryAgainError), install_lock(str(lock), OURS, NOW):
            pass
        assert [file.name for file in lock.parent.iterdir()] == ["install.lock"]
        assert lock.read_bytes() == b""
        return
    refuse_held(str(lock), OURS, NOW)
    with install_lock(str(lock), OURS, NOW):
        assert lock.read_bytes() != b""
    assert not lock.exists()


def test_the_lock_of_a_killed_command_of_ours_is_free_at_once(lock: Path) -> None:
    with install_lock(str(lock), OURS, NOW):
        left = lock.read_bytes()
    lock.parent.mkdir(exist_ok=True)
    lock.write_bytes(left)
    with pytest.raises(TryAgainError):
        refuse_held(str(lock), OTHERS, NOW)
    with install_lock(str(lock), OURS, NOW):
        pass
    assert not lock.exists()


def test_a_lock_that_was_taken_over_meanwhile_is_left(lock: Path) -> None:
    with install_lock(str(lock), OURS, NOW):
        lock.unlink()
        lock.touch()
    assert lock.read_bytes() == b"", "d8 holds it now"


def test_a_new_lock_in_the_inode_of_the_old_one_is_put_back(lock: Path) -> None:
    """Another process has removed the old lock and taken its own after we looked; the Go tool would steal it."""
    held_by_d8(lock, STALE + 1)
    seen = lock.stat()
    os.utime(lock, (NOW, NOW))
    stale = lock.with_name("install.lock.stale")
    remove_stale(str(lock), str(stale), seen)
    assert (lock.stat().st_ino, lock.exists(), stale.exists()) == (seen.st_ino, True, False)
    held_by_d8(lock, STALE + 1)
    remove_stale(str(lock), str(stale), lock.stat())
    assert list(lock.parent.iterdir()) == []


def test_what_killed_takers_left_is_cleared_away(lock: Path) -> None:
    with install_lock(str(lock), OURS, NOW):
        mark = lock.read_text().split()[1]
    lock.parent.mkdir()
    for suffix in (mark, f"{mark}.stale"):
        lock.with_name(f"install.lock.{suffix}").touch()
    with install_lock(str(lock), OURS, NOW):
        assert [file.name for file in lock.parent.iterdir()] == ["install.lock"]
