"""The commands, each as one record: the parser, the help, the completions and the hints are all made from it.

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

    class CommandModule(Protocol):
        """A module of ``cli.commands``."""

        def configure(self, parser: argparse.ArgumentParser) -> None:
            """Add the arguments that only this command has."""

        def execute(self, context: Context) -> Outcome | RawOutput:
            """Call the verb, and return its result as data and as lines."""


class Verb:
    """One command.

    ``help`` is its line in the list of commands, ``module`` its file in ``cli.commands``. ``options`` are those that it
    shares with other commands (``cli.options``). ``completes`` says which installed names its NAME is completed with,
    and ``is_for_user`` that these are the user's, inside a project too. ``other_words`` are the words by which other
    tools call it, and ``takes_name`` whether a name follows it. ``is_manager``: its arguments are another program's.
    """

    __slots__ = (
        "completes",
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
        module: str = "",
        completes: InstalledNames | None = None,
        is_for_user: bool = False,
        is_manager: bool = False,
        takes_name: bool = False,
        other_words: str = "",
    ) -> None:
        self.name = name
        self.help = help
        self.module = module or name
        self.options = options
        self.completes = completes
        self.is_for_user = is_for_user
        self.is_manager = is_manager
        self.takes_name = takes_name
        self.other_words = other_words.split()

    def load(self) -> CommandModule:
        """Import the command's module."""
        from importlib import import_module

        module: CommandModule = import_module(f"d8_installer.cli.commands.{self.module}")
        return module


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "install",
            "add images to your manifest and put their binaries on PATH",
            *("platform", "cutoff", "trust", "checks", "dry-run"),
            takes_name=True,
            other_words="add i get fetch download pull",
        ),
        Verb(
            "uninstall",
            "remove images from your manifest, and their binaries",
            *("platform", "source", "dry-run"),
            completes="images",
            is_for_user=True,
            takes_name=True,
            other_words="delete del erase remove rm un",
        ),
        Verb(
            "upgrade",
            "upgrade images to the newest versions that their ranges allow",
            *("platform", "cutoff", "trust", "checks", "dry-run"),
            completes="images",
            is_for_user=True,
            takes_name=True,
            other_words="update up",
        ),
        Verb(
            "use",
            "switch an image to one version within its range",
            *("platform", "trust", "checks", "dry-run"),
            completes="images",
            is_for_user=True,
            takes_name=True,
            other_words="pin switch",
        ),
        Verb("history", "show the generations of a profile", other_words="log"),
        Verb("rollback", "switch back to an earlier generation, without network access", other_words="undo"),
        Verb(
            "gc",
            "remove old generations and stored files that nothing needs",
            "dry-run",
            other_words="clean cleanup prune",
        ),
        Verb("verify", "check all stored files, and repair them with --fix", "source"),
        Verb("list", "list the installed binaries", "source", other_words="installed ls status"),
        Verb(
            "which",
            "show the path of an installed binary",
            completes="binaries",
            takes_name=True,
            other_words="where whereis",
        ),
        Verb(
            "versions",
            "list the published versions of an image",
            "source",
            takes_name=True,
            other_words="ls-remote search tags",
        ),
        Verb(
            "show",
            "show an image: its platforms, contract and requirements, and what needs it",
            *("source", "checks"),
            completes="images",
            takes_name=True,
            other_words="contract describe info inspect",
        ),
        Verb(
            "run",
            "run a binary, and fetch its image first if necessary",
            *("platform", "trust", "checks"),
            completes="binaries",
            takes_name=True,
            other_words="exec x",
        ),
        Verb(
            "lock",
            "update d8.lock from the manifest, for every platform",
            *("environments", "cutoff", "trust", "checks", "dry-run"),
        ),
        Verb("export", "print the lock as CycloneDX, JSON or requirements"),
        Verb(
            "sync",
            "bring the installed binaries in line with the manifest and the lock",
            *("environments", "platform", "cutoff", "trust", "checks", "dry-run"),
            other_words="apply restore",
        ),
        Verb(
            "import",
            "take over the plugins that d8 has installed",
            *("trust", "checks", "dry-run"),
            module="import_d8",
            other_words="adopt migrate",
        ),
        Verb("config", "show or change the settings", other_words="settings"),
        Verb("plugins", "list plugins, and enable or disable their code"),
        Verb("check", "check the requirements of what is installed against the cluster", "checks", completes="images"),
        Verb("facts", "write what a cluster is, as far as requirements of images ask for it"),
        Verb("doctor", "find problems with this machine's setup"),
        Verb("ensurepath", "add the bin directory to the PATH of new shells"),
        Verb("env", "print the line that puts a profile's binaries on the PATH of this shell"),
        Verb("self", "remove everything that d8-installer created for you", "dry-run"),
        Verb("completion", "print the completion script for a shell"),
        Verb("manifest", "create or check a plugin's manifest"),
        Verb("publish", "publish executables as a multi-platform image"),
        Verb("wheel", "turn a plugin's wheel into a thin one (launchers) or fat ones (the binaries)", "trust"),
        Verb(
            "bundle",
            "write locked images, lock and manifests to one file for offline use",
            *("environments", "source", "checks"),
        ),
        Verb("proxy", "serve images as a registry-packages-proxy does"),
        Verb("pip", "run pip, then sync the environment that it changed", module="manager", is_manager=True),
        Verb("pipx", "run pipx, then sync", module="manager", is_manager=True),
        Verb("uv", "run uv, then sync the environment that it changed", module="manager", is_manager=True),
    )
}
