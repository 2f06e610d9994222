"""Small JSON documents that only this user may read and that can be found out again: caches, with a checksum.

A document that is damaged, of an unknown format, a link, or that another user wrote counts as absent.
"""

from __future__ import annotations

import os
import stat
import sys

_SCHEMA = 1
_LIMIT = 16 << 20


def write(path: str, content: dict[str, object]) -> None:
    """Write a document, mode 0600, in a directory that only this user may read."""
    import json

    from d8_installer.model.checksum import checksum_of
    from d8_installer.store import fs

    directory = os.path.dirname(path)
    fs.make_directories(directory)
    fs.set_mode(directory, 0o700)
    document = {"schema": _SCHEMA, "mark": checksum_of(content), "content": content}
    fs.replace_file(path, json.dumps(document).encode(), mode=0o600, durable=False)


def read(path: str) -> dict[str, object] | None:
    """Return the content of a document that this user's tool wrote, else None."""
    import json

    from d8_installer.model.checksum import checksum_of

    try:
        with open(path, "rb", buffering=0, opener=_no_link_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not is_mine(status) or status.st_size > _LIMIT:
                return None
            document = json.loads(file.read(status.st_size + 1) or b"")
        content = document["content"]
        is_sound = document["schema"] == _SCHEMA and document["mark"] == checksum_of(content)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return content if is_sound and isinstance(content, dict) else None


def is_mine(status: os.stat_result) -> bool:
    """Whether the file with that status belongs to this user."""
    return sys.platform == "win32" or status.st_uid == os.geteuid()


def is_own_directory(path: str) -> bool:
    """Whether the directory exists and belongs to this user."""
    try:
        return is_mine(os.stat(path))
    except OSError:
        return False


def _no_link_at_once(path: str, flags: int) -> int:
    """Open neither a link nor, with waiting for its writer, a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
