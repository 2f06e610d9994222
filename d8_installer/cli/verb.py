"""One command as a record: what it is called, what it shares with others, and how its module is called.

Nothing is imported here, for the completion of a name has to be quick.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Literal, Protocol

    from d8_installer.cli.context import Context, Outcome, RawOutput

    SharedOption = Literal["platform", "environments", "cutoff", "trust", "source", "checks", "dry-run"]
    InstalledNames = Literal["images", "binaries"]
    Group = Literal["get tools", "projects", "look", "undo", "publish", "set up"]

    class CommandModule(Protocol):
        """A module of ``cli.commands``."""

        def configure(self, parser: argparse.ArgumentParser) -> None:
            """Add the arguments that only this command has."""

        def execute(self, context: Context) -> Outcome | RawOutput:
            """Call the verb, and return its result as data and as lines."""


GROUPS: tuple[Group, ...] = ("get tools", "projects", "look", "undo", "publish", "set up")
"""What people want to do, in the order of the help."""


class Verb:
    """One command.

    ``help`` is its line in the list of commands, and ``group`` the heading that it stands below. ``exits`` are codes
    that mean something of their own after this command. ``module`` is its file in ``cli.commands``. ``options`` are
    those that it shares with other commands (``cli.options``). ``completes`` says which installed names its NAME is
    completed with, and ``is_for_user`` that these are the user's, inside a project too. ``other_words`` are the words
    by which other tools call it, and ``takes_name`` whether a name follows it. ``is_manager``: its arguments are
    another program's.
    """

    __slots__ = (
        "completes",
        "exits",
        "group",
        "help",
        "is_for_user",
        "is_manager",
        "module",
        "name",
        "options",
        "other_words",
        "takes_name",
    )

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002 - argparse's word
        *options: SharedOption,
        group: Group,
        exits: Mapping[int, str] | None = None,
        module: str = "",
        completes: InstalledNames | None = None,
        is_for_user: bool = False,
        is_manager: bool = False,
        takes_name: bool = False,
        other_words: str = "",
    ) -> None:
        self.name = name
        self.help = help
        self.group = group
        self.exits = exits or {}
        self.module = module or name
        self.options = options
        self.completes = completes
        self.is_for_user = is_for_user
        self.is_manager = is_manager
        self.takes_name = takes_name
        self.other_words = other_words.split()

    @property
    def examples(self) -> tuple[str, ...]:
        """The command's examples: lines as they are typed."""
        from d8_installer.cli.examples import EXAMPLES

        return EXAMPLES[self.name]

    def load(self) -> CommandModule:
        """Import the command's module."""
        from importlib import import_module

        module: CommandModule = import_module(f"d8_installer.cli.commands.{self.module}")
        return module
