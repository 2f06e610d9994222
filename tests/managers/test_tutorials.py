"""Each tutorial is typed from its first line to its last, in an empty HOME: the printed page is what happens."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests import typed_pages
from tests.managers.wheelhouse import PIP, ROOT, programs, tool

if TYPE_CHECKING:
    from tests.managers.machine import Machine

FOLDER = ROOT / "docs/tutorials"
PAGES = sorted(page.name for page in FOLDER.glob("*.md") if page.name != "index.md")


def test_the_index_lists_them_all() -> None:
    text = (FOLDER / "index.md").read_text()
    assert all(page.removesuffix(".md") in text for page in PAGES)
    assert len(PAGES) == 4


@pytest.mark.parametrize("page", PAGES)
def test_the_page_works_as_printed(machine: Machine, page: str) -> None:
    machine.index.add(programs().glob("*.whl"))
    machine.put_on_path(tool("pipx") / "pipx", tool("uv") / "uv", PIP)
    machine.bring_tool(machine.home)
    variables = machine.environment()
    del variables["D8_RPP_ENDPOINT"]
    reader = typed_pages.Reader(machine.home, {**variables, **OF_A_READER}, {"18199": str(free_port())})
    typed_pages.check(FOLDER / page, reader)


OF_A_READER = {
    "SHELL": "/bin/bash",
    "PIPX_DEFAULT_BACKEND": "uv",  # it takes seconds where pip takes half a minute
    **{f"GIT_{role}_{what}": "you@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def free_port() -> int:
    """Return a port that nobody listens on, in the place of the one that a page shows."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
