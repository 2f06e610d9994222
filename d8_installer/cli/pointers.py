"""The hint for a word that is not a command here: what the person may mean, by the habits of other tools."""

from __future__ import annotations

from d8_installer.cli.verbs import VERBS
from d8_installer.model.shell_words import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "d8-installer"
PHRASES = {
    "freeze": "export --format requirements",
    "outdated": "list --outdated",
    "reinstall": "verify --fix",
    "repair": "verify --fix",
    "serve": "proxy serve --from URL",
    "upgrade-all": "upgrade --all",
}
"""Words of other tools that take more than a command here. The others are in ``Verb.other_words``."""
_ALL = {"upgrade": "upgrade --all", "uninstall": "uninstall NAME"}
"""What to type here for d8's ``update all`` and ``remove all``."""


def pointer(word: str, following: Sequence[str]) -> str:
    """Return the hint for the unknown command *word*, after which *following* was typed.

    It names the command that does what *word* does elsewhere, with the names that were typed, or else the command that
    is spelled most like it.
    """
    if word in PHRASES:
        return f"type `{PROGRAM} {PHRASES[word]}`"
    verb = next((verb for verb in VERBS.values() if word in verb.other_words), None)
    if verb is None:
        import difflib

        near = difflib.get_close_matches(word, VERBS, n=1)
        return f"did you mean `{PROGRAM} {near[0]}`?" if near else f"see `{PROGRAM} --help`"
    if not verb.takes_name:
        return f"type `{PROGRAM} {verb.name}`"
    names = [argument for argument in following if not argument.startswith("-")]
    if names == ["all"] and verb.name in _ALL:
        return f"type `{PROGRAM} {_ALL[verb.name]}`"
    typed = " ".join(map(quoted, names)) if names and all(map(str.isprintable, names)) else "NAME"
    listed = f", or `{PROGRAM} list` for what is installed" if verb.name == "versions" else ""
    return f"type `{PROGRAM} {verb.name} {typed}`{listed}"
