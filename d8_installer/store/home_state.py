"""The state that the home itself keeps: ``schema``, ``tags.json``, known plugins, environments, made directories.

Every file is read whole and replaced atomically. The documents that people own are in ``documents``.
"""

from __future__ import annotations

import os
import sys

from d8_installer.errors import ConfigError, DocumentError
from d8_installer.model.checksum import checksum_of
from d8_installer.store import fs, status
from d8_installer.store.flock import WaitPolicy, say_nothing
from d8_installer.store.paths import SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.store.paths import Home, ProfilePaths

_MAX_TAGS_BYTES = 64 << 20
_MAX_LIST_BYTES = 1 << 20
_ROOT_FILES = ("schema", "tags.json", "verifiers", "d8.toml", "config.toml", "made")


# -- the home ------------------------------------------------------------------------------------------------


def check_schema(home: Home) -> None:
    """Raise a ConfigError if a newer tool wrote the home; a home without a schema is new."""
    raw = fs.read(home.schema, limit=64)
    if raw is None:
        return
    text = raw.decode("ascii", "replace").rstrip("\r\n")
    if not text.isdecimal() or text.startswith("0"):
        raise ConfigError(
            f"{home.schema} is damaged: it holds no number", hint=f"write {SCHEMA} into it", code="not-a-home"
        )
    if int(text) > SCHEMA:
        raise ConfigError(
            f"the home {home.root} has schema {text}, and this tool knows {SCHEMA}",
            hint="upgrade d8-installer",
            code="newer-format",
        )


def prepare_home(home: Home, waiting: WaitPolicy | None = None, made: Iterable[str] = ()) -> None:
    """Make the home, write its schema if it is new, and remove the temporary files that killed processes left in it.

    *made* are the directories outside a new home that are created for it; they are removed with the home if they are
    empty then. A directory that has foreign files and no schema is a ConfigError, and nothing is written there.
    """
    check_schema(home)
    if is_new := fs.read(home.schema, limit=64) is None:
        from d8_installer.store import inventory

        inventory.refuse_foreign_directory(home)
    with fs.exclusive(home.mutex, waiting or WaitPolicy(say_nothing)):
        fs.sweep(home.root, *_ROOT_FILES)
        if is_new and fs.read(home.schema, limit=64) is None:
            _close_to_others(home)
            if lines := "".join(f"{path}\n" for path in made):
                fs.replace_file(home.made, lines.encode("utf-8", "surrogateescape"))
            fs.replace_file(home.schema, f"{SCHEMA}\n".encode())
        if not os.path.lexists(home.tags) and not os.path.lexists(home.profiles):
            begin_tags(home)


def _close_to_others(home: Home) -> None:
    """Make a new home writable by its owner only; a directory of another user keeps its mode."""
    directory = os.path.realpath(home.root)
    mode = status.mode(directory) or 0
    if sys.platform != "win32" and mode & 0o022 and status.owner(directory) == os.geteuid():
        fs.set_mode(directory, mode & 0o755)


def load_made(home: Home) -> tuple[str, ...]:
    """Return the directories outside the home that were created for it."""
    raw = fs.read(home.made, limit=_MAX_LIST_BYTES) or b""
    return tuple(filter(os.path.isabs, raw.decode("utf-8", "surrogateescape").splitlines()))


# -- tags.json -----------------------------------------------------------------------------------------------


def load_tags(home: Home) -> dict[tuple[str, str], Digest]:
    """Return the remembered digest of each (repository path, tag); a damaged file is a DocumentError."""
    import json

    from d8_installer.model.digest import Digest

    raw = fs.read(home.tags, limit=_MAX_TAGS_BYTES)
    if raw is None:
        return {}
    try:
        document = json.loads(raw)
        images = document["tags"]
        # Files written before checksums were added have none.
        checksums = (None, checksum_of(images))
        if document.pop("mark", None) not in checksums or document != {"schema": SCHEMA, "tags": images}:
            raise ValueError("the checksum does not match")
        return {(path, tag): Digest.parse(top) for path, tags in images.items() for tag, top in tags.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DocumentError) as error:
        raise DocumentError(
            "is damaged",
            file=home.tags,
            hint="type `d8-installer verify --fix`, or remove it: tags are then trusted again as if they were new",
            about_file=True,
            code="damaged-state",
        ) from error


def begin_tags(home: Home) -> None:
    """Write a ``tags.json`` without tags, so that its later loss is noticed."""
    fs.replace_file(home.tags, _tags_document({}))


def remember_tags(home: Home, digests: Mapping[tuple[str, str], Digest], waiting: WaitPolicy | None = None) -> None:
    """Add the digests of resolved tags to ``tags.json``; the additions of other processes are kept."""
    known = load_tags(home)
    if all(known.get(key) == digest for key, digest in digests.items()):
        return
    with fs.exclusive(home.mutex, waiting or WaitPolicy(say_nothing)):
        images: dict[str, dict[str, str]] = {}
        for (path, tag), digest in sorted({**load_tags(home), **digests}.items()):
            images.setdefault(path, {})[tag] = str(digest)
        fs.replace_file(home.tags, _tags_document(images))


def _tags_document(images: Mapping[str, Mapping[str, str]]) -> bytes:
    import json

    return json.dumps({"schema": SCHEMA, "mark": checksum_of(images), "tags": images}, indent=1).encode()


# -- lists, one entry a line ---------------------------------------------------------------------------------


def load_environments(paths: ProfilePaths) -> tuple[str, ...]:
    """Return the environments that a profile remembers, as absolute paths; other lines are ignored."""
    raw = fs.read(paths.environments, limit=_MAX_TAGS_BYTES) or b""
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    return tuple(line for line in lines if os.path.isabs(line) and "\0" not in line)


def save_environments(paths: ProfilePaths, found: Iterable[str]) -> None:
    """Write the file that ``load_environments`` reads, or remove it if there is no environment to remember."""
    lines = [path for path in found if "\n" not in path]
    data = "".join(f"{path}\n" for path in lines).encode("utf-8", "surrogateescape")
    if not lines:
        fs.remove(paths.environments)
    elif fs.read(paths.environments, limit=_MAX_TAGS_BYTES) != data:
        fs.replace_file(paths.environments, data)


def load_known_plugins(home: Home) -> dict[str, bool]:
    """Return the enabled plugins seen so far, and whether each verifies images, so that a vanished one is missed.

    A line is a plugin's name, with a dash in front if the plugin does not verify.
    """
    raw = fs.read(home.verifiers, limit=_MAX_LIST_BYTES) or b""
    words = raw.decode("utf-8", "replace").split()
    return {word.removeprefix("-"): not word.startswith("-") for word in words}


def save_known_plugins(home: Home, known: Mapping[str, bool]) -> None:
    """Write the file that ``load_known_plugins`` reads, or remove it if no plugin is known."""
    if dict(known) == load_known_plugins(home):
        return
    if known:
        lines = [name if known[name] else f"-{name}" for name in sorted(known)]
        fs.replace_file(home.verifiers, "".join(f"{line}\n" for line in lines).encode())
    else:
        fs.remove(home.verifiers)


def load_project(paths: ProfilePaths) -> str | None:
    """Return the directory of the project that a profile belongs to, or None."""
    raw = fs.read(paths.project, limit=_MAX_LIST_BYTES)
    return None if raw is None else raw.decode("utf-8", "surrogateescape").removesuffix("\n")
