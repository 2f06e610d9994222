"""RECORD, the list of a distribution's files, and whose a ``.dist-info`` is by all the RECORDs around it.

Any wheel can carry a directory with the name of another distribution's ``.dist-info``. What its own RECORD lists is the
wheel's, not that other distribution's. Everything that is read is hostile: sizes are capped, and nothing is imported.
"""

from __future__ import annotations

import csv
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

RECORD = "RECORD"
MAX_RECORD = 64 << 20


def read_file(path: str, limit: int) -> bytes | None:
    """Return a regular file's bytes; None where it is missing, something else (a pipe would hang us), or too long."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError):
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        # as much as there is: a buffer of the limit's size would cost more than the file
        data = file.read(status.st_size + 1)
        if data is not None and len(data) > status.st_size:  # it grew meanwhile
            data += file.read(limit + 1) or b""
    return data if data is not None and len(data) <= limit else None


def promised(record: bytes, path: str) -> str | None:
    """Return what RECORD says of *path*'s hash (binary distribution format), or None if it is not listed."""
    for begin in (f"{path},".encode(), f'"{path}",'.encode()):
        at = 0 if record.startswith(begin) else record.find(b"\n" + begin) + 1
        if at or record.startswith(begin):
            end = record.find(b"\n", at)
            line = record[at + len(begin) : end if end != -1 else None]
            return line.decode("utf-8", "replace").split(",")[0].strip().strip('"')
    return None


def claims(directories: Sequence[str], others: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return which of the ``.dist-info`` *directories* another distribution's RECORD lists a file of, and that RECORD.

    *others* are all ``.dist-info`` of the environment: a library and a name in it. A RECORD that is there and cannot be
    read (too long, a pipe, not readable) may list anything, so it counts as one that lists all of its own library.
    """
    wanted = {os.path.realpath(directory).casefold(): directory for directory in directories}
    names = {os.path.basename(directory).casefold().encode() for directory in directories}
    claimed: dict[str, str] = {}
    for library, name in others:
        own = os.path.join(library, name)
        file = os.path.join(own, RECORD)
        raw = read_file(file, MAX_RECORD)
        if raw is None and os.path.lexists(file):
            claimed |= {d: file for d in directories if d != own and os.path.dirname(d) == library}
        elif raw is not None:
            for path in _listed(raw, names, library):
                directory = wanted.get(path)
                if directory is not None and directory != own:
                    claimed.setdefault(directory, file)
    return claimed


def _listed(record: bytes, names: Iterable[bytes], library: str) -> Iterator[str]:
    """Yield the real directory, in lower case, of each ``.dist-info`` of *names* that *record* lists a file of."""
    lowered = record.lower()
    if not any(name in lowered for name in names):
        return
    seen = set()
    for line in record.splitlines():
        low = line.lower()
        name = next((name for name in names if name in low), None)
        if name is None:
            continue
        path = next(csv.reader([line.decode("utf-8", "surrogateescape").replace("\0", "")]), [""])[0]
        parts = path.replace("\\", "/").split("/")
        # A path may name the directory more than once: each is a place where it may really lie.
        for at, part in enumerate(parts):
            if part.casefold().encode("utf-8", "surrogateescape") == name:
                seen.add("/".join(parts[: at + 1]))
    yield from (os.path.realpath(os.path.join(library, path)).casefold() for path in seen)


def is_administrators(*paths: str) -> bool:
    """Whether root owns all *paths* and the directories above them, and no other account can write to any of them."""
    if not hasattr(os, "geteuid"):
        return False
    every = {step for path in paths for step in _up(os.path.realpath(path))}
    try:
        return all(_is_roots(os.lstat(step)) for step in every)
    except OSError:
        return False


def _up(path: str) -> Iterator[str]:
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def _is_roots(status: os.stat_result) -> bool:
    if status.st_uid != 0:
        return False
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return not writable or (stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX))
