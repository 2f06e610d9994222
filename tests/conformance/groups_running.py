"""The groups about running a program: adapters over ``d8_installer.model.run_gate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.run_gate import exit_code, injected, is_checked
from tests.conformance.group import text_of, texts_of

if TYPE_CHECKING:
    from tests.conformance.group import Group, Input, Output

_SIGNALS = {"SIGKILL": 9}
"""The numbers of the cases' signals, which Windows has not."""


def _run_gate(case: Input) -> Output:
    return {"gate_skipped": not is_checked(texts_of(case, "args"))}


def _run_env(case: Input) -> Output:
    listed = texts_of(case, "contract_env")
    given = injected(listed)
    return {"injected": list(given), "pass_through": [name for name in listed if name not in given]}


def _run_exit(case: Input) -> Output:
    killed_by = case.get("plugin_killed_by")
    ended = int(str(case["plugin_exit"])) if killed_by is None else -_SIGNALS[text_of(case, "plugin_killed_by")]
    return {"d8_exit": exit_code(ended, compat="go")}


GROUPS: dict[str, Group] = {"run_env": _run_env, "run_exit": _run_exit, "run_gate": _run_gate}
