"""The records of the hook that adds commands. Frozen values, cheap to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import Struct, field, repr_without

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from d8_installer.plugin.run_self import ToolResult


class CommandContext(Struct, frozen=True, kw_only=True):
    """What a plugin's command is given.

    ``run`` runs another command of this very tool with the same home and returns how it ended; ``note`` and ``warn``
    write a line to stderr, as the person's ``-q`` says. stdout is the command's own. ``env`` is not in the repr.
    """

    directory: str
    home: str
    bin_directory: str
    run: Callable[..., ToolResult]
    note: Callable[[str], None]
    warn: Callable[[str], None]
    env: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return repr_without(self, "env", "run", "note", "warn")


class Command(Struct, frozen=True):
    """A command of a plugin: ``d8-installer NAME …``; a name that d8-installer has itself is never looked for.

    ``configure`` adds arguments; ``run`` returns the exit code, 0 to 255, and may raise any D8Error.
    """

    name: str
    summary: str
    run: Callable[[argparse.Namespace, CommandContext], int]
    configure: Callable[[argparse.ArgumentParser], None] = lambda parser: None  # noqa: ARG005 - most have none
