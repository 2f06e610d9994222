"""The plainest command lines of the quick commands, read without argparse, which costs more than their work.

What is read here, ``parser`` would read just so; whatever is not surely so is left to it, all mistakes included.
"""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

_FLAGS = {
    "--json": "json",
    "--quiet": "quiet",
    "-q": "quiet",
    "--verbose": "verbose",
    "-v": "verbose",
    "--no-plugins": "no_plugins",
    "--offline": "offline",
}
_PROFILES = {"--user": "user", "--project": "project", "--global": "system"}
_TRUST = ("ca_file", "client_cert", "client_key", "token_file", "kubeconfig", "context")
_VALUES = ("profile", "endpoint", *_TRUST, "home", "connections")
_SYNC = {"locked": False, "frozen": False, "prune": False, "to": None, "platform": None, "dry_run": False}
_OWN: dict[str, dict[str, object]] = {
    "rollback": {"number": None},
    "sync": {**_SYNC, "witness": None, "exclude_newer": None},
}
"""The arguments of the quick commands, as they are where none is typed."""


def plainly(typed: Sequence[str]) -> Namespace | None:
    """Return what ``parser.parse`` would, for ``rollback [N]`` or ``sync`` with a few flags; else None."""
    found: dict[str, object] = {**dict.fromkeys(_FLAGS.values(), False), **dict.fromkeys(_VALUES), "insecure": False}
    words = list(typed)
    command = _take_options(words, found)
    if command not in _OWN:
        return None
    found |= {"command": command, "rest": words.copy(), **_OWN[command]}
    if command == "sync":
        found |= {"environments": [], "accept_moved": []}
    number = _take_options(words, found)
    if number is not None:
        if command != "rollback" or not number.isdecimal() or len(number) > 9:
            return None
        found["number"] = int(number)
        if _take_options(words, found) is not None:
            return None
    namespace: Namespace = SimpleNamespace(**found)  # type: ignore[assignment]
    return namespace


def _take_options(words: list[str], found: dict[str, object]) -> str | None:
    """Take the options from the beginning of *words*, and the word after them, which is returned; None at the end."""
    while words:
        word = words.pop(0)
        if word in _FLAGS:
            found[_FLAGS[word]] = True
        elif word in _PROFILES and found["profile"] is None:
            found["profile"] = _PROFILES[word]
        elif word == "--home" and words and words[0][:1] not in {"-", ""}:
            found["home"] = words.pop(0)
        else:
            return word
    return None
