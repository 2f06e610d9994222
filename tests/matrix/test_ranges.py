"""A cut download from a registry goes on where it was cut, also in the next command; what was kept is proven anew."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import FaultServer, cut, fault_server, flipped, header, stalled, status
from d8_installer.testing.oci_answers import OciWire
from tests import command
from tests.matrix.layers import HOST, noisy
from tests.matrix.machine import IMAGE, NAME, TO_NEW, Machine, add_version, catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYER = noisy("v1.4.2")


@pytest.fixture
def wire() -> OciWire:
    return OciWire()


@pytest.fixture
def machine(good: Path, tmp_path: Path, wire: OciWire) -> Iterator[Machine]:
    """A machine with OLD installed, and a registry that has a large NEW."""
    home, images = tmp_path / "home", catalogue()
    shutil.copytree(good, home, symlinks=True)
    add_version(images, "v1.4.2", layer=LAYER)
    with fault_server(images, wire=wire) as registry:
        endpoint = f"oci://{registry.url.partition('://')[2]}"
        yield Machine(home, registry, images, env={"D8_RPP_ENDPOINT": endpoint, "D8_PATIENCE": "3"})


def starts(registry: FaultServer) -> list[int]:
    """Return the byte that each request for a layer began at."""
    asked = [request.headers.get("range", "bytes=0-") for request in registry.seen("layer")]
    return [int(text.removeprefix("bytes=").removesuffix("-")) for text in asked]


def kept(machine: Machine) -> list[int]:
    place = machine.data / "arriving"
    return [path.stat().st_size for path in place.iterdir() if len(path.name) == 64] if place.is_dir() else []


def test_it_goes_on_in_the_same_command(machine: Machine) -> None:
    machine.proxy.on("layer", cut(0.5), times=4)
    done = machine.succeeds(*TO_NEW, "-v")
    at = starts(machine.proxy)
    assert at[0] == 0
    assert at == sorted(set(at)), "never back"
    assert len(at) == 5
    assert machine.say() == f"v1.4.2 {HOST} !\n"
    assert "going on after" in done.err
    assert kept(machine) == []


def test_it_goes_on_in_the_next_command(machine: Machine) -> None:
    machine.proxy.on("layer", cut(0.9), times=1)
    machine.proxy.on("layer", status(503), after=1)
    done = machine.run(*TO_NEW)
    assert done.code == 75, done
    (size,) = kept(machine)
    machine.proxy.reset()
    machine.succeeds(*TO_NEW)
    assert starts(machine.proxy) == [size]
    assert size == int(len(LAYER) * 0.9)
    assert kept(machine) == []


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_it_goes_on_after_the_process_was_killed(machine: Machine, number: signal.Signals) -> None:
    machine.proxy.on("layer", stalled(0.5), times=1)
    process = command.start(*TO_NEW, home=str(machine.home), env={**machine.variables, "D8_PATIENCE": "60"})
    assert machine.proxy.stalling.wait(60)
    while not kept(machine) or kept(machine)[0] < len(LAYER) // 2:
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=60)
    machine.succeeds(*TO_NEW)
    assert starts(machine.proxy) == [0, len(LAYER) // 2]
    assert machine.say() == f"v1.4.2 {HOST} !\n"
    assert sorted(os.listdir(machine.data / "arriving")) == []


def test_kept_bytes_that_are_wrong_are_thrown_away(machine: Machine) -> None:
    """Whatever happened to the file on disk: it only costs a second transfer."""
    machine.proxy.on("layer", cut(0.5), times=1)
    machine.proxy.on("layer", status(503), after=1)
    assert machine.run(*TO_NEW).code == 75
    (path,) = (path for path in (machine.data / "arriving").iterdir() if len(path.name) == 64)
    raw = bytearray(path.read_bytes())
    raw[1000] ^= 1
    path.write_bytes(raw)
    machine.proxy.reset()
    machine.succeeds(*TO_NEW)
    assert starts(machine.proxy) == [len(raw), 0]
    assert machine.say() == f"v1.4.2 {HOST} !\n"


def test_a_file_that_is_too_long_or_whole_already(machine: Machine) -> None:
    machine.proxy.on("layer", cut(0.5), times=1)
    machine.proxy.on("layer", status(503), after=1)
    assert machine.run(*TO_NEW).code == 75
    (path,) = (path for path in (machine.data / "arriving").iterdir() if len(path.name) == 64)
    machine.proxy.reset()
    path.write_bytes(LAYER + b"more")
    machine.succeeds(*TO_NEW)
    assert starts(machine.proxy) == [0]
    machine.succeeds("uninstall", NAME)


FAULTS = {
    "another file by now": header("etag", '"other"'),
    "another range": header("content-range", "bytes 0-99/100"),
    "another total": header("content-range", f"bytes {len(LAYER) // 2}-{len(LAYER) - 1}/{len(LAYER) + 1}"),
    "a range and no word of which": header("content-range", None),
}


@pytest.mark.parametrize("case", ["no ranges", *FAULTS])
def test_it_begins_anew_where_the_registry_cannot_go_on(machine: Machine, wire: OciWire, case: str) -> None:
    machine.proxy.on("layer", cut(0.5), times=1)
    if case == "no ranges":
        wire.ranges = False
    else:
        machine.proxy.on("layer", FAULTS[case], times=1, after=1)
    machine.succeeds(*TO_NEW)
    assert machine.say() == f"v1.4.2 {HOST} !\n"
    assert starts(machine.proxy) == [0, len(LAYER) // 2, *([] if case == "no ranges" else [0])]


def test_wrong_bytes_are_not_kept(machine: Machine) -> None:
    machine.proxy.on("layer", flipped(5000))
    machine.refuses(*TO_NEW, code=76, says="digest")
    assert len(starts(machine.proxy)) == 1
    assert kept(machine) == []


def test_cuts_without_end_are_given_up(machine: Machine) -> None:
    """Each try brings something, and yet there are not more than ten; what was brought stays for the next command."""
    machine.proxy.on("layer", cut(0.05))
    done = machine.run(*TO_NEW)
    assert done.code == 75, done
    assert len(starts(machine.proxy)) == 10
    assert machine.say().startswith("v1.4.1")
    assert len(kept(machine)) == 1


def test_cuts_that_bring_nothing_more_are_given_up_sooner(machine: Machine) -> None:
    machine.proxy.on("layer", cut(0.5), times=1)
    machine.proxy.on("layer", cut(0.001), after=1)
    assert machine.run(*TO_NEW).code == 75
    assert len(starts(machine.proxy)) == 4


@pytest.mark.parametrize(("fresh", "old", "stay"), [(40, 5, 16), (10, 5, 10)])
def test_what_is_kept_is_bounded_in_number_and_age(machine: Machine, fresh: int, old: int, stay: int) -> None:
    place = machine.data / "arriving"
    place.mkdir(exist_ok=True)
    for number in range(fresh + old):
        path = place / f"{number:064x}"
        path.write_bytes(b"kept")
        for suffix in (".etag", ".mutex"):
            path.with_suffix(suffix).touch()
        if number >= fresh:
            os.utime(path, (1_000_000_000, 1_000_000_000))
    machine.succeeds(*TO_NEW)
    left = os.listdir(place)
    beginnings = {name for name in left if len(name) == 64}
    assert len(beginnings) == stay
    assert not [name for name in beginnings if int(name, 16) >= fresh], "old ones are gone"
    assert {name for name in left if len(name) > 64} == {f"{name}.etag" for name in beginnings}, "and locks of the dead"


def test_a_proxy_is_asked_for_the_whole_again_and_nothing_is_kept(machine: Machine) -> None:
    with fault_server(machine.images) as proxy:
        proxy.on("layer", cut(0.5), times=2)
        machine.env["D8_RPP_ENDPOINT"] = proxy.url
        machine.succeeds(*TO_NEW)
        assert [request.headers.get("range") for request in proxy.seen("layer")] == [None] * 3
        assert IMAGE in proxy.seen("layer")[0].target
    assert kept(machine) == []
