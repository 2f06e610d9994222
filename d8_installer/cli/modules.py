"""Where the code of each command is. What may follow a command on the command line is ``parser``'s to say."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Protocol

    from d8_installer.cli.context import Context, Outcome, RawOutput

    class Command(Protocol):
        """What a module of ``cli.commands`` is."""

        def configure(self, parser: argparse.ArgumentParser) -> None:
            """Add the command's arguments."""

        def execute(self, context: Context) -> Outcome | RawOutput:
            """Call the verb."""


_MODULES = {"pip": "manager", "pipx": "manager", "uv": "manager"}
VERBATIM = frozenset(_MODULES)
"""The commands whose arguments are all another program's."""


def command_module(name: str) -> Command:
    """Import the module of a command."""
    module: Command = import_module(f"d8_installer.cli.commands.{_MODULES.get(name, name)}")
    return module
