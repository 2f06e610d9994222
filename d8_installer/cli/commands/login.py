"""``login [ENDPOINT]``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the endpoint, and the keyring."""
    from d8_installer.cli.options import add_endpoint

    add_endpoint(parser, "the endpoint that the token is for, such as https://HOST (default: the one in use)")
    parser.add_argument(
        "--keyring", action="store_true", help="keep the token in the system's keyring, not in a file (extra [keyring])"
    )


def execute(context: Context) -> Outcome:
    """Ask for a token, check it, and keep it."""
    from d8_installer.cli.text.logins import login_lines
    from d8_installer.cli.token_prompt import ask_for_token
    from d8_installer.ops.login import login

    typed = context.arguments
    with context.session() as session:
        result = login(session, ask_for_token, keyring=typed.keyring, dry_run=typed.dry_run)
    return Outcome(result.as_json(), login_lines(result))
