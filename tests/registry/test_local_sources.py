"""A local source imports nothing of the network."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from d8_installer.registry.oci_layout import LayoutDestination
from d8_installer.testing.contract import Sample
from tests.registry.test_bundle import members, packed

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = """
import sys
before = set(sys.modules)
from d8_installer.plugin.records import Access
from d8_installer.plugin.schemes import open_source
open_source(sys.argv[1], Access()).close()
network = {"httpx2", "httpcore2", "ssl", "http.client", "urllib.parse", "d8_installer.registry.client"}
assert not network & sys.modules.keys() - before, network & sys.modules.keys()
"""


@pytest.mark.parametrize("scheme", ["oci-layout", "bundle"])
def test_a_local_source_imports_nothing_of_the_network(scheme: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    sample = Sample.make("local", size=500)
    if scheme == "bundle":
        path.write_bytes(packed(members(sample)))
    else:
        sample.publish(LayoutDestination(str(path)))
    command = [sys.executable, "-I", "-c", LOCAL, f"{scheme}:{path}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
