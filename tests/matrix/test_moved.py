"""Bad input in what a tag means: moved, gone, another platform's; and what can still be done without a network."""

from __future__ import annotations

import shutil
import tarfile
import tomllib
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock
from d8_installer.testing.faults import fault_server, header, status, unmeasured
from d8_installer.testing.go_dialect import GoDialect
from d8_installer.testing.rpp_answers import RppWire
from tests.matrix.layers import HOST, OTHER, program
from tests.matrix.machine import IMAGE, NAME, NEW, OLD, TO_NEW, Machine, add_version, catalogue, check_complaint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from d8_installer.model.lock import Pin
    from d8_installer.testing.faults import Fault, Reply
    from tests.command import Completed


def want(machine: Machine, version: str) -> None:
    machine.manifest.write_text(f'schema = 1\n[[images]]\nname = "{NAME}"\nversion = "{version}"\n')


def move(machine: Machine, tag: str) -> None:
    """Publish other bytes under *tag*."""
    add_version(machine.images, tag, program("moved"))


def only_by_digest(fault: Fault) -> Fault:
    """Strike where a layer is asked for by digest, as at a proxy that takes tags alone."""
    return lambda reply: fault(reply) if by_digest(reply) else reply


def by_digest(reply: Reply) -> bool:
    return "sha256" in reply.headers.get("content-disposition", "")


# --- a tag that moves -----------------------------------------------------------------------------------------


both = pytest.mark.parametrize("locked", [RppWire, GoDialect], ids=["ours", "go"], indirect=True)


@pytest.fixture
def locked(request: pytest.FixtureRequest, machine: Machine) -> Iterator[Machine]:
    """A machine with a lock of NEW and OLD in place, and a proxy that speaks as the real one does, or as ours."""
    with fault_server(machine.images, wire=getattr(request, "param", GoDialect)()) as proxy:
        machine.proxy = proxy
        want(machine, "=1.4.2")
        machine.succeeds("lock")
        yield machine


def lines_about_the_tag(done: Completed) -> list[str]:
    return [line for line in done.err.splitlines() if f"{NAME}:{NEW}" in line]


def takes_the_locked_bytes(machine: Machine, *words: str) -> None:
    """Run a command that places what the lock says: it does, with one line, and remembers nothing of the tag."""
    tags = machine.data / "tags.json"
    before = tags.read_bytes()
    done = machine.succeeds(*words)
    assert len(lines_about_the_tag(done)) == 1, done
    assert "the locked bytes are taken by digest" in lines_about_the_tag(done)[0]
    assert tags.read_bytes() == before


@both
@pytest.mark.parametrize(
    "faults", [(), (header("etag", None),), (header("etag", None), unmeasured())], ids=["etag", "size", "only bytes"]
)
def test_tag_moved_between_lock_and_sync(locked: Machine, faults: tuple[Fault, ...]) -> None:
    """What was locked is placed all the same; the tag itself is refused until it is accepted."""
    move(locked, NEW)
    locked.proxy.on("layer", *faults)
    takes_the_locked_bytes(locked, "sync", "--locked")
    assert locked.say() == f"{NEW} {HOST} !\n"
    assert "nothing to do" in locked.succeeds("sync", "--locked").out
    if faults:
        return
    locked.refuses("lock", "--upgrade", code=76, says="was moved")
    check_complaint(locked.run("lock", "--check"), 76, f"{NEW} is now sha256:")
    locked.succeeds("lock", "--upgrade", "--accept-moved", f"{NAME}:{NEW}")
    locked.succeeds("sync", "--locked")
    assert locked.say() == "moved !\n"


def test_only_the_bytes_tell_that_the_tag_moved(locked: Machine) -> None:
    """Of the same length, and without an ETag: then the hash decides, and the digest is asked for."""
    again = program(f"v9.9.9 {HOST}")
    size = dict(locked_pins(locked))[str(HOST)].size
    add_version(locked.images, NEW, again[:4] + bytes(4) + again[8:] if len(again) == size else bytes(size))
    locked.proxy.on("layer", header("etag", None))
    takes_the_locked_bytes(locked, "sync", "--frozen")
    assert locked.say() == f"{NEW} {HOST} !\n"


def test_tag_gone_between_lock_and_sync(locked: Machine) -> None:
    locked.images.remove(IMAGE, NEW)
    takes_the_locked_bytes(locked, "sync", "--frozen")
    assert locked.say() == f"{NEW} {HOST} !\n"


def test_tag_and_bytes_gone_between_lock_and_sync(machine: Machine) -> None:
    want(machine, "=1.4.2")
    machine.succeeds("lock")
    machine.proxy.on("layer", status(404))
    machine.refuses("sync", "--locked", code=69, says=f"has no version {NEW} of {NAME} for {HOST}")


def test_moved_and_the_bytes_are_collected(locked: Machine) -> None:
    """The registry has the new meaning of the tag only."""
    move(locked, NEW)
    locked.images.remove(IMAGE, *(str(pin.child) for _, pin in locked_pins(locked)))
    locked.refuses("sync", "--locked", code=69, says="as locked is gone")


def test_a_lock_that_contradicts_what_is_remembered_stays_refused(locked: Machine, tmp_path: Path) -> None:
    """It was made elsewhere after the tag had moved; here the tag is known as what it meant before."""
    move(locked, NEW)
    elsewhere = Machine(tmp_path / "elsewhere", locked.proxy, locked.images)
    elsewhere.config.mkdir(parents=True)
    want(elsewhere, "=1.4.2")
    elsewhere.succeeds("lock")
    locked.lock.write_bytes(elsewhere.lock.read_bytes())
    for words in (("sync", "--locked"), ("sync", "--frozen"), ("lock", "--check")):
        check_complaint(locked.run(*words), 76, "here it was")


def test_a_new_machine_gets_the_locked_bytes_with_one_line(locked: Machine) -> None:
    """``tags.json`` knows nothing yet: what the source says otherwise than the lock is not remembered."""
    (locked.data / "tags.json").unlink()
    move(locked, NEW)
    done = locked.succeeds("sync", "--frozen")
    assert len(lines_about_the_tag(done)) == 1, done
    assert not (locked.data / "tags.json").exists()


def test_a_bundle_is_made_of_the_locked_bytes(locked: Machine) -> None:
    move(locked, NEW)
    output = locked.home / "all.bundle"
    done = locked.succeeds("bundle", "create", "-o", str(output))
    assert len(lines_about_the_tag(done)) == 1, done
    with tarfile.open(output) as archive:
        names = archive.getnames()
    pins = [pin for _, pin in locked_pins(locked)]
    blobs = {digest.hex for pin in pins for digest in (pin.child, pin.layer)}
    assert {name.rpartition("/")[2] for name in names if name.startswith("blobs/")} - blobs == {index_of(locked)}


def test_what_moved_is_asked_for_once_by_tag_and_once_by_digest(locked: Machine) -> None:
    move(locked, NEW)
    locked.proxy.reset()
    locked.succeeds("sync", "--locked")
    asked = [request.target.rpartition("/")[2] for request in locked.proxy.seen()]
    child = dict(locked_pins(locked))[str(HOST)].child
    index = f"sha256:{index_of(locked)}"
    assert asked == [NEW, index, str(child), f"{NEW}?platform={HOST}", str(child)]


def test_index_child_and_layer_are_fetched_once_each(locked: Machine) -> None:
    locked.proxy.reset()
    locked.succeeds("sync", "--locked")
    child = dict(locked_pins(locked))[str(HOST)].child
    asked = [request.target.rpartition("/")[2] for request in locked.proxy.seen()]
    assert asked == [NEW, str(child), f"{NEW}?platform={HOST}"]


def locked_pins(machine: Machine) -> tuple[tuple[str, Pin], ...]:
    return Lock.parse(machine.lock.read_bytes(), "").images[0].platforms


def index_of(machine: Machine) -> str:
    return str(tomllib.loads(machine.lock.read_text())["images"][0]["index"]).removeprefix("sha256:")


def test_index_gone_between_lock_and_sync(machine: Machine) -> None:
    """A proxy that keeps no index which no tag names: the lock's image is named, and what to do."""
    want(machine, "=1.4.2")
    machine.succeeds("lock")
    machine.proxy.on("child", status(404))  # whatever is asked for by its digest
    done = machine.refuses(
        "sync", "--locked", code=69, says=f"/{NAME}:{NEW} as locked is gone: http.* no longer has {NAME} sha256:"
    )
    assert "hint: its tag was moved or removed: use a source that still has the locked bytes" in done.err
    assert f"lock --upgrade-image {NAME}" in done.err


def test_what_to_type_after_a_move_can_be_typed(machine: Machine) -> None:
    """A proxy that takes no digest in a version's place."""
    want(machine, "=1.4.2")
    machine.succeeds("lock")
    move(machine, NEW)
    machine.proxy.on("layer", only_by_digest(status(404)))
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


def test_verify_mends_from_the_locked_bytes_of_a_moved_tag(locked: Machine) -> None:
    locked.succeeds("sync")
    stored = locked.binary.resolve()
    good = stored.read_bytes()
    stored.chmod(0o755)
    stored.write_bytes(good[:-1] + b"!")
    stored.chmod(0o555)
    move(locked, NEW)
    takes_the_locked_bytes(locked, "verify", "--fix")
    assert stored.read_bytes() == good
    locked.succeeds("verify")


def test_verify_mends_nothing_where_the_locked_bytes_are_gone_and_says_so(machine: Machine) -> None:
    machine.succeeds(*TO_NEW)
    stored = machine.binary.resolve()
    good = stored.read_bytes()
    stored.chmod(0o755)
    stored.write_bytes(good[:-1] + b"!")
    stored.chmod(0o555)
    move(machine, NEW)
    machine.proxy.on("layer", only_by_digest(status(404)))
    done = machine.refuses("verify", "--fix", code=76, says="cannot be fetched again: .*the tag moved")
    assert "repaired" not in done.out
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
        machine.env |= variables
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
        path = machine.data / "profiles/user" / gone
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    machine.succeeds("--offline", "sync", "--frozen")
    assert machine.say() == f"{NEW} {HOST} !\n"
    machine.succeeds("--offline", "uninstall", NAME)
    assert machine.proxy.seen() == ()


def test_offline_install_of_what_is_locked(machine: Machine) -> None:
    machine.succeeds("--offline", "install", NAME)
    machine.refuses("--offline", "install", "another-image", code=69, says="this run is offline")
    assert machine.proxy.seen() == ()
