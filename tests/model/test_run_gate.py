"""The gate's rules: the cases of the Go tool are in ``tests/conformance``; here is what holds for all command lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from d8_installer.model.run_gate import INJECTED, exit_code, injected, is_checked
from tests.strategies import steady

words = st.sampled_from(["--help", "-h", "--version", "help", "--", "get", "-n", "x", "completion", ""])


@steady
@given(st.lists(words, max_size=6))
def test_help_behind_a_double_dash_is_the_programs_own_business(arguments: list[str]) -> None:
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    asks = bool(arguments) and arguments[0] in {"--help", "-h", "--version", "help", "completion"}
    assert is_checked(arguments) is not (asks or "-h" in before or "--help" in before)
    assert is_checked(["get", "--", *arguments])


def test_a_run_without_arguments_is_checked() -> None:
    assert is_checked([])


@steady
@given(st.lists(st.sampled_from([*INJECTED, "MODULE_CONFIG_INFO", "PATH", "LD_PRELOAD", ""])))
def test_nothing_else_is_injected(listed: list[str]) -> None:
    assert injected(listed) == tuple(name for name in INJECTED if name in listed)


def test_a_signal_ends_as_in_a_shell() -> None:
    assert [exit_code(0), exit_code(7), exit_code(-9), exit_code(-15)] == [0, 7, 137, 143]
