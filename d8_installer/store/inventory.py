"""The files of a home that belong to d8-installer, recognized by the form of their names. All others are left alone.

A directory becomes a home only if it is new, or is marked as a home by its file ``schema``: in a home, leftovers are
removed without asking.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.store import fs
from d8_installer.store.paths import REQUEST_DIGITS, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.store.paths import Home

_Forms = Mapping[str, "_Forms | None"]
_HEX = "[0-9a-f]{64}"
_RUN = f"[0-9a-f]{{{REQUEST_DIGITS}}}"
_TEMPORARY = r"(\.[0-9]+\.tmp)?"
_PROFILE: _Forms = {
    "current(\\.new)?": None,
    "generations": {r"[0-9]+(\.new|\.gone)?": None},
    "mutex": None,
    f"(project|mounted|d8\\.lock|stamp\\.json|layout\\.json|environments){_TEMPORARY}": None,
}
_HOME: _Forms = {
    r"bin(\.new)?": None,
    "profiles": {"user|system|[0-9a-f]{16}": _PROFILE},
    "runs": {_RUN: _PROFILE},
    "store": {
        "sha256": {_HEX: None},
        "layers": {rf"{_HEX}\.json{_TEMPORARY}": None},
        "contracts": {rf"{_HEX}\.json{_TEMPORARY}": None},
    },
    "incoming": {r"[0-9]+\.[0-9a-f]{8}|[0-9a-f]{16}": None},
    "arriving": {rf"{_HEX}(\.mutex|\.etag{_TEMPORARY})?": None},
    "endpoints": {rf"{_HEX}\.json{_TEMPORARY}": None},
    "facts": {rf"({_HEX}(\.found)?|(user|system|[0-9a-f]{{16}}|{_RUN})\.passes)\.json{_TEMPORARY}": None},
    f"(tags\\.json|verifiers|d8\\.toml|made|schema){_TEMPORARY}": None,
    r"mutex|switching\.mutex": None,
}
_FRESH = frozenset({"schema", "made", "d8.toml", "config.toml"})
"""Files that may exist before ``schema``: a person's documents, and the leftovers of a first use that was cut."""
_FRESH_ALONE = frozenset({"mutex", "config.toml.mutex", "lost+found"})
"""Names that may exist too, and that have no temporary files."""


def _forms(home: Home) -> _Forms:
    """Return the forms of the names in a home. In a ``bin`` that is a directory only its binaries are ours."""
    import re

    if os.path.islink(home.bin) or not os.path.isdir(home.bin):
        return _HOME
    from d8_installer.store.file_switch import FileSwitch

    is_ours, profiles = FileSwitch().is_ours, [home.profile(name) for name in ("user", "system")]
    names = [name for name in fs.list_directory(home.bin) if any(is_ours(profile, name) for profile in profiles)]
    return {"bin": {"|".join(map(re.escape, names)) or "(?!)": None}, **_HOME}


def is_new(home: Home) -> bool:
    """Whether the home is new: it has only files that may exist before ``schema``."""
    return not any(_foreign_to_a_new(home))


def refuse_foreign_directory(home: Home) -> None:
    """Raise a ConfigError if the home's directory has foreign files and no ``schema``."""
    if fs.read(home.schema, limit=64) is not None:
        return
    foreign = next(_foreign_to_a_new(home), None)
    if foreign is None or fs.read(home.schema, limit=64) is not None:  # another process has just made it a home
        return
    raise ConfigError(
        f"{home.root} is not a home of d8-installer: it has no file `schema`, and holds {foreign}",
        hint=f"choose an empty directory with --home DIR; if it is a home that lost that file, write {SCHEMA} into "
        f"{home.schema}",
        code="not-a-home",
    )


def _foreign_to_a_new(home: Home) -> Iterator[str]:
    for name in fs.list_directory(home.root):
        path = os.path.join(home.root, name)
        may_exist = name in _FRESH_ALONE or fs.final_name(name) in _FRESH
        if not may_exist or (path == home.mutex and not _is_lock(path)):
            yield path


def _is_lock(path: str) -> bool:
    """Whether the file is one of our locks, which hold a process's number or nothing: taking a lock writes into it."""
    return os.path.isfile(path) and not fs.read_head(path, 20).strip(b"0123456789\n")


def ours(home: Home) -> list[str]:
    """Return our trees and files below the home. ``schema``, which marks the home, is the last."""
    found = sorted(path for path, ours in _walk(home.root, _forms(home)) if ours)
    return [*(path for path in found if path != home.schema), *(path for path in found if path == home.schema)]


def foreign(home: Home) -> list[str]:
    """Return the foreign files below the home, and files in the place of our directories."""
    return [path for path, ours in _walk(home.root, _forms(home)) if not ours]


def directories(home: Home) -> list[str]:
    """Return the directories that contain our files, the deepest first, and the home itself."""
    return [*_directories(home.root, _forms(home)), home.root]


def _directories(directory: str, forms: _Forms) -> Iterator[str]:
    for path, below in _below(directory, forms):
        if below:
            yield from _directories(path, below)
            yield path


def _walk(directory: str, forms: _Forms) -> Iterator[tuple[str, bool]]:
    """Yield the paths below *directory*, and whether each is ours."""
    for path, below in _below(directory, forms):
        if below:
            yield from _walk(path, below)
        else:
            yield path, below is None


def _below(directory: str, forms: _Forms) -> Iterator[tuple[str, _Forms | None]]:
    """Yield each path in *directory* with the forms below it: None if all of it is ours, empty if it is foreign."""
    import re

    for name in fs.list_directory(directory):
        path = os.path.join(directory, name)
        below = next((below for form, below in forms.items() if re.fullmatch(form, name)), {})
        is_tree = os.path.isdir(path) and not os.path.islink(path)
        yield path, below if below is None or is_tree else {}
