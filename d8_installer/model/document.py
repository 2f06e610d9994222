"""Reads a TOML document with a closed schema: every error names the file, the key path and the line.

``Table`` is the only access to the values: it returns them by key with their types and, at the end, refuses the keys
that were not read. tomllib does not keep the lines of values, so ``toml_positions`` reads the text again if there is an
error.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tomlkit import TOMLDocument

_SYNTAX_PLACE = r" \((?:at line (\d+), column (\d+)|at end of document)\)\Z"
_BACKSLASH = r"in double quotes, write \\ for each \; or put the text in single quotes"
_INDEXED = r"\[\d+\]\Z"
_BARE = r"[A-Za-z0-9_-]+(?:\[[0-9]+\])?"
_SHOWN = 100
_MAX_DEPTH = 32
_MAX_INTEGER = 1 << 63

T = TypeVar("T")
V = TypeVar("V")


class FileText(Struct, frozen=True):
    """The name of a document's file for people, and its text, in which the lines of errors are found."""

    file: str
    text: str

    def line_of(self, path: str) -> int | None:
        """Return the 1-based line on which the value at *path* (``images[2].platforms``) is set, or None.

        For a value that is not in the text (a missing key), return the line of the nearest table around it.
        """
        from d8_installer.model.toml_positions import places

        lines = places(self.text)
        while path and path not in lines:
            path = re.sub(_INDEXED, "", path) if re.search(_INDEXED, path) else path.rpartition(".")[0]
        return lines.get(path)


class Document(Struct, Generic[V], frozen=True):
    """A document as it was read: its text, which edits keep, and its value."""

    text: str
    value: V


def parse_toml(text: str, file: str, *, limit: int) -> Table:
    """Read TOML of at most *limit* characters; a syntax error is a DocumentError with the exact line."""
    import tomllib

    if len(text) > limit:
        raise DocumentError(f"has {len(text)} characters; at most {limit} are read", file=file, about_file=True)
    _refuse_long_keys(text, file)
    try:
        data: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, file) from error
    except (RecursionError, ValueError) as error:
        raise DocumentError(
            "is nested too deeply or holds a number too long to read", file=file, about_file=True
        ) from error
    _refuse_extremes(data, file)
    return Table(data=data, origin=FileText(file, text))


def _refuse_long_keys(text: str, file: str) -> None:
    # tomllib's time grows with the square of a dotted key's parts: 32 KB of `a.a.a…` take 9 s.
    if all(line.count(".") < _MAX_DEPTH for line in text.split("\n")):
        return
    from d8_installer.model.toml_positions import line_of_long_key

    line = line_of_long_key(text, _MAX_DEPTH)
    if line is not None:
        raise DocumentError(f"has a key of more than {_MAX_DEPTH} parts", file=file, line=line)


def _syntax_error(message: str, text: str, file: str) -> DocumentError:
    from d8_installer.model.conflict_markers import first_marker

    marker = first_marker(text)
    if marker is not None:
        return DocumentError(
            "has conflict markers: a merge is not done", file=file, line=marker, code="conflict-markers"
        )
    # The place is at the very end: what stands before it may quote a key that looks like one.
    place = re.search(_SYNTAX_PLACE, message)
    problem = re.sub(_SYNTAX_PLACE, "", message)
    problem = problem[:1].lower() + problem[1:200]
    if problem == "cannot overwrite a value" and place is not None and place[1] is not None:
        return _second_value(text, file, int(place[1]))
    if place is None or place[1] is None:
        return DocumentError(f"{problem} at the end of the file", file=file, line=text.count("\n") + 1)
    # A path of Windows in double quotes: tomllib's two messages for what no escape begins with.
    hint = _BACKSLASH if problem.startswith(("invalid hex", "unescaped '\\'")) else None
    return DocumentError(f"{problem} (column {place[2]})", file=file, line=int(place[1]), hint=hint)


def _second_value(text: str, file: str, number: int) -> DocumentError:
    """Return the error of a key that is written twice in one table, as after a merge that joined two blocks."""
    key = text.split("\n")[number - 1].partition("=")[0].strip()[:60]
    is_manifest = "[[images]]" in text and "lock_version" not in text  # a lock has a hint of its own
    hint = "begin each image with a line `[[images]]` of its own" if is_manifest else None
    return DocumentError(f"{key} is written twice in one table", file=file, line=number, hint=hint)


def _refuse_extremes(data: object, file: str) -> None:
    """Refuse deep nesting and numbers of more than 64 bits, which TOML 1.0 does not require and writers cannot keep."""
    level = [data]
    for _ in range(_MAX_DEPTH + 1):
        if any(type(value) is int and not -_MAX_INTEGER <= value < _MAX_INTEGER for value in level):
            raise DocumentError("holds a number of more than 64 bits", file=file, about_file=True)
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    if level:
        raise DocumentError(f"is nested more than {_MAX_DEPTH} levels deep", file=file, about_file=True)


def _spelled(name: str) -> str:
    """Return a key as TOML spells it: in quotes unless it is bare (or a list's entry, with its number)."""
    if re.fullmatch(_BARE, name):
        return name[:_SHOWN]
    import json

    return json.dumps(name[:_SHOWN], ensure_ascii=False)


def decode_utf8(raw: bytes, file: str) -> str:
    """Return *raw* as text; bytes that are not UTF-8 are a DocumentError with the line."""
    try:
        return raw.removeprefix(codecs.BOM_UTF8).decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            hint = "save it as UTF-8: in Windows PowerShell, > and Out-File write UTF-16"
            raise DocumentError("is UTF-16 text", file=file, hint=hint, about_file=True) from error
        line = raw.count(b"\n", 0, error.start) + 1
        raise DocumentError("is not UTF-8 text", file=file, line=line) from error


def editable_toml(text: str) -> TOMLDocument:
    """Return *text* for edits that keep its comments; a text that cannot be edited is a DocumentError."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(text)
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise DocumentError(f"cannot be edited: {str(error)[:200]}", hint="edit the file by hand") from error


class Table(Struct, kw_only=True):
    """One table of a document while it is read.

    ``path`` is its key path, empty for the root. ``shown`` is the same for people, with quotes around the keys that
    need them.
    """

    data: dict[str, object]
    origin: FileText
    path: str = ""
    shown: str = ""
    seen: set[str] = field(default_factory=set)

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def key(self, name: str) -> str:
        """Return the path of *name* in the document."""
        return f"{self.path}.{name}" if self.path else name

    def fail(
        self, problem: str, name: str | None = None, *, hint: str | None = None, code: str | None = None
    ) -> NoReturn:
        """Raise the DocumentError for the value *name* of this table, or for the table itself."""
        raise self.error(DocumentError(problem, hint=hint, code=code), name)

    def error(self, error: DocumentError, name: str | None = None) -> DocumentError:
        """Return *error* with the file, the key path and the line of this document."""
        path, shown = (self.key(name), self._shown(name)) if name is not None else (self.path, self.shown)
        return error.at(file=self.origin.file, key=shown or None, line=self.origin.line_of(path) if path else None)

    def _shown(self, name: str) -> str:
        return f"{self.shown}.{_spelled(name)}" if self.shown else _spelled(name)

    def inner(self, data: dict[str, object], name: str) -> Table:
        """Return the table *data*, which is the value of *name* in this one."""
        return Table(data=data, origin=self.origin, path=self.key(name), shown=self._shown(name))

    def optional(self, name: str, kind: type[T], word: str) -> T | None:
        """Return the value *name*, or None; a value that is not a *kind* is a DocumentError that calls it *word*."""
        self.seen.add(name)
        value = self.data.get(name)
        if value is None and name not in self.data:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.fail(f"must be {word}", name)
        return value

    def required(self, name: str, kind: type[T], word: str) -> T:
        """Return the value *name*; a missing value or another type is a DocumentError."""
        value = self.optional(name, kind, word)
        if value is None:
            raise self.error(DocumentError(f"`{name}` is missing"))
        return value

    def text(self, name: str) -> str:
        """Return the required text *name*."""
        return self.required(name, str, "text in quotes")

    def parsed(self, name: str, parse: Callable[[object], T]) -> T | None:
        """Return *parse* of the value *name*, or None if it is missing; a DocumentError of *parse* gets the place."""
        self.seen.add(name)
        if name not in self.data:
            return None
        try:
            return parse(self.data[name])
        except DocumentError as error:
            raise self.error(error, name) from error

    def need(self, name: str, parse: Callable[[object], T]) -> T:
        """Return *parse* of the required value *name*."""
        value = self.parsed(name, parse)
        if value is None:
            self._fail_missing(name)
        return value

    def _fail_missing(self, name: str) -> NoReturn:
        """Refuse a table without *name*, or the key that is misspelled in its place."""
        import difflib

        for near in difflib.get_close_matches(name, self.unknown(), n=1, cutoff=0.7):
            self.fail(f"unknown key `{_spelled(near)}`", near, hint=f"did you mean `{name}`?")
        raise self.error(DocumentError(f"`{name}` is missing"))

    def list_of(self, name: str, parse: Callable[[object], T]) -> tuple[T, ...] | None:
        """Return the list *name* with each entry parsed, or None if it is missing."""
        entries = self.optional(name, list, "a list")
        if entries is None:
            return None
        result: list[T] = []
        for number, entry in enumerate(entries):
            try:
                result.append(parse(entry))
            except DocumentError as error:
                raise self.error(error, f"{name}[{number}]") from error
        return tuple(result)

    def table(self, name: str) -> Table | None:
        """Return the table *name* inside this one, or None."""
        data = self.optional(name, dict, "a table")
        return None if data is None else self.inner(data, name)

    def tables(self, name: str) -> list[Table]:
        """Return the list of tables *name*, empty if it is missing."""
        entries = self.optional(name, list, f"a list of tables, each under [[{name}]]")
        tables = []
        for number, entry in enumerate(entries or ()):
            if not isinstance(entry, dict):
                self.fail(f"must be a list of tables, each under [[{name}]]", name)
            tables.append(self.inner(entry, f"{name}[{number}]"))
        return tables

    def items(self) -> Iterator[tuple[str, object]]:
        """Yield every key and value, for a table whose keys are names that the user chose."""
        self.seen.update(self.data)
        yield from self.data.items()

    def unknown(self) -> dict[str, object]:
        """Return the keys that were not read, with their values; documents that are open to newer tools keep them."""
        return {key: value for key, value in self.data.items() if key not in self.seen}

    def close(self, *known: str) -> None:
        """Refuse the keys that were not read, and suggest the nearest known key (*known*: keys that are optional)."""
        for name in self.unknown():
            import difflib

            near = difflib.get_close_matches(name, [*self.seen, *known], n=1, cutoff=0.5)
            options = ", ".join(sorted({*self.seen, *known}))
            self.fail(
                f"unknown key `{_spelled(name)}`",
                name,
                hint=f"did you mean `{near[0]}`?" if near else f"known keys: {options}",
            )
