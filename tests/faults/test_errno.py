"""Every call that ``store/fs.py`` makes fails once, and fails for good: old or new, one clear error, nothing left.

Not ``--thorough``: every fifth call, from a different one on for each command, with one errno in turns; the lasting
faults at every ninth. Thorough: every call of every command with every errno, both ways.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from tests.faults import driver
from tests.faults.disk import FREES, Fault
from tests.faults.scenarios import (
    SCENARIOS,
    Prepared,
    Scenario,
    about_the_state,
    is_done_already,
    leftovers,
    prepare,
    said,
)
from tests.forms import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.driver import Ran

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked")

ERRNOS = (
    *(errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EINVAL),
    *((errno.EXDEV, errno.ENOSYS) if THOROUGH else ()),
)
DISK = 73


@pytest.fixture(scope="module", params=SCENARIOS, ids=str)
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    scenario: Scenario = request.param
    return prepare(scenario, str(tmp_path_factory.mktemp("prepared")))


def faults(prepared: Prepared, *, lasting: bool) -> Iterator[Fault]:
    step = 1 if THOROUGH else 9 if lasting else 5
    first = 1 + SCENARIOS.index(prepared.scenario) % step
    for turn, at in enumerate(range(first, len(prepared.calls) + 1, step)):
        for number in ERRNOS if THOROUGH else [ERRNOS[turn % len(ERRNOS)]]:
            yield Fault(at, number, lasting)


@pytest.mark.parametrize("share", [0, 1], ids=["odd", "even"])  # so that two processes share the longest of them
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_fault_at_any_call(prepared: Prepared, lasting: bool, share: int) -> None:
    wrong = []
    for fault in list(faults(prepared, lasting=lasting))[share::2]:
        with prepared.home() as home:
            complaint = complain(prepared, fault, home)
        if complaint:
            wrong.append(f"{fault.at} {errno.errorcode[fault.errno or 0]} {complaint}")
    assert not wrong, "\n\n".join(wrong)


def complain(prepared: Prepared, fault: Fault, home: str) -> str:
    """Run the command with the fault and once more without; return what is wrong, or nothing."""
    scenario = prepared.scenario
    ran = driver.run(*scenario.command, home=home, fault=fault)
    call = ran.calls[fault.at - 1] if len(ran.calls) >= fault.at else "(none)"
    problem = about_the_error(ran) or about_the_state(scenario, home, done=ran.code == 0)
    if not problem and ran.code != 0 and scenario.old != scenario.new and said(home, "tool") == scenario.new:
        problem = "the change took effect, and the command failed"
    if not problem and ran.code != 0 and call not in FREES and not fault.lasting and (left := leftovers(home)):
        problem = f"left {left}"
    if problem:
        return f"at {call}: {problem}\n{ran}"
    again = driver.run(*scenario.again, home=home)
    if again.code != 0 and not is_done_already(scenario, again, home):
        return f"at {call}: the next command failed\n{ran}\n{again}"
    if problem := about_the_state(scenario, home, done=True):
        return f"at {call}: after the next command: {problem}\n{ran}\n{again}"
    if left := leftovers(home):
        return f"at {call}: the next command left {left}\n{ran}\n{again}"
    return ""


def about_the_error(ran: Ran) -> str:
    if ran.code == 0:  # only a clean-up failed, which the next command makes up for
        return "" if not ran.errors else "an error, and exit 0"
    lines = ran.err.splitlines()
    if ran.code != DISK:
        return f"exit {ran.code}"
    if "Traceback" in ran.err or len(ran.errors) != 1:
        return "not one error line"
    return "" if any(line.startswith("hint: ") for line in lines) else "no hint"
