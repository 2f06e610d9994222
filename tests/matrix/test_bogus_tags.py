"""A tag that a source lists although it lacks the manifest: another version is taken, and the line says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import fault_server, status, tags
from d8_installer.testing.oci_answers import OciWire
from tests.matrix.machine import NAME, NEW, OLD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.matrix.machine import Machine

BOGUS = "v9.9.9"
SAYS = f"warning: {NAME} {BOGUS} is passed over: it is listed, but its manifest is not there\n"


@pytest.mark.parametrize("wanted", [f"{NAME}>1.4.1", f"{NAME}>=1.4.2"])
def test_the_next_version_is_taken(machine: Machine, wanted: str) -> None:
    machine.proxy.on("tags", tags([OLD, NEW, BOGUS]))
    assert SAYS in machine.succeeds("install", wanted).err
    assert machine.say().startswith(NEW)
    assert len(machine.proxy.seen("tags")) == 1


def test_an_upgrade_passes_it_over(machine: Machine) -> None:
    machine.succeeds("install", f"{NAME}>=1")
    machine.proxy.on("tags", tags([OLD, NEW, BOGUS, "v9.9.8"]))
    done = machine.succeeds("upgrade", "--all")
    assert SAYS in done.err
    assert done.err.count("is passed over") == 2
    assert machine.say().startswith(NEW)


def test_a_registry_is_no_other(machine: Machine) -> None:
    with fault_server(machine.images, wire=OciWire()) as registry:
        registry.on("tags", tags([OLD, NEW, BOGUS]))
        endpoint = registry.url.replace("http:", "oci:")
        assert SAYS in machine.succeeds("--endpoint", endpoint, "install", f"{NAME}>1.4.1").err
        assert machine.say().startswith(NEW)


def test_a_layout_is_no_other(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\necho a tool\n")
    to = ("--to", f"oci-layout:{tmp_path}/reg")
    for version in ("v1.0.0", "v2.0.0"):
        (tmp_path / "tool").write_text(f"#!/bin/sh\necho {version}\n")
        machine.succeeds("publish", f"linux-amd64={tmp_path}/tool", "--image", "tool", "--version", version, *to)
    layout = tmp_path / "reg/deckhouse-cli/plugins/tool"
    index = json.loads((layout / "index.json").read_text())
    newest = next(m for m in index["manifests"] if "v2.0.0" in json.dumps(m))
    (layout / "blobs/sha256" / newest["digest"].partition(":")[2]).unlink()
    done = machine.succeeds("--endpoint", to[1], "install", "--platform", "linux-amd64", "tool")
    assert "warning: tool v2.0.0 is passed over" in done.err


@pytest.mark.parametrize("wanted", [f"{NAME}==={BOGUS}", f"{NAME}=9.9.9"])
def test_one_that_was_asked_for_is_an_error(machine: Machine, wanted: str) -> None:
    machine.proxy.on("tags", tags([OLD, NEW, BOGUS]))
    machine.refuses("install", wanted, code=69, says="has no version v9.9.9|without a manifest: v9.9.9")


def test_not_all_of_them_are_passed_over(machine: Machine) -> None:
    machine.proxy.on("tags", tags([OLD, NEW, *(f"v8.0.{number}" for number in range(50))]))
    machine.refuses("install", f"{NAME}>=2", code=69, says=r"listed, but without a manifest: v8\.0\.40")
    assert len(machine.proxy.seen("index")) < 15


def test_a_source_without_manifests_is_told_as_such(machine: Machine) -> None:
    machine.proxy.on("index", status(404, "404 page not found\n"))
    machine.refuses("install", f"{NAME}>1.4.1", code=69, says="has no manifests: it is too old")
