"""Judges which ``.dist-info`` directories are the distribution's own, by all the RECORDs of their environment.

Any wheel can carry a directory that is named like the ``.dist-info`` of another distribution. What a wheel's RECORD
lists is that wheel's, and not the other distribution's.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from d8_installer.model.value import replace
from d8_installer.plugin.dist_info import (
    MAX_RECORD,
    RECORD,
    is_editable,
    name_in_metadata,
    normalised,
    read_file,
    split_name,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from d8_installer.plugin.dist_info import Distribution


def with_problems(found: Sequence[Distribution], directories: Sequence[str]) -> list[Distribution]:
    """Return *found* with the problem of each one that does not count. *directories* are all of the environment.

    A ``.dist-info`` counts if no other RECORD lists a file of it. Without a RECORD of its own, it counts only if it is
    the administrator's. INSTALLER proves nothing: whoever plants a directory can plant that file too.
    """
    same_name = _same_name(found, directories)
    others = (other for some in same_name.values() for other in some)
    claimed = _claims([*dict.fromkeys([*same_name, *others])], directories)
    return [
        replace(d, problem=_problem(d, same_name[d.directory], claimed), remedy=_remedy(d, claimed.get(d.directory)))
        for d in found
    ]


def is_administrators(*paths: str) -> bool:
    """Whether root owns all *paths* and the directories above them, and no other account can write to any of them."""
    if not hasattr(os, "geteuid"):
        return False
    every = {above for path in paths for above in _with_parents(os.path.realpath(path))}
    try:
        return all(_is_roots(os.lstat(path)) for path in every)
    except OSError:
        return False


def _problem(distribution: Distribution, same_name: Iterable[str], claimed: Mapping[str, str]) -> str:
    directory = distribution.directory
    if os.path.islink(directory):
        return "is a symbolic link, so it is not a distribution's own"
    record = claimed.get(directory)
    if record is not None:
        return f"is not {distribution.name}'s own: {record} lists its files, or cannot be read"
    others = [other for other in same_name if other not in claimed]
    if others:
        return f"says that it is {distribution.name}, and so does {others[0]}"
    name = name_in_metadata(directory)
    if name is not None and normalised(name) != distribution.name:
        return f"says in METADATA that it is {name[:100]!r}"
    has_record = os.path.lexists(f"{directory}/{RECORD}")
    if has_record or is_editable(directory) or is_administrators(directory):
        return ""
    return "has no RECORD, which only the system's own package manager may leave out (root owns what it installs)"


def _remedy(distribution: Distribution, record: str | None) -> str:
    """Return what to do if another distribution's *record* claims this one: that other one has to go."""
    claimant = split_name(os.path.basename(os.path.dirname(record))) if record is not None else None
    if claimant is None:
        return ""
    name = distribution.name
    return f"uninstall {claimant[0]}, which claims the files of {name}; then reinstall {name} if you want it"


def _same_name(found: Sequence[Distribution], directories: Iterable[str]) -> dict[str, list[str]]:
    """Return, for each of *found*, the other ``.dist-info`` of its name in its library.

    A directory without any metadata is a leftover, and does not count.
    """
    names = {distribution.name for distribution in found}
    initials = {name[0] for name in names}
    named: dict[tuple[str, str], list[str]] = {}
    for directory in directories:
        library, info = os.path.split(directory)
        parts = split_name(info) if info[0].lower() in initials else None
        if parts is not None and parts[0] in names:
            named.setdefault((library, parts[0]), []).append(directory)
    return {
        d.directory: [
            other
            for other in named[os.path.dirname(d.directory), d.name]
            if other != d.directory and _has_metadata(other)
        ]
        for d in found
    }


def _has_metadata(directory: str) -> bool:
    return any(os.path.lexists(f"{directory}/{file}") for file in ("METADATA", RECORD))


# -- RECORDs that list another distribution's files --------------------------------------------------------------------


def _claims(wanted: Sequence[str], directories: Iterable[str]) -> Mapping[str, str]:
    """Return which of the *wanted* directories another distribution's RECORD lists a file of, and that RECORD.

    A RECORD that cannot be read (it is too long, a pipe, or not readable) may list anything, so it counts as one that
    lists everything in its own library.
    """
    names = {os.path.basename(directory).casefold().encode() for directory in wanted}
    claimed: dict[str, str] = {}
    for own in directories:
        file = os.path.join(own, RECORD)
        raw = read_file(file, MAX_RECORD)
        if raw is None:
            if os.path.lexists(file):
                library = os.path.dirname(own)
                claimed |= {d: file for d in wanted if d != own and os.path.dirname(d) == library}
            continue
        suspicious = _suspicious_lines(raw, names, os.path.basename(own).encode("utf-8", "surrogateescape"))
        listed = _listed(suspicious, names, os.path.dirname(own)) if suspicious else set()
        for directory in wanted if listed else ():
            if directory != own and os.path.realpath(directory).casefold() in listed:
                claimed.setdefault(directory, file)
    return claimed


def _suspicious_lines(record: bytes, names: Collection[bytes], own: bytes) -> list[bytes]:
    """Return the lines of *record* that name one of *names*, except those that plainly name its *own* directory."""
    lowered = record.lower()
    named = [name for name in names if name in lowered]
    if not named:
        return []
    begin, own_name = own + b"/", own.lower()
    others = [name for name in named if name != own_name]
    lines = []
    for line in record.splitlines():
        low = line.lower()
        is_plain = line.startswith(begin) and low.count(own_name) == 1 and not any(name in low for name in others)
        if not is_plain and any(name in low for name in named):
            lines.append(line)
    return lines


def _listed(lines: Iterable[bytes], names: Collection[bytes], library: str) -> set[str]:
    """Return the real path, in lower case, of each directory of *names* that a line of a RECORD names."""
    import csv

    paths = set()
    for line in lines:
        path = next(csv.reader([line.decode("utf-8", "surrogateescape").replace("\0", "")]), [""])[0]
        parts = path.replace("\\", "/").split("/")
        # A path may name directories more than once: each is a place where the file may really be.
        for at, part in enumerate(parts):
            if part.casefold().encode("utf-8", "surrogateescape") in names:
                paths.add("/".join(parts[: at + 1]))
    return {os.path.realpath(os.path.join(library, path)).casefold() for path in paths}


# -- the administrator's files -----------------------------------------------------------------------------------------


def _with_parents(path: str) -> Iterator[str]:
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
