"""``install REQ…``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.shadowed import applied

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the requirements, and the options of placing and of trust."""
    parser.add_argument("requirements", metavar="NAME[SPEC]", nargs="+", help="such as 'stronghold>=1.4,<2'")
    grammar.add_platform(parser)
    grammar.add_cutoff(parser)
    grammar.add_trust(parser)
    grammar.add_dry_run(parser)


def execute(context: Context) -> Outcome:
    """Install, then say so if the binaries are not on PATH."""
    from d8_installer.ops.install import install
    from d8_installer.pipeline.path_lookup import say_path

    typed = context.arguments
    with context.session() as session:
        result = install(session, typed.requirements, dry_run=typed.dry_run)
        context.talk.close()
        if not result.dry_run and typed.platform is None:
            say_path(session, result.profile, result.bin, context.talk.note)
        return applied(context, session, result)
