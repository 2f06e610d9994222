"""A distribution as its ``.dist-info`` directory describes it: entry points, METADATA, RECORD, ``direct_url.json``.

Text only: nothing of the distribution is imported. Everything that is read may be hostile, so sizes are capped and
names must match their grammar. ``dist_ownership`` judges whether the directory is the distribution's own.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.plugin.environments import Environment

MANIFESTS = "d8_installer.manifests"
"""The entry point group of manifests; its values are ``package:d8.toml``."""
HOOKS = "d8_installer.hooks"
"""The entry point group of modules with hooks."""
VERIFIERS = "d8_installer.verifiers"
"""The entry point group of modules with verifiers, so that these are known without an import."""

RECORD = "RECORD"
MAX_RECORD = 64 << 20
MAX_SMALL = 1 << 16
_GROUPS = (MANIFESTS, HOOKS, VERIFIERS)
_OUR_PREFIX = b"d8_installer."
_MAX_ENTRY_POINTS = 1 << 20
_MAX_METADATA = 8 << 20
_CHUNK = 1 << 16
_READ_ONLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_IN_NAME = _ALPHANUMERIC | frozenset("._-")
_IN_VERSION = _ALPHANUMERIC | frozenset(".!+_")
_MAX_PART = 128


class Distribution(Struct, frozen=True, kw_only=True):
    """An installed distribution that has one of our entry point groups.

    ``name`` is normalised as PyPA does, and ``directory`` is its ``.dist-info``. ``groups`` maps our groups to their
    entries. ``problem`` says why it does not count as the distribution that it says it is, or is empty; ``remedy`` is
    what to do then.
    """

    name: str
    version: str
    environment: Environment
    library: str
    directory: str
    groups: Mapping[str, Mapping[str, str]]
    problem: str = ""
    remedy: str = ""


def read_distribution(environment: Environment, library: str, directory: str) -> Distribution | None:
    """Return the distribution of the ``.dist-info`` *directory* in *library*, or None if it has none of our groups."""
    raw = read_file(directory + "/entry_points.txt", _MAX_ENTRY_POINTS)
    if raw is None or _OUR_PREFIX not in raw:
        return None
    parts = split_name(os.path.basename(directory))
    groups = _our_groups(raw.decode("utf-8", "replace"))
    if parts is None or not groups:
        return None
    name, version = parts
    return Distribution(
        name=name, version=version, environment=environment, library=library, directory=directory, groups=groups
    )


def normalised(name: str) -> str:
    """Return a distribution's name as PyPA compares names: lower case, each run of ``-_.`` one dash."""
    name = name.lower().replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name


def split_name(info: str) -> tuple[str, str] | None:
    """Return the normalised name and the version in ``NAME-VERSION.dist-info``, or None if it does not match."""
    stem = info.removesuffix(".dist-info")
    name, _, version = stem.rpartition("-")
    if stem == info or not 0 < len(name) <= _MAX_PART or not 0 < len(version) <= _MAX_PART:
        return None
    if not _IN_NAME.issuperset(name) or not _ALPHANUMERIC.issuperset((name[0], name[-1])):
        return None
    return (normalised(name), version) if _IN_VERSION.issuperset(version) else None


def _our_groups(text: str) -> dict[str, dict[str, str]]:
    """Return our groups of an ``entry_points.txt`` (PyPA entry points specification)."""
    groups: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
            current = groups.setdefault(group, {}) if group in _GROUPS else None
        elif current is not None and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            current[name.strip()] = value.strip()
    return {group: entries for group, entries in groups.items() if entries}


def name_in_metadata(directory: str) -> str | None:
    """Return the ``Name`` in METADATA (core metadata), or None if there is no such file or line."""
    raw = read_file(directory + "/METADATA", _MAX_METADATA) or b""
    for line in raw.decode("utf-8", "replace").splitlines():
        if not line:
            break
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() == "name":
            return value.strip()
    return None


def recorded_hash(record: bytes, path: str) -> str | None:
    """Return the hash that RECORD has for *path* (binary distribution format), or None if it does not list it."""
    for begin in (f"{path},".encode(), f'"{path}",'.encode()):
        at = 0 if record.startswith(begin) else record.find(b"\n" + begin) + 1
        if at or record.startswith(begin):
            end = record.find(b"\n", at)
            line = record[at + len(begin) : end if end != -1 else None]
            return line.decode("utf-8", "replace").split(",")[0].strip().strip('"')
    return None


def direct_url(directory: str) -> dict[str, object]:
    """Return ``direct_url.json`` (PyPA direct URL origin), or an empty object if it is missing or damaged."""
    raw = read_file(directory + "/direct_url.json", MAX_SMALL)
    if raw is None:
        return {}
    import json

    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def is_editable(directory: str) -> bool:
    """Whether the distribution is an editable install: its files are a person's work tree."""
    info = direct_url(directory).get("dir_info")
    return isinstance(info, dict) and info.get("editable") is True


def read_file(path: str, limit: int) -> bytes | None:
    """Return a regular file's bytes, or None if it is missing, too long, or something else, such as a pipe."""
    try:
        descriptor = os.open(path, _READ_ONLY)
    except (OSError, ValueError):
        return None
    try:
        data = os.read(descriptor, _CHUNK)
        is_whole = 0 < len(data) < _CHUNK  # a pipe or a device is empty or longer
        content = data if is_whole else _rest(descriptor, data, limit)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return content if content is not None and len(content) <= limit else None


def _rest(descriptor: int, data: bytes, limit: int) -> bytes | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        return None
    parts = [data]
    size = len(data)
    while size <= limit and (part := os.read(descriptor, max(_CHUNK, status.st_size - size + 1))):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
