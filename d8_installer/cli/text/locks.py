"""What ``lock`` changed, what ``lock --check`` found, what ``lock --explain`` knows, and what ``export`` prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from d8_installer.model.plurals import counted

if TYPE_CHECKING:
    from d8_installer.ops.export import Exported
    from d8_installer.ops.lock import LockResult
    from d8_installer.ops.lock_check import CheckResult
    from d8_installer.ops.lock_explain import Explained


def lock_lines(result: LockResult) -> list[str]:
    """Return a line for each version that moved, and whether the file was written."""
    lines = [f"{one.image} {one.before or '(new)'} -> {one.after or '(gone)'}" for one in result.changes]
    verb = "wrote" if result.written else ("would write" if result.changed else "unchanged:")
    return [*lines, f"{verb} {result.file} ({counted(result.images, 'image')})"]


def check_lines(result: CheckResult) -> list[str]:
    """Return where the lock is stale, then what the source could not prove or what it proved."""
    lines = []
    for difference in result.differences:
        lines.append(str(difference))
        lines += [f"  {one.what}: locked {one.locked}, wanted {one.wanted}" for one in difference.details]
    if result.comparison is not None and result.comparison.unproven:
        lines += map(str, result.comparison.unproven)
    if result.comparison is not None and not result.errors:
        lines.append(result.comparison.as_text())
    if not result.differences:
        lines.append(f"current: {result.file} ({counted(result.images, 'image')})")
    return lines


def explanation_lines(result: Explained) -> list[str]:
    """Return the requesters of the image, its lock, and why each version was or was not chosen."""
    explanation = result.explanation
    lines = [f"{explanation.name} of {result.source}"]
    lines += [f"  asked for by {r.requester}: {r.range}" for r in explanation.group]
    if explanation.locked is None:
        lines.append("  not locked")
    else:
        requesters = " and ".join(requester for requester, _ in explanation.locked.requests)
        platforms = ", ".join(key for key, _ in explanation.locked.platforms)
        lines.append(f"  locked: {explanation.locked.version} for {requesters}, on {platforms}")
    lines += [f"  left out: {one.error}" for one in explanation.left_out]
    lines += [f"  compared with {result.cluster}"] if result.cluster else []
    lines += [f"  does not fit: {text}" for text in result.unmet]
    tags = [one.tag for one in explanation.considered]
    if not tags:
        lines.append(f"  {result.source} lists no tag of it")
    elif explanation.chosen is not None and explanation.chosen not in tags:
        lines.append(f"  {explanation.chosen} stays, though {result.source} does not list it any more")
    width = max((len(tag) for tag in tags), default=0)
    return lines + [f"{'*' if one.chosen else ' '} {one.tag:<{width}}  {one.why}" for one in explanation.considered]


def export_lines(result: Exported) -> list[str]:
    """Return the lines of the exported file."""
    if isinstance(result.document, list):
        return result.document
    return json.dumps(result.document, indent=2, ensure_ascii=True).split("\n")
