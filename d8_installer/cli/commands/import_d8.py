"""``import d8``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add whose plugins, and where they are."""
    parser.add_argument("tool", choices=("d8",), metavar="d8", help="take over the plugins that d8 has installed")
    parser.add_argument("--plugins-dir", metavar="DIR", help="d8's directory of plugins (DECKHOUSE_CLI_PATH)")


def execute(context: Context) -> Outcome:
    """Take over; say how to reach the binaries if they are not on PATH."""
    from d8_installer.cli.shadowed import warn_of_shadows
    from d8_installer.cli.text.imported import import_lines
    from d8_installer.errors import UsageError
    from d8_installer.ops.import_d8 import import_d8
    from d8_installer.ops.shell.path_advice import say_path

    typed = context.arguments
    if typed.plugins_dir == "":
        raise UsageError("--plugins-dir names no directory", hint="without it, d8's usual directory is taken")
    with context.session() as session:
        result = import_d8(session, typed.plugins_dir, dry_run=typed.dry_run)
        context.talk.close()
        if result.applied is not None and not typed.dry_run:
            say_path(session, result.applied.profile, result.applied.bin, context.talk.note)
            warn_of_shadows(context, session.scope.home, result.applied.bin)
    return Outcome(result.as_json(), import_lines(result))
