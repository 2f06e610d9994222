"""``stamp.json``: what the last sync saw, so that a sync with nothing to do parses no TOML and imports little.

Imports nothing but what the interpreter has loaded anyway, json and hashlib: this module is the no-op's whole way.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.store.paths import ProfilePaths

SCHEMA = 1
_LIMIT = 16 << 20

_LONGEST = 64 << 20
"""As many bytes as the longest file that a stamp is about may have, a lock."""


def host_facts() -> list[str]:
    """Return what the platform is decided from, cheaply; compared as it is, never interpreted."""
    if sys.platform == "win32":
        machine = os.environ.get("PROCESSOR_ARCHITEW6432") or os.environ.get("PROCESSOR_ARCHITECTURE", "")
        return [sys.platform, machine, str(sys.maxsize)]
    system = os.uname()
    return [sys.platform, system.machine, str(sys.maxsize), "ARM64" if "ARM64" in system.version.upper() else ""]


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever writes into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def active_pointer(paths: ProfilePaths) -> str | None:
    """Return what says which generation is active, as text, or None."""
    try:
        return os.readlink(paths.current)
    except OSError:
        pass
    try:
        with open(os.path.join(paths.current, "number"), encoding="ascii", errors="replace") as file:
            return file.read(20)
    except OSError:
        return None


def file_checksum(path: str) -> str | None:
    """Return the sha256 of a file's bytes, or None where there is none; one longer than any of ours is not read."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return "no regular file"
        if status.st_size > _LONGEST:
            return f"too long: {status.st_size} {status.st_mtime_ns}"
        with open(path, "rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"unreadable: {error.errno}"


def modification_time(path: str) -> int | None:
    """Return the modification time in nanoseconds of a directory, or of a file too big to read; None if it is gone."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def executable_state(path: str) -> list[int] | None:
    """Return what tells that an executable was replaced: time, size and kind of the file itself; None if it is gone."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size, status.st_mode]


def _mark(facts: object) -> int:
    """Return what tells that the facts, which nothing else is compared with, were damaged."""
    return crc32(json.dumps(facts, sort_keys=True).encode())


def seen(
    paths: ProfilePaths,
    files: Iterable[str],
    places: Iterable[str],
    executables: Iterable[str],
    facts: dict[str, object],
) -> bytes:
    """Return the text of a stamp for the present state.

    Of *files* the bytes count, of *places* the times, of *executables* whether they are the same regular files. *facts*
    are handed back by ``matching``.
    """
    document = {
        "schema": SCHEMA,
        "host": host_facts(),
        "current": active_pointer(paths),
        "files": {path: file_checksum(path) for path in files},
        "places": {path: modification_time(path) for path in places},
        "executables": {path: executable_state(path) for path in executables},
        "facts": facts,
        "mark": _mark(facts),
    }
    return json.dumps(document, indent=1).encode()


def matching(paths: ProfilePaths, files: Iterable[str]) -> dict[str, object] | None:
    """Return the stamp's facts if all it saw is as it was and it saw just *files*; None for any doubt."""
    try:
        with open(paths.stamp, "rb", opener=_at_once) as file:
            document = json.loads(file.read(_LIMIT))
        same = (
            document["schema"] == SCHEMA
            and document["current"] is not None
            and document["current"] == active_pointer(paths)
            and document["host"] == host_facts()
            and set(document["files"]) == set(files)
            and all(file_checksum(path) == mark for path, mark in document["files"].items())
            and all(modification_time(path) == mark for path, mark in document["places"].items())
            and all(executable_state(path) == mark for path, mark in document["executables"].items())
            and document["mark"] == _mark(document["facts"])
        )
        facts = document["facts"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return facts if same and isinstance(facts, dict) else None
