"""Runs commands whose disk fails at a chosen call: what `tests.forking` starts, with ``faults.disk`` in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests import forking
from tests.command import Completed, environment, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faults.disk import Fault


@dataclass(frozen=True)
class Ran(Completed):
    """How a command ended, and the calls that ``store/fs.py`` made (none if it was killed)."""

    calls: tuple[str, ...]


def run(
    *arguments: str,
    home: str,
    fault: Fault | None = None,
    user: int | None = None,
    cwd: str | None = None,
    env_home: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Ran:
    """Run ``d8-installer ARGUMENTS`` with that HOME and fault, in *cwd* (default: *home*).

    Root can have it run as another *user*. *env_home*: the HOME, where *home* is only the working directory. *env* adds
    to the clean environment.
    """
    variables = environment(env_home or home, **(env or {}))
    code, out, err, calls = forking.run_tampered(arguments, env=variables, cwd=cwd or home, fault=fault, user=user)
    known = variables.get("HOME", "")
    return Ran(code, whole(out, known), whole(err, known), tuple(calls.split()))
