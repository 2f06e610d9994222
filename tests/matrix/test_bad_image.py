"""Bad input inside an image: its index, its archive, its executable."""

from __future__ import annotations

import bz2
import gzip
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.platform import Platform
from d8_installer.testing.memory import MemorySource, child_entry, image_index, image_manifest
from tests.images import script, windows_program
from tests.matrix.layers import (
    HOST,
    MEBIBYTE,
    OTHER,
    Member,
    elf,
    gzip_bomb,
    layer,
    program,
    tar,
    zstd_bomb,
    zstd_layer,
)
from tests.matrix.machine import IMAGE, NAME, NEW, TO_NEW, add_version

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.model.source import ManifestBytes
    from tests.matrix.machine import Machine

PLUGIN = Member("plugin", script("fine"))
FINE = "fine !\n"


def publish(machine: Machine, data: bytes) -> None:
    """Make *data* the layer of NEW for this host."""
    add_version(machine.images, NEW, data)


# --- the index ------------------------------------------------------------------------------------------------


def child(images: MemorySource, text: str) -> ManifestBytes:
    """Put an image in whose program says *text*, and return its manifest."""
    data = program(text)
    images.add_blob(IMAGE, data)
    manifest = image_manifest([data])
    images.add_manifest(IMAGE, manifest)
    return manifest


def test_platform_missing_in_the_index(machine: Machine) -> None:
    machine.images.add_index(IMAGE, NEW, {OTHER: program("other")})
    done = machine.refuses(*TO_NEW, code=69, says=f"{NAME} {NEW} has no build for {HOST}")
    assert str(OTHER) in done.err


@pytest.mark.parametrize("optional", [False, True])
def test_demanded_platform_missing_in_the_index(machine: Machine, optional: bool) -> None:
    entry = f'[[images]]\nname = "{NAME}"\nplatforms = ["plan9-amd64", "{HOST}"]\noptional = {str(optional).lower()}\n'
    machine.manifest.write_text(f"schema = 1\n{entry}")
    if optional:
        machine.succeeds("lock", "--upgrade")
    else:
        machine.refuses("sync", code=69, says=f"{NAME} v1.4.[12] has no build for plan9-amd64")


def test_attestation_children_and_children_without_platform_are_passed_over(machine: Machine) -> None:
    images = machine.images
    attestation = child_entry(child(images, "attestation"), Platform("unknown", "unknown"))
    nobodys = child_entry(child(images, "nobody's"))
    right = child_entry(child(images, "right"), HOST, "v8")
    images.add_tag(IMAGE, NEW, image_index([attestation, nobodys, right, attestation]))
    machine.succeeds(*TO_NEW)
    assert machine.say() == "right !\n"
    assert "unknown" not in machine.lock.read_text()


def test_first_of_two_children_for_one_platform(machine: Machine) -> None:
    both = [child_entry(child(machine.images, text), HOST) for text in ("first", "second")]
    machine.images.add_tag(IMAGE, NEW, image_index(both))
    machine.succeeds(*TO_NEW)
    assert machine.say() == "first !\n"


def test_nested_index(machine: Machine) -> None:
    inner = image_index([child_entry(child(machine.images, "inner"), HOST)])
    machine.images.add_manifest(IMAGE, inner)
    machine.images.add_tag(IMAGE, NEW, image_index([child_entry(inner, HOST)]))
    machine.refuses(*TO_NEW, code=76, says=f"holds an index inside its index for {HOST}")


def test_nested_index_that_says_it_is_an_image(machine: Machine) -> None:
    inner = image_index([child_entry(child(machine.images, "inner"), HOST)])
    machine.images.add_manifest(IMAGE, inner)
    disguised = {**child_entry(inner, HOST), "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    machine.images.add_tag(IMAGE, NEW, image_index([disguised]))
    machine.refuses(*TO_NEW, code=76, says="is an index, not a build")


def test_image_without_layers(machine: Machine) -> None:
    empty = image_manifest([])
    machine.images.add_manifest(IMAGE, empty)
    machine.images.add_tag(IMAGE, NEW, image_index([child_entry(empty, HOST)]))
    machine.refuses(*TO_NEW, code=76, says="has no layer")


def test_index_without_children(machine: Machine) -> None:
    machine.images.add_tag(IMAGE, NEW, image_index([]))
    machine.refuses(*TO_NEW, code=69, says="has no build for any wanted platform")


def test_single_manifest_works(machine: Machine) -> None:
    machine.images.add_image(IMAGE, NEW, layer(PLUGIN))
    machine.succeeds(*TO_NEW)
    assert machine.say() == FINE


# --- the archive ----------------------------------------------------------------------------------------------

LINK, HARD, DIRECTORY = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
NOT_FOUND = 'file not found in image: "plugin"'
REFUSED = {
    "no binary": (69, NOT_FOUND, layer(Member("README"), Member("plugin.sh", b"#!/bin/sh\n"))),
    "nothing": (69, NOT_FOUND, layer()),
    "symbolic link": (69, NOT_FOUND, layer(Member("plugin", type=LINK, link="/bin/sh"))),
    "hard link": (69, NOT_FOUND, layer(Member("sh", b"#!/bin/sh\n"), Member("plugin", type=HARD, link="sh"))),
    "directory": (69, NOT_FOUND, layer(Member("plugin", type=DIRECTORY))),
    "fifo": (69, NOT_FOUND, layer(Member("plugin", type=tarfile.FIFOTYPE))),
    "character device": (69, NOT_FOUND, layer(Member("plugin", type=tarfile.CHRTYPE))),
    "block device": (69, NOT_FOUND, layer(Member("plugin", type=tarfile.BLKTYPE))),
    "duplicate": (76, 'two files named "/plugin"', layer(PLUGIN, Member("plugin", script("second")))),
    "duplicate in a directory": (76, 'two files named "plugin"', layer(PLUGIN, Member("usr/bin/plugin", b"#!"))),
    "duplicate outside": (76, 'two files named "plugin"', layer(PLUGIN, Member("../../plugin", b"#!"))),
    "sparse": (76, "sparse", layer(Member("plugin", PLUGIN.data, type=tarfile.GNUTYPE_SPARSE))),
    "checksum": (76, "archive is invalid|neither", gzip.compress(b"x" + tar(PLUGIN)[1:], mtime=0)),
    "archive cut": (76, "cut short", gzip.compress(tar(Member("plugin", bytes(5000)))[:3000], mtime=0)),
    "gzip cut": (76, "gzip stream is cut short", layer(PLUGIN)[:-6]),
    "gzip checksum": (76, "not valid gzip", layer(PLUGIN)[:-8] + bytes(8)),
    "bzip2": (76, "neither gzip nor tar nor zstd", bz2.compress(tar(PLUGIN))),
    "web page": (76, "neither gzip nor tar nor zstd", b"<!DOCTYPE html>" * 100),
}


@pytest.mark.parametrize("what", REFUSED)
def test_archive_is_refused(machine: Machine, what: str) -> None:
    code, says, data = REFUSED[what]
    publish(machine, data)
    machine.refuses(*TO_NEW, code=code, says=says)


TAKEN = {
    "parent directory": layer(Member("../../../escaped", b"#!"), Member("../../../plugin", script("fine"))),
    "absolute": layer(Member("/escaped", b"#!"), Member("/plugin", script("fine"))),
    "links beside it": layer(
        Member("plugin", type=LINK, link="/etc/passwd"), Member("home", type=LINK, link=".."), PLUGIN
    ),
    "setuid": layer(Member("plugin", script("fine"), mode=0o6777)),
    "not executable": layer(Member("./plugin", script("fine"), mode=0)),
    "zstd": zstd_layer(PLUGIN),
    "plain tar": tar(PLUGIN),
    "gzip members": gzip.compress(tar(PLUGIN)[:700], mtime=0) + gzip.compress(tar(PLUGIN)[700:], mtime=0),
}


@pytest.mark.parametrize("what", TAKEN)
def test_archive_is_taken_and_only_its_program(machine: Machine, tmp_path: Path, what: str) -> None:
    """A name in an archive is compared by its last part and never becomes a path (rpp.md §4.6)."""
    publish(machine, TAKEN[what])
    outside = sorted(os.listdir(tmp_path))
    machine.succeeds(*TO_NEW)
    assert machine.say() == FINE
    assert stat.S_IMODE(machine.binary.stat().st_mode) == 0o555
    assert outside == sorted(os.listdir(tmp_path))
    assert not os.path.exists("/escaped")
    assert not [path for path in machine.home.rglob("*") if path.name in {"escaped", "passwd", "home"}]


@pytest.mark.parametrize(
    ("bomb", "says"),
    [
        (gzip_bomb("plugin"), "exceeds the 536870912-byte limit"),
        (gzip_bomb("ballast"), "unpacks to more than 1.1 GB"),
        (zstd_bomb("ballast"), "unpacks to more than 1.1 GB"),
    ],
    ids=["gzip, the file", "gzip, the archive", "zstd, the archive"],
)
def test_bomb(machine: Machine, bomb: bytes, says: str) -> None:
    publish(machine, bomb)
    assert len(bomb) < 2 * MEBIBYTE
    machine.refuses(*TO_NEW, code=76, says=says)


# --- the executable -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [elf(OTHER), windows_program("x"), b"\xcf\xfa\xed\xfe" + bytes(100), b"plugin=1\n", b"", b"\x7fELF"],
    ids=["another machine", "another system", "no program of a Mac", "text", "empty", "cut"],
)
def test_executable_of_another_platform(machine: Machine, data: bytes) -> None:
    publish(machine, layer(Member("plugin", data)))
    found = f".*, not for {HOST}|not an executable"
    machine.refuses(*TO_NEW, code=76, says=f"'plugin' of {NAME} {NEW} is ({found})")
