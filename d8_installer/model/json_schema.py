"""The JSON Schemas (2020-12) of ``d8.toml`` and ``config.toml``, for editors and for checks without this tool.

They say what the parsers in ``manifest``, ``requirement`` and ``config`` say, as far as JSON Schema can say it; the
rules that it cannot are listed in docs/reference/schemas.md. Descriptions are shown by editors and in the reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from d8_installer.model.config import DEFAULT_RETENTION, MAX_RETENTION, CheckMode, Config
from d8_installer.model.manifest import MAX_IMAGES, SCHEMA
from d8_installer.model.platform import architectures, spellings, systems
from d8_installer.model.requirement import Request
from d8_installer.model.value import field_names
from d8_installer.model.version import MAX_SPECIFIER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Schema = dict[str, object]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLACE = "https://deckhouse.io/d8-installer/"
_NO_DEVICE = r"(?!(?:con|prn|aux|nul|(?:com|lpt)[1-9])(?:\.|$))"
_BINARY = rf"^{_NO_DEVICE}[a-z0-9](?:[a-z0-9._+-]{{0,62}}[a-z0-9_+-])?$"
_IMAGE = r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$"
_PART = r"(?!\.{1,2}(?:/|$))[^/\\\u0000-\u001f\u007f]{1,255}"
_MEMBER = rf"^(?:{_PART}|/?{_PART}(?:/{_PART})+|/{_PART})$"
_DIGEST = "^sha256:[a-f0-9]{64}$"
_EXACT = "==="
_ABSOLUTE = r"^(?:/|\\\\|[\s\S]:[\\/])"
_LONGEST_NAME, _LONGEST_PATH = 128, 1024


def manifest_schema() -> Schema:
    """Return the schema of ``d8.toml``."""
    image = {
        "type": "object",
        "description": "One image that is wanted. Each name may stand in one entry only.",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {key: _IMAGE_KEYS[key] for key in field_names(Request)},
        "dependentSchemas": {"digest": {"required": ["version"], "properties": {"version": {"pattern": _EXACT}}}},
        # Without `binaries`, the binary has the image's name, which then has to be a binary's.
        "if": {"required": ["binaries"]},
        "else": {"properties": {"name": {"pattern": _BINARY}}},
    }
    known: Schema = {"type": "string", "pattern": f"^{_either(systems())}-{_either(architectures())}$"}
    properties = {
        "schema": {"type": "integer", "const": SCHEMA, "description": "The version of the format."},
        "platforms": _list(
            known,
            "Platforms that every image must have, also those that plugins ask for. Only in a project's d8.toml.",
            minItems=1,
            uniqueItems=True,
        ),
        "images": {
            "type": "array",
            "description": "The images, each under [[images]].",
            "maxItems": MAX_IMAGES,
            "items": image,
        },
    }
    return _document("d8.toml", "Which images a person, a project or a plugin needs.", properties, ["schema"])


def config_schema() -> Schema:
    """Return the schema of ``config.toml``."""
    properties = {key: _SETTINGS[key] for key in field_names(Config)}
    return _document("config.toml", "The settings of d8-installer.", properties, [])


def _document(file: str, description: str, properties: Mapping[str, object], required: list[str]) -> Schema:
    return {
        "$schema": _DIALECT,
        "$id": f"{_PLACE}{file}.schema.json",
        "title": file,
        "description": description,
        "type": "object",
        **({"required": required} if required else {}),
        "additionalProperties": False,
        "properties": properties,
    }


def _text(description: str, **more: object) -> Schema:
    return {"type": "string", "description": description, **more}


def _list(items: Schema, description: str, **more: object) -> Schema:
    return {"type": "array", "description": description, "items": items, **more}


def _texts(description: str, **of_each: object) -> Schema:
    return _list({"type": "string", **of_each}, description)


def _either(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(words)})"


def _wanted_platform() -> str:
    """Return the pattern of a platform: Go's name of it, or one that is no other spelling of a name that Go has."""
    all_systems, all_architectures = map(_either, spellings())
    refused = f"(?:{all_systems}-{all_architectures}|{all_architectures}-{all_systems})$"
    known = f"{_either(systems())}-{_either(architectures())}"
    return f"^(?:{known}|(?!{refused})[a-z0-9]{{1,32}}-[a-z0-9]{{1,32}})$"


_IMAGE_KEYS: Mapping[str, Schema] = {
    "name": _text(
        "The image's name: deckhouse-cli for d8 itself, else that of a plugin's image.",
        pattern=_IMAGE,
        maxLength=_LONGEST_NAME,
    ),
    "version": _text(
        'The range of versions, such as ">=1.4, <2" or "===v1.4.2" for this very tag. '
        "Without it, the newest stable version is taken.",
        maxLength=MAX_SPECIFIER,
        default="*",
    ),
    "binaries": {
        "type": "object",
        "description": "The name of each binary in bin, and its file in the image: a base name such as plugin, or a "
        "path such as usr/bin/x. Without it, the binary has the image's name, and the file is plugin.",
        "minProperties": 1,
        "propertyNames": {"pattern": _BINARY},
        "additionalProperties": {"type": "string", "pattern": _MEMBER, "maxLength": _LONGEST_PATH},
    },
    "platforms": _list(
        {"type": "string", "pattern": _wanted_platform()},
        "The platforms to lock, such as linux-amd64. Without it, all that the image has.",
        minItems=1,
    ),
    "optional": {
        "type": "boolean",
        "description": "Whether a platform that the image lacks is skipped.",
        "default": False,
    },
    "digest": _text('The digest that the tag must have. It needs version = "===TAG" beside it.', pattern=_DIGEST),
}

_SETTINGS: Mapping[str, Schema] = {
    "endpoint": _text(
        "The source of images: an https:, oci:, oci-layout: or bundle: address. Without one, the cluster of your "
        "kubeconfig is asked for its proxy."
    ),
    "ca_file": _text("A file of certificate authorities to trust besides those of the system."),
    "sources": _texts("More sources, asked in this order after endpoint."),
    "allow": _texts("Images and plugins that may use the name of a command that already exists."),
    "reserved": _texts("Names that no binary may have.", pattern=_BINARY),
    "owners": {
        "type": "object",
        "description": "For a binary's name that several images offer, the image that gets it.",
        "propertyNames": {"pattern": _BINARY},
        "additionalProperties": {"type": "string", "pattern": _IMAGE, "maxLength": _LONGEST_NAME},
    },
    "plugins": _texts("Plugins whose hooks may run."),
    "retention": {
        "type": "integer",
        "description": "The number of generations that stay.",
        "minimum": 1,
        "maximum": MAX_RETENTION,
        "default": DEFAULT_RETENTION,
    },
    "environments": _texts("More Python environments in which to look for plugins.", pattern=_ABSOLUTE),
    "client_cert": _text("The file with your own certificate for the sources."),
    "client_key": _text("The file with the key of client_cert."),
    "token_file": _text("The file with the bearer token for endpoint; no other address gets it."),
    "safe_directories": _texts(
        "Projects and homes that are trusted whoever owns them: absolute paths, DIR/* for everything below DIR, * for "
        "everything.",
        pattern=rf"^\*$|{_ABSOLUTE}",
    ),
    "layout": {"description": "d8: your binaries are also laid out where d8 looks for plugins.", "const": "d8"},
    "cluster_checks": {
        "description": "When requirements are compared with a cluster.",
        "enum": list(get_args(CheckMode)),
        "default": "auto",
    },
    "gate": _texts(
        "Binaries or images whose every run is checked against their contract, or * for all; from the next sync on.",
        pattern=rf"^\*$|{_BINARY}",
    ),
}
