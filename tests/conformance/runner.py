"""Loads cases, runs each through its group, compares and prints; knows no group's rules."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tests.conformance import (
    groups_cluster,
    groups_contracts,
    groups_extraction,
    groups_plans,
    groups_registry,
    groups_running,
    groups_versions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.group import Group, Input, Output

GROUPS: dict[str, Group] = {
    **groups_cluster.GROUPS,
    **groups_contracts.GROUPS,
    **groups_extraction.GROUPS,
    **groups_plans.GROUPS,
    **groups_registry.GROUPS,
    **groups_running.GROUPS,
    **groups_versions.GROUPS,
}

USAGE = "usage: python -m tests.conformance FILE.json\n"


@dataclass(frozen=True, slots=True)
class Case:
    """One fact: in this group, this input gives at least these keys and values."""

    id: str
    group: str
    input: Input
    expected: Output


def load(path: str) -> list[Case]:
    """Return the cases of a file, a JSON list of ``{id, group, input, expected, note?}``."""
    with open(path, encoding="utf-8") as file:
        entries = cast("list[dict[str, object]]", json.load(file))
    return [
        Case(
            str(entry["id"]),
            str(entry["group"]),
            cast("Input", entry["input"]),
            cast("Output", entry["expected"]),
        )
        for entry in entries
    ]


def run(case: Case) -> Output:
    """Return what our functions say, cut to the keys of ``expected``; what a group raises is its answer."""
    try:
        got = GROUPS[case.group](case.input)
    except Exception as error:  # noqa: BLE001 -- one broken case must not hide the others
        return {"raised": f"{type(error).__name__}: {error}"}
    return _cut(got, case.expected)


def _cut(got: Output, expected: Output) -> Output:
    """Leave of *got* what *expected* speaks of, in objects within objects too (such as an answer's headers)."""
    cut = {}
    for key in expected.keys() & got.keys():
        inner, wanted = got[key], expected[key]
        cut[key] = _cut(inner, wanted) if isinstance(inner, dict) and isinstance(wanted, dict) else inner
    return cut


def main(arguments: Sequence[str]) -> int:
    """Run the file named by the one argument; return 0, 1 if a case failed, 2 for a wrong command line."""
    if len(arguments) != 1:
        sys.stderr.write(USAGE)
        return 2
    cases = load(arguments[0])
    known = [case for case in cases if case.group in GROUPS]
    failed = [(case, got) for case in known if shown(got := run(case)) != shown(case.expected)]
    for case, got in failed:
        sys.stdout.write(f"{case.id}\n  got  {shown(got)}\n  want {shown(case.expected)}\n")
    passed, skipped = len(known) - len(failed), len(cases) - len(known)
    sys.stdout.write(f"{passed} passed, {len(failed)} failed, {skipped} skipped\n")
    return 1 if failed else 0


def shown(value: Output) -> str:
    """Return it as JSON, for people and for comparing: there, unlike in Python, ``true`` is not 1."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=repr)
