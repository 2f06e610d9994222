"""The disk cache: nothing wrong is ever handed out, the oldest goes first, nothing is left behind."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import DiskError, MismatchError
from d8_installer.model.digest import Digest
from d8_installer.proxy.cache import LayerCache

if TYPE_CHECKING:
    from pathlib import Path


def put(cache: LayerCache, data: bytes) -> Digest:
    incoming = cache.begin()
    incoming.file.write(data)
    cache.commit(incoming, Digest.of(data), Digest.of(data).hex)
    return Digest.of(data)


def age(cache: LayerCache, layer: Digest, seconds: int) -> None:
    path = cache.path_of(layer)
    at = time.time_ns() - seconds * 10**9
    os.utime(path, ns=(at, os.stat(path).st_mtime_ns))


def flip_first_byte(path: str) -> None:
    with open(path, "r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
    status = os.stat(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def test_what_was_put_is_found_by_this_and_the_next_process(tmp_path: Path) -> None:
    cache = LayerCache(str(tmp_path), 100)
    layer = put(cache, b"layer")
    assert cache.find(layer, 5) == cache.path_of(layer)
    assert LayerCache(str(tmp_path), 100).find(layer, 5) == cache.path_of(layer)
    assert cache.find(Digest.of(b"other"), 5) is None


@pytest.mark.parametrize("same_process", [True, False])
def test_a_flipped_byte_is_noticed_and_removed(tmp_path: Path, same_process: bool) -> None:
    cache = LayerCache(str(tmp_path), 100)
    layer = put(cache, b"layer")
    flip_first_byte(cache.path_of(layer))
    if not same_process:
        cache = LayerCache(str(tmp_path), 100)
    assert cache.find(layer, 5) is None
    assert not os.path.exists(cache.path_of(layer))


def test_a_cut_file_is_removed_without_hashing_it(tmp_path: Path) -> None:
    cache = LayerCache(str(tmp_path), 100)
    layer = put(cache, b"layer")
    os.truncate(cache.path_of(layer), 4)
    assert cache.find(layer, 5) is None
    assert not os.path.exists(cache.path_of(layer))


def test_a_proven_file_is_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = LayerCache(str(tmp_path), 100)
    layer = put(cache, b"layer")
    monkeypatch.setattr("hashlib.file_digest", None)
    assert cache.find(layer, 5) is not None


def test_wrong_bytes_get_no_name(tmp_path: Path) -> None:
    cache = LayerCache(str(tmp_path), 100)
    incoming = cache.begin()
    incoming.file.write(b"wrong")
    with pytest.raises(MismatchError):
        cache.commit(incoming, Digest.of(b"layer"), Digest.of(b"wrong").hex)
    cache.abandon(incoming)
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = LayerCache(str(tmp_path), 10, grace=0)
    first, second = put(cache, b"aaaa"), put(cache, b"bbbb")
    age(cache, first, 60)
    age(cache, second, 30)
    assert cache.find(first, 4) is not None
    third = put(cache, b"cccc")
    assert [cache.find(layer, 4) is not None for layer in (first, second, third)] == [True, False, True]


def test_what_was_just_handed_out_stays_whatever_the_cap(tmp_path: Path) -> None:
    cache = LayerCache(str(tmp_path), 5, grace=60)
    first, second = put(cache, b"aaaa"), put(cache, b"bbbb")
    assert cache.find(first, 4)
    assert cache.find(second, 4)


def test_a_smaller_cap_counts_at_the_start(tmp_path: Path) -> None:
    first = put(LayerCache(str(tmp_path), 100), b"aaaa")
    assert LayerCache(str(tmp_path), 3).find(first, 4) is None


def test_only_old_leftovers_are_swept(tmp_path: Path) -> None:
    cache = LayerCache(str(tmp_path), 100)
    old, fresh = cache.begin(), cache.begin()
    old.file.close()
    fresh.file.close()
    os.utime(old.path, (0, 0))
    LayerCache(str(tmp_path), 100)
    assert not os.path.exists(old.path)
    assert os.path.exists(fresh.path)


def test_a_place_that_is_no_directory_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError):
        LayerCache(str(tmp_path / "file"), 100)
