"""The installed names, for completion scripts: ``d8-installer __names WORDS…`` prints them, one a line.

A person has just pressed Tab and waits, so this is quick: no network, no lock, nothing third-party. An error is not
shown, and completes nothing.
"""

from __future__ import annotations

import json
import os
import sys

from d8_installer.cli.verbs import VERBS
from d8_installer.errors import D8Error
from d8_installer.pipeline.profile_choice import ProfileChoice
from d8_installer.store import fs
from d8_installer.store.switch import switch_for_this_system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from d8_installer.model.profile import ProfileKind
    from d8_installer.store.paths import ProfilePaths

_KINDS: Mapping[str, ProfileKind] = {"--user": "user", "--project": "project", "--global": "system"}
_LIMIT = 16 << 20


def names(words: Sequence[str], environ: Mapping[str, str], directory: str) -> list[str]:
    """Return the names that may follow *words*: the command line without the program, quotes and all."""
    verb = next((VERBS[word] for word in words if word in VERBS and VERBS[word].completes), None)
    if verb is None or verb.completes is None:
        return []
    home, kind = _options(words, environ)
    choice = ProfileChoice(home=home, kind=kind, environ=environ, directory=directory)
    try:
        place = choice.find_home()
        profile = choice.find_profile(lambda: place, default="user" if verb.is_for_user else None)
        return sorted(set(_placed(place.profile(profile.directory), verb.completes)))
    except (D8Error, ValueError, LookupError, TypeError):
        return []


def _options(words: Sequence[str], environ: Mapping[str, str]) -> tuple[str | None, ProfileKind | None]:
    home = kind = None
    for number, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == "--home":
            value = value if equals else "".join(words[number + 1 : number + 2])
            home = _unquoted(value, environ) or None
        kind = _KINDS.get(word, kind)
    return home, kind


def _unquoted(value: str, environ: Mapping[str, str]) -> str:
    """Return what a shell makes of a plain word: bash and zsh pass on what was typed."""
    import shlex

    if "\\" in value and sys.platform == "win32":  # PowerShell passes values on
        return value
    try:
        value = "".join(shlex.split(value))
    except ValueError:
        return value
    home = environ.get("HOME", "")
    return home + value[1:] if value == "~" or value.startswith("~/") else value


def _placed(paths: ProfilePaths, kind: str) -> Iterator[str]:
    number = switch_for_this_system().active(paths)
    if number is None:
        return
    if kind == "binaries":
        for name in fs.list_directory(os.path.join(paths.generation(number), "bin")):
            yield name.removesuffix(".exe") if sys.platform == "win32" else name
        return
    record = fs.read(paths.record(number), limit=_LIMIT)
    for row in json.loads(record)["binaries"] if record is not None else ():
        yield row["image"].rpartition("/")[2]
