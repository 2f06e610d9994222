"""The list of the quick form: what it names exists."""

from __future__ import annotations

from pathlib import Path

from tests.forms import NOT_QUICK, QUICK, TESTS, is_quick


def test_everything_in_the_list_exists() -> None:
    assert [name for name in (*QUICK, *NOT_QUICK) if not Path(TESTS, name).exists()] == []


def test_what_starts_processes_is_not_quick() -> None:
    assert not any(is_quick(Path(TESTS, name)) for name in (*NOT_QUICK, "cli/test_json.py", "modelling.py"))
