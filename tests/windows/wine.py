"""What Wine does otherwise than Windows, as far as portable tests meet it: they are expected to fail there.

`tests/conftest.py` asks for this list under Wine only; on a Windows machine all of them have to pass.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

EXPECTED: dict[str, str] = {}
"""The id of a test, without its parameters if that is so for all, and the proof that it is Wine that fails."""


def is_running() -> bool:
    """Whether this process runs under Wine, whose ntdll has a function that Windows's has not."""
    if sys.platform == "win32":
        import ctypes

        return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
    return False


def expect_failures(items: Iterable[pytest.Item]) -> None:
    """Mark the tests of the list: one that passes is a failure, so that the list stays true."""
    for item in items:
        reason = EXPECTED.get(item.nodeid) or EXPECTED.get(item.nodeid.partition("[")[0])
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
