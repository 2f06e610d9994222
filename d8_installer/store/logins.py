"""Reads and writes ``logins.json``. It holds tokens, so only its owner may be able to read it."""

from __future__ import annotations

import os
import stat
import sys

from d8_installer.errors import ConfigError
from d8_installer.model.logins import Logins
from d8_installer.model.shell_words import quoted
from d8_installer.store import fs, status

_LIMIT = 1 << 20


def is_foreign(path: str) -> bool:
    """Whether another user owns the file, whose logins are not this person's."""
    owner = status.owner(path)
    return sys.platform != "win32" and owner is not None and owner != os.geteuid()


def load(path: str) -> Logins:
    """Return the logins; a missing file has none. If others can read the file, that is a ConfigError."""
    raw = fs.read(path, limit=_LIMIT)
    if raw is None:
        return Logins()
    mode = status.mode(os.path.realpath(path)) or 0
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"other users can read {path}, which holds tokens",
            hint=f"type `chmod 600 {quoted(path)}`, and get new tokens if others may have read it",
            code="logins-readable",
        )
    return Logins.parse(raw, path)


def save(path: str, logins: Logins) -> None:
    """Write the logins with mode 0600 in one rename, or remove the file if none is left."""
    if logins.kept or os.path.islink(path):  # a link that led nowhere would be in the way of the next login
        fs.replace_file(path, logins.render(), mode=0o600)
    else:
        fs.remove(path)
