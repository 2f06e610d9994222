"""The gate before a program whose image has a contract: which runs it checks, and what the program gets (rpp.md §11).

The quick way of ``run`` imports this module, so it imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    _Compat = Literal["d8", "go"]

KUBECONFIG = "KUBECONFIG"
CALLER = "PLUGINS_CALLER"
GATED = "__gated"
"""The hidden command that the wrapper of a gated program calls: DIRECTORY BINARY ARGS…"""
INJECTED = (KUBECONFIG, CALLER)
"""The variables that a program gets if its contract lists them; all others only pass through."""
_UNCHECKED = frozenset(
    ["--help", "-h", "--version", "-v", "help", "completion", "__complete", "__completeNoDesc"],
)
"""First arguments that ask the program about itself."""
_HELP = frozenset(["--help", "-h"])


def is_checked(arguments: Sequence[str]) -> bool:
    """Whether a run with these *arguments* passes the gate: not if help, version or completion is asked for."""
    if arguments and arguments[0] in _UNCHECKED:
        return False
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return _HELP.isdisjoint(options)


def injected(listed: Iterable[str]) -> tuple[str, ...]:
    """Return which of the variables that a contract lists its program gets, in a fixed order."""
    asked = frozenset(listed)
    return tuple(name for name in INJECTED if name in asked)


def exit_code(ended: int, compat: _Compat = "d8") -> int:
    """Return the exit code for a program that *ended* with this code, or with minus the number of a signal.

    A signal gives 128 and its number, as in a shell. The Go tool (``compat="go"``) reports it, and ends with 1.
    """
    if ended >= 0:
        return ended
    return 1 if compat == "go" else 128 - ended
