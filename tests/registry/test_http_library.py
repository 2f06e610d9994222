"""The first request imports httpx2 without costly extras, and takes nothing away from others in the process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from d8_installer.registry.oci_layout import LayoutDestination
from d8_installer.testing.contract import Sample
from tests.registry.servers import Answer, serving
from tests.registry.test_bundle import members, packed

if TYPE_CHECKING:
    from pathlib import Path

WITHOUT = """
import sys
before = set(sys.modules)
from d8_installer.registry.client import Client
Client().get(sys.argv[1], {}, 9)
spared = {"importlib.metadata", "zipfile", "httpcore2._backends.anyio", "anyio.streams.tls"}
assert not spared & sys.modules.keys() - before, spared & sys.modules.keys()
"""
AFTERWARDS = """
import sys
from d8_installer.registry.client import Client
Client().get(sys.argv[1], {}, 9)
import asyncio
import importlib.metadata
import httpcore2, httpx2
for module in (httpx2, httpcore2):
    assert module.__version__ == importlib.metadata.version(module.__name__)
async def ask():
    async with httpx2.AsyncClient() as client:
        return await client.get(sys.argv[1])
assert asyncio.run(ask()).status_code == 200
"""
MEANWHILE = """
import sys
from d8_installer.registry.http_library import _DirectoryNames
stand_in = sys.modules["importlib.metadata"] = _DirectoryNames("importlib.metadata")
from importlib.metadata import distribution
assert distribution("httpx2").name == "httpx2" and sys.modules["importlib.metadata"] is not stand_in
try:
    stand_in.version("no-such-distribution")
except sys.modules["importlib.metadata"].PackageNotFoundError:
    sys.exit()
raise AssertionError
"""
LOCAL = """
import sys
before = set(sys.modules)
from d8_installer.plugin.records import Access
from d8_installer.plugin.schemes import open_source
open_source(sys.argv[1], Access()).close()
network = {"httpx2", "httpcore2", "ssl", "http.client", "urllib.parse", "d8_installer.registry.client"}
assert not network & sys.modules.keys() - before, network & sys.modules.keys()
"""


@pytest.mark.parametrize("program", [WITHOUT, AFTERWARDS, MEANWHILE], ids=["without", "afterwards", "meanwhile"])
def test_the_library_is_imported_without_what_costs_time(program: str) -> None:
    with serving(lambda _: Answer(200, b"{}")) as server:
        command = [sys.executable, "-I", "-c", program, server.url]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


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
