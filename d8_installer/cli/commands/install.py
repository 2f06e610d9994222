"""``install NAME[SPEC]…``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.options import REQUIREMENT, add_use_major, name_argument
from d8_installer.cli.shadowed import applied

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from d8_installer.cli.context import Context, Outcome
    from d8_installer.pipeline.change import Applied


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the requirements, and ``--use-major``."""
    parser.add_argument(
        "requirements",
        type=name_argument,
        metavar="NAME[SPEC]",
        nargs="+",
        help=REQUIREMENT,
    )
    add_use_major(parser)


def execute(context: Context) -> Outcome:
    """Install the images; say how to reach the binaries if they are not on PATH."""
    from d8_installer.ops.install import install

    return placed(context, install)


def placed(context: Context, verb: Callable[..., Applied]) -> Outcome:
    """Return the outcome of *verb*, ``install`` or ``add``, with the typed arguments."""
    from d8_installer.ops.shell.path_advice import say_path

    typed = context.arguments
    with context.session() as session:
        result = verb(session, typed.requirements, use_major=typed.use_major, dry_run=typed.dry_run)
        context.talk.close()
        if not result.dry_run and typed.platform is None:
            say_path(session, result.profile, result.bin, context.talk.note)
        return applied(context, session, result)
