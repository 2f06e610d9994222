"""``plugins``: lists the plugins with their images and hooks, and enables or disables their code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.errors import D8Error, DocumentError, UsageError
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.plugin_search import search_plugins
from d8_installer.plugin.dist_info import HOOKS, VERIFIERS, normalised
from d8_installer.plugin.installed import distributions_with_hooks
from d8_installer.store import documents, status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from d8_installer.model.config import Config
    from d8_installer.model.lock import Lock
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.calling import UnusablePlugin
    from d8_installer.plugin.discovery import DiscoveredPlugin
    from d8_installer.plugin.dist_info import Distribution

_NEAR = 0.85  # names of plugins begin alike
State = Literal["enabled", "not enabled", "broken", "not found"]


class PluginRow(Struct, frozen=True, kw_only=True):
    """One plugin with code. ``hooks`` is None if it is not loaded. ``why`` says what is wrong with it."""

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


class ManifestRow(Struct, frozen=True, kw_only=True):
    """One manifest that was found: its plugin, its environment, and the images it asks for.

    ``counts`` is False if the plugin of that name in another environment counts instead. ``why`` says what is wrong
    with the manifest.
    """

    name: str
    version: str
    environment: str
    manager: str
    file: str | None
    images: tuple[str, ...]
    editable: bool
    counts: bool
    why: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the row's fields."""
        return {
            "name": self.name,
            "version": self.version,
            "environment": self.environment,
            "manager": self.manager,
            "manifest": self.file,
            "images": list(self.images),
            "editable": self.editable,
            "counts": self.counts,
            "why": self.why,
        }


class PluginsResult(Struct, frozen=True):
    """The manifests that were found, and the plugins with code, both sorted by name.

    After ``enable`` or ``disable``, ``rows`` has the plugin that was named, and ``changed`` is whether that had an
    effect, or would have one without ``dry_run``.
    """

    rows: tuple[PluginRow, ...]
    changed: bool = False
    manifests: tuple[ManifestRow, ...] = ()
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        manifests = [row.as_json() for row in self.manifests]
        plugins = [row.as_json() for row in self.rows]
        return {"manifests": manifests, "plugins": plugins, "changed": self.changed, "dry_run": self.dry_run}


def list_plugins(session: Session) -> PluginsResult:
    """Return the manifests of the profile's plugins, and every plugin with code that is installed here or enabled.

    Code is looked for in d8-installer's own environment only. Enabled plugins are imported to learn which hooks they
    have. One that fails is shown as broken.
    """
    return PluginsResult(_rows(session), manifests=_manifests(session))


def _manifests(session: Session) -> tuple[ManifestRow, ...]:
    profile = session.profiles.find()
    looked = search_plugins(session, profile, locked=_locked(profile))
    rows = [
        _manifest_row(p.distribution, file=p.file, images=_images(p), editable=p.editable, counts=p in looked.chosen)
        for p in looked.scan.plugins
    ]
    rows += [_manifest_row(broken.distribution, why=str(broken.error)) for broken in looked.scan.broken]
    return tuple(sorted(rows, key=lambda row: (row.name, row.environment)))


def _locked(profile: Profile) -> Lock | None:
    """Return the profile's lock, which decides which plugin of a name counts, or None if it cannot be read."""
    try:
        loaded = documents.load_lock(profile.lock)
    except D8Error:
        return None
    return None if loaded is None else loaded.value


def _manifest_row(
    distribution: Distribution,
    *,
    file: str | None = None,
    images: tuple[str, ...] = (),
    editable: bool = False,
    counts: bool = False,
    why: str | None = None,
) -> ManifestRow:
    return ManifestRow(
        name=distribution.name,
        version=distribution.version,
        environment=distribution.environment.path,
        manager=distribution.environment.manager,
        file=file,
        images=images,
        editable=editable,
        counts=counts,
        why=why,
    )


def _images(plugin: DiscoveredPlugin) -> tuple[str, ...]:
    return tuple(str(request.name) for request in plugin.manifest.requests)


def _rows(session: Session) -> tuple[PluginRow, ...]:
    loaded = {plugin.name: plugin.hooks for plugin in session.plugins.loaded.plugins}
    unusable = {plugin.name: plugin for plugin in session.plugins.loaded.unusable}
    enabled = _enabled(session.scope.config)
    found = distributions_with_hooks()
    rows = []
    for name in sorted({*found, *enabled}):
        distribution = found.get(name)
        state: State = "enabled" if name in enabled else "not enabled"
        if distribution is None:
            state = "not found"
        elif name in unusable or distribution.problem:
            state = "broken"
        why = _why(distribution, unusable.get(name))
        rows.append(_plugin_row(name, distribution, state, hooks=loaded.get(name), why=why))
    return tuple(rows)


def _plugin_row(
    name: str,
    distribution: Distribution | None,
    state: State,
    *,
    hooks: tuple[str, ...] | None = None,
    why: str | None = None,
) -> PluginRow:
    return PluginRow(
        name=name,
        version=None if distribution is None else distribution.version,
        environment=None if distribution is None else distribution.environment.path,
        hooks=hooks,
        verifies=distribution is not None and VERIFIERS in distribution.groups,
        state=state,
        why=why,
    )


def _why(distribution: Distribution | None, unusable: UnusablePlugin | None) -> str | None:
    if distribution is None:
        return None
    if unusable is not None:
        return unusable.why
    return f"{distribution.directory} {distribution.problem}" if distribution.problem else None


def enable(session: Session, name: str, *, dry_run: bool = False) -> PluginsResult:
    """Let the plugin's code run from now on. A plugin outside d8-installer's own environment is a UsageError."""
    name = normalised(name)
    distribution = distributions_with_hooks().get(name)
    if distribution is None:
        raise UsageError(
            f"no plugin {name[:100]!r} with hooks is in d8-installer's own environment",
            hint=_to_have(session, name[:100]),
            code="no-such-plugin",
        )
    if distribution.problem:
        raise DocumentError(
            distribution.problem,
            file=distribution.directory,
            hint=f"uninstall the package that planted it, and {name}",
            about_file=True,
            code="plugin-left-out",
        )
    row = _plugin_row(name, distribution, "enabled")
    changed = name not in _enabled(session.scope.config)
    if changed and not dry_run:
        _write(session, lambda enabled: enabled | {name})
    return PluginsResult((row,), changed=changed, dry_run=dry_run)


def _instead(verb: str, name: str, known: Collection[str]) -> str:
    """Return the command for the known name that ends with *name* or is spelled most like it, or ""."""
    import difflib

    near = [one for one in sorted(known) if one.endswith(f"-{name}")]
    near += difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
    return f"did you mean `d8-installer plugins {verb} {near[0]}`?" if near else ""


def _to_have(session: Session, name: str) -> str:
    """Return what to type for a plugin that is not in our environment: it is misspelled, elsewhere, or has no hooks."""
    scan = search_plugins(session, session.profiles.find()).scan
    here = [one for one in scan.distributions if one.name == name]
    if here and not any({HOOKS, VERIFIERS} & one.groups.keys() for one in here):
        return f"leave it out: {name} has no hooks, and its manifest counts without it (see `d8-installer plugins`)"
    from d8_installer.plugin.self_installation import running, to_add

    meant = _instead("enable", name, distributions_with_hooks())
    return f"{f'{meant} If not, ' if meant else ''}type `{to_add(running(), name)}`"


def disable(session: Session, name: str, *, dry_run: bool = False) -> PluginsResult:
    """Stop running the plugin's code. A plugin that is neither enabled nor installed here is a UsageError."""
    name = normalised(name)
    distribution = distributions_with_hooks().get(name)
    enabled = _enabled(session.scope.config)
    if distribution is None and name not in enabled:
        raise UsageError(
            f"no plugin {name[:100]!r} is enabled, and none with hooks is in d8-installer's own environment",
            hint=_instead("disable", name, {*distributions_with_hooks(), *enabled}) or "see `d8-installer plugins`",
            code="no-such-plugin",
        )
    row = _plugin_row(name, distribution, "not enabled")
    changed = name in enabled
    if changed and not dry_run:
        _write(session, lambda enabled: enabled - {name})
    return PluginsResult((row,), changed=changed, dry_run=dry_run)


def _enabled(config: Config) -> set[str]:
    return set(map(normalised, config.plugins))


def _write(session: Session, edit: Callable[[set[str]], set[str]]) -> None:
    # Imported here, because listing plugins must be quick and needs neither.
    from d8_installer.ops import config as settings
    from d8_installer.pipeline.admission import remember_verifiers

    session.profiles.refuse_foreign(session.scope.home.root)
    with status.readable_by_all(wanted=session.scope.is_global):
        session.profiles.prepare_home()
        settings.change_to(session, "plugins", lambda before: ",".join(sorted(edit(_enabled(before)))) or None)
        remember_verifiers(session.with_scope(replace(session.scope)))  # the settings have changed
