"""``sync``: if there is nothing to do, it ends before anything heavy is imported."""

from __future__ import annotations

from d8_installer.cli.context import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context
    from d8_installer.fast.sync import NothingToDo


def configure(parser: argparse.ArgumentParser) -> None:
    """Add how strict, and where to."""
    from d8_installer.cli import parser as grammar

    strict = parser.add_mutually_exclusive_group()
    strict.add_argument("--locked", action="store_true", help="a missing or stale lock is an error (65)")
    strict.add_argument("--frozen", action="store_true", help="read only the lock, no manifest")
    parser.add_argument("--prune", action="store_true", help="drop the lines of requesters that are not installed here")
    grammar.add_environments(parser)
    parser.add_argument("--to", metavar="DIR", help="lay the binaries out in DIR and leave the profile alone")
    grammar.add_platform(parser)
    grammar.add_cutoff(parser)
    grammar.add_trust(parser)
    grammar.add_dry_run(parser)


def execute(context: Context) -> Outcome:
    """Sync, the quick way if the stamp says that all is as it was."""
    from d8_installer.fast.sync import nothing_to_do

    typed = context.arguments
    same = nothing_to_do(typed, context.environ, context.directory)
    if same is not None and typed.endpoint is None:
        return _unchanged(context, same)
    from d8_installer.cli.shadowed import applied
    from d8_installer.errors import UsageError
    from d8_installer.ops.sync import SyncOptions, sync
    from d8_installer.pipeline.path_lookup import say_path

    if typed.exclude_newer is not None and (typed.locked or typed.frozen):
        raise UsageError("--locked and --frozen choose no version", hint="leave --exclude-newer out")
    if typed.platform is None and typed.to is None and typed.prune and typed.frozen:
        raise UsageError("--prune and --frozen exclude each other", hint="--prune has to read the manifests")
    options = SyncOptions(
        locked=typed.locked,
        frozen=typed.frozen,
        prune=typed.prune,
        dry_run=typed.dry_run,
        to=typed.to,
        given=tuple(typed.environments),
    )
    with context.session() as session:
        if typed.endpoint is not None:
            _ = session.source  # what was typed is a source, also where nothing has to be asked of it
        if same is not None:
            return _unchanged(context, same)
        context.talk.note(f"syncing {session.profiles.find()}")
        result = sync(session, options)
        if result.has_placed and options.to is None:
            say_path(session, result.profile, result.bin, context.talk.note)
        return applied(context, session, result)


def _unchanged(context: Context, same: NothingToDo) -> Outcome:
    context.talk.note(f"syncing {same.profile}")
    return Outcome(same.data, ["nothing to do"])
