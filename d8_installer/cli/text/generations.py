"""Generations, and how one differs from another."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.ops.history import HistoryResult
    from d8_installer.ops.rollback import BinaryChange, RolledBack


def history_lines(result: HistoryResult) -> list[str]:
    """Return the generations, the active one with a star, and below each its changes."""
    lines = []
    for entry in result.entries:
        lines.append(f"{'*' if entry.active else ' '} {entry.number}  {entry.time}  {entry.reason}".rstrip())
        lines += [f"      {_difference(change)}" for change in entry.differences]
    return lines or ["nothing was installed yet"]


def rollback_lines(result: RolledBack) -> list[str]:
    """Return the changes, if they are known, and the generations before and after."""
    if not result.changed:
        return [f"nothing to do: generation {result.after} is active"]
    changes = [] if result.differences is None else list(map(_difference, result.differences)) or ["the same binaries"]
    before = "" if result.before is None else f", was {result.before}"
    would = "would switch to " if result.dry_run else ""
    return [*changes, f"{would}generation {result.after}{before}"]


def _difference(change: BinaryChange) -> str:
    if change.before is None:
        return f"+ {change.binary} {change.after}"
    if change.after is None:
        return f"- {change.binary} {change.before}"
    if change.before == change.after:
        return f"~ {change.binary} {change.after}, other bytes"
    return f"~ {change.binary} {change.before} -> {change.after}"
