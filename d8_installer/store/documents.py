"""The documents that people own, read whole and replaced atomically: manifest, lock and ``config.toml``.

The parsers are imported where a document is read, so that a command loads only those that it uses. The files that the
home keeps for itself are in ``home_state``.
"""

from __future__ import annotations

import contextlib
import errno
import os

from d8_installer.errors import ConfigError, DiskError, DocumentError
from d8_installer.model.plurals import sized
from d8_installer.store import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.config import Config
    from d8_installer.model.document import Document
    from d8_installer.model.lock import Lock
    from d8_installer.model.manifest import Manifest

_MAX_LOCK_BYTES = 64 << 20
_MAX_CONFIG_BYTES = 1 << 20
_MOST_TORN = 20
_LOST_LOCK = "restore it, or remove it and type `d8-installer lock`, which chooses all versions again"


@contextlib.contextmanager
def _with_hint(hint: str, *, code: str) -> Iterator[None]:
    """Give *hint* to an error of the context that has none, and *code* to one that has only that of its class."""
    try:
        yield
    except DocumentError as error:
        has_own = error.code != DocumentError.code
        raise error.within(hint=error.hint or hint, code=error.code if has_own else code) from error


@contextlib.contextmanager
def _access_hints(able: str | None = None) -> Iterator[None]:
    """Replace the hint of a refusal: a person's document stays where it is, so another home is no help.

    With None, the hint for a refused permission stays: it names the directory.
    """
    try:
        yield
    except DiskError as error:
        cause = error.__cause__
        if able is not None and isinstance(cause, PermissionError):
            raise error.within(hint=f"make it {able} for you") from cause
        if isinstance(cause, OSError) and cause.errno == errno.EROFS:
            hint = "its file system is read-only; make it writable, or work in a copy of the directory"
            raise error.within(hint=hint) from cause
        raise


def _read(path: str, limit: int) -> bytes | None:
    """Return the bytes of a person's document; one over *limit* is a DocumentError, since the disk is not at fault."""
    with _access_hints("readable"):
        if (fs.file_size(os.path.realpath(path)) or 0) > limit:
            raise DocumentError(
                f"has more than {sized(limit)}", file=path, hint="see what wrote it, and remove it", about_file=True
            )
        return fs.read(path, limit=limit)


def load_manifest(path: str, *, of_plugin: bool = False) -> Document[Manifest]:
    """Return the manifest's text and value; a missing file is an empty manifest."""
    from d8_installer.model.document import Document
    from d8_installer.model.manifest import MAX_MANIFEST_TOML, Manifest

    parse = Manifest.parse_plugins if of_plugin else Manifest.parse
    raw = _read(path, 4 * MAX_MANIFEST_TOML)
    with _with_hint("correct it there, then type the same command again", code="bad-manifest"):
        return Document("", Manifest()) if raw is None else Document(_text(raw), parse(raw, path))


def load_lock_text(path: str) -> str | None:
    """Return the text of a lock, with LF line endings, without parsing it; None if there is no lock."""
    from d8_installer.model.document import decode_utf8

    raw = _read(path, _MAX_LOCK_BYTES)
    with _with_hint(_LOST_LOCK, code="bad-lock"):
        return None if raw is None else decode_utf8(raw, path)


def load_lock(path: str) -> Document[Lock] | None:
    """Return the lock's text, with LF line endings, and its value; None if there is no lock."""
    from d8_installer.model.document import Document, decode_utf8
    from d8_installer.model.lock import Lock

    raw = _read(path, _MAX_LOCK_BYTES)
    if raw is None:
        return None
    with _with_hint(_LOST_LOCK, code="bad-lock"):
        text = decode_utf8(raw, path)
        try:
            return Document(text, Lock.parse(raw, path))
        except DocumentError as error:
            raise error.within(hint=torn_hint(text, path, error)) from error


def torn_hint(text: str, path: str, error: DocumentError) -> str | None:
    """Return the command that keeps every intact entry of a torn lock; None if that does not help.

    Git's ``merge=union`` tears a lock: it leaves the lines of both sides in one entry.
    """
    from d8_installer.model.lock import REPAIR
    from d8_installer.model.torn_lock import read_torn

    if error.hint not in (None, REPAIR):
        return None
    try:
        torn = read_torn(text, path)
    except DocumentError:  # even its head cannot be read
        return None
    names = sorted(map(str, torn.blocks))
    if not names or len(names) > _MOST_TORN:
        return None
    options = " ".join(f"--upgrade-image {name}" for name in names)
    return f"type `d8-installer lock {options}`, which chooses those versions again and keeps the rest"


def load_config(path: str) -> Document[Config]:
    """Return the config's text and value; a missing file is an empty config."""
    from d8_installer.model.config import Config
    from d8_installer.model.document import Document

    try:
        raw = _read(path, _MAX_CONFIG_BYTES)
    except DocumentError as error:
        raise ConfigError(str(error), hint=error.hint, code="bad-settings") from error
    return Document("", Config()) if raw is None else Document(_text(raw), Config.parse(raw, path))


def _text(raw: bytes) -> str:
    """Return the text without the byte order mark. Python has no codec for it at hand: it would import one."""
    return raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def save(path: str, text: str, *, begin: bool = False) -> None:
    """Write a document unless the file has this text already, with LF or, from git on Windows, CRLF line endings.

    *begin*: *path* may be a link to a file that does not exist yet, since people keep their documents elsewhere.
    """
    data = text.encode("utf-8", "surrogateescape")
    with _access_hints("readable"):
        before = fs.read(path, limit=_MAX_LOCK_BYTES)
    with _access_hints():
        if before is None or data not in (before, before.replace(b"\r\n", b"\n")):
            target = os.path.realpath(path)
            fs.replace_file(target if begin and os.path.isdir(os.path.dirname(target)) else path, data)


@contextlib.contextmanager
def put_back(path: str) -> Iterator[None]:
    """Put the document at *path* back as it was if the context raises a DiskError, as far as the disk allows that."""
    before = fs.read(path, limit=_MAX_LOCK_BYTES)
    try:
        yield
    except DiskError:
        with contextlib.suppress(DiskError):
            if before is None:
                fs.remove(os.path.realpath(path))
            elif fs.read(path, limit=_MAX_LOCK_BYTES) != before:
                fs.replace_file(path, before)
        raise
