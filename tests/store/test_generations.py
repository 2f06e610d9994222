"""A profile's generations: complete before they have a name, read-only after, and only the newest few stay."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.errors import ConfigError, DiskError, DocumentError
from d8_installer.model.digest import Digest
from d8_installer.model.generation import Generation, Placed, Placement
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName
from d8_installer.model.run_gate import INJECTED
from d8_installer.model.wrapper import Wrapper
from d8_installer.store import fs
from d8_installer.store.file_switch import FileSwitch
from d8_installer.store.generations import ProfileStore, file_name
from d8_installer.store.paths import Home
from d8_installer.store.store import NewFile, Store, Stored
from d8_installer.store.switch import LinkSwitch
from tests.forms import examples
from tests.images import script
from tests.store.cut import every_cut, killed_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

REQUEST = Digest.of(b"a request")


def profile_in(root: str, switch: LinkSwitch | FileSwitch | None = None) -> ProfileStore:
    home = Home(root)
    return ProfileStore(home.profile("user"), switch or LinkSwitch(), Store(home))


def generation(
    profile: ProfileStore, number: int, *, in_bin: bool = True, wrapper: Wrapper | None = None
) -> Generation:
    """Store a script that says the number, and return the generation that places it as `tool`."""
    data = script(str(number))
    layer, stored = Digest.of(data + b"layer"), Stored(Digest.of(data), len(data))
    with profile.store.incoming() as incoming:
        with incoming.create("plugin") as file:
            fs.write(file, data)
        profile.store.admit(layer, {"plugin": NewFile(str(file.name), stored, "tool")})
    placement = Placement(
        binary="tool",
        name=ImageName.parse("tool"),
        version=f"v{number}.0.0",
        layer=layer,
        member="plugin",
        requests=(REQUEST,),
        in_bin=in_bin,
    )
    return Generation(
        number=number,
        platform=Platform.parse("linux-amd64"),
        time="2026-01-01T00:00:00Z",
        reason="a test",
        placed=(Placed(placement, stored.digest, stored.size, wrapper),),
        lock="the lock's text\n",
    )


def place(profile: ProfileStore, number: int, wrapper: Wrapper | None = None) -> Generation:
    made = generation(profile, number, wrapper=wrapper)
    profile.build(made)
    profile.switch.activate(profile.paths, number)
    return made


def said(directory: str) -> str:
    command = [os.path.join(directory, "tool")]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.mark.parametrize("switch", [LinkSwitch(), FileSwitch()], ids=["links", "files"])
def test_what_was_built_is_read_again_and_runs(tmp_path: Path, switch: LinkSwitch | FileSwitch) -> None:
    profile = profile_in(str(tmp_path), switch)
    assert (profile.active(), profile.next_number()) == (None, 1)
    made = place(profile, 1)
    assert profile.active() == made
    assert (profile.load(1), profile.next_number()) == (made, 2)
    assert said(profile.switch.bin(profile.paths)) == "1"
    assert said(os.path.join(profile.paths.current, "req", REQUEST.hex)) == "1"


def test_what_is_withheld_is_only_for_launchers(tmp_path: Path) -> None:
    profile = profile_in(str(tmp_path))
    profile.build(generation(profile, 1, in_bin=False))
    profile.switch.activate(profile.paths, 1)
    assert os.listdir(profile.switch.bin(profile.paths)) == []
    assert said(os.path.join(profile.paths.current, "req", REQUEST.hex)) == "1"


def test_a_generation_is_read_only(tmp_path: Path) -> None:
    profile = profile_in(str(tmp_path))
    place(profile, 1)
    for where, directories, files in os.walk(profile.paths.generation(1)):
        for name in (".", *directories, *files):
            path = os.path.join(where, name)
            assert os.path.islink(path) or not os.stat(path).st_mode & 0o222, path


def test_numbers_only_grow(tmp_path: Path) -> None:
    profile = profile_in(str(tmp_path))
    for number in (1, 2, 3):
        place(profile, number)
    profile.switch.activate(profile.paths, 1)
    assert profile.next_number() == 4
    fs.remove_tree(profile.paths.generation(3))
    fs.make_directories(os.path.join(profile.paths.generations, "notes"))
    assert profile.next_number() == 3


@pytest.mark.parametrize("active", [1, 3, 5])
def test_the_newest_stay_and_the_active_one(tmp_path: Path, active: int) -> None:
    profile = profile_in(str(tmp_path))
    for number in range(1, 6):
        place(profile, number)
    profile.switch.activate(profile.paths, active)
    profile.keep(2)
    assert set(os.listdir(profile.paths.generations)) == {"4", "5", str(active)}
    assert said(profile.switch.bin(profile.paths)) == str(active)


@pytest.mark.parametrize("wrapper", [None, Wrapper(INJECTED)], ids=["link", "wrapper"])
def test_building_cut_at_any_call(tmp_path: Path, wrapper: Wrapper | None) -> None:
    def steps(number: int) -> Iterator[list[str]]:
        profile = profile_in(str(tmp_path / str(number)))
        place(profile, 1, wrapper)
        second = generation(profile, 2, wrapper=wrapper)
        with killed_at(number) as called:
            profile.build(second)
        yield called
        assert said(profile.switch.bin(profile.paths)) == "1"
        if os.path.isdir(profile.paths.generation(2)):
            assert profile.load(2) == second
            assert said(os.path.join(profile.paths.generation(2), "bin")) == "2"
        profile.recover()
        assert set(os.listdir(profile.paths.generations)) <= {"1", "2"}
        place(profile, profile.next_number())
        fs.remove_tree(str(tmp_path / str(number)))

    assert every_cut(steps) >= 15


def test_a_wrapper_is_placed_for_bin_and_for_launchers(tmp_path: Path) -> None:
    profile = profile_in(str(tmp_path / "a 'b'"))
    made = place(profile, 1, Wrapper(INJECTED))
    requests = os.path.join(profile.paths.current, "req", REQUEST.hex)
    assert profile.load(1) == made
    assert (said(profile.switch.bin(profile.paths)), said(requests)) == ("1", "1")
    paths = [path for _, path in profile.files(profile.paths.generation(1), made)]
    assert [stat.S_IMODE(os.lstat(path).st_mode) for path in paths] == [0o555, 0o555]
    assert not any(os.path.islink(path) for path in paths)
    assert [*profile.missing_files(made), *profile.altered_wrappers(made)] == []
    os.rename(tmp_path / "a 'b'", tmp_path / "moved")
    moved = profile_in(str(tmp_path / "moved"))
    assert said(moved.switch.bin(moved.paths)) == "1"
    assert list(moved.missing_files(made)) == []


@pytest.mark.parametrize("cut", ["text", "mode", "link", "gone"])
def test_an_altered_wrapper_is_noticed_and_mended(tmp_path: Path, cut: str) -> None:
    profile = profile_in(str(tmp_path))
    made = place(profile, 1, Wrapper(INJECTED))
    path = os.path.join(profile.paths.bin, "tool")
    os.chmod(os.path.realpath(profile.paths.bin), 0o755)
    if cut == "text":
        os.chmod(path, 0o755)
        fs.overwrite(path, b"#" * os.path.getsize(path))
    elif cut == "mode":
        os.chmod(path, 0o644)
    else:
        os.unlink(path)
        if cut == "link":
            os.symlink("/bin/true", path)
    assert [os.path.basename(os.path.dirname(one)) for _, one in profile.missing_files(made)] == ["bin"]
    assert len(list(profile.altered_wrappers(made))) == (cut != "gone")
    profile.rebuild(made)
    assert [*profile.missing_files(made), *profile.altered_wrappers(made)] == []
    assert said(profile.switch.bin(profile.paths)) == "1"


def test_on_windows_there_are_no_wrappers(tmp_path: Path) -> None:
    profile = profile_in(str(tmp_path), FileSwitch())
    made = place(profile, 1, Wrapper(INJECTED))
    assert [*profile.wrappers(profile.paths.generation(1), made), *profile.missing_files(made)] == []
    assert said(profile.switch.bin(profile.paths)) == "1"


def test_a_refused_build_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = profile_in(str(tmp_path))
    place(profile, 1)
    second = generation(profile, 2)

    def refused(path: str) -> None:
        raise DiskError(f"cannot sync {path}")

    monkeypatch.setattr(fs, "sync_directory", refused)
    with pytest.raises(DiskError):
        profile.build(second)
    assert os.listdir(profile.paths.generations) == ["1"]


def test_a_lost_executable_stops_the_build(tmp_path: Path) -> None:
    profile = profile_in(str(tmp_path))
    made = generation(profile, 1)
    fs.remove_tree(Home(str(tmp_path)).executables(made.placed[0].digest.hex))
    with pytest.raises(DiskError, match="is gone"):
        profile.build(made)
    assert os.listdir(profile.paths.generations) == []


def test_recovering_removes_what_was_cut_short(tmp_path: Path) -> None:
    profile = profile_in(str(tmp_path))
    place(profile, 1)
    fs.make_directories(os.path.join(profile.paths.generations, "2.new", "bin"))
    (tmp_path / "profiles" / "user" / "d8.lock.123.tmp").touch()
    os.symlink("generations/2", f"{profile.paths.current}.new")
    profile.recover()
    assert os.listdir(profile.paths.generations) == ["1"]
    assert sorted(os.listdir(profile.paths.root)) == ["current", "generations"]


@given(st.binary(max_size=200) | st.sampled_from([b'{"schema": "x"}', b'{"schema": 1}', b"[" * 100_000, b"null"]))
@settings(max_examples=examples(60), deadline=None)
def test_a_damaged_record_is_named(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    profile = profile_in(str(tmp_path_factory.mktemp("record")))
    fs.replace_file(profile.paths.record(3), data)
    with pytest.raises(DocumentError, match=r"generations.3.generation\.json") as caught:
        profile.load(3)
    assert caught.value.hint


def test_a_record_cut_anywhere_is_named(tmp_path: Path) -> None:
    profile = profile_in(str(tmp_path))
    text = generation(profile, 1).render().encode()
    for length in range(len(text) - 1):
        with pytest.raises(DocumentError):
            Generation.parse(text[:length], "generation.json")


def test_a_lost_record_is_named_and_a_newer_one_is_not_ours(tmp_path: Path) -> None:
    profile = profile_in(str(tmp_path))
    os.makedirs(profile.paths.generations)
    os.symlink("generations/4", profile.paths.current)
    with pytest.raises(DocumentError, match="is missing") as caught:
        profile.active()
    assert caught.value.hint
    fs.replace_file(profile.paths.record(4), b'{"schema": 2}')
    with pytest.raises(ConfigError, match="newer"):
        profile.active()


def test_exe_is_added_once() -> None:
    assert [file_name("d8", ".exe"), file_name("d8.exe", ".exe"), file_name("d8", "")] == ["d8.exe", "d8.exe", "d8"]
