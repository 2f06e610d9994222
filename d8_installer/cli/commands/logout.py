"""``logout [ENDPOINT | --all]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the endpoint, and ``--all``."""
    from d8_installer.cli.options import add_endpoint

    add_endpoint(parser, "the endpoint whose token is removed (default: the one in use, or the only one)")
    parser.add_argument("--all", action="store_true", help="remove every kept token")


def execute(context: Context) -> Outcome:
    """Remove kept tokens."""
    from d8_installer.cli.text.logins import logout_lines
    from d8_installer.ops.login import logout

    typed = context.arguments
    with context.session() as session:
        result = logout(session, every=typed.all, dry_run=typed.dry_run)
    return Outcome(result.as_json(), logout_lines(result))
