"""Bad input in what a tag means: moved, gone, another platform's; and what can still be done without a network."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.digest import Digest
from d8_installer.testing.faults import fault_server, header, status
from tests.matrix.layers import HOST, OTHER, program
from tests.matrix.machine import NAME, NEW, OLD, TO_NEW, add_version, catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.testing.faults import Fault
    from tests.matrix.machine import Machine


def want(machine: Machine, version: str) -> None:
    machine.manifest.write_text(f'schema = 1\n[[images]]\nname = "{NAME}"\nversion = "{version}"\n')


def move(machine: Machine, tag: str) -> None:
    """Publish other bytes under *tag*."""
    add_version(machine.images, tag, program("moved"))


# --- a tag that moves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ((), "the tag moved: the proxy serves"),
        ((header("etag", None),), r"the proxy sends \d+ bytes, expected|the layer's bytes have the digest"),
    ],
    ids=["etag", "no etag"],
)
@pytest.mark.parametrize("how", ["--locked", "--frozen"])
def test_tag_moved_between_lock_and_sync(machine: Machine, how: str, faults: tuple[Fault, ...], says: str) -> None:
    want(machine, "=1.4.2")
    machine.succeeds("lock")
    move(machine, NEW)
    machine.proxy.on("layer", *faults)
    machine.refuses("sync", how, code=76, says=says)


def test_tag_gone_between_lock_and_sync(machine: Machine) -> None:
    want(machine, "=1.4.2")
    machine.succeeds("lock")
    machine.proxy.on("layer", status(404))
    machine.refuses("sync", "--locked", code=69, says="image or tag not found")


def test_index_gone_between_lock_and_sync(machine: Machine) -> None:
    """A proxy that keeps no index which no tag names: the lock's image is named, and what to do."""
    want(machine, "=1.4.2")
    machine.succeeds("lock")
    machine.proxy.on("child", status(404))  # whatever is asked for by its digest
    done = machine.refuses("sync", "--locked", code=69, says=f"/{NAME}:{NEW} as locked is gone: GET ")
    assert "hint: its tag was moved or removed: use a source that still has the locked bytes" in done.err
    assert f"lock --upgrade-image {NAME}" in done.err


def test_what_to_type_after_a_move_can_be_typed(machine: Machine) -> None:
    want(machine, "=1.4.2")
    machine.succeeds("lock")
    move(machine, NEW)
    done = machine.refuses("sync", "--locked", code=76, says="the tag moved")
    typed = done.err.rpartition("take the new bytes: `d8-installer ")[2].partition("`")[0].split()
    machine.succeeds(*typed)
    machine.succeeds("sync", "--locked")
    assert machine.say() == "moved !\n"


def test_tag_moved_between_two_locks(machine: Machine) -> None:
    machine.succeeds(*TO_NEW)
    move(machine, NEW)
    for verb in (("lock", "--upgrade"), ("upgrade", "--all"), ("lock", "--upgrade-image", NAME)):
        done = machine.refuses(*verb, code=76, says=f"the tag {NAME}:{NEW} was moved")
        assert f"--accept-moved {NAME}:{NEW}" in done.err
    machine.succeeds("upgrade", "--all", "--accept-moved", f"{NAME}:{NEW}")
    assert machine.say() == "moved !\n"
    machine.succeeds("lock", "--upgrade")


def test_tag_moved_while_it_was_not_locked(machine: Machine) -> None:
    """``tags.json`` remembers what the lock has forgotten."""
    machine.succeeds(*TO_NEW)
    machine.succeeds("install", f"{NAME}=1.4.1")
    move(machine, NEW)
    machine.refuses(*TO_NEW, code=76, says=f"the tag {NAME}:{NEW} was moved")
    machine.refuses("use", NAME, NEW, code=65, says="outside the range")
    machine.succeeds(*TO_NEW, "--accept-moved", f"{NAME}:{NEW}")
    assert machine.say() == "moved !\n"


def test_accepting_one_tag_accepts_no_other(machine: Machine) -> None:
    machine.succeeds(*TO_NEW)
    move(machine, NEW)
    machine.refuses("lock", "--upgrade", "--accept-moved", f"{NAME}:{OLD}", code=76, says="was moved")
    machine.refuses("lock", "--upgrade", "--accept-moved", NAME, code=2, says="is not IMAGE:TAG")


def test_witness_disagrees(machine: Machine) -> None:
    others = catalogue()
    with fault_server(others) as witness:
        machine.succeeds(*TO_NEW, "--dry-run", "--witness", witness.url)
        add_version(others, NEW, program("the witness's own"))
        machine.refuses(*TO_NEW, "--witness", witness.url, code=76, says="the witness http://.* disagrees")


def test_demanded_digest_is_another(machine: Machine) -> None:
    entry = f'[[images]]\nname = "{NAME}"\nversion = "==={NEW}"\ndigest = "{Digest("0" * 64)}"\n'
    machine.manifest.write_text(f"schema = 1\n{entry}")
    machine.refuses("sync", code=76, says="d8.toml demands sha256:000")


def test_verify_mends_nothing_from_a_moved_tag_and_says_so(machine: Machine) -> None:
    machine.succeeds(*TO_NEW)
    stored = machine.binary.resolve()
    good = stored.read_bytes()
    stored.chmod(0o755)
    stored.write_bytes(good[:-1] + b"!")
    stored.chmod(0o555)
    move(machine, NEW)
    done = machine.refuses("verify", "--fix", code=76, says="cannot be fetched again: .*the tag moved")
    assert "mended" not in done.out
    add_version(machine.images, NEW)
    machine.succeeds("verify", "--fix")
    assert stored.read_bytes() == good
    machine.succeeds("verify")


# --- a proxy that ignores the platform ------------------------------------------------------------------------


def test_proxy_that_ignores_the_platform(machine: Machine) -> None:
    machine.proxy.ignores_platform = True
    done = machine.refuses(*TO_NEW, code=76, says=f"the proxy ignores platform={HOST}")
    assert "Deckhouse 1.77" in done.err


def test_proxy_that_ignores_the_platform_and_has_no_etag(machine: Machine, tmp_path: Path) -> None:
    """Then the bytes tell: what arrives is linux-amd64's."""
    machine.proxy.ignores_platform = True
    machine.proxy.on("layer", header("etag", None))
    for platform in {"linux-arm64", str(OTHER)} - {str(HOST)}:
        words = ("sync", "--to", str(tmp_path / "out"), "--platform", platform)
        want(machine, "=1.4.2")
        machine.refuses(*words, code=76, says=r"the proxy sends \d+ bytes, expected|bytes have the digest")
        assert not (tmp_path / "out").exists()


# --- without a network ----------------------------------------------------------------------------------------


def test_offline_with_nothing_in_the_store(machine: Machine) -> None:
    for variables, words in (({}, ("--offline", *TO_NEW)), ({"D8_OFFLINE": "1"}, TO_NEW)):
        machine.variables |= variables
        machine.refuses(*words, code=69, says="was not asked: this run is offline")
    machine.refuses("--offline", "versions", NAME, code=69, says="was not asked: this run is offline")
    machine.refuses("--offline", "run", "another-image", code=69, says="was not asked: this run is offline")
    assert machine.proxy.seen() == ()


def test_offline_with_everything_in_the_store(machine: Machine) -> None:
    machine.succeeds(*TO_NEW)
    machine.proxy.reset()
    assert "nothing to do" in machine.succeeds("--offline", "sync").out
    assert machine.succeeds("--offline", "run", NAME, "!").out == f"{NEW} {HOST} !\n"
    for gone in ("generations", "current", "stamp.json"):
        path = machine.home / "profiles/user" / gone
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    machine.succeeds("--offline", "sync", "--frozen")
    assert machine.say() == f"{NEW} {HOST} !\n"
    machine.succeeds("--offline", "uninstall", NAME)
    assert machine.proxy.seen() == ()


def test_offline_install_of_what_is_locked(machine: Machine) -> None:
    machine.succeeds("--offline", "install", NAME)
    machine.refuses("--offline", "install", "another-image", code=69, says="this run is offline")
    assert machine.proxy.seen() == ()
