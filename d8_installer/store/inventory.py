"""What in a home is d8-installer's, known by the form of its name; all else there is somebody's, and nobody touches it.

A home is taken into use only where it is new or says what it is (``schema``): its litter is removed without a question.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.store import fs
from d8_installer.store.paths import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.store.paths import Home

_Forms = Mapping[str, "_Forms | None"]
_HEX = "[0-9a-f]{64}"
_TEMPORARY = r"(\.[0-9]+\.tmp)?"
_LINE: _Forms = {
    "current(\\.new)?": None,
    "generations": {r"[0-9]+(\.new|\.gone)?": None},
    "mutex": None,
    f"(project|mounted|d8\\.lock|stamp\\.json|environments){_TEMPORARY}": None,
}
_HOME: _Forms = {
    r"bin(\.new)?": None,
    "profiles": {"user|system|[0-9a-f]{16}": _LINE},
    "runs": {_HEX: _LINE},
    "store": {"sha256": {_HEX: None}, "layers": {rf"{_HEX}\.json{_TEMPORARY}": None}},
    "incoming": {r"[0-9]+\.[0-9a-f]{8}|[0-9a-f]{16}": None},
    "arriving": {rf"{_HEX}(\.mutex|\.etag{_TEMPORARY})?": None},
    f"(tags\\.json|verifiers|d8\\.toml|made|schema){_TEMPORARY}": None,
    r"mutex|switching\.mutex": None,
}
_FRESH = re.compile(rf"mutex|lost\+found|config\.toml\.mutex|(schema|made|d8\.toml|config\.toml){_TEMPORARY}")
"""What may be there before ``schema`` is: what a person wrote, and what a cut first use leaves."""


def is_new(home: Home) -> bool:
    """Whether nothing is there yet that would not be there before a first use, or after one that was cut."""
    return not any(_foreign_to_a_new(home))


def refuse_foreign_directory(home: Home) -> None:
    """Raise a ConfigError where the home's directory holds what is not ours, and does not say that it is a home."""
    if fs.read(home.schema, limit=64) is not None:
        return
    foreign = next(_foreign_to_a_new(home), None)
    if foreign is None or fs.read(home.schema, limit=64) is not None:  # another process has just made it
        return
    raise ConfigError(
        f"{home.root} is not a home of d8-installer: it has no file `schema`, and holds {foreign}",
        hint=f"choose an empty directory with --home DIR; if it is a home that lost that file, write {SCHEMA} into "
        f"{home.schema}",
    )


def _foreign_to_a_new(home: Home) -> Iterator[str]:
    for name in fs.list_directory(home.root):
        path = os.path.join(home.root, name)
        if _FRESH.fullmatch(name) is None or (path == home.mutex and not _is_lock(path)):
            yield path


def _is_lock(path: str) -> bool:
    """Whether it is a lock file of ours, which holds a process's number or nothing: taking it writes into it."""
    return os.path.isfile(path) and not fs.read_head(path, 20).strip(b"0123456789\n")


def ours(home: Home) -> list[str]:
    """Return what is ours below the home, whole trees and files; ``schema``, which says so, is the last."""
    found = sorted(path for path, ours in _walk(home.root, _HOME) if ours)
    return [*(path for path in found if path != home.schema), *(path for path in found if path == home.schema)]


def foreign(home: Home) -> list[str]:
    """Return what is not ours below the home, and what is not a directory where ours would be one."""
    return [path for path, ours in _walk(home.root, _HOME) if not ours]


def directories(home: Home) -> list[str]:
    """Return the directories that hold what is ours, the deepest first, and the home itself."""
    return [*_directories(home.root, _HOME), home.root]


def _directories(directory: str, forms: _Forms) -> Iterator[str]:
    for path, below in _below(directory, forms):
        if below:
            yield from _directories(path, below)
            yield path


def _walk(directory: str, forms: _Forms) -> Iterator[tuple[str, bool]]:
    """Yield what lies below *directory*, and whether it is ours."""
    for path, below in _below(directory, forms):
        if below:
            yield from _walk(path, below)
        else:
            yield path, below is None


def _below(directory: str, forms: _Forms) -> Iterator[tuple[str, _Forms | None]]:
    """Yield each path in *directory* with the forms below it; None: it is ours as a whole; empty: it is not ours."""
    for name in fs.list_directory(directory):
        path = os.path.join(directory, name)
        below = next((below for form, below in forms.items() if re.fullmatch(form, name)), {})
        is_tree = os.path.isdir(path) and not os.path.islink(path)
        yield path, below if below is None or is_tree else {}
