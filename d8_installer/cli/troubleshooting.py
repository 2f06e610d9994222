"""The entries of ``help CODE``: what each kind of error means, why it happens and what to do.

They are in ``troubleshooting.toml``, from which the documentation's page is made as well. Nothing else reads them.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from d8_installer.cli import wrapping
from d8_installer.cli.help_format import wrapped
from d8_installer.cli.own_command import typeable
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = os.path.join(os.path.dirname(__file__), "troubleshooting.toml")
_HEAD = re.compile(r"^\[([a-z0-9-]+)\]", re.MULTILINE)
_PASTED = re.compile(r"(?:error)?\[?([a-z0-9-]+)\]?:?")
"""A code as it may be copied from a message: ``error[stale-lock]:``."""


class ErrorEntry(Struct, frozen=True, kw_only=True):
    """One kind of error. ``exit_code`` is a text if it is not always the same number.

    ``means`` has one paragraph an item. ``causes`` are the likely ones first, ``actions`` what to type or to do.
    """

    code: str
    title: str
    exit_code: str
    means: tuple[str, ...]
    causes: tuple[str, ...]
    actions: tuple[str, ...]


def entries() -> Mapping[str, ErrorEntry]:
    """Return all entries by their codes, in the order of the file."""
    import tomllib

    with open(_FILE, "rb") as file:
        document = tomllib.load(file)
    return {
        code: ErrorEntry(
            code=code,
            title=entry["title"],
            exit_code=str(entry["exit"]),
            means=tuple(entry["means"]),
            causes=tuple(entry.get("causes", ())),
            actions=tuple(entry["do"]),
        )
        for code, entry in document.items()
    }


def codes() -> list[str]:
    """Return the codes alone, for completions: they are read without parsing the file."""
    with open(_FILE, encoding="utf-8") as file:
        return _HEAD.findall(file.read())


def find(word: str) -> ErrorEntry | None:
    """Return the entry of a typed code, or None. ``error[CODE]:`` will do, as it stands in a message."""
    pasted = _PASTED.fullmatch(word.lower().replace("_", "-"))
    return entries().get(pasted[1]) if pasted else None


def with_exit_code(word: str) -> list[str]:
    """Return a line for each code that ends a command with the number *word*, as a CI's log shows the number alone."""
    return [f"  {entry.code}: {entry.title}" for entry in entries().values() if word in entry.exit_code.split()]


def near(word: str) -> str | None:
    """Return the code that is spelled most like *word*, or None."""
    import difflib

    found = difflib.get_close_matches(word.lower(), codes(), n=1, cutoff=0.7)
    return found[0] if found else None


def lines(entry: ErrorEntry, width: int) -> list[str]:
    """Return an entry for a terminal of *width* columns, its commands as they are typed on this machine.

    A command in what to do is not broken, so that it can be copied.
    """
    shown = [*wrapped(f"{entry.code}: {entry.title} (exit code {entry.exit_code})", width, "  ")]
    for paragraph in entry.means:
        shown += ["", *wrapped(typeable(paragraph), width, "")]
    for head, items in (("Likely causes:", entry.causes), ("What to do:", entry.actions)):
        if items:
            shown += ["", head]
            shown += [wrapping.wrapped(f"  - {typeable(item)}", width) for item in items]
    return shown
