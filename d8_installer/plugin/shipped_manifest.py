"""Reads the manifest that a distribution ships. It counts only if the distribution's own RECORD has its hash.

There are two exceptions: an editable install, with its manifest in a person's work tree, and a distribution of the
system's package manager, which has no RECORD. Its files must be the administrator's.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.manifest import MAX_MANIFEST_TOML, Manifest
from d8_installer.model.plurals import sized
from d8_installer.model.value import Struct
from d8_installer.plugin.dist_info import (
    MANIFESTS,
    MAX_RECORD,
    MAX_SMALL,
    RECORD,
    direct_url,
    is_editable,
    read_file,
    recorded_hash,
)
from d8_installer.plugin.dist_ownership import is_administrators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.requirement import Request
    from d8_installer.plugin.dist_info import Distribution

TELL_THE_AUTHOR = "tell the plugin's author, or uninstall it"
_EXTRA = "extra_metadata/d8.toml"
"""Where hatchling puts a manifest in the ``.dist-info`` of an editable install."""


class ShippedManifest(Struct, frozen=True, kw_only=True):
    """A distribution's manifest and its file. ``is_editable``: no RECORD vouches for it."""

    file: str
    manifest: Manifest
    is_editable: bool


class _File(Struct, frozen=True):
    path: str
    content: bytes


def read_manifest(distribution: Distribution) -> ShippedManifest:
    """Return the manifest, joined from all that the distribution names. DocumentError says why it does not count."""
    if distribution.problem:
        raise refused(distribution.directory, distribution.problem, hint=distribution.remedy or None)
    editable = is_editable(distribution.directory)
    requests: dict[str, Request] = {}
    path = ""
    for value in distribution.groups[MANIFESTS].values():
        file = _find(distribution, _path_inside(distribution, value), editable=editable)
        path = file.path
        for request in Manifest.parse_plugins(file.content, path).requests:
            if requests.setdefault(str(request.name), request) is not request:
                raise refused(path, f"asks for {request.name}, and another manifest of {distribution.name} does too")
    return ShippedManifest(file=path, manifest=Manifest(tuple(requests.values())), is_editable=editable)


def refused(file: str, problem: str, *, hint: str | None = None) -> DocumentError:
    """Return the error about *file*, which has a *problem*."""
    return DocumentError(problem, file=file, hint=hint or TELL_THE_AUTHOR, about_file=True, code="plugin-left-out")


def _path_inside(distribution: Distribution, value: str) -> str:
    """Return the path that the entry point's value ``PACKAGE:FILE`` means, relative to the library."""
    package, colon, file = (part.strip() for part in value.partition(":"))
    names = package.split(".")
    is_package = package.isascii() and all(map(str.isidentifier, names))
    is_file = file.isascii() and file.replace("_", "a").replace(".", "a").replace("-", "a").isalnum()
    if not colon or not is_package or not is_file or file[0] in ".-" or len(file) > 128:
        where = os.path.join(distribution.directory, "entry_points.txt")
        raise refused(where, f"names {value[:100]!r}, which is not PACKAGE:FILE", hint="such as d8_plug_vault:d8.toml")
    return f"{'/'.join(names)}/{file}"


def _find(distribution: Distribution, inside: str, *, editable: bool) -> _File:
    """Return the manifest at *inside*. An editable install has it elsewhere."""
    if editable:
        return _in_work_tree(distribution, inside)
    record = read_file(f"{distribution.directory}/{RECORD}", MAX_RECORD)
    if record is None:
        return _administrators(distribution, inside)
    for path in (inside, f"{os.path.basename(distribution.directory)}/{_EXTRA}"):
        expected = recorded_hash(record, path)
        if expected is not None:
            file = os.path.join(distribution.library, *path.split("/"))
            return _File(file, _proven(file, expected))
    raise refused(
        os.path.join(distribution.directory, RECORD),
        f"does not list {inside}, so that manifest is not {distribution.name}'s own",
    )


def _administrators(distribution: Distribution, inside: str) -> _File:
    """Return the manifest of a distribution without RECORD, such as Debian's: its owner vouches for it."""
    record = os.path.join(distribution.directory, RECORD)
    file = os.path.join(distribution.library, *inside.split("/"))
    if os.path.lexists(record) or not is_administrators(distribution.directory, file):
        raise refused(record, "is missing or far too large")
    return _File(file, _read(file))


def _proven(file: str, expected: str) -> bytes:
    from base64 import urlsafe_b64encode

    raw = _read(file)
    algorithm, _, encoded = expected.partition("=")
    if algorithm not in {"sha256", "sha384", "sha512"}:
        raise refused(file, f"has no sha256 in its RECORD, but {expected[:20]!r}")
    digest = hashlib.new(algorithm, raw).digest()
    if urlsafe_b64encode(digest).rstrip(b"=").decode() != encoded.rstrip("="):
        raise refused(file, "is not the file that was installed: its RECORD has another hash")
    return raw


def _read(file: str) -> bytes:
    raw = read_file(file, MAX_MANIFEST_TOML)
    if raw is None:
        raise refused(file, f"is missing, not a regular file, or has more than {sized(MAX_MANIFEST_TOML)}")
    return raw


# -- editable installs -------------------------------------------------------------------------------------------------


def _in_work_tree(distribution: Distribution, inside: str) -> _File:
    candidates = [os.path.join(distribution.directory, *_EXTRA.split("/"))]
    candidates += [os.path.join(base, *inside.split("/")) for base in _work_trees(distribution)]
    for file in candidates:
        if os.path.isfile(file):
            _refuse_other_users(file)
            return _File(file, _read(file))
    raise refused(distribution.directory, f"is an editable install, and {inside} is nowhere in its work tree")


def _refuse_other_users(file: str) -> None:
    """Refuse another user's work tree, since any wheel can call itself editable. The administrator's is accepted."""
    if hasattr(os, "geteuid"):
        for path in (file, os.path.dirname(file)):
            if os.stat(path).st_uid not in {os.geteuid(), 0}:
                raise refused(path, "belongs to another user, so it is not a work tree of yours")


def _work_trees(distribution: Distribution) -> Iterator[str]:
    """Yield the directories that an editable install imports from: the paths in its own ``.pth`` files, its source."""
    record = read_file(f"{distribution.directory}/{RECORD}", MAX_RECORD) or b""
    for line in record.decode("utf-8", "replace").splitlines():
        name = line.split(",")[0].strip('"')
        if name.endswith(".pth") and "/" not in name:
            raw = read_file(os.path.join(distribution.library, name), MAX_SMALL) or b""
            for path in _text_of_pth(raw).splitlines():
                if path and not path.startswith(("import ", "import\t", "#")):
                    yield os.path.join(distribution.library, path.strip())
    url = direct_url(distribution.directory).get("url")
    if isinstance(url, str) and url.startswith("file://"):
        source = _path_of(url)
        yield from (source, os.path.join(source, "src"))


def _text_of_pth(raw: bytes) -> str:
    """Return a ``.pth`` file's text as Python's ``site`` reads it: UTF-8, else in the encoding of the system."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        import locale

        return raw.decode(locale.getencoding(), "replace")


def _path_of(url: str) -> str:
    """Return the path of a ``file:`` URL. On Windows a drive follows the slash, and a host is a server (RFC 8089)."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    path = unquote(parts.path)
    if sys.platform == "win32":
        server = parts.netloc.removeprefix("localhost")
        path = os.path.normpath(f"//{server}{path}" if server else path[path[2:3] == ":" :])
    return path
