"""``stamp.json``: the state that the last sync saw. A sync with nothing to do reads it, and parses no TOML.

This module does most of the no-op's work, so it imports only json, hashlib and what the interpreter has loaded anyway.
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
"""The greatest size of a file that is hashed: that of a lock."""


def host_facts() -> list[str]:
    """Return the facts that decide the platform. They are only compared, never interpreted."""
    if sys.platform == "win32":
        machine = os.environ.get("PROCESSOR_ARCHITEW6432") or os.environ.get("PROCESSOR_ARCHITECTURE", "")
        return [sys.platform, machine, str(sys.maxsize)]
    system = os.uname()
    return [sys.platform, system.machine, str(sys.maxsize), "ARM64" if "ARM64" in system.version.upper() else ""]


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def active_pointer(paths: ProfilePaths) -> str | None:
    """Return the pointer to the active generation as text, or None; None too if a switch is cut (``FileSwitch``)."""
    try:
        return os.readlink(paths.current)
    except OSError:
        pass
    try:
        if os.path.lexists(os.path.join(paths.current, "journal.json")):
            return None
        with open(os.path.join(paths.current, "number"), encoding="ascii", errors="replace") as file:
            return file.read(20)
    except OSError:
        return None


def file_checksum(path: str) -> str | None:
    """Return the sha256 of a file's bytes, or None if there is no file. A file that is too long is not read."""
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
    """Return the modification time, in nanoseconds, of a directory or a large file; None if it does not exist."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def executable_state(path: str) -> list[int] | None:
    """Return time, size and kind of an executable, which change when it is replaced; None if it does not exist."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size, status.st_mode]


def _checksum(facts: object) -> int:
    """Return the checksum of the facts, which are compared with nothing else."""
    return crc32(json.dumps(facts, sort_keys=True).encode())


def seen(
    paths: ProfilePaths,
    files: Iterable[str],
    places: Iterable[str],
    executables: Iterable[str],
    facts: dict[str, object],
) -> bytes:
    """Return the text of a stamp for the present state.

    It has the checksums of *files*, the times of *places* and the states of *executables*; ``matching`` returns
    *facts*.
    """
    document = {
        "schema": SCHEMA,
        "host": host_facts(),
        "current": active_pointer(paths),
        "files": {path: file_checksum(path) for path in files},
        "places": {path: modification_time(path) for path in places},
        "executables": {path: executable_state(path) for path in executables},
        "facts": facts,
        "mark": _checksum(facts),
    }
    return json.dumps(document, indent=1).encode()


def matching(paths: ProfilePaths, files: Iterable[str]) -> dict[str, object] | None:
    """Return the stamp's facts if it is about just these *files* and nothing has changed since; None in doubt."""
    try:
        with open(paths.stamp, "rb", opener=_at_once) as file:
            document = json.loads(file.read(min(os.fstat(file.fileno()).st_size, _LIMIT)))
        same = (
            document["schema"] == SCHEMA
            and document["current"] is not None
            and document["current"] == active_pointer(paths)
            and document["host"] == host_facts()
            and set(document["files"]) == set(files)
            and all(file_checksum(path) == mark for path, mark in document["files"].items())
            and all(modification_time(path) == mark for path, mark in document["places"].items())
            and all(executable_state(path) == mark for path, mark in document["executables"].items())
            and document["mark"] == _checksum(document["facts"])
        )
        facts = document["facts"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return facts if same and isinstance(facts, dict) else None
