"""Results as lines for people. What a line says is decided here, and nothing else is."""

from __future__ import annotations

from d8_installer.cli.screen import CYAN, Toned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from d8_installer.cli.context import Outcome
    from d8_installer.model.plan import Fetch, Link, Unlink
    from d8_installer.ops.rollback import Difference
    from d8_installer.pipeline.change import Applied

NOTHING = "nothing to do"


def applied(result: Applied) -> Outcome:
    """Say what was placed and taken away; with ``--dry-run``, what would be."""
    from d8_installer.cli.context import Outcome
    from d8_installer.model.plan import Fetch

    changes = [step for step in result.plan.steps if not isinstance(step, Fetch)]
    lines = [_change(step, result.dry_run) for step in changes]
    if result.dry_run:
        writes = [] if result.lock is None else [f"would write {result.lock}"]
        lines = [*(_fetch(step) for step in result.plan.fetches), *lines, *writes]
    if not lines:
        lines = [f"restored {step.name} {step.request.tag} in the store" for step in result.plan.fetches] or [NOTHING]
    elif not result.dry_run:
        lines.append(_where(result))
    return Outcome(result.as_json(), lines, result.left_out)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return aligned columns, two spaces apart, without trailing spaces; only the header if there are no rows."""
    every = [tuple(header), *map(tuple, rows)]
    widths = [max(len(row[column]) for row in every) for column in range(len(header))]
    head, *lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in every)
    return [Toned(head, CYAN), *lines]


def difference(change: Difference) -> str:
    """Say how a binary changed."""
    if change.before is None:
        return f"+ {change.binary} {change.after}"
    if change.before == change.after:
        return f"~ {change.binary} {change.after}, other bytes"
    return (
        f"- {change.binary} {change.before}"
        if change.after is None
        else (f"~ {change.binary} {change.before} -> {change.after}")
    )


def _fetch(step: Fetch) -> str:
    from d8_installer.model.plurals import sized

    return f"would fetch {step.name} {step.request.tag} for {step.request.platform} ({sized(step.request.size)})"


def _change(step: Link | Unlink, dry_run: bool) -> str:
    from d8_installer.model.plan import Unlink

    placement = step.placement
    if isinstance(step, Unlink):
        return f"{'would remove' if dry_run else 'removed'} {placement.binary} ({placement.name} {placement.version})"
    what = f"{placement.binary} ({placement.name} {placement.version})"
    if not placement.in_bin:
        return f"{'would keep' if dry_run else 'kept'} {what} out of bin, for launchers alone"
    if step.replaces is None:
        return f"{'would install' if dry_run else 'installed'} {what}"
    if step.same_file:
        return f"unchanged {what}: only the request for it {'would change' if dry_run else 'changed'}"
    if step.replaces == placement.version:
        return f"{'would place' if dry_run else 'placed'} {what} again"
    verb = "would switch" if dry_run else "switched"
    return f"{verb} {placement.binary} ({placement.name} {step.replaces} -> {placement.version})"


def _where(result: Applied) -> str:
    generation = "" if result.generation is None else f"generation {result.generation}: "
    return f"{generation}{result.bin}"
