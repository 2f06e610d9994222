"""``sync``: if there is nothing to do, it ends before anything heavy is imported."""

from __future__ import annotations

from d8_installer.cli.context import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context
    from d8_installer.fast.sync import NothingToDo


def configure(parser: argparse.ArgumentParser) -> None:
    """Add how strict to be, and where to install."""
    strict = parser.add_mutually_exclusive_group()
    strict.add_argument("--locked", action="store_true", help="fail if the lock is missing or stale (exit code 65)")
    strict.add_argument("--frozen", action="store_true", help="read only the lock, and no manifest")
    parser.add_argument("--prune", action="store_true", help="remove requesters that are not installed here")
    parser.add_argument("--layout", choices=("d8", "none"), help="also lay the binaries out where d8 looks for plugins")
    parser.add_argument("--plugins-dir", metavar="DIR", help="d8's directory of plugins (DECKHOUSE_CLI_PATH)")
    parser.add_argument("--to", metavar="DIR", help="write the binaries to DIR, and leave the profile unchanged")
    parser.add_argument(
        "--exit-code", action="store_true", help="with --dry-run: exit with 65 if anything would change"
    )


def execute(context: Context) -> Outcome:
    """Sync; end at once if the stamp shows that nothing has changed."""
    from d8_installer.fast.sync import nothing_to_do

    typed = context.arguments
    same = nothing_to_do(typed, context.environ, context.directory)
    if same is not None and typed.endpoint is None:
        return _unchanged(context, same)
    from d8_installer.cli.shadowed import applied
    from d8_installer.cli.sync_options import chosen, with_exit_code
    from d8_installer.ops.shell.path_advice import say_path
    from d8_installer.ops.sync import sync
    from d8_installer.pipeline.other_profiles import note_profile

    options = chosen(typed)
    with context.session() as session:
        if typed.endpoint is not None:
            _ = session.source  # a mistyped source is an error, even if nothing has to be fetched
        if same is not None:
            return _unchanged(context, same)
        doing = "syncing" if options.to is None else "copying from"
        note_profile(session, session.profiles.find(), doing=doing, dry_run=options.dry_run)
        result = sync(session, options)
        if result.has_placed and options.to is None:
            say_path(session, result.profile, result.bin, context.talk.note)
        outcome = applied(context, session, result)
        return with_exit_code(session, outcome, result) if typed.exit_code else outcome


def _unchanged(context: Context, same: NothingToDo) -> Outcome:
    context.talk.note(f"syncing {same.profile.title}")
    return Outcome(same.data, ["nothing to do"])
