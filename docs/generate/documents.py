"""The keys of ``d8.toml`` and ``config.toml``, from their schemas, and the files of these schemas."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from d8_installer.model.json_schema import config_schema, manifest_schema
from docs.generate.markdown import code, prose, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    Schema = Mapping[str, object]

_MORE = Path(__file__).with_name("settings.toml")


def settings() -> str:
    """Return the table of the settings; ``settings.toml`` says where to read more."""
    more = tomllib.loads(_MORE.read_text(encoding="utf-8"))
    rows = [
        [code("owners.BINARY" if key == "owners" else key), _kind(schema), f"{_meaning(schema)} {more.get(key, '')}"]
        for key, schema in _properties(config_schema()).items()
    ]
    return table(["key", "value", "means"], rows)


def manifest_keys() -> str:
    """Return the table of the keys at the top of ``d8.toml``."""
    return _table_of(manifest_schema())


def image_keys() -> str:
    """Return the table of the keys under ``[[images]]``."""
    images = _properties(manifest_schema())["images"]
    return _table_of(cast("Schema", images["items"]))


def manifest_schema_file() -> str:
    """Return what ``manifest schema`` prints."""
    return json.dumps(manifest_schema(), indent=2) + "\n"


def config_schema_file() -> str:
    """Return what ``config schema`` prints."""
    return json.dumps(config_schema(), indent=2) + "\n"


def _table_of(schema: Schema) -> str:
    required = cast("list[str]", schema.get("required", []))
    rows = [
        [code(key), _kind(value) + (", required" if key in required else ""), _meaning(value)]
        for key, value in _properties(schema).items()
    ]
    return table(["key", "value", "means"], rows)


def _properties(schema: Schema) -> Mapping[str, Schema]:
    return cast("Mapping[str, Schema]", schema["properties"])


def _meaning(schema: Schema) -> str:
    """Return the description, and the default where there is one."""
    default = schema.get("default")
    shown = "" if default is None else f" Default: {code(json.dumps(default).strip(chr(34)))}."
    return prose(str(schema["description"])) + shown


def _kind(schema: Schema) -> str:
    """Return the kind of value in TOML's words."""
    if "enum" in schema or "const" in schema:
        values = cast("list[object]", schema.get("enum", [schema.get("const")]))
        return " ".join(code(json.dumps(value)) for value in values)
    if schema["type"] == "array":
        of = cast("Schema", schema["items"])
        return "tables" if of["type"] == "object" else "list of text"
    return {"string": "text", "integer": "number", "boolean": "true or false", "object": "table"}[str(schema["type"])]
