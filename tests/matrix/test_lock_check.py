"""``lock --check`` against a proxy and a registry: what each can show is proven, and what differs is named."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.lock import Lock
from d8_installer.testing.faults import (
    captive_portal,
    flipped,
    header,
    longer,
    short,
    stalled,
    status,
    unmeasured,
)
from tests import command, images
from tests.matrix.layers import HOST, OTHER, program
from tests.matrix.machine import NAME, NEW, check_complaint

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.testing.docker_registry import RunningRegistry
    from d8_installer.testing.faults import Fault, Reply, Resource
    from tests.matrix.machine import Machine

CHECK = ("lock", "--check", "--user")


@pytest.fixture
def locked(machine: Machine) -> Machine:
    """A machine whose lock has NEW, and whose proxy was asked for nothing since."""
    machine.manifest.write_text(f'schema = 1\n[[images]]\nname = "{NAME}"\nversion = "=1.4.2"\n')
    machine.succeeds("lock")
    machine.proxy.reset()
    return machine


def test_each_layer_is_asked_for_once_and_ended_after_its_headers(locked: Machine) -> None:
    state = locked.state()
    done = locked.succeeds("--json", *CHECK)
    assert json.loads(done.out)["data"]["proven"] == 2
    assert locked.state() == state
    targets = [request.target.partition("deckhouse-cli/")[2] for request in locked.proxy.seen()]
    digests = sorted(str(pin.child) for _, pin in Lock.parse(locked.lock.read_bytes(), "").images[0].platforms)
    assert sorted(targets) == sorted(
        [f"plugins/{NAME}/manifests/{NEW}"]
        + [f"plugins/{NAME}/manifests/{digest}" for digest in digests]
        + [f"plugins/{NAME}/images/{NEW}?platform={platform}" for platform in (HOST, OTHER)]
    )
    assert {request.method for request in locked.proxy.seen()} == {"GET"}


def test_no_layer_is_read(locked: Machine) -> None:
    """A proxy that never sends the first byte of a layer is no hindrance."""
    locked.proxy.on("layer", stalled(0))
    locked.succeeds(*CHECK)


FAULTS: list[tuple[str, Resource, Fault, int, str]] = [
    ("the tag means other bytes", "index", longer(1), 76, f"{NAME} {NEW}: {NEW} is now sha256:.* is locked"),
    ("a bit of the index", "index", flipped(10), 76, f"{NAME} {NEW}: {NEW} is now sha256:"),
    ("the tag is gone", "index", status(404), 69, rf"{NAME} {NEW} \(.*\): sha256:.* is gone"),
    ("a bit of a child", "child", flipped(10), 76, f"{NAME} {NEW} for .*: sha256:.* arrived as"),
    ("a child is gone", "child", status(404), 69, f"{NAME} {NEW} for .* is gone"),
    ("another build", "layer", header("etag", '"sha256:0"'), 76, f"{NAME} {NEW} for .* the tag moved"),
    ("another length", "layer", short(0.5), 76, rf"{NAME} {NEW} for .*: .* the proxy sends \d+ bytes"),
    ("a layer is gone", "layer", status(404), 69, f"{NAME} {NEW} for .* is gone"),
    ("a login page", "layer", captive_portal(), 76, f"{NAME} {NEW} for .* the proxy sends"),
]


@pytest.mark.parametrize(("resource", "fault", "code", "says"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_what_differs_is_named(locked: Machine, resource: Resource, fault: Fault, code: int, says: str) -> None:
    locked.proxy.on(resource, fault, times=1)
    check_complaint(locked.run(*CHECK), code, says)
    locked.succeeds(*CHECK)


SILENT: list[tuple[str, Fault, str]] = [
    ("no ETag", header("etag", None), "which build it sends (no strong ETag)"),
    ("a weak one", header("etag", 'W/"sha256:0"'), "which build it sends (no strong ETag)"),
    ("no length", unmeasured(), "how many bytes it sends (no Content-Length)"),
]


@pytest.mark.parametrize(("fault", "silence"), [f[1:] for f in SILENT], ids=[f[0] for f in SILENT])
def test_what_a_proxy_does_not_say_is_not_proven(locked: Machine, fault: Fault, silence: str) -> None:
    """It is not an error: the bytes are proven when they are fetched."""
    locked.proxy.on("layer", fault)
    why = f"{locked.proxy.url} does not say {silence}"
    data = json.loads(locked.succeeds("--json", *CHECK).out)["data"]
    assert data["proven"] == 0
    assert data["unproven"] == [
        {"image": NAME, "version": NEW, "platform": str(platform), "why": why} for platform in sorted((HOST, OTHER))
    ]
    said = locked.succeeds(*CHECK).out
    assert f"{NAME} {NEW} for {HOST} is not proven: {why}\n" in said
    assert "proves 0 of 2 builds as locked" in said
    assert "has all" not in said


def test_one_silent_answer_is_no_proof_of_the_others(locked: Machine) -> None:
    locked.proxy.on("layer", unmeasured(), header("etag", None), times=1)
    data = json.loads(locked.succeeds("--json", *CHECK).out)["data"]
    assert (data["proven"], len(data["unproven"])) == (1, 1)
    assert data["unproven"][0]["why"].endswith("(no strong ETag) and how many bytes it sends (no Content-Length)")


def test_the_way_out_is_the_sources_own(locked: Machine) -> None:
    for resource, fault, hint in (
        ("layer", status(404), f"hint: see `d8-installer versions {NAME}`"),
        ("child", status(404), f"hint: its tag was moved or removed: use .* lock --upgrade-image {NAME}`"),
        ("layer", header("etag", '"sha256:0"'), rf"hint: use .* lock --accept-moved \S+/{NAME}:{NEW}"),
    ):
        locked.proxy.reset()
        locked.proxy.on(resource, fault, times=1)  # type: ignore[arg-type]  # a resource by its name
        assert re.search(hint, locked.run(*CHECK).err)


def test_every_difference_is_named_at_once(locked: Machine) -> None:
    locked.proxy.on("layer", header("etag", '"sha256:0"'))
    done = locked.run("--json", *CHECK)
    assert done.code == 76
    said = [error["message"] for error in json.loads(done.out)["errors"]]
    assert sorted(re.findall(r"for (\S+):", " ".join(said))) == sorted(map(str, (HOST, OTHER)))


def test_a_proxy_that_is_not_there_or_refuses(locked: Machine) -> None:
    locked.proxy.on("index", status(403))
    check_complaint(locked.run(*CHECK), 77, "does not let a request without a token download")
    locked.env["D8_RPP_ENDPOINT"] = "http://127.0.0.1:9"
    check_complaint(locked.run(*CHECK), 69, "cannot connect")
    locked.env["D8_RPP_ENDPOINT"] = ""
    check_complaint(locked.run(*CHECK), 78, "no endpoint")
    locked.succeeds("--offline", *CHECK)


def unmarked(text: str) -> str:
    """Return a lock's text without the entries' marks, which alone would tell of any edit."""
    return re.sub(r"  # entry \w+", "", text)


def test_a_lock_that_was_changed_by_hand_is_found_out(locked: Machine) -> None:
    text = unmarked(locked.lock.read_text())
    for key, says in (("layer", "the locked build has the layer"), ("child", "the locked index names")):
        locked.lock.write_text(re.sub(rf'{key} = "sha256:\w{{8}}', f'{key} = "sha256:01234567', text, count=1))
        check_complaint(locked.run(*CHECK), 76, says)
    locked.lock.write_text(re.sub(r"size = \d+", "size = 7", text, count=1))
    check_complaint(locked.run(*CHECK), 76, "of 7 is locked")


def test_many_are_asked_at_once_but_not_more_than_connections(machine: Machine) -> None:
    names = [f"image{number}" for number in range(6)]
    for name in names:
        machine.images.add_index(f"deckhouse-cli/plugins/{name}", NEW, {HOST: program(name), OTHER: program("o")})
    machine.manifest.write_text("schema = 1\n" + "".join(f'[[images]]\nname = "{name}"\n' for name in names))
    machine.succeeds("lock")
    lock, now, most = threading.Lock(), [0], [0]
    gate = threading.Barrier(4)

    def counted(reply: Reply) -> Reply:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait(60)  # passes only once four are here
        with lock:
            now[0] -= 1
        return reply

    machine.proxy.on("layer", counted)
    machine.succeeds("--connections", "4", *CHECK)
    assert most[0] == 4


def test_a_registry_is_asked_by_digest_and_sends_no_layer(registry: RunningRegistry, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "program").write_bytes(images.script("published"))
    (home / "program").chmod(0o755)
    root = f"{registry.url}/lock-check"
    builds = [f"{platform}=program" for platform in ("linux-amd64", "linux-arm64")]
    env = {"D8_RPP_ENDPOINT": root}

    def d8(*words: str, expect: int = 0) -> command.Completed:
        done = command.run(*words, home=str(home), env=env)
        assert done.code == expect, done
        return done

    d8("publish", *builds, "--image", NAME, "--version", NEW, "--to", root)
    manifest = home / ".config/d8-installer/d8.toml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(f'schema = 1\n[[images]]\nname = "{NAME}"\n')
    d8("lock")
    assert json.loads(d8("--json", *CHECK).out)["data"]["proven"] == 2
    (home / "program").write_bytes(images.script("published anew"))
    d8("publish", *builds, "--image", NAME, "--version", NEW, "--to", root, "--replace")
    assert "the locked bytes are there all the same" in d8(*CHECK, expect=76).err
    lock = home / ".local/share/d8-installer/profiles/user/d8.lock"
    text = unmarked(lock.read_text())
    (home / ".local/share/d8-installer/tags.json").unlink()  # which would know the tag's index
    for key in ("index", "child", "layer"):
        lock.write_text(re.sub(rf'{key} = "sha256:\w{{8}}', f'{key} = "sha256:01234567', text, count=1))
        assert d8(*CHECK, expect=69 if key == "index" else 76)
