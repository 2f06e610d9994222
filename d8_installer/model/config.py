"""``config.toml``: the person's settings, with a closed schema. Only ``config set`` edits its text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, get_args

from d8_installer.errors import ConfigError, DocumentError, UsageError
from d8_installer.model.address import shown
from d8_installer.model.document import Table, decode_utf8, editable_toml, parse_toml
from d8_installer.model.reference import ImageName, parse_binary_name
from d8_installer.model.value import Struct, field, field_names

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

_MAX_CONFIG_TOML = 1 << 20
TEXTS = frozenset(["endpoint", "ca_file", "client_cert", "client_key", "token_file", "layout", "cluster_checks"])
"""The settings whose value is one text."""
CheckMode = Literal["auto", "always", "never"]
"""Whether requirements are compared with a cluster (docs/explanation/requirements.md)."""
DEFAULT_RETENTION, MAX_RETENTION = 10, 10_000
"""The number of generations that a profile keeps, and the most that the setting allows."""


class Config(Struct, frozen=True, kw_only=True):
    """The settings.

    ``owners`` maps a binary's name to the image that wins it. ``allow`` names images and plugins that may place a
    binary whose name already is a command. ``reserved`` are names that no image may place. ``environments`` are more
    Python environments in which plugins are searched (absolute paths). ``token_file`` holds the endpoint's bearer
    token. ``safe_directories`` are projects and homes that are trusted even if another user owns them: absolute paths,
    ``DIR/*`` for all below DIR, ``*`` for all. ``layout`` is ``d8`` if the user's binaries are laid out for the Go tool
    as well. ``cluster_checks`` says when requirements are compared with a cluster. ``gate`` names
    binaries and images whose every run is checked, ``*`` for all.
    """

    endpoint: str | None = None
    ca_file: str | None = None
    sources: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    retention: int = DEFAULT_RETENTION
    environments: tuple[str, ...] = ()
    client_cert: str | None = None
    client_key: str | None = None
    token_file: str | None = None
    safe_directories: tuple[str, ...] = ()
    layout: str | None = None
    cluster_checks: CheckMode = "auto"
    gate: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, file: str) -> Config:
        """Read ``config.toml``; every error is a ConfigError with *file*, key path and line."""
        try:
            return cls._from_table(parse_toml(decode_utf8(raw, file), file, limit=_MAX_CONFIG_TOML))
        except DocumentError as error:
            # No command can correct it: `config set` reads the file, too.
            hint = error.hint or f"correct the file {file}, then type the same command again"
            raise ConfigError(str(error), hint=hint, code="bad-settings") from error

    @classmethod
    def _from_table(cls, table: Table) -> Config:
        config = cls(
            endpoint=table.optional("endpoint", str, "text in quotes"),
            ca_file=table.optional("ca_file", str, "text in quotes"),
            sources=table.list_of("sources", _text) or (),
            allow=table.list_of("allow", _text) or (),
            reserved=table.list_of("reserved", parse_binary_name) or (),
            owners=_owners(table.table("owners")),
            plugins=table.list_of("plugins", _text) or (),
            retention=_retention(table),
            environments=table.list_of("environments", _absolute) or (),
            client_cert=table.optional("client_cert", str, "text in quotes"),
            client_key=table.optional("client_key", str, "text in quotes"),
            token_file=table.optional("token_file", str, "text in quotes"),
            safe_directories=table.list_of("safe_directories", _safe) or (),
            layout=table.parsed("layout", _layout),
            cluster_checks=table.parsed("cluster_checks", _check_mode) or "auto",
            gate=table.list_of("gate", _gated) or (),
        )
        table.close()
        return config

    def as_json(self) -> dict[str, object]:
        """Return every setting by its key; of addresses, only the parts that may be shown."""
        values = {name: getattr(self, name) for name in field_names(self)}
        values["endpoint"] = None if self.endpoint is None else shown(self.endpoint)
        values["sources"] = list(map(shown, self.sources))
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def with_setting(text: str, key: str, value: str | None) -> str:
    """Return the config's *text* with *key* set to *value* as typed (a list with commas), or removed for None.

    ``owners.BINARY`` sets one owner. An unknown key is a UsageError. The caller parses the result before it is kept.
    """
    import tomlkit

    document = editable_toml(text)
    head, dot, binary = key.partition(".")
    known = list(field_names(Config))
    if key == "owners":
        raise UsageError(
            "owners has one value for each binary", hint="name the binary, such as owners.d8", code="bad-setting"
        )
    if head not in known or (head == "owners") != bool(dot and binary):
        raise UsageError(f"{key[:100]!r} is not a setting", hint=_settings_like(head, known), code="bad-setting")
    if not f"{key}{value or ''}".isprintable():
        raise UsageError(
            f"{key[:100]!r} cannot be {value!r:.100}",
            hint="leave out control characters, and what is not UTF-8",
            code="bad-setting",
        )
    if head == "owners":
        if value is not None:
            document.setdefault("owners", tomlkit.table())
        owners = document.get("owners", {})
        if not isinstance(owners, dict):
            raise DocumentError("must be a table", key="owners")
        _assign(owners, binary, value)
    else:
        _assign(document, key, value if value is None else _typed(key, value))
    edited = tomlkit.dumps(document)
    return edited.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else edited


def _settings_like(typed: str, known: list[str]) -> str:
    """Return the hint for an unknown setting: the one with the nearest spelling first, then all of them."""
    from difflib import get_close_matches

    near = get_close_matches(typed, known, 1)
    every = f"settings: {', '.join(known)} (owners.BINARY)"
    return f"did you mean {near[0]}? {every}" if near else every


def _assign(table: MutableMapping[str, object], key: str, value: object) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _typed(key: str, value: str) -> object:
    if key in TEXTS:
        return value
    if key == "retention":
        if not re.fullmatch(r"[0-9]{1,9}", value):
            raise UsageError(
                f"retention must be a number of generations, not {value[:40]!r}", hint="such as 10", code="bad-setting"
            )
        return int(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise DocumentError("must be text in quotes")
    return value


def _absolute(value: object) -> str:
    path = _text(value)
    if not path.startswith(("/", "\\\\")) and path[1:3] not in {":\\", ":/"}:
        raise DocumentError(f"{path[:100]!r} is not an absolute path")
    return path


def _layout(value: object) -> str:
    if value != "d8":
        raise DocumentError(f'must be "d8", and not {str(value)[:40]!r}', hint="leave it out to lay nothing out")
    return "d8"


def _gated(value: object) -> str:
    return "*" if value == "*" else parse_binary_name(value)


def _safe(value: object) -> str:
    return "*" if value == "*" else _absolute(value)


def _owners(table: Table | None) -> Mapping[str, str]:
    if table is None:
        return {}
    owners = {}
    for binary, image in table.items():
        try:
            owners[parse_binary_name(binary)] = ImageName.parse(image).short
        except DocumentError as error:
            raise table.error(error, binary) from error
    return owners


def _retention(table: Table) -> int:
    retention = table.optional("retention", int, "a number of generations")
    if retention is not None and not 1 <= retention <= MAX_RETENTION:
        table.fail(f"must be between 1 and {MAX_RETENTION}", "retention")
    return DEFAULT_RETENTION if retention is None else retention


def _check_mode(value: object) -> CheckMode:
    known: dict[object, CheckMode] = {mode: mode for mode in get_args(CheckMode)}
    try:
        return known[value]
    except (KeyError, TypeError) as error:
        raise DocumentError('must be "auto", "always" or "never"') from error
