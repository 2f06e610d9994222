"""What the hooks of package managers share: sync the changed environment, and report the result in one line.

Nothing here raises: a manager that has done its own work must not fail because of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import Struct
from d8_installer.plugin.run_self import run_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.plugin.run_self import ToolResult


class Changed(Struct, frozen=True):
    """The environment that a manager has changed, as its prefix or library, and the project's directory."""

    environment: str
    project: str


class Report(Struct, frozen=True):
    """The lines to show: ``done``, empty if nothing changed, and ``problem``, an error and perhaps a hint."""

    done: str = ""
    problem: tuple[str, ...] = ()


def report_on(find: Callable[[], Changed]) -> Report:
    """Sync the environment that *find* returns, and return the lines to show.

    The profile is that of the ``d8.toml`` in the project's directory or a parent, else the user's.
    """
    try:
        changed = find()
        result = run_tool("sync", "--env", changed.environment, directory=changed.project)
        return Report(_done(result.data), _problem(result))
    except Exception as error:  # noqa: BLE001 - whatever fails, the manager's own work is done
        reason = f"error[after-install]: {type(error).__name__}: {error}"
        return Report(problem=(_line(reason), _line("hint: type `d8-installer sync`")))


def _done(data: Mapping[str, object]) -> str:
    changes = data.get("changes")
    clauses = [_clause(change) for change in changes if isinstance(change, dict)] if isinstance(changes, list) else []
    return _line(", ".join(filter(None, clauses))) if any(clauses) else ""


def _clause(change: Mapping[str, object]) -> str:
    binary, version, replaces = (change.get(key) for key in ("binary", "version", "replaces"))
    if change.get("action") == "unlink":
        return f"removed {binary} {version}"
    if change.get("action") != "link":
        return ""
    return f"installed {binary} {version}" if replaces is None else f"switched {binary} {replaces} -> {version}"


def _problem(result: ToolResult) -> tuple[str, ...]:
    if not result.errors:
        return ()
    first = result.errors[0]
    more = f" (and {len(result.errors) - 1} more: type `d8-installer sync`)" if result.errors[1:] else ""
    lines = [_line(f"error[{first.code}]: {first.message}{more}")]
    return (*lines, _line(f"hint: {first.hint}")) if first.hint else tuple(lines)


def _line(text: str) -> str:
    """Return one line with our prefix; names and messages from outside must not control a terminal."""
    return "d8-installer: " + "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
