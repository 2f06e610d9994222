"""A directory with a meaning is removed so that nobody takes the half that a killed process left for the whole."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import DiskError
from d8_installer.store import fs, recovery, removal
from d8_installer.store.paths import Home

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.store.paths import ProfilePaths

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the errnos are POSIX's")


class NoRename:
    """A file system that does not rename directories, as overlayfs does not rename those of a lower layer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int = errno.EXDEV) -> None:
        self._number = number
        self._rename = os.replace
        monkeypatch.setattr(os, "replace", self.replace)

    def replace(self, old: str, new: str) -> None:
        if os.path.isdir(old):
            raise OSError(self._number, os.strerror(self._number))
        self._rename(old, new)


@pytest.fixture
def paths(tmp_path: Path) -> ProfilePaths:
    paths = Home(str(tmp_path)).profile("user")
    for number in (1, 2, 3):
        (tmp_path / "profiles/user/generations" / str(number) / "bin").mkdir(parents=True)
        (tmp_path / "profiles/user/generations" / str(number) / "bin/tool").touch()
    return paths


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EBUSY, errno.EINVAL])
def test_what_cannot_be_renamed_is_emptied_in_place(
    paths: ProfilePaths, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    NoRename(monkeypatch, number)
    removal.drop(paths.generation(2))
    assert os.listdir(paths.generations) in (["1", "3"], ["3", "1"])


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_other_errors_are_errors(paths: ProfilePaths, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    NoRename(monkeypatch, number)
    with pytest.raises(DiskError):
        removal.drop(paths.generation(2))
    assert recovery.numbers(paths) == [1, 2, 3]


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("renames", [True, False], ids=["renamed", "in-place"])
def test_killed_anywhere_it_is_whole_or_going(
    paths: ProfilePaths, monkeypatch: pytest.MonkeyPatch, renames: bool
) -> None:
    if not renames:
        NoRename(monkeypatch)
    at, done = 0, False
    while not done:
        at += 1
        number = max(recovery.newest_number(paths), 3) + 1
        os.makedirs(os.path.join(paths.generation(number), "bin"))
        fs.replace_file(os.path.join(paths.generation(number), "bin", "tool"), b"")
        done = drop_until(paths.generation(number), at)
        whole = os.path.exists(os.path.join(paths.generation(number), "bin", "tool"))
        assert (number in recovery.numbers(paths)) <= whole
        assert done or recovery.newest_number(paths) >= number, "its number could be given again"
        for name in os.listdir(paths.generations):
            if name.endswith(removal.GONE):
                removal.finish(os.path.join(paths.generations, name))
        if number not in recovery.numbers(paths):
            assert not os.path.exists(paths.generation(number))
        else:
            removal.drop(paths.generation(number))
    assert at > 3
    assert recovery.numbers(paths) == [1, 2, 3]


def drop_until(path: str, at: int) -> bool:
    """Drop *path*, and end at the *at*-th change of the disk; returns whether it came to its end."""
    left = [at]

    def counted(call: object) -> object:
        def change(*arguments: object, **named: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                raise KilledError
            return call(*arguments, **named)  # type: ignore[operator]

        return change

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "mkdir", "unlink", "rmdir", "chmod"):
            patch.setattr(os, name, counted(getattr(os, name)))
        try:
            removal.drop(path)
        except KilledError:
            return False
    return True
