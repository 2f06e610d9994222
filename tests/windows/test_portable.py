"""The tests of the lower floors, run there by the Windows Python: what they state holds on Windows as well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests import forms
from tests.windows import wine
from tests.windows.machine import PYTHON
from tests.windows.prefix import ROOT

if TYPE_CHECKING:
    from tests.windows.user import WindowsUser

PARTS = {
    "pure": ("model", "plan", "resolve", "merge", "property", "conformance"),
    "store": ("store",),
    "registry": ("registry",),
    "packages": ("publish", "plugin"),
}
"""Folders that one process runs: it needs five seconds to start, which is more than some folders need to run."""
LEFT_OUT = (
    # They start the command a hundred times, for half a second each; tests/windows starts it for each kind of command.
    *("publish/test_wheel.py", "publish/test_fat_wheel.py", "publish/test_contract.py"),
    *("model/test_value.py", "model/test_plain_value.py", "registry/test_hosted.py", "property/test_relock.py"),
    # Drawn cases of rules about text alone, which take the longest.
    *("model/test_torn.py", "merge/test_three_way.py"),
    # Answers over HTTP that are the same on every system: drawn statuses, and servers that only let one wait.
    *("registry/test_any_status.py", "registry/test_head.py"),
    # Each of them replaces a file some hundred times, which Wine does in 10 ms.
    *("store/test_stamp.py::test_a_stamp_cut_anywhere_is_none", "store/test_kept_facts.py::test_files_do_not_pile_up"),
)
"""What only the thorough form runs there."""
OPTIONS = ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--tb=short", "-rfE")
# What it compiles and draws stays on its own disk: the checkout is Linux's.
VARIABLES = {"PYTHONPYCACHEPREFIX": r"C:\pycache", "HYPOTHESIS_STORAGE_DIRECTORY": r"C:\hypothesis"}
SECONDS = 900


@pytest.mark.parametrize("part", PARTS)
def test_what_the_lower_floors_promise_holds_on_windows(user: WindowsUser, part: str) -> None:
    left_out = () if forms.THOROUGH else LEFT_OUT
    words = [f"--{'deselect' if '::' in path else 'ignore'}=tests/{path}" for path in left_out]
    pytest_there = [PYTHON, "-m", "pytest", *OPTIONS, *words, *(f"tests/{folder}" for folder in PARTS[part])]
    env = VARIABLES | ({"D8_THOROUGH": "1"} if forms.THOROUGH else {})
    done = user.types(pytest_there, cwd=user.machine.spelled(ROOT), env=env, seconds=SECONDS)
    assert done.code == 0, str(done)
    count = {word: int(number) for number, word in re.findall(r"(\d+) (passed|skipped)", done.out.splitlines()[-1])}
    assert count["passed"] > 2 * count.get("skipped", 0), done


@pytest.mark.parametrize("test", wine.EXPECTED)
def test_what_is_expected_to_fail_under_wine_is_a_test(test: str) -> None:
    path, _, name = test.partition("[")[0].partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
