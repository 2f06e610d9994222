"""Kept logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d8_installer.ops.login import LoggedIn, LoggedOut


def login_lines(result: LoggedIn) -> list[str]:
    """Say that the endpoint accepts the token, and where it is kept."""
    accepted = f"{result.endpoint} accepts the token"
    where = "the system's keyring" if result.keyring else f"{result.file}, which only you can read"
    if not result.changed:
        return [f"{accepted}, which is kept already in {where}"]
    return [accepted, f"{'would keep' if result.dry_run else 'kept'} it in {where}"]


def logout_lines(result: LoggedOut) -> list[str]:
    """Say which tokens were removed."""
    if not result.changed:
        return ["no such token is kept: nothing to do"]
    done = "would remove" if result.dry_run else "removed"
    return [f"{done} the token for {origin}" for origin in result.origins] or [f"{done} {result.file}"]
