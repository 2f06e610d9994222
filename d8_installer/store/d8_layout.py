"""The files that are laid out for the Go tool: what is there, putting one in place, taking one away, their record.

A file is staged under the Go tool's own name for that and gets its name by one rename, so that a killed process leaves
the old file or the new one. The caller holds the plugin's ``install.lock``, which makes the stage its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError
from d8_installer.model.d8_layout import LINK, LayoutRecord
from d8_installer.store import fs, stamp
from d8_installer.store.os_errors import refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from d8_installer.model.d8_layout import LayoutFile, OwnFile

_RECORD_LIMIT = 16 << 20
_CHUNK = 1 << 20
_OTHER = "other"


# -- the record ----------------------------------------------------------------------------------------------


def load_record(path: str) -> LayoutRecord | None:
    """Return the record, or None if nothing was laid out; a damaged one is a DocumentError."""
    raw = fs.read(path, limit=_RECORD_LIMIT)
    return None if raw is None else LayoutRecord.parse(raw, path)


def save_record(path: str, record: LayoutRecord | None) -> None:
    """Write the record, or remove it for None."""
    if record is None:
        fs.remove(path)
    else:
        fs.replace_file(path, record.render().encode("utf-8", "surrogateescape"))


# -- what is there -------------------------------------------------------------------------------------------


def content_at(path: str, lock: str, known: OwnFile | None = None) -> str | None:
    """Return the content of a file of the layout, None if there is none.

    The bytes are not read if time, size and mode are those of the *known* file. A directory on the way that is a link
    is somebody else's, and so is all below it.
    """
    top, above = os.path.dirname(lock), os.path.dirname(path)
    while above.startswith(top):
        if os.path.lexists(above) and (os.path.islink(above) or not os.path.isdir(above)):
            return _OTHER
        above = os.path.dirname(above)
    if known is not None and known.state is not None and state_of(path) == known.state:
        return known.contents[-1]
    if os.path.islink(path):
        return f"{LINK}{fs.read_link(path)}"
    if not os.path.lexists(path):
        return None
    return file_content(path) if os.path.isfile(path) else _OTHER


def file_content(path: str) -> str:
    """Return the content of a regular file, by its bytes."""
    with refusals("read", path), open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def state_of(path: str) -> tuple[int, ...] | None:
    """Return the time, size and mode of a file, which change when it is replaced."""
    found = stamp.executable_state(path)
    return None if found is None else tuple(found)


# -- changing it ---------------------------------------------------------------------------------------------


def put_executable(file: LayoutFile, stored: str) -> None:
    """Copy the executable *stored* to its place. A copy, since a later write through a link would change the store."""
    with _staged(file):
        digest = hashlib.sha256()
        with refusals("read", stored), open(stored, "rb") as source, fs.create(file.stage) as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                fs.write(target, chunk)
            fs.sync(target)
        if f"sha256:{digest.hexdigest()}" != file.content:
            raise DiskError(f"{stored} is damaged", hint="type `d8-installer verify --fix`", code="home-damaged")
        fs.set_mode(file.stage, 0o755)


def put_text(file: LayoutFile, text: str) -> None:
    """Write the contract *text* to its place."""
    with _staged(file):
        with fs.create(file.stage) as target:
            fs.write(target, text.encode())
            fs.sync(target)
        fs.set_mode(file.stage, 0o644)


def put_link(file: LayoutFile) -> None:
    """Let the link ``current`` lead to its target."""
    with _staged(file):
        fs.make_link(file.content.removeprefix(LINK), file.stage)


@contextlib.contextmanager
def _staged(file: LayoutFile) -> Iterator[None]:
    """Give what the context makes under the staged name its own name; remove it if that fails."""
    fs.make_directories(os.path.dirname(file.path))
    fs.remove(file.stage)
    try:
        yield
        fs.rename(file.stage, file.path)
    except BaseException:
        with contextlib.suppress(DiskError):
            fs.remove(file.stage)
        raise
    fs.sync_directory(os.path.dirname(file.path))


def clear_stages(files: Iterable[OwnFile]) -> None:
    """Remove what a killed command left under the staged names of *files*."""
    for one in files:
        if os.path.lexists(one.stage):
            fs.remove(one.stage)


def take_away(one: OwnFile) -> None:
    """Remove a file of ours, and the directories that are empty then."""
    fs.remove(one.path)
    leave_directories(one)


def leave_tops(directory: str) -> None:
    """Remove the directories in *directory* that held the layout, if they are empty and can be removed."""
    for name in ("cache/contracts", "cache", "plugins"):
        with contextlib.suppress(DiskError):
            fs.remove_if_empty(os.path.join(directory, name))


def leave_directories(one: OwnFile) -> None:
    """Remove the directories of a file that is gone, if they are empty."""
    for directory in one.directories:
        if not fs.remove_if_empty(directory):
            break
