"""Read the command line of a plain ``sync`` or ``run`` without argparse, whose import costs more than their own work.

What is read here, ``cli.parser`` reads in the same way. Any other command line, a mistyped one included, is left to it.
"""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection, Sequence

_FLAGS = {
    "--json": "json",
    "--quiet": "quiet",
    "-q": "quiet",
    "--verbose": "verbose",
    "-v": "verbose",
    "--no-progress": "no_progress",
    "--no-plugins": "no_plugins",
    "--offline": "offline",
}
_PROFILES = {"--user": "user", "--project": "project", "--global": "system"}
_VALUES = (
    *("profile", "endpoint", "ca_file", "client_cert", "client_key", "token_file", "kubeconfig", "context"),
    *("home", "connections", "directories", "color"),
)
_OF_RUN = frozenset(["--home", "--kubeconfig", "--context"])
"""The options of a ``run`` that have a value."""
_OF_SYNC = {
    "locked": False,
    "frozen": False,
    "prune": False,
    "to": None,
    "platform": None,
    "dry_run": False,
    "exit_code": False,
    "witness": None,
    "exclude_newer": None,
    "layout": None,
    "plugins_dir": None,
    "facts": None,
    "skip_cluster_checks": False,
}
"""The arguments of ``sync`` with the values that they have when they are not typed."""


def read_sync(typed: Sequence[str]) -> Namespace | None:
    """Return what the parser would return for ``sync`` with a few flags, or None for any other command line."""
    found: dict[str, object] = {**dict.fromkeys(_FLAGS.values(), False), **dict.fromkeys(_VALUES), "insecure": False}
    words = list(typed)
    if _take_options(words, found) != "sync":
        return None
    found |= {"command": "sync", "rest": words.copy(), **_OF_SYNC, "environments": [], "accept_moved": []}
    if _take_options(words, found) is not None:
        return None
    namespace: Namespace = SimpleNamespace(**found)  # type: ignore[assignment]
    return namespace


class TypedRun:
    """A ``run`` as it was typed. *arguments* are those of the program."""

    __slots__ = ("arguments", "context", "home", "kubeconfig", "name", "profile")

    def __init__(self, found: dict[str, object], name: str, arguments: list[str]) -> None:
        self.home: str | None = _text(found["home"])
        self.profile: str | None = _text(found["profile"])
        self.kubeconfig: str | None = _text(found["kubeconfig"])
        self.context: str | None = _text(found["context"])
        self.name = name
        self.arguments = arguments


def read_run(typed: Sequence[str]) -> TypedRun | None:
    """Return what the parser would return for ``run`` with a few options, or None for any other command line."""
    found: dict[str, object] = {**dict.fromkeys(_FLAGS.values(), False), **dict.fromkeys(_VALUES)}
    words = list(typed)
    if _take_options(words, found, _OF_RUN) != "run":
        return None
    name = _take_options(words, found, _OF_RUN)
    if name is None or name[:1] in {"-", ""} or found["verbose"]:
        return None
    return TypedRun(found, name, words[1:] if words[:1] == ["--"] else words)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _take_options(
    words: list[str], found: dict[str, object], valued: Collection[str] = frozenset(["--home"])
) -> str | None:
    """Move the options at the beginning of *words* to *found*; remove and return the word after them, or None."""
    while words:
        word = words.pop(0)
        if word in _FLAGS:
            found[_FLAGS[word]] = True
        elif word in _PROFILES and found["profile"] is None:
            found["profile"] = _PROFILES[word]
        elif word in valued and words and words[0][:1] not in {"-", ""}:
            found[word[2:]] = words.pop(0)
        else:
            return word
    return None
