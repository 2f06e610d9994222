"""Both ways of switching, on Linux: cut at any call, ``recover`` reaches the goal, and nothing half is ever run."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from d8_installer.errors import DiskError
from d8_installer.store import fs, inventory
from d8_installer.store.file_switch import FileSwitch
from d8_installer.store.os_errors import FileInUseError
from d8_installer.store.paths import Home, ProfilePaths, linked_bin, placed_bin
from d8_installer.store.switch import LinkSwitch, switch_for_this_system
from tests.images import script
from tests.store.cut import every_cut, killed_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from d8_installer.store.switch import Switch

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

OLD = {"same": "same", "changed": "old", "gone": "gone"}
NEW = {"same": "same", "changed": "new", "fresh": "fresh"}


@dataclass(frozen=True)
class Place:
    """A home with generations of shell scripts, laid out by one of the two switches."""

    home: Home
    paths: ProfilePaths
    switch: Switch

    def generation(self, number: int, binaries: Mapping[str, str]) -> None:
        """Make a generation: each binary by its name, in ``bin`` and for a launcher."""
        for name, text in binaries.items():
            stored = os.path.join(self.home.root, "store", f"{name}-{text}")
            os.makedirs(os.path.dirname(stored), exist_ok=True)
            if not os.path.exists(stored):
                with open(stored, "wb") as file:
                    file.write(script(text))
                os.chmod(stored, 0o500)
            for directory in ("bin", os.path.join("req", "0" * 64)):
                path = os.path.join(self.paths.generation(number), directory, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                self.switch.place(stored, path)
        fs.replace_file(self.paths.record(number), b"{}")

    def said(self) -> dict[str, str]:
        """Run every active binary; return what each says."""
        texts = {name: self.run(os.path.join(self.bin, name)) for name in fs.list_directory(self.bin)}
        launched = os.path.join(self.paths.current, "req", "0" * 64)
        assert {name: self.run(os.path.join(launched, name)) for name in texts if self.has(launched, name)}.items() <= (
            texts.items() | OLD.items() | NEW.items()
        )
        return texts

    @staticmethod
    def has(directory: str, name: str) -> bool:
        return os.path.exists(os.path.join(directory, name))

    @staticmethod
    def run(path: str) -> str:
        return subprocess.run([path], capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    @property
    def bin(self) -> str:
        """The active binaries."""
        return self.switch.bin(self.paths)

    def tree(self) -> list[str]:
        """Return all that lies in ``current``, and in ``bin`` if that is elsewhere."""
        return sorted(
            os.path.relpath(os.path.join(where, name), os.path.dirname(top))
            for top in (os.path.join(self.paths.current, ""), self.bin)
            for where, _, names in os.walk(top)
            for name in names
        )


@pytest.fixture(params=[LinkSwitch(), FileSwitch()], ids=["links", "files"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_in(str(tmp_path / "home"), request.param)


def place_in(root: str, switch: Switch) -> Place:
    home = Home(root)
    made = Place(home, home.profile("user"), switch)
    made.generation(1, OLD)
    made.generation(2, NEW)
    return made


def test_nothing_is_active_at_first(place: Place) -> None:
    assert place.switch.active(place.paths) is None
    place.switch.recover(place.paths)
    assert place.switch.active(place.paths) is None


def test_to_and_fro(place: Place) -> None:
    for number, texts in ((1, OLD), (2, NEW), (2, NEW), (1, OLD), (2, NEW)):
        place.switch.activate(place.paths, number)
        assert place.switch.active(place.paths) == number
        assert place.said() == texts
    place.switch.recover(place.paths)
    assert (place.switch.active(place.paths), place.said()) == (2, NEW)


def test_cut_at_any_call(tmp_path: Path, place: Place) -> None:
    def steps(number: int) -> Iterator[list[str]]:
        one = place_in(str(tmp_path / str(number)), place.switch)
        one.switch.activate(one.paths, 1)
        with killed_at(number) as called:
            one.switch.activate(one.paths, 2)
        yield called
        between = one.said()
        assert all(text in {OLD.get(name), NEW.get(name)} for name, text in between.items())
        if isinstance(place.switch, LinkSwitch):
            assert between in (OLD, NEW)
        one.switch.recover(one.paths)
        active = one.switch.active(one.paths)
        assert (active, one.said()) in [(1, OLD), (2, NEW)]
        if between != OLD:
            assert active == 2  # carried on, never back
        assert not os.path.lexists(f"{one.paths.current}.new")
        one.switch.activate(one.paths, 2)
        assert one.said() == NEW
        fs.remove_tree(one.home.root)

    assert every_cut(steps) >= 4


def test_cut_while_recovering(tmp_path: Path) -> None:
    """The journal stays until all is done, so that a recovery may be killed as often as it likes."""

    def steps(number: int) -> Iterator[list[str]]:
        one = place_in(str(tmp_path / str(number)), FileSwitch())
        one.switch.activate(one.paths, 1)
        with killed_at(12):
            one.switch.activate(one.paths, 2)
        with killed_at(number) as called:
            one.switch.recover(one.paths)
        yield called
        one.switch.recover(one.paths)
        assert (one.switch.active(one.paths), one.said()) == (2, NEW)
        fs.sweep(one.paths.current, "number", "journal.json")
        assert one.tree() == [*(f"bin/{name}" for name in sorted(NEW)), "number", *launched(NEW)]
        fs.remove_tree(one.home.root)

    assert every_cut(steps) >= 10


def launched(texts: Mapping[str, str]) -> list[str]:
    return [f"req/{'0' * 64}/{name}" for name in sorted(texts)]


def test_the_first_activation_cut_at_any_call(tmp_path: Path, place: Place) -> None:
    def steps(number: int) -> Iterator[list[str]]:
        one = place_in(str(tmp_path / str(number)), place.switch)
        with killed_at(number) as called:
            one.switch.activate(one.paths, 1)
        yield called
        one.switch.recover(one.paths)
        assert (one.switch.active(one.paths), one.said()) in [(None, {}), (1, OLD)]
        fs.remove_tree(one.home.root)

    assert every_cut(steps) >= 4


@contextlib.contextmanager
def running(*paths: str) -> Iterator[None]:
    """Let the files run, as Windows sees it: it refuses to remove or replace them, and lets them be renamed."""
    files = {os.stat(path).st_ino for path in paths}
    replaced, unlinked = os.replace, os.unlink

    def refuse(path: str) -> None:
        if os.path.lexists(path) and os.stat(path).st_ino in files:
            raise FileInUseError(13, "it is running", path)

    def replace(old: str, new: str) -> None:
        refuse(new)
        replaced(old, new)

    def unlink(path: str, **more: Any) -> None:
        if not more:  # a tree is removed with directory descriptors here
            refuse(path)
        unlinked(path, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replace)
        patch.setattr(os, "unlink", unlink)
        yield


def test_a_running_executable_is_set_aside_and_removed_later(tmp_path: Path) -> None:
    one = place_in(str(tmp_path / "home"), FileSwitch())
    one.switch.activate(one.paths, 1)
    old = [os.path.join(one.bin, name) for name in ("changed", "gone")]
    files = sorted(os.stat(path).st_ino for path in old)
    with running(*old):
        one.switch.activate(one.paths, 2)
        assert one.said() == NEW
        aside = [name for name in one.tree() if name.startswith("aside/")]
        found = sorted(os.stat(os.path.join(one.paths.current, name)).st_ino for name in aside)
        assert found == sorted(files * 2)  # each under both its names
        one.switch.recover(one.paths)
        assert [name for name in one.tree() if name.startswith("aside/")] == aside
    one.switch.recover(one.paths)
    assert one.tree() == [*(f"bin/{name}" for name in sorted(NEW)), "number", *launched(NEW)]
    assert os.listdir(one.paths.requests) == ["0" * 64]
    one.switch.activate(one.paths, 1)
    assert one.said() == OLD


def test_cut_while_the_old_program_runs(tmp_path: Path) -> None:
    """Between the two renames the command is missing, and nothing else ever is; recovery finds what to finish."""
    missing = set[str]()

    def steps(number: int) -> Iterator[list[str]]:
        one = place_in(str(tmp_path / str(number)), FileSwitch())
        one.switch.activate(one.paths, 1)
        old = [os.path.join(one.bin, name) for name in OLD]
        with running(*old), killed_at(number) as called:
            one.switch.activate(one.paths, 2)
        yield called
        between = one.said()
        missing.update(OLD.keys() - between.keys() - {"gone"})
        assert one.switch.is_cut(one.paths) or between in (OLD, NEW)
        with running(*(path for path in old if os.path.exists(path))):
            one.switch.recover(one.paths)
        assert not one.switch.is_cut(one.paths)
        assert (one.switch.active(one.paths), one.said()) in [(1, OLD), (2, NEW)]
        fs.remove_tree(one.home.root)

    assert every_cut(steps) >= 15
    assert missing == {"changed"}


def test_a_failure_of_one_file_leaves_no_command_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other files are changed, the old one is put back, and the next recovery carries on."""
    one = place_in(str(tmp_path / "home"), FileSwitch())
    one.switch.activate(one.paths, 1)
    changed = os.path.join(one.bin, "changed")
    rename = fs.rename

    def refuse(old: str, new: str) -> None:
        if new == changed and "staged" in old:
            raise DiskError(f"cannot rename to {new}: it is open elsewhere")
        rename(old, new)

    with monkeypatch.context() as patch, running(changed):
        patch.setattr(fs, "rename", refuse)
        with pytest.raises(DiskError, match="open elsewhere"):
            one.switch.activate(one.paths, 2)
    assert (one.switch.active(one.paths), one.switch.is_cut(one.paths)) == (1, True)
    assert one.said() == {**NEW, "changed": "old"}
    one.switch.recover(one.paths)
    assert (one.switch.active(one.paths), one.said()) == (2, NEW)


def test_without_hard_links_copies_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(1, "no hard links here")

    monkeypatch.setattr(os, "link", link)
    for number, texts in ((1, OLD), (2, NEW), (1, OLD)):
        place.switch.activate(place.paths, number)
        assert place.said() == texts


# -- what is not ours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["elsewhere", "generations/x", "generations/1/bin", "/generations/1", "../1"])
def test_a_foreign_link_is_in_the_way(tmp_path: Path, target: str) -> None:
    one = place_in(str(tmp_path / "home"), LinkSwitch())
    os.symlink(target, one.paths.current)
    with pytest.raises(DiskError, match="in the way") as caught:
        one.switch.active(one.paths)
    assert caught.value.hint


def test_a_file_or_link_in_the_place_of_the_path_entry_is_named(tmp_path: Path) -> None:
    one = place_in(str(tmp_path / "home"), FileSwitch())
    for is_link in (True, False):
        os.symlink(tmp_path, one.home.bin) if is_link else fs.replace_file(one.home.bin, b"")
        with pytest.raises(DiskError, match="in the way"):
            one.switch.expose(one.home, one.paths)
        os.unlink(one.home.bin)


def test_a_file_or_directory_is_in_the_way(tmp_path: Path) -> None:
    one = place_in(str(tmp_path / "home"), LinkSwitch())
    for make in (lambda path: open(path, "wb").close(), os.mkdir):
        make(one.home.bin)
        make(one.paths.current)
        with pytest.raises(DiskError, match="in the way"):
            one.switch.expose(one.home, one.paths)
        with pytest.raises(DiskError, match="in the way"):
            one.switch.active(one.paths)
        for path in (one.home.bin, one.paths.current):
            os.rmdir(path) if os.path.isdir(path) else os.unlink(path)


@pytest.mark.parametrize("text", [b"", b"x", b"-1", b"\xff", "\N{SUPERSCRIPT TWO}".encode(), b"9" * 5000])
def test_a_damaged_number_is_named(tmp_path: Path, text: bytes) -> None:
    one = place_in(str(tmp_path / "home"), FileSwitch())
    one.switch.activate(one.paths, 1)
    fs.replace_file(os.path.join(one.paths.current, "number"), text)
    with pytest.raises(DiskError, match="damaged") as caught:
        one.switch.active(one.paths)
    assert caught.value.hint


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"to": "x"}', b'{"to": null}', b"\xff", b"[" * 60_000])
def test_a_damaged_journal_is_named(tmp_path: Path, text: bytes) -> None:
    one = place_in(str(tmp_path / "home"), FileSwitch())
    one.switch.activate(one.paths, 1)
    fs.replace_file(os.path.join(one.paths.current, "journal.json"), text)
    with pytest.raises(DiskError, match="damaged") as caught:
        one.switch.recover(one.paths)
    assert caught.value.hint
    assert one.said() == OLD


def test_a_journal_that_leads_to_a_lost_generation_takes_nothing_away(tmp_path: Path) -> None:
    one = place_in(str(tmp_path / "home"), FileSwitch())
    one.switch.activate(one.paths, 1)
    fs.replace_file(os.path.join(one.paths.current, "journal.json"), b'{"to": 7}')
    with pytest.raises(DiskError, match="generation 7"):
        one.switch.recover(one.paths)
    assert one.said() == OLD


# -- the PATH entry ------------------------------------------------------------------------------------------


def test_bin_leads_to_the_active_binaries_wherever_the_home_is(tmp_path: Path) -> None:
    one = place_in(str(tmp_path / "home"), LinkSwitch())
    one.switch.activate(one.paths, 1)
    for _ in range(2):
        one.switch.expose(one.home, one.paths)
    os.rename(tmp_path / "home", tmp_path / "moved")
    assert Place.run(str(tmp_path / "moved" / "bin" / "changed")) == "old"


def test_files_of_others_in_the_path_entry_stay(tmp_path: Path) -> None:
    one = place_in(str(tmp_path / "home"), FileSwitch())
    one.switch.activate(one.paths, 1)
    for name in ("theirs", "fresh"):
        (tmp_path / "home/bin" / name).write_bytes(script("theirs"))
        (tmp_path / "home/bin" / name).chmod(0o755)
    with pytest.raises(DiskError, match="fresh is in the way") as caught:
        one.switch.expose(one.home, one.paths, NEW)
    assert caught.value.hint
    (tmp_path / "home/bin/fresh").unlink()
    one.switch.expose(one.home, one.paths, NEW)
    one.switch.activate(one.paths, 2)
    assert one.said() == {**NEW, "theirs": "theirs"}
    one.switch.deactivate(one.paths)
    assert os.listdir(one.bin) == ["theirs"]


@pytest.mark.parametrize(("text", "stays"), [("theirs", True), ("old", False)])
def test_of_a_name_that_an_older_generation_had_only_its_program_is_ours(
    tmp_path: Path, text: str, *, stays: bool
) -> None:
    one = place_in(str(tmp_path / "home"), FileSwitch())
    one.generation(3, {})
    one.switch.activate(one.paths, 1)
    one.switch.activate(one.paths, 3)
    (tmp_path / "home/bin/changed").write_bytes(script(text))
    one.switch.activate(one.paths, 3)
    assert os.listdir(one.bin) == ["changed"] * stays
    assert (os.path.join(one.bin, "changed") in inventory.foreign(one.home)) is stays
    if stays:
        with pytest.raises(DiskError, match="changed is in the way"):
            one.switch.expose(one.home, one.paths, NEW)


def test_only_the_profile_on_path_has_its_files_in_the_path_entry(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    assert {placed_bin(home.profile(name)) for name in ("user", "system")} == {home.bin}
    for paths in (home.profile("0" * 16), home.run("0" * 64), ProfilePaths("/user")):
        assert placed_bin(paths) == linked_bin(paths) == os.path.join(paths.current, "bin")


def test_windows_has_its_own_way() -> None:
    assert isinstance(switch_for_this_system(), FileSwitch if os.name == "nt" else LinkSwitch)
