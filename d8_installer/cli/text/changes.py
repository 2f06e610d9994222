"""What a command installed, removed or left unchanged; with ``--dry-run``, what it would do."""

from __future__ import annotations

from d8_installer.model.plan import Fetch, Unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.model.plan import Link
    from d8_installer.pipeline.change import Applied, LaidOut

NOTHING = "nothing to do"


def change_lines(result: Applied) -> list[str]:
    """Return a line for each change, and where the binaries are."""
    laid_out = _laid_out(result.laid_out, dry_run=result.dry_run)
    changes = [step for step in result.plan.steps if not isinstance(step, Fetch)]
    lines = [_change(step, dry_run=result.dry_run) for step in changes]
    wrote = [f"{'would write' if result.dry_run else 'wrote'} {path}" for path in result.written]
    verb = "would update" if result.dry_run else "updated"
    wrote += [f"{verb} the record of the environment {path}" for path in result.environments]
    if result.dry_run:
        return [*(_fetch(step) for step in result.plan.fetches), *lines, *laid_out, *wrote] or [NOTHING]
    if lines:
        return [*lines, *laid_out, _place(result)]
    restored = [f"restored {step.name} {step.request.tag} in the store" for step in result.plan.fetches]
    return [*restored, *laid_out, *wrote, *_made(result)] or [NOTHING]


def _laid_out(made: LaidOut | None, *, dry_run: bool) -> list[str]:
    if made is None:
        return []
    would = "would be " if dry_run else ""
    placed = [f"{image} {version}: {would}laid out for d8 as {path}" for image, version, path in made.placed]
    return [*placed, *(f"{image}: {would}removed from what is laid out for d8" for image in made.removed)]


def _fetch(step: Fetch) -> str:
    from d8_installer.model.plurals import sized

    return f"would fetch {step.name} {step.request.tag} for {step.request.platform} ({sized(step.request.size)})"


def _change(step: Link | Unlink, *, dry_run: bool) -> str:
    placement = step.placement
    if isinstance(step, Unlink):
        return f"{'would remove' if dry_run else 'removed'} {placement.binary} ({placement.name} {placement.version})"
    what = f"{placement.binary} ({placement.name} {placement.version})"
    if not placement.in_bin:
        return f"{'would keep' if dry_run else 'kept'} {what} out of bin, for launchers alone"
    if step.replaces is None:
        return f"{'would install' if dry_run else 'installed'} {what}"
    if step.same_file:
        return f"unchanged {what}: only its range or its settings {'would change' if dry_run else 'changed'}"
    if step.replaces == placement.version:
        return f"{'would place' if dry_run else 'placed'} {what} again"
    verb = "would switch" if dry_run else "switched"
    return f"{verb} {placement.binary} ({placement.name} {step.replaces} -> {placement.version})"


def _made(result: Applied) -> list[str]:
    """Return the line about a generation that has the same binaries: the record of the one before was damaged."""
    return [_place(result)] if result.switched else []


def _place(result: Applied) -> str:
    generation = "" if result.generation is None else f"generation {result.generation}: "
    return f"{generation}{result.bin}"
