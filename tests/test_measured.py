"""The quick measurement of processes records what coverage's own does."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from coverage import CoverageData

from tests import measured
from tests.command import PROGRAM, ended

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WORK = """
import os, signal, sys, threading
from d8_installer.errors import UsageError
def work():
    from d8_installer.model.digest import Digest
    Digest.of(b"x")
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
ENDS = {
    "by itself": "",
    "by an error": "raise UsageError('x', hint='y')",
    "by _exit": "os._exit(3)",
    "by exec": f"os.execv({PROGRAM!r}, [{PROGRAM!r}, '--version'])",
    "by exec with variables": f"os.execve({PROGRAM!r}, [{PROGRAM!r}, '--version'], os.environ)",
    "by SIGTERM": "signal.raise_signal(signal.SIGTERM)",
    "after a fork": """
child = os.fork()
if child == 0:
    from d8_installer.model.version import Version
    os._exit(0)
os.waitpid(child, 0)
""",
}
COVERAGE = """\
[run]
branch = true
source = d8_installer, d8_hooks
parallel = true
patch = subprocess, _exit, execv
sigterm = true
"""


def arcs(files: Iterable[Path]) -> dict[str, set[tuple[int, int]]]:
    """Return the arcs of our modules that ran, by all data files together."""
    joined: dict[str, set[tuple[int, int]]] = {}
    for file in files:
        data = CoverageData(str(file))
        data.read()
        for name in data.measured_files():
            joined.setdefault(name, set()).update(data.arcs(name) or ())
    return {name: pairs for name, pairs in joined.items() if pairs}  # coverage's own names those that never ran, too


@pytest.mark.parametrize("end", ENDS)
def test_it_records_what_coverage_records(tmp_path: Path, end: str) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for directory in (ours, theirs):
        directory.mkdir()
    settings = tmp_path / "coveragerc"
    settings.write_text(COVERAGE)
    command = [sys.executable, "-c", WORK + ENDS[end]]
    quick = ended(command, home=str(tmp_path), env={measured.VARIABLE: str(ours)})
    whole = {measured.VARIABLE: "", "COVERAGE_PROCESS_START": str(settings), "COVERAGE_FILE": str(theirs / "data")}
    slow = ended(command, home=str(tmp_path), env=whole)
    assert str(quick) == str(slow)
    measured.write(ours, str(tmp_path / "data"))
    expected = arcs(theirs.iterdir())
    assert arcs(tmp_path.glob("data.processes.*")) == expected
    assert any(name.endswith(os.path.join("model", "digest.py")) for name in expected)


def test_a_process_that_may_not_write_ends_as_it_would(tmp_path: Path) -> None:
    done = ended([PROGRAM, "--version"], home=str(tmp_path), env={measured.VARIABLE: str(tmp_path / "nowhere")})
    assert (done.code, done.err) == (0, "")
