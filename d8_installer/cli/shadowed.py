"""Warnings of shadowed commands: another file on PATH has the name of an installed binary, and comes first."""

from __future__ import annotations

from d8_installer.errors import DiskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.cli.context import Context, Outcome
    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.session import Session
    from d8_installer.store.paths import Home


def applied(context: Context, session: Session, result: Applied) -> Outcome:
    """Return the outcome of a change, and warn of every name in ``bin`` that is shadowed."""
    from d8_installer.cli.context import Outcome
    from d8_installer.cli.text.changes import change_lines

    if not result.dry_run and session.scope.options.platform is None:
        warn_of_shadows(context, session.scope.home, result.bin)
    return Outcome(result.as_json(), change_lines(result), result.left_out)


def warn_of_shadows(context: Context, home: Home, directory: str) -> None:
    """Name every command in *directory* that another file on PATH shadows, and that file.

    The command's work is done by now, so an error of the look-up is only a warning.
    """
    from d8_installer.pipeline.search_path import has_entry
    from d8_installer.pipeline.shadows import shadows

    is_on_path = has_entry(context.environ.get("PATH", ""), directory)
    context.talk.close()
    try:
        for shadow in shadows(home, directory, context.environ):
            context.talk.warn(shadow.text(is_on_path=is_on_path))
    except DiskError as error:
        context.talk.warn(error.message)
