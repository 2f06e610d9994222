"""The forms that the suite runs in: quick (``--quick``), usual, and thorough (``D8_THOROUGH=1``)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

THOROUGH = bool(os.environ.get("D8_THOROUGH"))
TESTS = os.path.dirname(os.path.abspath(__file__))
QUICK = (
    *("conformance", "fast", "merge", "model", "plan", "resolve", "property/test_linear.py", "test_errors.py"),
    *(f"plugin/test_{name}.py" for name in ("discovery", "hookspec", "self_installation")),
    "pipeline/test_check_policy.py",
    *(f"proxy/test_{name}.py" for name in ("access", "app", "dialect", "roots")),
    *(f"publish/test_{name}.py" for name in ("push", "wheel_file", "wheel_tags")),
    *(f"registry/test_{name}.py" for name in ("bundle", "fallback", "pages", "wire")),
    *(f"store/test_{name}.py" for name in ("documents", "members", "paths", "removal", "stamp", "unpack")),
)
"""What the quick form runs: tests in this process, of what each of them makes itself."""
NOT_QUICK = ("model/test_markers.py", "model/test_plain_value.py", "model/test_value.py")
FORBIDDEN = frozenset({"subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "socket.bind", "socket.connect"})
"""The audit events that no quick test may cause."""

_quick_test_runs = False


def examples(number: int) -> int:
    """Return how many examples Hypothesis draws where the thorough form draws *number*."""
    return number if THOROUGH else max(10, number // 4)


def is_quick(path: Path) -> bool:
    """Whether the quick form runs a file of tests."""
    relative = os.path.relpath(path, TESTS)
    return relative not in NOT_QUICK and any(relative == part or relative.startswith(f"{part}/") for part in QUICK)


def hold_quick_tests() -> None:
    """Let a quick test that starts a process or opens a connection fail."""
    sys.addaudithook(_refuse)


def begin(path: Path) -> None:
    """Say that a test of the file *path* begins."""
    global _quick_test_runs  # noqa: PLW0603 - a hook cannot be removed, so this says when it counts
    _quick_test_runs = is_quick(path)


def end() -> None:
    """Say that the test has ended."""
    global _quick_test_runs  # noqa: PLW0603
    _quick_test_runs = False


def _refuse(event: str, _arguments: object) -> None:
    if _quick_test_runs and event in FORBIDDEN:
        raise AssertionError(f"{event} in a quick test: take its file out of tests/forms.py")
