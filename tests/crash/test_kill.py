"""A process killed (SIGKILL) at any call of ``store/fs.py``: the old generation or the new one, and no litter.

Not ``--thorough``: at every fourth call, a different quarter for each command. Thorough: at every call.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.disk import Fault
from tests.faults.driver import Driver
from tests.faults.scenarios import SCENARIOS, Prepared, Scenario, about_the_state, is_done_already, leftovers, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver forks")

STEP = 1 if os.environ.get("D8_THOROUGH") else 4


@pytest.fixture(params=SCENARIOS, ids=str)
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Prepared]:
    scenario: Scenario = request.param
    with Driver() as driver:
        yield prepare(scenario, driver, str(tmp_path))


def test_killed_at_any_call(prepared: Prepared) -> None:
    wrong = []
    first = 1 + SCENARIOS.index(prepared.scenario) % STEP
    for at in range(first, len(prepared.calls) + 1, STEP):
        with prepared.home() as home:
            complaint = complain(prepared, at, home)
        if complaint:
            wrong.append(f"{at} after {prepared.calls[at - 2]}, at {prepared.calls[at - 1]}: {complaint}")
    assert not wrong, "\n\n".join(wrong)


def complain(prepared: Prepared, at: int, home: str) -> str:
    """Kill the command, look, and go on with the next one; return what is wrong, or nothing."""
    scenario = prepared.scenario
    ran = prepared.driver.run(*scenario.command, home=home, fault=Fault(at, None))
    if ran.code != -signal.SIGKILL:
        return f"it was not killed\n{ran}"
    if problem := about_the_state(scenario, home, done=False):
        return problem
    looked = prepared.driver.run("list", home=home)
    if looked.code != 0:
        return f"`list` after the kill\n{looked}"
    again = prepared.driver.run(*scenario.again, home=home)
    if again.code != 0 and not is_done_already(scenario, again, home):
        return f"the next command failed\n{again}"
    if problem := about_the_state(scenario, home, done=True):
        return f"after the next command: {problem}\n{again}"
    left = leftovers(home)
    return f"the next command left {left}\n{again}" if left else ""
