"""Every case at hand whose group we know, and the runner's own promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance import groups_registry, groups_versions, runner

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = sorted((Path(__file__).parent / "cases").glob("*.json"))
CASES = [case for file in FILES for case in runner.load(str(file))]
KNOWN = [case for case in CASES if case.group in runner.GROUPS]


def test_every_group_is_known() -> None:
    assert {case.group for case in CASES} <= runner.GROUPS.keys()


@pytest.mark.parametrize("case", KNOWN, ids=[case.id for case in KNOWN])
def test_case(case: runner.Case) -> None:
    assert runner.shown(runner.run(case)) == runner.shown(case.expected)


def test_no_group_is_defined_twice() -> None:
    assert not groups_versions.GROUPS.keys() & groups_registry.GROUPS.keys()


@pytest.fixture
def cases_file(tmp_path: Path) -> Callable[..., str]:
    def write(*entries: tuple[str, dict[str, object], dict[str, object]]) -> str:
        path = tmp_path / "cases.json"
        listed = [
            {"id": f"{group}-{number}", "group": group, "input": given, "expected": expected}
            for number, (group, given, expected) in enumerate(entries)
        ]
        path.write_text(json.dumps(listed))
        return str(path)

    return write


def test_only_expected_keys_count(cases_file: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    file = cases_file(("semver_parse", {"version": "1.2"}, {"valid": True}), ("no_such_group", {}, {}))
    assert runner.main([file]) == 0
    assert capsys.readouterr().out == "1 passed, 0 failed, 1 skipped\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"version": "1.2"}, {"valid": False}),
        ({"version": "1.2"}, {"valid": 1}),
        ({"version": "1.2"}, {"valid": True, "colour": "red"}),
        ({"version": None}, {"valid": False}),
        ({}, {"valid": False}),
    ],
    ids=["other value", "1 is not true", "missing key", "wrong type", "no input"],
)
def test_a_failure_is_shown_and_ends_with_1(
    given: dict[str, object],
    expected: dict[str, object],
    cases_file: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert runner.main([cases_file(("semver_parse", given, expected))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "semver_parse-0"
    assert lines[-1] == "0 passed, 1 failed, 0 skipped"


def test_a_wrong_command_line_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main([]) == 2
    assert capsys.readouterr().err == runner.USAGE
