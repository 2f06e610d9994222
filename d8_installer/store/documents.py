"""The state files, read whole and written atomically: manifest, lock, ``config.toml``, ``tags.json``, ``schema``.

The quick ``rollback`` passes through here, so what reads documents is imported where one is read.
"""

from __future__ import annotations

import contextlib
import errno
import os

from d8_installer.errors import ConfigError, DiskError, DocumentError
from d8_installer.model.plurals import sized
from d8_installer.store import fs, status
from d8_installer.store.flock import Patience
from d8_installer.store.paths import SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from d8_installer.model.config import Config
    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock
    from d8_installer.model.manifest import Manifest
    from d8_installer.store.paths import Home, ProfilePaths

_MAX_LOCK_BYTES = 64 << 20
_MAX_TAGS_BYTES = 64 << 20
_MAX_CONFIG_BYTES = 1 << 20
_ROOT_FILES = ("schema", "tags.json", "verifiers", "d8.toml", "config.toml", "made")
_MOST_TORN = 20
_LOST_LOCK = "restore it, or remove it and type `d8-installer lock`, which chooses the versions anew"


@contextlib.contextmanager
def _advice(hint: str) -> Iterator[None]:
    """Give an error that has no hint of its own this one."""
    try:
        yield
    except DocumentError as error:
        raise error.within(hint=error.hint or hint) from error


@contextlib.contextmanager
def _in_its_place(able: str) -> Iterator[None]:
    """A person's document is where it is: to a refusal another home is no way out."""
    try:
        yield
    except DiskError as error:
        cause = error.__cause__
        if isinstance(cause, PermissionError):
            raise error.within(hint=f"make it {able} for you") from cause
        if isinstance(cause, OSError) and cause.errno == errno.EROFS:
            hint = "its file system is read-only; make it writable, or work in a copy of the directory"
            raise error.within(hint=hint) from cause
        raise


def _read(path: str, limit: int) -> bytes | None:
    """Read a document of the person's; one that is far too long is that document's fault, not the disk's."""
    with _in_its_place("readable"):
        if (fs.file_size(os.path.realpath(path)) or 0) > limit:
            raise DocumentError(
                f"has more than {sized(limit)}", file=path, hint="see what wrote it, and remove it", about_file=True
            )
        return fs.read(path, limit=limit)


def load_manifest(path: str, *, of_plugin: bool = False) -> tuple[str, Manifest]:
    """Return the manifest's text and value; a missing file is an empty manifest."""
    from d8_installer.model.manifest import MAX_MANIFEST_TOML, Manifest

    parse = Manifest.parse_plugins if of_plugin else Manifest.parse
    raw = _read(path, 4 * MAX_MANIFEST_TOML)
    with _advice("correct it there, then type the same command again"):
        return ("", Manifest()) if raw is None else (raw.decode("utf-8", "replace"), parse(raw, path))


def load_text(path: str) -> str | None:
    """Return the text of a lock as it is, with ends of lines as we write them; None where there is none."""
    from d8_installer.model.document import decode_utf8

    raw = _read(path, _MAX_LOCK_BYTES)
    with _advice(_LOST_LOCK):
        return None if raw is None else decode_utf8(raw, path)


def load_lock(path: str) -> tuple[str, Lock] | None:
    """Return the lock's text, with ends of lines as we write them, and value; None where there is no lock."""
    from d8_installer.model.document import decode_utf8
    from d8_installer.model.lock import Lock

    raw = _read(path, _MAX_LOCK_BYTES)
    if raw is None:
        return None
    with _advice(_LOST_LOCK):
        text = decode_utf8(raw, path)
        try:
            return text, Lock.parse(raw, path)
        except DocumentError as error:
            raise error.within(hint=torn_hint(text, path, error)) from error


def torn_hint(text: str, path: str, error: DocumentError) -> str | None:
    """Return the command that keeps every entry of a lock that is whole; None where that is not the way out.

    So it is after git's ``merge=union``, which leaves the lines of both sides in one entry.
    """
    from d8_installer.model.lock import REPAIR
    from d8_installer.model.torn_lock import read_torn

    if error.hint not in (None, REPAIR):
        return None
    try:
        torn = read_torn(text, path)
    except DocumentError:  # not even its head can be read
        return None
    names = sorted(map(str, torn.said))
    if not names or len(names) > _MOST_TORN:
        return None
    options = " ".join(f"--upgrade-image {name}" for name in names)
    return f"type `d8-installer lock {options}`, which chooses that anew and keeps the rest"


def load_config(path: str) -> tuple[str, Config]:
    """Return the config's text and value; a missing file is an empty config."""
    from d8_installer.model.config import Config

    try:
        raw = _read(path, _MAX_CONFIG_BYTES)
    except DocumentError as error:
        raise ConfigError(str(error), hint=error.hint) from error
    return ("", Config()) if raw is None else (raw.decode("utf-8", "replace"), Config.parse(raw, path))


def save(path: str, text: str, *, begin: bool = False) -> None:
    """Write a state file, unless it says just that already, be it with the ends of lines of a git on Windows.

    *begin*: it may be a link to a file that is not there yet, in a directory that is: people keep theirs elsewhere.
    """
    data = text.encode("utf-8", "surrogateescape")
    with _in_its_place("writable"):
        before = fs.read(path, limit=_MAX_LOCK_BYTES)
        if before is None or data not in (before, before.replace(b"\r\n", b"\n")):
            target = os.path.realpath(path)
            fs.replace_file(target if begin and os.path.isdir(os.path.dirname(target)) else path, data)


def load_tags(home: Home) -> dict[tuple[str, str], Digest]:
    """Return what each (repository path, tag) was remembered to mean; a damaged memory is a DocumentError."""
    import json

    from d8_installer.model.digest import Digest

    raw = fs.read(home.tags, limit=_MAX_TAGS_BYTES)
    if raw is None:
        return {}
    try:
        document = json.loads(raw)
        images = document["tags"]
        # One that was written before there were marks has none.
        if document.pop("mark", None) not in (None, _mark(images)) or document != {"schema": SCHEMA, "tags": images}:
            raise ValueError("it is not as it was written")
        return {(path, tag): Digest.parse(top) for path, tags in images.items() for tag, top in tags.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DocumentError) as error:
        raise DocumentError(
            "is damaged",
            file=home.tags,
            hint="type `d8-installer verify --fix`, or remove it: tags are then trusted again as if they were new",
            about_file=True,
        ) from error


def _mark(images: object) -> str:
    """Tell damage, not malice: whoever writes into a home can write all of it."""
    import json
    from binascii import crc32

    return f"{crc32(json.dumps(images, sort_keys=True).encode()):08x}"


def begin_tags(home: Home) -> None:
    """Write a ``tags.json`` that remembers nothing, so that one which is lost later is missed."""
    fs.replace_file(home.tags, _tags_document({}))


def _tags_document(images: Mapping[str, Mapping[str, str]]) -> bytes:
    import json

    return json.dumps({"schema": SCHEMA, "mark": _mark(images), "tags": images}, indent=1).encode()


def remember_tags(home: Home, tops: Mapping[tuple[str, str], Digest], patience: Patience | None = None) -> None:
    """Add what was resolved to ``tags.json``; another process's additions stay."""
    known = load_tags(home)
    if all(known.get(key) == top for key, top in tops.items()):
        return
    with fs.exclusive(home.mutex, patience or Patience(_silent)):
        images: dict[str, dict[str, str]] = {}
        for (path, tag), top in sorted({**load_tags(home), **tops}.items()):
            images.setdefault(path, {})[tag] = str(top)
        fs.replace_file(home.tags, _tags_document(images))


def load_environments(paths: ProfilePaths) -> tuple[str, ...]:
    """Return the environments that a profile remembers: absolute paths, one a line; anything else does not count."""
    raw = fs.read(paths.environments, limit=_MAX_TAGS_BYTES) or b""
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    return tuple(line for line in lines if os.path.isabs(line) and "\0" not in line)


def save_environments(paths: ProfilePaths, found: Iterable[str]) -> None:
    """Write what ``load_environments`` reads; with nothing to remember there is no file."""
    lines = [path for path in found if "\n" not in path]
    data = "".join(f"{path}\n" for path in lines).encode("utf-8", "surrogateescape")
    if not lines:
        fs.remove(paths.environments)
    elif fs.read(paths.environments, limit=_MAX_TAGS_BYTES) != data:
        fs.replace_file(paths.environments, data)


def load_known_plugins(home: Home) -> dict[str, bool]:
    """Return the enabled plugins that were seen, and whether each verifies images: one that vanishes is missed.

    A line is the name of one that verifies, or a dash and the name of one that verifies nothing.
    """
    raw = fs.read(home.verifiers, limit=_MAX_CONFIG_BYTES) or b""
    words = raw.decode("utf-8", "replace").split()
    return {word.removeprefix("-"): not word.startswith("-") for word in words}


def save_known_plugins(home: Home, known: Mapping[str, bool]) -> None:
    """Write what ``load_known_plugins`` reads; with nothing to remember there is no file."""
    if dict(known) == load_known_plugins(home):
        return
    if known:
        lines = [name if known[name] else f"-{name}" for name in sorted(known)]
        fs.replace_file(home.verifiers, "".join(f"{line}\n" for line in lines).encode())
    else:
        fs.remove(home.verifiers)


def load_project(paths: ProfilePaths) -> str | None:
    """Return the directory of the project that a profile belongs to, or None."""
    raw = fs.read(paths.project, limit=_MAX_CONFIG_BYTES)
    return None if raw is None else raw.decode("utf-8", "surrogateescape").removesuffix("\n")


def check_schema(home: Home) -> None:
    """Refuse a home that a newer tool wrote; one without a schema is new and fine."""
    raw = fs.read(home.schema, limit=64)
    if raw is None:
        return
    text = raw.decode("ascii", "replace").rstrip("\r\n")
    if not text.isdecimal() or text.startswith("0"):
        raise ConfigError(f"{home.schema} is damaged: it holds no number", hint=f"write {SCHEMA} into it")
    if int(text) > SCHEMA:
        raise ConfigError(
            f"the home {home.root} has schema {text}, and this tool knows {SCHEMA}", hint="upgrade d8-installer"
        )


def prepare_home(home: Home, patience: Patience | None = None, made: Iterable[str] = ()) -> None:
    """Make the home, write its schema if it is new, and remove what killed processes left beside these files.

    *made* are the directories outside a new home that are made for it, or will be: they go with it once they are empty.
    A directory that holds what is not ours, and no schema, is a ConfigError, and nothing is written there.
    """
    check_schema(home)
    if is_new := fs.read(home.schema, limit=64) is None:
        from d8_installer.store import inventory

        inventory.refuse_foreign_directory(home)
    with fs.exclusive(home.mutex, patience or Patience(_silent)):
        fs.sweep(home.root, *_ROOT_FILES)
        if is_new and fs.read(home.schema, limit=64) is None:
            _close_to_others(home)
            if lines := "".join(f"{path}\n" for path in made):
                fs.replace_file(home.made, lines.encode("utf-8", "surrogateescape"))
            fs.replace_file(home.schema, f"{SCHEMA}\n".encode())
        if not os.path.lexists(home.tags) and not os.path.lexists(home.profiles):
            begin_tags(home)


def _close_to_others(home: Home) -> None:
    """Let only its owner write to a new home, whatever made its directory; one of another user stays as it is."""
    place = os.path.realpath(home.root)
    mode = status.mode(place) or 0
    if os.name == "posix" and mode & 0o022 and status.owner(place) == os.geteuid():
        fs.set_mode(place, mode & 0o755)


def load_made(home: Home) -> tuple[str, ...]:
    """Return the directories outside the home that were not there before it."""
    raw = fs.read(home.made, limit=_MAX_CONFIG_BYTES) or b""
    return tuple(filter(os.path.isabs, raw.decode("utf-8", "surrogateescape").splitlines()))


def _silent(_holder: str) -> None:
    """Nobody is told."""
