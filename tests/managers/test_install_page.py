"""The install page: each line is typed in an empty HOME, the tool runs, and what it says to add an extra adds it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from d8_installer import INSTALL_SOURCE, __version__
from tests.managers.drivers import MANAGERS
from tests.managers.machine import activate
from tests.managers.wheelhouse import ROOT

if TYPE_CHECKING:
    from tests.managers.machine import Machine

DRIVER = {"pipx": "pipx-uv", "uv": "uv-tool", "pip": "pip"}


PAGE = (ROOT / "docs/how-to/install.md").read_text()
LINES = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)).splitlines()


def test_every_manager_has_a_line() -> None:
    assert {line.split()[0] for line in LINES} == set(DRIVER)
    assert all(INSTALL_SOURCE in line or line.endswith(" .") for line in LINES)


@pytest.mark.parametrize("line", LINES)
def test_the_line_installs_the_tool(machine: Machine, line: str) -> None:
    words = shlex.split(line)
    manager = MANAGERS[DRIVER[words[0]]](machine)
    if words[0] == "pip":
        activate(machine, manager.command("python"))
    machine.bring_tool(machine.home)
    machine.does(*words, cwd=ROOT if words[-1] == "." else machine.home)
    assert machine.does("d8-installer", "--version").out == f"d8-installer {__version__}\n"
    (machine.home / "token").write_text(f"{'t' * 40}\n")
    nowhere = ("--listen", "203.0.113.1:80", "--token-file", "token")  # no address of this machine
    asked = ("proxy", "serve", "--from", "oci-layout:.", *nowhere)
    done = machine.run("d8-installer", *asked)
    if "[" not in line:
        assert "needs the extra [proxy]" in done.err
        typed = re.search(r"^hint: type `(.*)`$", done.err, re.MULTILINE)
        assert typed is not None, done
        machine.does(*shlex.split(typed[1]))
        done = machine.run("d8-installer", *asked)
    assert (done.code, "cannot listen on" in done.err) == (78, True), done


@pytest.mark.parametrize("extra", re.findall(r"`\[(\w+)\]`", PAGE))
def test_the_extras_are_those_that_there_are(extra: str) -> None:
    assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
