"""Pointers from the command words of other tools to the commands of this one.

Lives here: what `add`, `ls` or `info` is called here, and the sentence that says so. Does not live here: parsing.
"""

from __future__ import annotations

import difflib
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROGRAM = "d8-installer"

_NAMED = {
    "add": "install",
    "i": "install",
    "get": "install",
    "fetch": "install",
    "download": "install",
    "pull": "install",
    "delete": "uninstall",
    "del": "uninstall",
    "erase": "uninstall",
    "remove": "uninstall",
    "rm": "uninstall",
    "un": "uninstall",
    "update": "upgrade",
    "up": "upgrade",
    "pin": "use",
    "switch": "use",
    "info": "versions",
    "ls-remote": "versions",
    "search": "versions",
    "show": "versions",
    "tags": "versions",
    "exec": "run",
    "x": "run",
    "where": "which",
    "whereis": "which",
}
"""Words that are followed by a name, and the command that takes the name here."""

_ALONE = {
    "apply": "sync",
    "check": "doctor",
    "clean": "gc",
    "cleanup": "gc",
    "freeze": "export --format requirements",
    "init": "manifest init NAME",
    "installed": "list",
    "log": "history",
    "login": "config set token_file FILE",
    "ls": "list",
    "outdated": "list --outdated",
    "prune": "gc",
    "reinstall": "verify --fix",
    "repair": "verify --fix",
    "restore": "sync",
    "serve": "proxy serve --from URL",
    "settings": "config",
    "status": "list",
    "undo": "rollback",
    "upgrade-all": "upgrade --all",
}
"""Words whose command here takes no name."""


def pointer(word: str, following: Sequence[str], commands: Iterable[str]) -> str:
    """Return the hint for the unknown command *word*, which *following* arguments came after.

    The hint names the command that does here what *word* does elsewhere, with the names that were typed, else the
    command that is spelled most like it.
    """
    if word in _NAMED:
        names = [argument for argument in following if not argument.startswith("-")]
        typed = " ".join(map(shlex.quote, names)) if names and all(map(str.isprintable, names)) else "NAME"
        listed = f", or `{PROGRAM} list` for what is installed" if _NAMED[word] == "versions" else ""
        return f"type `{PROGRAM} {_NAMED[word]} {typed}`{listed}"
    if word in _ALONE:
        return f"type `{PROGRAM} {_ALONE[word]}`"
    near = difflib.get_close_matches(word, commands, n=1)
    return f"did you mean `{PROGRAM} {near[0]}`?" if near else f"see `{PROGRAM} --help`"
