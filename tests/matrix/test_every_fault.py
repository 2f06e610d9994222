"""Every fault at every kind of answer, of a proxy and of a registry: right bytes, or a named error, in bounded time.

Thorough: each fault at each kind of answer of both, once and for good. Not ``--thorough``: one of these for each fault.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.value import replace
from d8_installer.testing.faults import (
    FaultServer,
    Reply,
    Resource,
    captive_portal,
    cut,
    dropped,
    fault_server,
    header,
    longer,
    overrunning,
    short,
    stalled,
    status,
    unmeasured,
)
from d8_installer.testing.oci_answers import OciWire
from d8_installer.testing.rpp_answers import RppWire
from tests.forms import THOROUGH
from tests.matrix.layers import HOST, noisy
from tests.matrix.machine import TO_NEW, Machine, add_version, catalogue, check_complaint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from d8_installer.testing.faults import Fault
    from d8_installer.testing.memory import MemorySource
    from d8_installer.testing.replies import Wire

PATIENCE = 1.0
"""D8_PATIENCE of these machines, in seconds."""
BOUND = 60 * PATIENCE
"""No command may take longer, whatever the server does."""
AT_ONCE = 3
"""Cases in a HOME and with a server of their own; most of their time is patience."""
RESOURCES: tuple[Resource, ...] = ("tags", "index", "child", "layer")
CODES = {69, 75, 76}
STATUSES = (429, 500, 502, 503, 504)
LAYER = noisy("v1.4.2", 600_000)


def dripping() -> Fault:
    """Begin well, and then stall: as ``stalled``, but near the end."""
    return stalled(0.99)


def promising_more(reply: Reply) -> Reply:
    """Promise ten bytes more than come, and wait for nobody."""
    return replace(reply, length=len(reply.body) + 10)


FAULTS: dict[str, tuple[Fault, ...]] = {
    **{f"cut at {share:.1%}": (cut(share),) for share in (0, 0.01, 0.5, 0.999)},
    "stall at once": (stalled(0),),
    "stall in the middle": (stalled(0.5),),
    "stall at the end": (dripping(),),
    "no answer": (dropped(),),
    "shorter, and says so": (short(0.5),),
    "longer, and says so": (longer(10),),
    "longer than it says": (overrunning(10),),
    "shorter than it says": (promising_more,),
    "shorter without a length": (unmeasured(), short(0.5)),
    "longer without a length": (unmeasured(), longer(10)),
    **{f"{code}": (status(code),) for code in STATUSES},
    **{f"{code}, back at once": (status(code, retry_after="0"),) for code in STATUSES},
    **{f"{code}, back tomorrow": (status(code, retry_after="86400"),) for code in STATUSES},
    "another ETag": (header("etag", '"sha256:0000"'),),
    "a weak ETag": (header("etag", 'W/"x"'),),
    "a captive portal": (captive_portal(),),
}
ONCE_IS_NOTHING = {name for name in FAULTS if name.split(" ")[0] in {"cut", "no"} or name.endswith("at once")}
"""A fault that passes and is noticed: struck by it once, a command has to succeed."""


@dataclass(frozen=True)
class Case:
    """One fault at one kind of answer, *lasting* or once."""

    name: str
    resource: Resource
    lasting: bool

    def program(self, server: FaultServer) -> None:
        """Let the server do it; where the ETag is what is wrong, a cut makes it matter."""
        after = 0
        if "ETag" in self.name and self.resource == "layer":
            server.on("layer", cut(0.6), times=1)
            after = 1
        server.on(self.resource, *FAULTS[self.name], times=None if self.lasting else 1, after=after)


def cases(wire: type[Wire]) -> Iterator[Case]:
    for number, name in enumerate(FAULTS):
        for at, resource in enumerate(RESOURCES):
            if THOROUGH:
                yield Case(name, resource, lasting=False)
                yield Case(name, resource, lasting=True)
            elif number % len(RESOURCES) == at and number % 3 % 2 == (wire is OciWire):
                yield Case(name, resource, lasting=bool(number // len(RESOURCES) % 2))


@pytest.mark.parametrize("wire", [RppWire, OciWire])
def test_right_bytes_or_a_named_error_in_bounded_time(good: Path, tmp_path: Path, wire: type[Wire]) -> None:
    images = catalogue()
    add_version(images, "v1.4.2", layer=LAYER)
    results: Counter[str] = Counter()
    slowest = (0.0, "")
    wrong = []

    def timed(numbered: tuple[int, Case]) -> tuple[Case, float, str, str]:
        number, case = numbered
        begun = time.monotonic()
        outcome, problem = tried(case, good, tmp_path / str(number), (images, wire()))
        return case, time.monotonic() - begun, outcome, problem

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for case, seconds, outcome, problem in pool.map(timed, enumerate(cases(wire))):
            slowest = max(slowest, (seconds, str(case)))
            results[outcome] += 1
            wrong += [f"{case}: {problem}"] if problem else []
    assert not wrong, "\n\n".join(wrong)
    shown = ", ".join(f"{outcome}: {count}" for outcome, count in sorted(results.items()))
    print(  # noqa: T201 - the promise's figures
        f"\n{wire.__name__}: {results.total()} commands under faults: {shown};"
        f" slowest {slowest[0]:.1f} s ({slowest[1]})"
    )


def tried(case: Case, good: Path, home: Path, serve: tuple[MemorySource, Wire]) -> tuple[str, str]:
    """Run one case in a copy of the good home; return how it ended, and what is wrong with that."""
    shutil.copytree(good, home, symlinks=True)
    try:
        with fault_server(serve[0], wire=serve[1]) as server:
            case.program(server)
            registry = f"oci://{server.url.partition('://')[2]}"
            url = registry if isinstance(serve[1], OciWire) else server.url
            machine = Machine(home, server, serve[0], env={"D8_RPP_ENDPOINT": url, "D8_PATIENCE": str(PATIENCE)})
            return judged(case, machine)
    finally:
        for directory, _, _ in os.walk(home):
            os.chmod(directory, 0o755)
        shutil.rmtree(home)


def judged(case: Case, machine: Machine) -> tuple[str, str]:
    before = machine.state()
    begun = time.monotonic()
    done = machine.run(*TO_NEW)
    taken = time.monotonic() - begun
    try:
        assert taken < BOUND, f"it took {taken:.1f} s"
        if done.code == 0:
            assert machine.say() == f"v1.4.2 {HOST} !\n"
            assert machine.leftovers() == []
        else:
            assert case.lasting or case.name not in ONCE_IS_NOTHING or "stall" in case.name, "a passing fault"
            assert done.code in CODES, "not a named error"
            check_complaint(done, done.code, ".")
            assert machine.state().said == before.said
            kept = {path for path in machine.state().files if "/arriving/" in path}
            assert set(machine.state().files) - kept == set(before.files)
            assert machine.leftovers() == []
    except AssertionError as error:
        return "wrong", f"{error}\n{done}"
    return "right bytes" if done.code == 0 else f"exit {done.code}", ""
