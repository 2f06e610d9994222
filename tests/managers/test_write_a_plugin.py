"""The author's page, line by line: its commands in one shell, in an empty HOME; just what it says comes out."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.command import PROGRAM
from tests.managers.wheelhouse import tool

if TYPE_CHECKING:
    from tests.managers.machine import Machine

PAGE = Path(__file__).resolve().parents[2] / "docs/tutorials/plugin.md"
MARK = "-- the end of a block --"


def steps() -> list[tuple[str, str]]:
    """Return each ``sh`` block with the ``text`` block that follows it."""
    return re.findall(r"^```sh\n(.*?)^```\n```text\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_every_command_of_the_page_is_followed_by_what_it_prints() -> None:
    assert len(steps()) == PAGE.read_text().count("```sh\n") >= 7


def test_the_page_works_line_by_line(machine: Machine) -> None:
    machine.put_on_path(tool("pipx") / "pipx", Path(PROGRAM), Path(sys.executable).with_name("pip"))
    machine.variables["D8_RPP_ENDPOINT"] = ""
    script = machine.root / "page.sh"
    script.write_text("set -e\n" + "".join(f"{block}echo '{MARK}'\n" for block, _ in steps()))
    done = machine.run("sh", script)
    assert done.code == 0, done
    printed = done.out.replace(str(machine.home), "~").split(f"{MARK}\n")[:-1]
    for (block, text), said in zip(steps(), printed, strict=True):
        assert said == text, f"{block}\n{done.err}"
    assert done.err.count("d8-installer: installed hello v1.0.0 for d8-plug-hello\n") == 1
    assert machine.placed() == []
