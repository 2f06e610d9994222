"""Reads YAML from outside, hostile or not, as the Go tools read it: ``sigs.k8s.io/yaml`` over ``go-yaml`` v2.

kubectl and d8 read kubeconfigs and contracts in this way (rpp.md §18.9): YAML 1.1, the first document only, keys that
are no text become text, the last of two equal keys counts. PyYAML scans and parses, with libyaml where it is there;
what a plain scalar means is decided here, because PyYAML's own rules differ (dates, numbers, ``y``).
"""

from __future__ import annotations

import re
from functools import cache
from math import isfinite, isinf, isnan
from typing import TYPE_CHECKING, Any, NoReturn

from d8_installer.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_DEPTH = 64
_MAX_NODES = 100_000
"""The number of values up to which a document is read. A value counts each time that an alias repeats it."""
_TAGS = "tag:yaml.org,2002:"
_MEANT = ("str", "bool", "int", "float", "null", "timestamp")
_HINTED = frozenset("+-0123456789.yYnNtTfFoO~")
_SIGNED = 1 << 63
_LONGEST_INTEGER = 70


def parse_yaml(raw: bytes, file: str, *, limit: int, unique_keys: bool = False) -> object:
    """Return the first document of *raw* as the values that JSON has; an empty text is None.

    Anything that is not YAML, has more than *limit* bytes, or has no form in JSON is a DocumentError with the line.
    *unique_keys*: two equal keys in one mapping are refused too. No message has a value of the document. A value that
    an alias repeats is the same object each time.
    """
    if len(raw) > limit:
        raise DocumentError(f"has {len(raw)} bytes; at most {limit} are read", file=file, about_file=True)
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(raw)
    try:
        return _Reader(loader.get_event, file, unique_keys=unique_keys).document()
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        raise DocumentError(f"is not YAML: {error.problem}", file=file, line=line) from error
    except yaml.reader.ReaderError as error:
        line = raw.count(b"\n", 0, error.position) + 1
        raise DocumentError(f"is not YAML: {error.reason}", file=file, line=line) from error
    except yaml.YAMLError as error:
        raise DocumentError("is not YAML", file=file, about_file=True) from error
    finally:
        loader.dispose()


class _Open:
    """Stands for an anchored value that is still being read."""


class _Reader:
    """Builds the value from the parser's events, and counts what it builds."""

    def __init__(self, next_event: Callable[[], Any], file: str, *, unique_keys: bool) -> None:
        self.next_event, self.file, self.unique_keys = next_event, file, unique_keys
        self.anchors: dict[str, tuple[object, int]] = {}
        self.nodes = 0
        self.line = 1

    def document(self) -> object:
        self._take()
        if type(self._take()).__name__ == "StreamEndEvent":
            return None
        value = self._member(self._take(), 0)
        self._take()
        return value

    def _member(self, event: Any, depth: int) -> object:
        value = self._value(event, depth)
        if isinstance(value, float) and not isfinite(value):
            self._fail("has a number that JSON has no form for")
        return value

    def _take(self) -> Any:
        event = self.next_event()
        self.line = event.start_mark.line + 1
        return event

    def _value(self, event: Any, depth: int) -> object:
        if depth > _MAX_DEPTH:
            self._fail(f"is nested more than {_MAX_DEPTH} levels deep")
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._repeated(event.anchor)
        before = self.nodes
        self._count(1)
        if event.anchor is not None:
            self.anchors[event.anchor] = (_Open, 0)
        if kind == "ScalarEvent":
            value = self._scalar(event)
        else:
            value = self._mapping(depth) if kind == "MappingStartEvent" else self._sequence(depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.nodes - before)
        return value

    def _repeated(self, anchor: str) -> object:
        if anchor not in self.anchors:
            self._fail("repeats a value that was not given a name")
        value, weight = self.anchors[anchor]
        if value is _Open:
            self._fail("has a value that contains itself")
        self._count(weight)
        return value

    def _count(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > _MAX_NODES:
            self._fail(f"has more than {_MAX_NODES} values, aliases counted")

    def _sequence(self, depth: int) -> list[object]:
        return [self._member(event, depth + 1) for event in self._until("SequenceEndEvent")]

    def _mapping(self, depth: int) -> dict[str, object]:
        entries: dict[str, object] = {}
        for event in self._until("MappingEndEvent"):
            line = self.line
            if _is_merge(event):
                self._count(1)
                self._merge(self._value(self._take(), depth + 1), entries)
                continue
            key = self._key(self._value(event, depth + 1))
            if self.unique_keys and key in entries:
                self.line = line
                self._fail("has a key twice in one mapping")
            entries[key] = self._member(self._take(), depth + 1)
        return entries

    def _until(self, end: str) -> Iterator[Any]:
        while type(event := self._take()).__name__ != end:
            yield event

    def _merge(self, value: object, entries: dict[str, object]) -> None:
        """Copy what ``<<`` names: as in go-yaml v2 it replaces keys before it, and keys behind it replace it."""
        parts = value if isinstance(value, list) else [value]
        for part in reversed(parts):
            if not isinstance(part, dict):
                self._fail("merges something that is not a mapping")
            self._count(len(part))
            entries.update(part)

    def _key(self, value: object) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and -_SIGNED <= value < _SIGNED:
            return str(value)
        if isinstance(value, float):
            return ".nan" if isnan(value) else f"{value:g}".replace("inf", ".inf")
        return self._fail("has a key that is not text")

    def _scalar(self, event: Any) -> object:
        text: str = event.value
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            self._fail("has half of a surrogate pair")
        tag: str | None = event.tag
        if tag is None:
            return _resolved(text)[1] if event.implicit[0] else text
        if tag == f"{_TAGS}binary":
            return self._binary(text)
        return self._tagged(tag.removeprefix(_TAGS), text) if tag.startswith(_TAGS) else text

    def _tagged(self, tag: str, text: str) -> object:
        if tag not in _MEANT or tag == "str":
            return text
        kind, value = _resolved(text)
        if tag == "timestamp" and _timestamp().fullmatch(text):
            return text
        if kind == "int" and tag == "float" and isinstance(value, int) and value < _SIGNED:
            return float(value)
        if kind != tag:
            self._fail(f"has a value that is not what its tag !!{tag} says")
        return value

    def _binary(self, text: str) -> str:
        import base64

        try:
            return base64.b64decode(re.sub("[\r\n]", "", text), validate=True).decode("utf-8", "replace")
        except ValueError:
            self._fail("has a !!binary value that is not base64")

    def _fail(self, problem: str) -> NoReturn:
        raise DocumentError(problem, file=self.file, line=self.line)


def _is_merge(event: Any) -> bool:
    is_scalar = type(event).__name__ == "ScalarEvent"
    return is_scalar and event.value == "<<" and (event.implicit[0] or event.tag == f"{_TAGS}merge")


# -- what a plain scalar means (go-yaml v2, resolve.go) ----------------------------------------------


@cache
def _words() -> dict[str, tuple[str, object]]:
    meanings: dict[str, tuple[str, object]] = {"": ("null", None), "~": ("null", None)}
    for word, kind, value in (
        *((word, "bool", True) for word in ("y", "yes", "true", "on")),
        *((word, "bool", False) for word in ("n", "no", "false", "off")),
        ("null", "null", None),
    ):
        meanings |= dict.fromkeys((word, word.capitalize(), word.upper()), (kind, value))
    for sign, number in (("", "inf"), ("+", "inf"), ("-", "-inf")):
        meanings |= {f"{sign}.{word}": ("float", float(number)) for word in ("inf", "Inf", "INF")}
    return meanings | {word: ("float", float("nan")) for word in (".nan", ".NaN", ".NAN")}


@cache
def _integer() -> re.Pattern[str]:
    return re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|(0|[1-9][0-9]*))", re.ASCII)


@cache
def _decimal() -> re.Pattern[str]:
    return re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)


@cache
def _timestamp() -> re.Pattern[str]:
    date, clock = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", r"[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?"
    return re.compile(rf"{date}(?:[Tt]{clock}(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})|\s+{clock})?", re.ASCII)


def _resolved(text: str) -> tuple[str, object]:
    """Return the kind and the value of a scalar without quotes. Dates stay text."""
    if text and text[0] not in _HINTED:
        return "str", text
    if text in _words():
        return _words()[text]
    if text[0] == ".":
        return _float(text) or ("str", text)
    if text[0] in "+-" or text[0].isdigit():
        plain = text.replace("_", "")
        return _whole(plain) or (_float(plain) if _decimal().fullmatch(plain) else None) or ("str", text)
    return "str", text


def _whole(plain: str) -> tuple[str, int] | None:
    found = _integer().fullmatch(plain)
    if found is None or len(plain) > _LONGEST_INTEGER:
        return None
    digits, base = next((part, base) for part, base in zip(found.groups()[1:], (16, 8, 2, 10), strict=True) if part)
    value = -int(digits, base) if found[1] == "-" else int(digits, base)
    highest = _SIGNED if found[1] else _SIGNED << 1
    return ("int", value) if -_SIGNED <= value < highest else None


def _float(text: str) -> tuple[str, float] | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if isinf(value) or isnan(value) else ("float", value)
