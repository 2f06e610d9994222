"""``pip|pipx|uv ARGS…``: run that package manager as typed, then sync the environment that it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(_parser: argparse.ArgumentParser) -> None:
    """Nothing to add: every argument is the manager's."""


def execute(context: Context) -> RawOutput:
    """Run it; its exit code is passed on, and only what succeeded is followed by a sync. Its stdout is its own."""
    from d8_installer.cli import text
    from d8_installer.cli.program import wait_for
    from d8_installer.model.secrets import without_secrets
    from d8_installer.ops import manager as verb

    manager, arguments = context.arguments.command, context.arguments.rest
    environ = without_secrets(context.environ)
    program = verb.program_of(manager, context.environ)
    affected = verb.affected_by([manager, *arguments], context.environ, context.directory)
    if affected is None:
        return RawOutput(wait_for([program, *arguments], environ))
    with verb.options_after(context.wire(), affected) as session:
        before = verb.plugins_of(session, affected)
        code = wait_for([program, *arguments], environ)
        if code != 0:
            return RawOutput(code)
        outcome = text.applied(verb.follow(session, affected, before))
    for line in outcome.lines if outcome.lines != [text.NOTHING] else ():
        context.talk.note(f"d8-installer: {line}")
    for error in outcome.errors:
        context.talk.warn(f"d8-installer: {error.message}")
    return RawOutput(outcome.errors[0].exit_code if outcome.errors else 0)
