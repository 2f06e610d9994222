"""Loads hooks and asks them: which scheme opens this URL. Holds no state of its own; pluggy is imported late.

First-party schemes stand in a table and their module is imported on use, so that a slow one costs only those
who use it; from then on they are plugins as any other.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeVar

from d8_installer.errors import ConfigError, D8Error
from d8_installer.plugin.types import DestinationScheme, SourceScheme

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pluggy

    from d8_installer.model.source import Destination, Source
    from d8_installer.plugin.types import Access

FIRST_PARTY = {
    "http": "rpp",
    "https": "rpp",
    "oci": "oci_registry",
    "oci-layout": "oci_layout",
}
"""Scheme -> module of ``d8_hooks`` that has it."""

_PLUGIN_HINT = "take it out of the way with --no-plugins, and tell its author"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):.+", re.ASCII | re.DOTALL)


class Named(Protocol):
    """A record that a hook returns."""

    @property
    def name(self) -> str:
        """What it is found by."""


Record = TypeVar("Record", bound=Named)


def open_source(url: str, access: Access, plugins: Mapping[str, object] | None = None) -> Source:
    """Open the source that *url* names; ConfigError for an unknown scheme.

    *plugins* are loaded ones that are asked too: what a person calls each (``name (distribution version)``) -> it.
    """
    name = _scheme_of(url)
    schemes = collect(_hooks(name, plugins or {}).hook.d8_sources, SourceScheme)
    return _pick(schemes, name, "source").open(url, access)


def open_destination(url: str, access: Access, plugins: Mapping[str, object] | None = None) -> Destination:
    """Open the destination that *url* names; as ``open_source``."""
    name = _scheme_of(url)
    schemes = collect(_hooks(name, plugins or {}).hook.d8_destinations, DestinationScheme)
    return _pick(schemes, name, "destination").open(url, access)


def new_manager(plugins: Mapping[str, object]) -> pluggy.PluginManager:
    """Return a manager with our hookspecs and *plugins*; one with a hook that we do not know is a ConfigError."""
    import pluggy

    from d8_installer.plugin import hookspec

    manager = pluggy.PluginManager(hookspec.PROJECT)
    manager.add_hookspecs(hookspec)
    for name, plugin in plugins.items():
        try:
            manager.register(plugin, name)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise ConfigError(
                f"plugin {name} does not fit: {' '.join(str(error).split())[:300]}", hint=_PLUGIN_HINT
            ) from error
    return manager


def collect(hook: pluggy.HookCaller, kind: type[Record]) -> dict[str, Record]:
    """Ask every plugin for the records of *hook*, all *kind*, and return them by name; ConfigError names the guilty."""
    found: dict[str, tuple[str, Record]] = {}
    for implementation in hook.get_hookimpls():
        owner = implementation.plugin_name
        for record in _ask(implementation, hook.name, kind):
            if record.name in found:
                raise ConfigError(
                    f"{hook.name}: {record.name!r} is offered by both {found[record.name][0]} and {owner}",
                    hint="disable one of them: d8-installer plugins disable NAME",
                )
            found[record.name] = owner, record
    return {name: record for name, (_, record) in found.items()}


def _ask(implementation: pluggy.HookImpl, hook: str, kind: type[Record]) -> list[Record]:
    """Call one implementation alone: an exception out of pluggy's own loop does not say whose it is."""
    try:
        records = implementation.function()
        if not isinstance(records, list) or not all(isinstance(record, kind) for record in records):
            raise TypeError(f"returned no list of {kind.__name__}")
    except D8Error:
        raise
    except Exception as error:
        raise ConfigError(
            f"plugin {implementation.plugin_name} failed in {hook}: {type(error).__name__}: {error}",
            hint=_PLUGIN_HINT,
        ) from error
    return records


def _scheme_of(url: str) -> str:
    match = _SCHEME.fullmatch(url)
    if match is None:
        raise ConfigError(f"{_shown(url)} has no scheme", hint=_spelling(FIRST_PARTY))
    return match[1]


def _hooks(scheme: str, plugins: Mapping[str, object]) -> pluggy.PluginManager:
    module = FIRST_PARTY.get(scheme)
    ours = {} if module is None else {f"d8_hooks.{module}": import_module(f"d8_hooks.{module}")}
    return new_manager({**ours, **plugins})


def _pick(schemes: dict[str, Record], name: str, kind: str) -> Record:
    scheme = schemes.get(name)
    if scheme is None:
        raise ConfigError(f"no {kind} is known for {name!r}", hint=_spelling({*FIRST_PARTY, *schemes}))
    return scheme


def _spelling(names: Iterable[str]) -> str:
    return f"write a URL that begins with one of {', '.join(f'{name}:' for name in sorted(names))}"


def _shown(url: str) -> str:
    return "an address with a user name in it" if "@" in url else repr(url[:100])
