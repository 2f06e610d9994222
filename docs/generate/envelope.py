"""The ``data`` of each command's JSON, from ``docs/reference/json-envelope.schema.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.generate.markdown import code, prose, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    Schema = dict[str, Any]

_FILE = Path(__file__).resolve().parents[1] / "reference/json-envelope.schema.json"
_LINKED = ("profile", "change", "contract")
"""Definitions with a section of their own; the others are written out where they are used."""


def every_command() -> str:
    """Return a section for each shape of ``data``, with the commands that have it."""
    schema: Schema = json.loads(_FILE.read_text(encoding="utf-8"))
    definitions: Schema = schema["$defs"]
    parts = [_section(", ".join(names), definitions[shape], definitions) for shape, names in _shapes(schema).items()]
    parts += [_section(f"A {name}", definitions[name], definitions) for name in _LINKED]
    return "\n\n".join([*parts, _section("An entry of errors", definitions["error"], definitions)])


def _shapes(schema: Schema) -> dict[str, list[str]]:
    """Return the name of each definition that is a command's ``data``, and the commands that have it."""
    shapes: dict[str, list[str]] = {}
    for rule in schema["allOf"]:
        data = rule.get("then", {}).get("properties", {}).get("data", {})
        if "$ref" in data:
            command = rule["if"]["properties"]["command"]["const"]
            shapes.setdefault(_name(data), []).append(command)
    return shapes


def _section(title: str, schema: Schema, definitions: Schema) -> str:
    rows = _merged(_rows(schema, "", definitions))
    variants = [each["description"] for each in schema.get("oneOf", []) if "description" in each]
    said = " ".join(map(prose, [schema.get("description", ""), *variants])).strip()
    return "\n\n".join(part for part in (f"## {title}", said, table(["key", "value", "means"], rows)) if part)


def _rows(schema: Schema, prefix: str, definitions: Schema) -> Iterator[list[str]]:
    """Yield a row for each key of an object, and for the keys of the objects in it."""
    for variant in _variants(schema):
        inner = variant.get("items", variant) if variant.get("type") == "array" else variant
        below = f"{prefix}[]" if inner is not variant else prefix
        if "$ref" in inner and _name(inner) not in (*_LINKED, "applied"):
            inner = definitions[_name(inner)]
        if "anyOf" in inner or "oneOf" in inner:
            yield from _rows(inner, below, definitions)
        for key, value in inner.get("properties", {}).items():
            path = f"{below}.{key}".lstrip(".")
            yield [code(path), _kind(value), prose(_described(value))]
            yield from _rows(value, path, definitions)


def _merged(rows: Iterator[list[str]]) -> list[list[str]]:
    """Return one row for each key; variants of an object may have the same."""
    merged: dict[str, list[str]] = {}
    for path, kind, said in rows:
        before = merged.setdefault(path, [path, kind, said])
        if kind not in before[1]:
            before[1] += f" or {kind}"
    return list(merged.values())


def _described(schema: Schema) -> str:
    """Return what is said about a value, or about the entries of a list."""
    texts = (each.get("description", "") for each in (schema, *_variants(schema), schema.get("items", {})))
    return next((text for text in texts if text), "")


def _variants(schema: Schema) -> list[Schema]:
    """Return the shapes that a value may have; null is none."""
    variants: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return [each for each in variants if each.get("type") != "null"]


def _kind(schema: Schema) -> str:
    """Return the kind of a value in JSON's words."""
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " ".join(code(json.dumps(value)) for value in values)
    if "$ref" in schema:
        name = _name(schema)
        if name == "applied":
            return "object, as after `install`"
        return f"[{name}](#a-{name})" if name in _LINKED else name.replace("_", " ")
    if "anyOf" in schema or "oneOf" in schema:
        either = [_kind(each) for each in schema.get("anyOf") or schema["oneOf"]]
        return " or ".join(dict.fromkeys(either))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
