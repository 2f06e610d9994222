"""The commands of docs/how-to/windows.md, typed one by one, each into a new console."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.windows.user import WindowsUser

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/windows.md"


def lines() -> list[str]:
    """Return the lines that the page says to type in a command prompt."""
    blocks = re.findall(r"^```bat\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_commands_of_the_page(user: WindowsUser) -> None:
    user.publish("ruff", "v0.14.0")
    assert "ruff --version" in lines()
    for line in lines():
        program, *words = line.split()
        if program == "d8-installer":
            user.ok(*words)
        else:
            assert user.cmd(line).out == "ruff v0.14.0\n"
    user.ok("self", "uninstall", "--yes")
    assert not user.data.exists()
