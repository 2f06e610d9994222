"""Bad input on the wire: transfers that end early or late, and bytes that changed on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import Resource, cut, flipped, header, longer, overrunning, short, unmeasured
from tests.matrix.layers import HOST
from tests.matrix.machine import IMAGE, NAME, NEW, TO_NEW

if TYPE_CHECKING:
    from tests.matrix.machine import Machine

SHARES = [0.0, 0.01, 0.5, 0.99]


# --- too short ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", SHARES)
def test_layer_cut(machine: Machine, share: float) -> None:
    machine.proxy.on("layer", cut(share))
    machine.refuses(*TO_NEW, code=75, says=r"the transfer was cut after \d+ of \d+ bytes")
    assert len(machine.proxy.seen("layer")) == 3


@pytest.mark.parametrize("share", SHARES)
def test_layer_short_and_its_length_honest(machine: Machine, share: float) -> None:
    machine.proxy.on("layer", short(share))
    machine.refuses(*TO_NEW, code=76, says=r"the proxy sends \d+ bytes, expected \d+")
    assert len(machine.proxy.seen("layer")) == 2  # by the tag, then by the child's digest


@pytest.mark.parametrize("share", SHARES)
def test_layer_short_and_its_length_untold(machine: Machine, share: float) -> None:
    machine.proxy.on("layer", unmeasured(), short(share))
    machine.refuses(*TO_NEW, code=76, says=r"the layer ended after \d+ of \d+ bytes")


@pytest.mark.parametrize("resource", ["tags", "index", "child"])
def test_document_cut(machine: Machine, resource: Resource) -> None:
    machine.proxy.on(resource, cut(0.5))
    machine.refuses(*TO_NEW, code=75, says="the transfer was cut")


@pytest.mark.parametrize(("resource", "share"), [("tags", 0.0), ("tags", 0.99), ("index", 0.99), ("child", 0.99)])
def test_document_short(machine: Machine, resource: Resource, share: float) -> None:
    machine.proxy.on(resource, unmeasured(), short(share))
    machine.refuses(*TO_NEW, code=76, says="decode tags|not JSON|arrived as")


def test_a_transfer_that_is_cut_once_is_begun_anew(machine: Machine) -> None:
    machine.proxy.on("layer", cut(0.5), times=2)
    machine.succeeds(*TO_NEW)
    assert machine.say() == f"{NEW} {HOST} !\n"
    assert len(machine.proxy.seen("layer")) == 3


# --- too long -------------------------------------------------------------------------------------------------


def test_layer_longer_and_its_length_honest(machine: Machine) -> None:
    machine.proxy.on("layer", longer(1))
    machine.refuses(*TO_NEW, code=76, says=r"the proxy sends \d+ bytes, expected \d+")


@pytest.mark.parametrize("extra", [1, 1 << 20])
def test_layer_longer_and_its_length_untold(machine: Machine, extra: int) -> None:
    machine.proxy.on("layer", unmeasured(), longer(extra))
    machine.refuses(*TO_NEW, code=76, says="the layer is longer than the promised")


@pytest.mark.parametrize("resource", ["tags", "layer"])
def test_bytes_behind_the_promised_length_are_nobodys(machine: Machine, resource: Resource) -> None:
    machine.proxy.on(resource, overrunning(100_000))
    machine.succeeds(*TO_NEW)
    assert machine.say() == f"{NEW} {HOST} !\n"


# --- one bit --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 5, 4000, -9, -1])
def test_bit_flipped_in_a_layer(machine: Machine, at: int) -> None:
    machine.proxy.on("layer", flipped(at))
    machine.refuses(*TO_NEW, code=76, says="the layer's bytes have the digest")


@pytest.mark.parametrize("at", [0, 120, -1])
def test_bit_flipped_in_a_child(machine: Machine, at: int) -> None:
    machine.proxy.on("child", flipped(at))
    machine.refuses(*TO_NEW, code=76, says="arrived as .* but the index promises")


@pytest.mark.parametrize("at", [0, 120, -1])
def test_bit_flipped_in_an_index_that_is_known(machine: Machine, at: int) -> None:
    machine.succeeds(*TO_NEW)
    machine.proxy.on("index", flipped(at))
    machine.refuses("lock", "--upgrade", code=76, says="was moved: it meant")


def test_bit_flipped_in_an_index_whose_digest_is_demanded(machine: Machine) -> None:
    digest = machine.images.manifest(IMAGE, NEW).digest
    entry = f'[[images]]\nname = "{NAME}"\nversion = "==={NEW}"\ndigest = "{digest}"\n'
    machine.manifest.write_text(f"schema = 1\n{entry}")
    machine.proxy.on("index", flipped(-1, bit=1), times=1)
    machine.refuses("sync", code=76, says="not JSON|demands sha256:")
    machine.succeeds("sync")


def test_bit_flipped_in_a_new_index_leads_nowhere(machine: Machine) -> None:
    """The first lock trusts its source; but a child's digest that is not right names nothing."""
    index = machine.images.manifest(IMAGE, NEW).raw
    machine.proxy.on("index", flipped(index.index(b"sha256:") + 20))
    machine.refuses(*TO_NEW, code=69, says="no longer has stronghold sha256:")


# --- what the headers say of it -------------------------------------------------------------------------------


def test_etag_of_other_bytes(machine: Machine) -> None:
    machine.proxy.on("layer", header("etag", f'"sha256:{"0" * 64}"'))
    machine.refuses(*TO_NEW, code=76, says="the tag moved: the proxy serves")


@pytest.mark.parametrize("etag", [None, f'W/"sha256:{"0" * 64}"', "sha256:unquoted", '"'])
def test_etag_that_says_nothing_is_ignored(machine: Machine, etag: str | None) -> None:
    machine.proxy.on("layer", header("etag", etag), header("docker-content-digest", "sha256:nonsense"))
    machine.succeeds(*TO_NEW)
    assert machine.say() == f"{NEW} {HOST} !\n"


def test_right_etag_does_not_excuse_wrong_bytes(machine: Machine) -> None:
    machine.proxy.on("layer", flipped(100))
    machine.refuses(*TO_NEW, code=76, says="the layer's bytes have the digest")
