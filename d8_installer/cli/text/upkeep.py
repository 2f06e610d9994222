"""What was found, removed or repaired on this machine: ``gc``, ``verify``, ``doctor``, ``ensurepath``, ``self``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from d8_installer.model.plurals import counted, sized

if TYPE_CHECKING:
    from d8_installer.ops.doctor import Diagnosis
    from d8_installer.ops.self_uninstall import Removal, RemovalPlan
    from d8_installer.ops.shell.completion_files import InstalledCompletion
    from d8_installer.ops.shell.ensurepath import EnsuredPath
    from d8_installer.ops.upkeep.gc import Collected, Removed
    from d8_installer.ops.upkeep.verify import Verified


def gc_lines(result: Collected) -> list[str]:
    """Return a line for each thing that goes, and the total."""
    verb = "would remove" if result.dry_run else "removed"
    lines = [f"{verb} {_named(one)} ({sized(one.size)})" for one in result.removed]
    total = f"{sized(result.size)} in {counted(len(lines), 'thing')}" if lines else "nothing to do"
    return [*lines, total]


def _named(removed: Removed) -> str:
    """Return what to call it: the name of a run or a profile stands alone, such as "the project /work"."""
    return removed.name if removed.kind in {"run", "profile"} else f"{removed.kind} {removed.name}"


def verify_lines(result: Verified) -> list[str]:
    """Return what was repaired and, if nothing is wrong now, what was checked."""
    lines = [f"repaired: {defect.text}" for defect in result.repaired]
    if result.dry_run and result.defects:
        return [f"would repair: {defect.text}" for defect in result.defects]
    if not result.errors:
        files, them = counted(result.files, "stored file"), "it" if result.files == 1 else "them"
        lines.append(f"{files} ({sized(result.size)}) and all that leads to {them} are sound")
    return lines


def doctor_lines(result: Diagnosis) -> list[str]:
    """Return what was dropped, then each finding with its level, and its hint below."""
    lines = [f"{'would drop' if result.dry_run else 'dropped'} {file}" for file in result.dropped]
    for found in result.found:
        lines.append(f"{found.finding.level:<8} {found.check}: {found.finding.message}")
        if found.finding.hint:
            lines.append(f"{'':<8} hint: {found.finding.hint}")
    return lines


def ensurepath_lines(result: EnsuredPath, *, is_global: bool) -> list[str]:
    """Return what was changed, or that the start-up files (on Windows PATH itself) are as they should be."""
    if result.files:
        verb = "would add" if result.dry_run else "added"
        added = [f"{verb} {result.directory} to PATH in {file}" for file in result.files]
        if result.dry_run:
            return added
        return [*added, "open a new shell for it to take effect"]
    if result.errors:
        return []
    whose = "everybody's" if is_global else "your"
    where = "PATH" if sys.platform == "win32" else "start-up files"
    return [f"{result.directory} is in {whose} {where} already"]


def edited_by_removal(plan: RemovalPlan) -> list[str]:
    """Return what goes out of files that stay, and out of the registry."""
    lines = [f"the lines of d8-installer in {file}" for file in plan.edited]
    return [*lines, *(f"{path.directory} from PATH in {path.key}" for path in plan.registry)]


def removal_lines(result: Removal) -> list[str]:
    """Return what goes, what stays and why, and how the package itself is removed."""
    verb = "would remove" if result.dry_run else "removed"
    plan = result.plan
    lines = [f"{verb} {path}" for path in plan.removed]
    lines += [f"{verb} {edited}" for edited in edited_by_removal(plan)]
    lines += [f"kept {kept.path}: {kept.why}" for kept in plan.kept]
    return [*(lines or ["there is nothing of d8-installer's"]), f"the package itself: {result.package}"]


def completion_lines(result: InstalledCompletion) -> list[str]:
    """Name the files that ``completion --install`` wrote, and say how the completion begins to work."""
    if not result.files:
        return [f"the completion for {result.shell} is installed already: nothing to do"]
    done = "would write" if result.dry_run else "wrote"
    return [*(f"{done} {file}" for file in result.files), f"it works in each {result.shell} that you start from now on"]
