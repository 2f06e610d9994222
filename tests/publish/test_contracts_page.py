"""The page about contracts: its commands in one shell, in an empty HOME; just what it says comes out."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.command import PROGRAM, ended

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/contracts.md"
MARK = "-- the end of a block --"


def steps() -> list[tuple[str, str]]:
    """Return each ``sh`` block with the ``text`` block that follows it."""
    return re.findall(r"^```sh\n(.*?)^```\n```text\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(os.name != "posix", reason="the page's commands are for sh")
def test_the_page_works_line_by_line(tmp_path: Path) -> None:
    assert len(steps()) == PAGE.read_text().count("```sh\n") >= 1
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/d8-installer").symlink_to(PROGRAM)
    script = "set -e\n" + "".join(f"{block}echo '{MARK}'\n" for block, _ in steps())
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    done = ended(["sh", "-c", script], home=str(tmp_path), env={"PATH": path}, cwd=str(tmp_path))
    assert done.code == 0, done
    printed = done.out.replace(str(tmp_path), "~").split(f"{MARK}\n")[:-1]
    for (block, text), said in zip(steps(), printed, strict=True):
        assert said == text, f"{block}\n{done.err}"
