"""Several sources in the settings, as a person meets them: a mirror helps out, and a lying one is named."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import FaultServer, captive_portal, cut, fault_server, flipped, status
from d8_installer.testing.memory import MemorySource
from tests.command import SOON
from tests.matrix.layers import HOST, program
from tests.matrix.machine import IMAGE, NAME, TO_NEW, Machine, add_version, catalogue
from tests.registry.clients import closed_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.testing.replies import Reply


@pytest.fixture
def mirror() -> Iterator[FaultServer]:
    with fault_server(catalogue()) as running:
        yield running


def settle(machine: Machine, *urls: str) -> None:
    """Write the sources into the settings; no variable names one."""
    machine.env |= {"D8_RPP_ENDPOINT": "", "D8_PATIENCE": "1"}
    machine.succeeds("config", "set", "sources", ",".join(urls))


def lock_of(machine: Machine) -> str:
    return machine.lock.read_text()


def alone(machine: Machine) -> str:
    """Return the lock that the first source alone gives."""
    machine.succeeds(*TO_NEW)
    lock = lock_of(machine)
    machine.succeeds("rollback", "1")
    machine.succeeds("install", f"{NAME}=1.4.1")
    return lock


def test_one_that_is_not_there_is_passed_by(machine: Machine, mirror: FaultServer) -> None:
    expected = alone(machine)
    settle(machine, f"http://127.0.0.1:{closed_port()}", mirror.url)
    (machine.data / "store/layers").rename(machine.data / "store/gone")
    done = machine.succeeds(*TO_NEW)
    assert done.err.count("does not answer") == 1
    assert machine.say() == f"v1.4.2 {HOST} !\n"
    assert lock_of(machine) == expected
    assert "127.0.0.1" not in expected


@pytest.mark.parametrize("code", [500, 503, 429])
def test_one_that_is_ill_is_passed_by(machine: Machine, mirror: FaultServer, code: int) -> None:
    machine.proxy.on(None, status(code, retry_after="0"))
    settle(machine, machine.proxy.url, mirror.url)
    machine.succeeds(*TO_NEW)
    assert len(machine.proxy.seen()) == 4, "one request and its repetitions, and no other one"


def test_one_that_lacks_the_image_is_passed_by(machine: Machine) -> None:
    with fault_server(MemorySource()) as empty:
        settle(machine, empty.url, machine.proxy.url)
        done = machine.succeeds(*TO_NEW)
    assert "does not answer" not in done.err


def test_one_whose_transfers_are_cut_is_passed_by(machine: Machine, mirror: FaultServer) -> None:
    machine.proxy.on("layer", cut(0.5))
    settle(machine, machine.proxy.url, mirror.url)
    machine.succeeds(*TO_NEW)
    assert (len(machine.proxy.seen("layer")), len(mirror.seen("layer"))) == (1, 1)


@pytest.mark.parametrize("code", [401, 403])
def test_a_refusal_is_said_and_not_passed_by(machine: Machine, mirror: FaultServer, code: int) -> None:
    machine.proxy.on(None, status(code))
    settle(machine, machine.proxy.url, mirror.url)
    machine.refuses(*TO_NEW, code=77, says=machine.proxy.url)
    assert mirror.seen() == ()


def test_wrong_bytes_are_said_and_not_passed_by(machine: Machine, mirror: FaultServer) -> None:
    for place, fault in (("layer", flipped(100)), ("child", flipped(30)), ("index", captive_portal())):
        machine.proxy.reset()
        machine.proxy.on(place, fault)  # type: ignore[arg-type]  # a place by its name
        settle(machine, machine.proxy.url, mirror.url)
        machine.refuses(*TO_NEW, code=76, says=machine.proxy.url)
        assert mirror.seen() == (), place


@pytest.mark.parametrize("scheme", ["bundle", "oci-layout"])
def test_a_disk_that_is_not_mounted_is_passed_by(machine: Machine, scheme: str) -> None:
    expected = alone(machine)
    place = f"{scheme}:{machine.home}/media/usb"
    settle(machine, place, machine.proxy.url)
    (machine.data / "store/layers").rename(machine.data / "store/gone")
    done = machine.succeeds(*TO_NEW)
    assert done.err.count(f"{place} is not there, so the other sources are asked first") == 1
    assert lock_of(machine) == expected
    settle(machine, place)
    machine.refuses("install", f"{NAME}=1.4.1", code=78, says="media/usb")
    settle(machine, place, machine.proxy.url)
    machine.proxy.on(None, status(503, retry_after="0"))
    machine.refuses("upgrade", "--all", "--accept-moved", f"{NAME}:v1.4.2", code=75, says="media/usb")


def test_who_is_trusted_is_who_said_it(machine: Machine) -> None:
    with fault_server(MemorySource()) as empty:
        for first in (empty.url, f"http://127.0.0.1:{closed_port()}", f"bundle:{machine.home}/no"):
            (machine.data / "tags.json").unlink(missing_ok=True)
            machine.lock.unlink()
            settle(machine, first, machine.proxy.url)
            done = machine.succeeds("lock")
            said = [line for line in done.err.splitlines() if line.startswith("trusting ")]
            assert said == [f"trusting {machine.proxy.url} for the first lock of {NAME}:v1.4.1"]


def by_digest_gone(reply: Reply) -> Reply:
    return status(404)(reply) if "sha256" in reply.headers.get("content-disposition", "") else reply


def test_a_moved_tag_needs_no_other_source(machine: Machine, mirror: FaultServer) -> None:
    """The first source serves the locked bytes by digest, so no other one is asked for them."""
    machine.manifest.write_text(machine.manifest.read_text().replace("1.4.1", "1.4.2"))
    machine.succeeds("lock")
    settle(machine, machine.proxy.url, mirror.url)
    add_version(machine.images, "v1.4.2", program("moved"))
    done = machine.succeeds("sync", "--locked")
    assert len([line for line in done.err.splitlines() if f"{NAME}:v1.4.2" in line]) == 1
    assert machine.say() == f"v1.4.2 {HOST} !\n"
    assert mirror.seen() == ()


def test_locked_bytes_that_one_has_no_more_are_had_of_another(machine: Machine, mirror: FaultServer) -> None:
    """The tag moved at the first source, which has the locked bytes no more: the digest proves the other's."""
    machine.manifest.write_text(machine.manifest.read_text().replace("1.4.1", "1.4.2"))
    machine.succeeds("lock")
    add_version(machine.images, "v1.4.2", program("moved"))
    machine.proxy.on("layer", by_digest_gone)
    machine.refuses("sync", "--locked", code=76, says="the tag moved")
    machine.refuses("lock", "--check", code=76, says="v1.4.2 is now sha256:")
    settle(machine, machine.proxy.url, mirror.url)
    checked = machine.succeeds("lock", "--check")
    assert checked.err.count(f"{machine.proxy.url} has other bytes than the locked ones") == 1
    done = machine.succeeds("sync", "--locked")
    assert done.err.count(f"{machine.proxy.url} has other bytes than the locked ones") == 1
    assert machine.say() == f"v1.4.2 {HOST} !\n"


def test_when_none_helps_all_are_named(machine: Machine) -> None:
    with fault_server(MemorySource()) as empty:
        dead = f"http://127.0.0.1:{closed_port()}"
        settle(machine, dead, empty.url)
        done = machine.run(*TO_NEW)
        assert done.code == 69, done
        assert dead in done.err.splitlines()[-2]
        assert empty.url in done.err.splitlines()[-2]


def test_an_endpoint_that_is_typed_stands_alone(machine: Machine, mirror: FaultServer) -> None:
    settle(machine, mirror.url)
    dead = f"http://127.0.0.1:{closed_port()}"
    assert machine.run("--endpoint", dead, *TO_NEW).code == 69
    machine.env["D8_RPP_ENDPOINT"] = dead
    assert machine.run(*TO_NEW).code == 69
    machine.env["D8_RPP_ENDPOINT"] = ""
    machine.succeeds("config", "set", "endpoint", dead)
    machine.succeeds(*TO_NEW)
    assert mirror.seen("layer")


def test_the_token_is_for_the_first_alone(machine: Machine, mirror: FaultServer) -> None:
    machine.env["D8_RPP_TOKEN"] = "only-for-the-first"
    machine.proxy.on(None, status(503, retry_after="0"))
    settle(machine, machine.proxy.url, mirror.url)
    machine.succeeds(*TO_NEW)
    assert {"authorization" in request.headers for request in machine.proxy.seen()} == {True}
    assert {"authorization" in request.headers for request in mirror.seen()} == {False}


def test_sync_from_is_the_endpoint(machine: Machine, mirror: FaultServer) -> None:
    machine.env["D8_RPP_ENDPOINT"] = f"http://127.0.0.1:{closed_port()}"
    machine.manifest.write_text(machine.manifest.read_text().replace("1.4.1", "1.4.2"))
    assert machine.run("sync").code == 69
    machine.succeeds("sync", "--from", mirror.url)
    assert machine.say() == f"v1.4.2 {HOST} !\n"
    assert any(IMAGE in request.target for request in mirror.seen("layer"))


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "3601", "soon", "1e9"])
def test_a_patience_that_is_none(machine: Machine, text: str) -> None:
    machine.env["D8_PATIENCE"] = text
    machine.refuses(*TO_NEW, code=78, says="D8_PATIENCE")


def test_a_sender_that_only_drips_counts_as_stalled(machine: Machine) -> None:
    """A byte now and then keeps every read time-out away; on the whole it is too little."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=send, args=(peer,), daemon=True).start()

        def send(peer: socket.socket) -> None:
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not ended.wait(0.1):
                    try:
                        peer.sendall(b"x")
                    except OSError:
                        return

        threading.Thread(target=serve, daemon=True).start()
        machine.env |= {
            "D8_RPP_ENDPOINT": f"http://127.0.0.1:{listening.getsockname()[1]}",
            "D8_PATIENCE": "0.5",
        }
        begun = time.monotonic()
        machine.refuses(*TO_NEW, code=75, says="stalled after [0-9]+ of 100000 bytes")
        assert time.monotonic() - begun < SOON
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
