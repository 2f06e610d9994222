"""``pip|pipx|uv ARGS…``: run that package manager, then sync the environment that it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(_parser: argparse.ArgumentParser) -> None:
    """Add nothing: every argument is the manager's."""


def execute(context: Context) -> RawOutput:
    """Run the manager and return its exit code. If it succeeded, sync. stdout is the manager's."""
    from d8_installer.cli.program import wait_for
    from d8_installer.cli.text.changes import NOTHING, change_lines
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
        result = verb.follow(session, affected, before)
    lines = change_lines(result)
    for line in (f"syncing {result.profile.title}", *lines) if lines != [NOTHING] else ():
        context.talk.note(f"d8-installer: {line}")
    for error in result.left_out:
        context.talk.warn(f"d8-installer: {error.message}")
    return RawOutput(result.left_out[0].exit_code if result.left_out else 0)
