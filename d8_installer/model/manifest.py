"""The manifest ``d8.toml``: text to value, and edits of a person's text that keep its comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.document import Table, decode_utf8, editable_toml, parse_toml
from d8_installer.model.platform import known_platform
from d8_installer.model.reference import file_clashes
from d8_installer.model.requirement import ANY_VERSION, Request, Requirement
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence, Sequence

    from tomlkit import TOMLDocument

    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName

SCHEMA = 1
FILE_NAME = "d8.toml"
MAX_MANIFEST_TOML = 1 << 20
"""The number of characters up to which a manifest is read; people write a few hundred."""
MAX_IMAGES = 4096


class Manifest(Struct, frozen=True):
    """What one requester declares: ``requests`` in the order of the file, each name once.

    ``platforms``, sorted, are demanded of every image that is locked with this manifest, including those of plugins.
    """

    requests: tuple[Request, ...] = ()
    platforms: tuple[Platform, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, file: str) -> Manifest:
        """Read a ``d8.toml``; every error is a DocumentError with *file*, key path and line."""
        return cls.from_table(parse_toml(decode_utf8(raw, file), file, limit=MAX_MANIFEST_TOML))

    @classmethod
    def parse_plugins(cls, raw: bytes, file: str) -> Manifest:
        """Read the manifest of a plugin. It may not demand ``platforms``, which would concern the images of others."""
        table = parse_toml(decode_utf8(raw, file), file, limit=MAX_MANIFEST_TOML)
        if "platforms" in table:
            table.fail("is a setting of projects, not of plugins", "platforms", hint="write it under each [[images]]")
        return cls.from_table(table)

    @classmethod
    def from_table(cls, table: Table) -> Manifest:
        """Read the document's root table."""
        schema = table.required("schema", int, f"the number {SCHEMA}")
        if schema != SCHEMA:
            table.fail(
                f"is {schema}; this tool knows {SCHEMA}", "schema", hint="upgrade d8-installer", code="newer-document"
            )
        images = table.tables("images")
        platforms = _platforms(table)
        table.close()
        if len(images) > MAX_IMAGES:
            table.fail(f"has {len(images)} entries; at most {MAX_IMAGES} are read", "images")
        requests: dict[ImageName, Request] = {}
        for entry in images:
            request = Request.from_table(entry)
            if request.name in requests:
                entry.fail(f"{str(request.name)!r} is asked for twice in this file", "name")
            requests[request.name] = request
        _refuse_one_file(images, requests.values())
        return cls(tuple(requests.values()), platforms)

    def requirements(self, requester: str) -> tuple[Requirement, ...]:
        """Return the requests as requirements of *requester*."""
        return tuple(Requirement(requester, request) for request in self.requests)

    def find(self, name: ImageName) -> Request | None:
        """Return the request for *name*, or None."""
        return next((request for request in self.requests if request.name == name), None)


def _refuse_one_file(entries: Sequence[Table], requests: Iterable[Request]) -> None:
    """Raise a DocumentError for two binaries that are one file on Windows: ``x`` and ``x.exe``."""
    places = {
        binary: entry
        for entry, request in zip(entries, requests, strict=True)
        if request.may_be_on_windows
        for binary, _ in request.binaries
    }
    for short, long in file_clashes(places):
        places[long].fail(
            f"{long!r} and {short!r} are one file on Windows, where .exe is added",
            "binaries",
            hint="give one of them another name, or write `platforms` without windows under the image",
        )


def _platforms(table: Table) -> tuple[Platform, ...]:
    platforms = table.list_of("platforms", known_platform)
    if platforms == ():
        table.fail("is empty", "platforms", hint="leave it out to demand no platform")
    for number, platform in enumerate(platforms or ()):
        if platform in (platforms or ())[:number]:
            table.fail(f"{platform} is there twice", f"platforms[{number}]", hint="name each platform once")
    return tuple(sorted(platforms or ()))


def with_request(text: str, request: Request) -> str:
    """Return the manifest's *text* with *request* in it; of an existing entry only ``version`` changes.

    Comments and the order of entries stay. An empty *text* becomes a whole manifest.
    """
    wanted: dict[str, object] = {"name": str(request.name)}
    if request.version.text != ANY_VERSION:
        wanted["version"] = request.version.text
    if not text.strip():
        return _with_entry("", wanted, whole=True)  # the first install: no comments to keep, so no tomlkit to import
    if (longer := _appended(text, wanted)) is not None:
        return longer
    document = editable_toml(text)
    entries = _entries(document)
    number = _find(entries, request.name)
    if number is not None:
        entry = entries[number]
        if entry.get("version") == wanted.get("version"):
            return text
        if "version" in wanted:
            entry["version"] = wanted["version"]
        else:
            del entry["version"]
    elif document.get("images") is not None and not _has_headers(document):
        entries.append(wanted)
    else:
        return _with_entry(text, wanted, whole="schema" not in document)
    return document.as_string()


def _appended(text: str, wanted: Mapping[str, object]) -> str | None:
    """Return *text* with a new entry at its end; None if that name is there, or entries are not under ``[[images]]``.

    tomllib reads a text in a tenth of the time that tomlkit takes.
    """
    import tomllib

    lines = [line.strip() for line in text.split("\n")]
    if "[[images]]" not in lines or any(line.startswith(("images", '"images', "'images")) for line in lines):
        return None
    try:
        document = tomllib.loads(text)
    except ValueError:
        return None  # tomlkit finds the same fault, and says where it is
    entries = document.get("images")
    if not isinstance(entries, list) or any(entry.get("name") == wanted["name"] for entry in entries):
        return None
    return _with_entry(text, wanted, whole="schema" not in document)


def without_request(text: str, name: ImageName) -> str:
    """Return the manifest's *text* without the entry *name*; all else stays, including comments."""
    document = editable_toml(text)
    entries = _entries(document)
    number = _find(entries, name)
    if number is None:
        return text
    if _has_headers(document):
        return _without_entry(text, number)
    del entries[number]
    return document.as_string()


def _entries(document: TOMLDocument) -> MutableSequence[MutableMapping[str, object]]:
    """Return the ``images`` of *document* for changes, in either of TOML's two spellings, or a new list."""
    entries = document.get("images", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DocumentError("must be a list of tables, each under [[images]]", key="images")
    return entries


def _has_headers(document: TOMLDocument) -> bool:
    """Whether the entries are written under ``[[images]]``, and not as one ``images = […]``."""
    from tomlkit.items import AoT

    return isinstance(document.get("images"), AoT)


def _find(entries: Iterable[Mapping[str, object]], name: ImageName) -> int | None:
    return next((number for number, entry in enumerate(entries) if entry.get("name") == str(name)), None)


# Entries under headers are added and removed as lines: tomlkit would remove the comments above the next entry, too.


def _with_entry(text: str, entry: Mapping[str, object], *, whole: bool) -> str:
    import json

    # A TOML basic string is what JSON writes, for all that names and specifiers can hold.
    lines = ["[[images]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items()), ""]
    end = "\r\n" if "\r\n" in text else "\n"
    if whole:
        text = f"schema = {SCHEMA}{end}{text}"
    if not text.endswith("\n"):
        text += end
    return text + ("" if text.endswith(end * 2) else end) + end.join(lines)


def _without_entry(text: str, number: int) -> str:
    from d8_installer.model.toml_positions import places

    lines, starts = text.split("\n"), places(text)
    start = starts[f"images[{number}]"] - 1
    stop = starts.get(f"images[{number + 1}]", len(lines) + 1) - 1
    while not lines[stop - 1].strip() or lines[stop - 1].lstrip().startswith("#"):
        stop -= 1
    if start and not lines[start - 1].strip() and not "".join(lines[stop : stop + 1]).strip():
        start -= 1
    return "\n".join(lines[:start] + lines[stop:])
