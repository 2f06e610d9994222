"""A process killed (SIGKILL) at any call of ``store/fs.py``, and at random times: the old generation or the new one,
every binary runs, ``verify`` and ``doctor`` find nothing, and the next command leaves no litter.

Not ``--thorough``: at every twelfth call, a different one for each command. Thorough: at every call.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.command import start
from tests.faults import driver
from tests.faults.disk import Fault
from tests.faults.scenarios import SCENARIOS, Prepared, Scenario, about_the_state, is_done_already, leftovers, prepare
from tests.forms import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked")

STEP = 1 if THOROUGH else 12
AT_RANDOM = 60 if THOROUGH else 2


@pytest.fixture(scope="module", params=SCENARIOS, ids=str)
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    scenario: Scenario = request.param
    return prepare(scenario, str(tmp_path_factory.mktemp("prepared")))


def test_killed_at_any_call(prepared: Prepared, record_property: Callable[[str, object], None]) -> None:
    wrong = []
    first = 1 + SCENARIOS.index(prepared.scenario) % STEP
    points = range(first, len(prepared.calls) + 1, STEP)
    record_property("points", len(points))
    print(f"{prepared.scenario}: killed at {len(points)} of {len(prepared.calls)} calls")  # noqa: T201 - the figure
    for at in points:
        with prepared.home() as home:
            complaint = complain(prepared, at, home)
        if complaint:
            wrong.append(f"{at} after {prepared.calls[at - 2]}, at {prepared.calls[at - 1]}: {complaint}")
    assert not wrong, "\n\n".join(wrong)


def complain(prepared: Prepared, at: int, home: str) -> str:
    """Kill the command, look, and go on with the next one; return what is wrong, or nothing."""
    scenario = prepared.scenario
    ran = driver.run(*scenario.command, home=home, fault=Fault(at, None))
    if ran.code == 0 and len(ran.calls) < at:
        return ""  # threads that wait for each other call more often, one time or another: this time it was done before
    if ran.code != -signal.SIGKILL:
        return f"it was not killed\n{ran}"
    return about_the_rest(prepared, home)


def about_the_rest(prepared: Prepared, home: str) -> str:
    """Look at a home in which the command was killed, and go on; return what is wrong, or nothing."""
    scenario = prepared.scenario
    if problem := about_the_state(scenario, home, done=False):
        return problem
    looked = driver.run("list", home=home)
    if looked.code != 0:
        return f"`list` after the kill\n{looked}"
    if not scenario.damaged and (verified := driver.run("verify", home=home)).code != 0:
        return f"`verify` after the kill\n{verified}"
    again = driver.run(*scenario.again, home=home)
    if again.code != 0 and not is_done_already(scenario, again, home):
        return f"the next command failed\n{again}"
    if problem := about_the_state(scenario, home, done=True):
        return f"after the next command: {problem}\n{again}"
    for words in (("verify",), ("doctor",)):
        looked = driver.run(*words, home=home)
        if looked.code != 0:
            return f"{words} after the next command\n{looked}"
    left = leftovers(home)
    return f"the next command left {left}\n{again}" if left else ""


def test_killed_at_random_times(prepared: Prepared, record_property: Callable[[str, object], None]) -> None:
    """The installed command itself, killed from outside, as likely late as early."""
    with prepared.home() as home:
        begin = time.monotonic()
        started(prepared, home).communicate(timeout=60)
        whole = time.monotonic() - begin
    chance = random.Random(SCENARIOS.index(prepared.scenario))  # noqa: S311 - no secret
    killed, wrong = 0, []
    for _ in range(AT_RANDOM):
        with prepared.home() as home:
            process = started(prepared, home)
            try:
                process.communicate(timeout=chance.uniform(0, whole))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate(timeout=60)
                killed += 1
            if problem := about_the_rest(prepared, home):
                wrong.append(problem)
    record_property("killed", killed)
    print(f"{prepared.scenario}: killed {killed} times of {AT_RANDOM} within {whole:.2f} s")  # noqa: T201 - the figure
    assert not wrong, "\n\n".join(wrong)


def started(prepared: Prepared, home: str) -> subprocess.Popen[str]:
    return start(*prepared.scenario.command, home=home)
