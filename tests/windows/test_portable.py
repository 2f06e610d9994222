"""The tests of the lower floors, run there by the Windows Python: what they state holds on Windows as well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.windows import wine
from tests.windows.machine import PYTHON
from tests.windows.prefix import ROOT

if TYPE_CHECKING:
    from tests.windows.user import WindowsUser

FOLDERS = ("plan", "resolve", "merge", "property")
OPTIONS = ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--tb=short", "-rfE")
# What it compiles and draws stays on its own disk: the checkout is Linux's.
VARIABLES = {"PYTHONPYCACHEPREFIX": r"C:\pycache", "HYPOTHESIS_STORAGE_DIRECTORY": r"C:\hypothesis"}
SECONDS = 900


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_the_lower_floors_promise_holds_on_windows(user: WindowsUser, folder: str) -> None:
    pytest_there = [PYTHON, "-m", "pytest", *OPTIONS, f"tests/{folder}"]
    done = user.types(pytest_there, cwd=user.machine.spelled(ROOT), env=VARIABLES, seconds=SECONDS)
    assert done.code == 0, done
    count = {word: int(number) for number, word in re.findall(r"(\d+) (passed|skipped)", done.out.splitlines()[-1])}
    assert count["passed"] > 2 * count.get("skipped", 0), done


@pytest.mark.parametrize("test", wine.EXPECTED)
def test_what_is_expected_to_fail_under_wine_is_a_test(test: str) -> None:
    path, _, name = test.partition("[")[0].partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
