"""``store/fs.py`` on the real file system: whole or not at all, never more than asked for, and a hint with every no."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.errors import DiskError
from d8_installer.store import documents, fs, status
from tests.store.cut import every_cut, killed_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KILLED = 1 if os.name == "nt" else -signal.SIGKILL
posix = pytest.mark.skipif(os.name != "posix", reason="links need no rights on POSIX only")
HOLDER = """
import sys
from d8_installer.store import fs
with fs.exclusive(sys.argv[1], print):
    print("held", flush=True)
    sys.stdin.read()
    open(sys.argv[1] + ".done", "w").close()
"""


# -- replacing a file ----------------------------------------------------------------------------------------


def test_a_replaced_file_is_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def steps(number: int) -> Iterator[list[str]]:
        path.write_bytes(b"old")
        with killed_at(number) as called:
            fs.replace_file(str(path), b"the new")
        yield called
        assert path.read_bytes() in {b"old", b"the new"}
        fs.sweep(str(tmp_path), "file")
        assert os.listdir(tmp_path) == ["file"]

    assert every_cut(steps) >= 6


@posix
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("pipe")
    before = sorted(os.listdir(tmp_path))
    for name in before:
        for write in (lambda path: fs.replace_file(path, b"x"), lambda path: fs.replacing(path).__enter__()):
            with pytest.raises(DiskError, match="it is not a regular file") as error:
                write(str(tmp_path / name))
            assert error.value.hint
    assert sorted(os.listdir(tmp_path)) == before


def test_a_refused_replacement_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refused(_old: str, _new: str) -> None:
        raise DiskError("no")

    monkeypatch.setattr(fs, "rename", refused)
    with pytest.raises(DiskError):
        fs.replace_file(str(path), b"new")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["file"])


@posix
@pytest.mark.parametrize("to", ["nowhere", "nowhere/file"])
def test_a_link_that_leads_nowhere_is_neither_written_through_nor_an_empty_directory(tmp_path: Path, to: str) -> None:
    (tmp_path / "link").symlink_to(to)
    for path in ("link", "link/below/file"):
        with pytest.raises(DiskError, match="link is a link that leads nowhere"):
            fs.replace_file(str(tmp_path / path), b"new")
    for path in ("link", "link/below"):
        with pytest.raises(DiskError, match="link is a link that leads nowhere"):
            fs.list_directory(str(tmp_path / path))
    assert os.listdir(tmp_path) == ["link"]


@posix
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed_and_stays(tmp_path: Path, exists: bool) -> None:
    dotfiles, config = tmp_path / "dotfiles", tmp_path / "config"
    dotfiles.mkdir()
    config.mkdir()
    (config / "d8.toml").symlink_to("../dotfiles/d8.toml")
    if exists:
        (dotfiles / "d8.toml").write_bytes(b"old")
    documents.save(str(config / "d8.toml"), "new", begin=True)
    assert (config / "d8.toml").is_symlink()
    assert (dotfiles / "d8.toml").read_bytes() == b"new"
    assert [os.listdir(config), os.listdir(dotfiles)] == [["d8.toml"], ["d8.toml"]]


@posix
def test_mode_is_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    fs.replace_file(str(path), b"", mode=0o444)
    assert path.stat().st_mode & 0o7777 == 0o444


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_what_was_written_last_is_read(tmp_path_factory: pytest.TempPathFactory, versions: list[bytes]) -> None:
    path = str(tmp_path_factory.mktemp("replace") / "file")
    for data in versions:
        fs.replace_file(path, data)
        assert fs.read(path, limit=200) == data


def test_sweep_takes_only_what_replace_file_leaves(tmp_path: Path) -> None:
    names = ["d8.toml", "d8.toml.12.tmp", "d8.lock.7.tmp", "d8.toml.tmp", "mine.x.tmp", "12.tmp"]
    for name in names:
        (tmp_path / name).touch()
    fs.sweep(str(tmp_path), "d8.toml")
    assert sorted(os.listdir(tmp_path)) == sorted(set(names) - {"d8.toml.12.tmp"})
    fs.sweep(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted(set(names) - {"d8.toml.12.tmp"})
    fs.sweep(str(tmp_path), "d8.lock", "d8.toml", "mine")
    assert sorted(os.listdir(tmp_path)) == sorted(set(names) - {"d8.toml.12.tmp", "d8.lock.7.tmp"})
    fs.sweep(str(tmp_path / "nowhere"), "d8.toml")


# -- reading -------------------------------------------------------------------------------------------------


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert fs.read(str(path), limit=5) == b"12345"
    with pytest.raises(DiskError, match="more than 4 B"):
        fs.read(str(path), limit=4)


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert fs.read(nowhere, limit=1) is None
    assert fs.list_directory(nowhere) == []
    assert fs.read_link(nowhere) is None
    assert fs.file_size(nowhere) is None
    assert status.owner(nowhere) is None
    fs.remove(nowhere)
    fs.remove_tree(nowhere)


@posix
def test_links_are_not_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12")
    (tmp_path / "link").symlink_to("file")
    assert fs.file_size(str(tmp_path / "file")) == 2
    assert fs.file_size(str(tmp_path / "link")) is None
    assert fs.file_size(str(tmp_path)) is None
    assert fs.file_size(str(tmp_path / "file" / "below")) is None
    assert fs.read_link(str(tmp_path / "link")) == "file"
    with pytest.raises(DiskError, match="in the way"):
        fs.read_link(str(tmp_path / "file"))


# -- refusals ------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    "refused",
    [
        lambda root: fs.read(f"{root}/directory", limit=1),
        lambda root: fs.read(f"{root}/file/below", limit=1),
        lambda root: fs.list_directory(f"{root}/file"),
        lambda root: fs.make_directories(f"{root}/file/below"),
        lambda root: fs.make_directories(f"{root}/file"),
        lambda root: fs.create(f"{root}/file"),
        lambda root: fs.create(f"{root}/{'x' * 300}"),
        lambda root: fs.rename(f"{root}/file", f"{root}/directory"),
        lambda root: fs.make_link("anything", f"{root}/file"),
        lambda root: fs.link_or_copy(f"{root}/file", f"{root}/directory"),
        lambda root: fs.copy_executable(f"{root}/nowhere", f"{root}/new"),
        lambda root: fs.remove(f"{root}/directory"),
        lambda root: fs.replace_file(f"{root}/directory", b""),
        lambda root: fs.sync_file(f"{root}/nowhere"),
        lambda root: fs.sync_directory(f"{root}/file"),
        lambda root: fs.set_mode(f"{root}/nowhere", 0o644),
    ],
)
def test_a_refusal_names_the_path_and_what_to_do(tmp_path: Path, refused: Callable[[str], object]) -> None:
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "directory" / "full").mkdir(parents=True)
    with pytest.raises(DiskError) as caught:
        refused(str(tmp_path))
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint
    assert sorted(os.listdir(tmp_path)) == ["directory", "file"]


@posix
def test_removing_a_tree_does_not_follow_links(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o500)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(kept)
    (tmp_path / "link").symlink_to(kept)
    fs.remove_tree(str(tmp_path / "link"))
    fs.remove_tree(str(tmp_path / "tree"))
    assert sorted(os.listdir(tmp_path)) == ["kept", "link"]
    assert kept.stat().st_mode & 0o777 == 0o500


@posix
def test_a_read_only_tree_is_removed(tmp_path: Path) -> None:
    inner = tmp_path / "tree" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch(mode=0o444)
    inner.chmod(0o555)
    (tmp_path / "tree").chmod(0o555)
    fs.remove_tree(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == []


@posix
@pytest.mark.parametrize(
    "number",
    [errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS, errno.EINVAL],
)
def test_where_there_are_no_hard_links_a_copy_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"12")
    old.chmod(0o555)

    def link(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    fs.link_or_copy(str(old), str(new))
    assert (new.read_bytes(), new.stat().st_mode & 0o777) == (b"12", 0o555)
    assert old.stat().st_ino != new.stat().st_ino


# -- file systems that lack something ------------------------------------------------------------------------


def refusing(number: int) -> Callable[..., object]:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@posix
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF])
def test_what_cannot_be_synced_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", refusing(number))
    path = tmp_path / "file"
    fs.replace_file(str(path), b"12")
    fs.sync_file(str(path))
    fs.sync_directory(str(tmp_path))
    assert path.read_bytes() == b"12"


@posix
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_sync_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "fsync", refusing(number))
    with pytest.raises(DiskError):
        fs.sync_directory(str(tmp_path))


@posix
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_the_hint_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    import fcntl

    monkeypatch.setattr(fcntl, "flock", refusing(number))
    path = str(tmp_path / "mutex")
    with pytest.raises(DiskError) as caught, fs.exclusive(path, lambda _holder: None):
        pass
    assert "no locks" in str(caught.value.hint)
    assert "--home DIR" in str(caught.value.hint)
    with pytest.raises(DiskError) as caught, fs.try_exclusive(path):
        pass
    assert "no locks" in str(caught.value.hint)


@posix
@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_there_are_no_symbolic_links_the_hint_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "symlink", refusing(number))
    with pytest.raises(DiskError) as caught:
        fs.make_link("target", str(tmp_path / "link"))
    assert "no symbolic links" in str(caught.value.hint)


@posix
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_only_its_owner_can_write_to_what_is_made(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        fs.make_directories(str(tmp_path / "a" / "b"))
        fs.create(str(tmp_path / "created")).close()
        fs.reopen(str(tmp_path / "reopened"), 0).close()
        fs.replace_file(str(tmp_path / "c" / "replaced"), b"")
        with fs.exclusive(str(tmp_path / "d" / "mutex"), lambda _holder: None):
            pass
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert len(modes) == 8
    assert [path for path, mode in modes.items() if mode & 0o022] == []


# -- locks ---------------------------------------------------------------------------------------------------


def holding(path: str) -> subprocess.Popen[str]:
    """Return a process that holds the lock until its stdin ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


@pytest.mark.parametrize("kill", [False, True], ids=["ended", "killed"])
def test_a_lock_is_waited_for_and_does_not_outlive_its_holder(tmp_path: Path, kill: bool) -> None:
    path = str(tmp_path / "new" / "mutex")
    holder = holding(path)
    told: list[str] = []

    def waiting(number: str) -> None:
        told.append(number)
        if kill:
            holder.kill()
        else:
            assert holder.stdin is not None
            holder.stdin.close()

    try:
        with fs.try_exclusive(path) as ours:
            assert not ours
        with fs.exclusive(path, waiting):
            assert told == [str(holder.pid)]
            assert os.path.exists(f"{path}.done") != kill
            assert holder.wait(60) == (KILLED if kill else 0)
        with fs.try_exclusive(path) as ours:
            assert ours
    finally:
        holder.kill()
        holder.wait()
        for stream in (holder.stdin, holder.stdout):
            if stream is not None:
                stream.close()


def test_threads_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    def work() -> None:
        for _ in range(50):
            with fs.exclusive(str(tmp_path / "mutex"), lambda _holder: None):
                counter.write_text(str(int(counter.read_text()) + 1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "200"


def test_a_lock_is_given_back_when_its_holder_fails(tmp_path: Path) -> None:
    path = str(tmp_path / "mutex")
    with pytest.raises(DiskError, match="mine"), fs.exclusive(path, pytest.fail):
        raise DiskError("mine")
    with fs.exclusive(path, pytest.fail):
        pass


def test_a_file_with_several_names_is_freed_with_the_last(tmp_path: Path) -> None:
    names = [tmp_path / directory / "file" for directory in ("one", "two", "elsewhere")]
    for name in names:
        name.parent.mkdir()
    names[0].write_bytes(b"12345")
    for name in names[1:]:
        os.link(names[0], name)
    (tmp_path / "two" / "alone").write_bytes(b"12")
    groups = [[str(tmp_path / "one")], [str(tmp_path / "two"), str(tmp_path / "gone")]]
    assert status.freed_bytes(groups) == [0, 2]
    names[2].unlink()
    assert status.freed_bytes(groups) == [0, 7]
    assert status.freed_bytes([[str(names[0]), str(names[1])]]) == [5]
