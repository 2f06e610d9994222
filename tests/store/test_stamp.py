"""``stamp.json``: it matches exactly while nothing changed, and never raises."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.store import fs, stamp
from d8_installer.store.paths import Home, ProfilePaths
from tests.forms import examples

if TYPE_CHECKING:
    from collections.abc import Callable

posix = pytest.mark.skipif(os.name != "posix", reason="makes links, or sets modes")
FACTS: dict[str, object] = {"generation": 1, "platform": "linux-amd64"}


class Stamped:
    """A profile whose stamp was just written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths: ProfilePaths = Home(str(root)).profile("user")
        self.manifest, self.absent, self.place = root / "d8.toml", root / "config.toml", root / "place"
        self.manifest.write_text("schema = 1\n")
        self.place.mkdir()
        for number in (1, 2):
            os.makedirs(self.paths.generation(number))
        self.point_to(1)
        self.files = [str(self.manifest), str(self.absent)]
        self.executable = root / "tool"
        self.executable.write_bytes(b"one")
        seen = stamp.seen(self.paths, self.files, [str(self.place)], [str(self.executable)], FACTS)
        fs.replace_file(self.paths.stamp, seen)

    def matching(self) -> object:
        return stamp.matching(self.paths, self.files)

    def replace(self, put: Callable[[Path], object]) -> None:
        """Put something in the executable's place, as a program does that updates itself; the time stays."""
        times = os.stat(self.executable)
        old = self.executable.rename(self.root / "aside")
        put(old)
        os.utime(self.executable, ns=(times.st_atime_ns, times.st_mtime_ns), follow_symlinks=os.name == "nt")

    def point_to(self, generation: int | None) -> None:
        """Let a generation be the active one, or none, as the system's switch says it."""
        current = Path(self.paths.current)
        if os.name == "nt":
            fs.remove_tree(str(current))
        else:
            current.unlink(missing_ok=True)
        if generation is None:
            return
        if os.name == "nt":
            fs.replace_file(str(current / "number"), str(generation).encode())
        else:
            current.symlink_to(f"generations/{generation}")


@pytest.fixture
def stamped(tmp_path: Path) -> Stamped:
    return Stamped(tmp_path)


def test_nothing_changed(stamped: Stamped) -> None:
    for _ in range(2):
        assert stamped.matching() == FACTS
    assert stamp.matching(stamped.paths, reversed(stamped.files)) == FACTS


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.manifest.write_text("schema = 1"),
        lambda s: s.manifest.unlink(),
        lambda s: s.absent.touch(),
        lambda s: (s.place / "new").touch(),
        lambda s: s.place.rmdir(),
        lambda s: s.executable.unlink(),
        pytest.param(lambda s: s.replace(s.executable.symlink_to), marks=posix),
        lambda s: s.replace(lambda _old: s.executable.write_bytes(b"other")),
        pytest.param(lambda s: s.executable.chmod(0o600), marks=posix),
        lambda s: s.point_to(2),
        lambda s: s.point_to(None),
        lambda s: os.unlink(s.paths.stamp),
        lambda s: s.files.pop(),
        lambda s: s.files.append("another"),
    ],
)
def test_any_change_is_seen(stamped: Stamped, change: Callable[[Stamped], object]) -> None:
    change(stamped)
    assert stamped.matching() is None


def test_the_same_bytes_are_no_change(stamped: Stamped) -> None:
    text = stamped.manifest.read_text()
    stamped.manifest.unlink()
    stamped.manifest.write_text(text)
    assert stamped.matching() == FACTS


@pytest.mark.parametrize("key", ["schema", "host", "current", "files", "places", "executables", "facts"])
@pytest.mark.parametrize("value", [None, 2, "x", [], {}, [[]], {"x": "y"}])
def test_a_stamp_that_says_something_else(stamped: Stamped, key: str, value: object) -> None:
    with open(stamped.paths.stamp, encoding="utf-8") as file:
        document = json.load(file)
    document[key] = value
    fs.replace_file(stamped.paths.stamp, json.dumps(document).encode())
    if key in {"places", "executables"} and value == {}:  # what it did not watch it cannot miss
        assert stamped.matching() == FACTS
    else:
        assert stamped.matching() is None


def test_a_stamp_cut_anywhere_is_none(stamped: Stamped) -> None:
    with open(stamped.paths.stamp, "rb") as file:
        whole = file.read()
    for length in range(len(whole)):
        fs.replace_file(stamped.paths.stamp, whole[:length])
        assert stamped.matching() is None


@given(st.binary(max_size=100) | st.sampled_from([b"[" * 100_000, b"null", b"[]", b'{"schema": 1}']))
@settings(max_examples=examples(60), deadline=None)
def test_any_bytes_are_no_stamp(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    paths = Home(str(tmp_path_factory.mktemp("stamp"))).profile("user")
    fs.replace_file(paths.stamp, data)
    assert stamp.matching(paths, []) is None


def test_what_is_active_is_told_by_a_link_or_by_a_number(tmp_path: Path) -> None:
    paths = Home(str(tmp_path)).profile("user")
    assert stamp.active_pointer(paths) is None
    fs.replace_file(os.path.join(paths.current, "number"), b"7")
    assert stamp.active_pointer(paths) == "7"
    fs.remove_tree(paths.current)
    if os.name == "posix":
        os.symlink("generations/3", paths.current)
        assert stamp.active_pointer(paths) == "generations/3"


def test_a_file_longer_than_any_of_ours_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "d8.lock"
    file.touch()
    os.truncate(file, 1 << 40)
    mark = stamp.file_checksum(str(file))
    assert mark is not None
    assert mark.startswith("too long")
    os.utime(file, ns=(1, 1))
    assert stamp.file_checksum(str(file)) != mark
