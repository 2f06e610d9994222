"""``plugins``: which plugins have code, which of them may run, and changing that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from d8_installer.errors import UsageError
from d8_installer.ops import settings
from d8_installer.ops.hooks import remember_verifiers
from d8_installer.plugin.discovery import VERIFIERS, normalised
from d8_installer.plugin.own import own_distributions

if TYPE_CHECKING:
    from d8_installer.ops.session import Session
    from d8_installer.plugin.hooks import LoadedPlugin

State = Literal["enabled", "not enabled", "broken", "not found"]


@dataclass(frozen=True, slots=True)
class PluginRow:
    """One plugin with code. ``hooks`` None: it is not loaded, so nobody knows; ``why``: what is wrong with it."""

    name: str
    version: str | None
    environment: str | None
    hooks: tuple[str, ...] | None
    verifies: bool
    state: State
    why: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the row's fields."""
        return {
            "name": self.name,
            "version": self.version,
            "environment": self.environment,
            "hooks": None if self.hooks is None else list(self.hooks),
            "verifies": self.verifies,
            "state": self.state,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class PluginsResult:
    """The plugins by name; after ``enable`` or ``disable`` the one that was named, and whether anything changed."""

    rows: tuple[PluginRow, ...]
    changed: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"plugins": [row.as_json() for row in self.rows], "changed": self.changed}


def list_plugins(session: Session) -> PluginsResult:
    """Return every plugin that has code in the tool's own environment, and every one that is enabled.

    The enabled ones are imported to see what hooks they have; what fails is their state, and stops nothing.
    """
    loaded = {plugin.name: plugin for plugin in session.plugins.plugins}
    wrong = {plugin.name: plugin for plugin in session.plugins.unusable}
    enabled = _enabled(session)
    found = own_distributions()
    rows = []
    for name in sorted({*found, *enabled}):
        distribution, unusable = found.get(name), wrong.get(name)
        state: State = "enabled" if name in enabled else "not enabled"
        if distribution is None or unusable is not None:
            state = "not found" if distribution is None else "broken"
        rows.append(
            PluginRow(
                name,
                None if distribution is None else distribution.version,
                None if distribution is None else distribution.environment.path,
                _hooks(loaded.get(name)),
                distribution is not None and VERIFIERS in distribution.groups,
                state,
                None if unusable is None or distribution is None else unusable.why,
            )
        )
    return PluginsResult(tuple(rows))


def enable(session: Session, name: str) -> PluginsResult:
    """Let the plugin's code run from now on; one that is not in the tool's own environment is a UsageError."""
    name = normalised(name)
    distribution = own_distributions().get(name)
    if distribution is None:
        raise UsageError(
            f"no plugin {name[:100]!r} with hooks is in d8-installer's own environment",
            hint=f"type `pipx inject d8-installer {name[:100]}`, or `uv tool install d8-installer --with {name[:100]}`",
        )
    enabled = _enabled(session)
    verifies = VERIFIERS in distribution.groups
    row = PluginRow(name, distribution.version, distribution.environment.path, None, verifies, "enabled")
    if name in enabled:
        return PluginsResult((row,))
    _write(session, enabled | {name})
    return PluginsResult((row,), changed=True)


def disable(session: Session, name: str) -> PluginsResult:
    """Let the plugin's code run no more, wherever it is; one that is not enabled stays so."""
    name = normalised(name)
    distribution = own_distributions().get(name)
    enabled = _enabled(session)
    row = PluginRow(
        name,
        None if distribution is None else distribution.version,
        None if distribution is None else distribution.environment.path,
        None,
        distribution is not None and VERIFIERS in distribution.groups,
        "not enabled",
    )
    if name not in enabled:
        return PluginsResult((row,))
    _write(session, enabled - {name})
    return PluginsResult((row,), changed=True)


def _enabled(session: Session) -> set[str]:
    return set(map(normalised, session.config.plugins))


def _hooks(plugin: LoadedPlugin | None) -> tuple[str, ...] | None:
    return None if plugin is None else plugin.hooks


def _write(session: Session, enabled: set[str]) -> None:
    settings.change(session, "plugins", ",".join(sorted(enabled)) or None)
    session.forget_config()
    session.refuse_foreign(session.home.root)
    remember_verifiers(session)
