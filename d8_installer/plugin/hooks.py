"""The loaded plugins and the first-party modules, asked together; with what is the caller's part."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from d8_installer.model.value import Struct, repr_without
from d8_installer.plugin.schemes import Owned, Record, call_each, collect_owned, new_manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pluggy

    from d8_installer.errors import D8Error

FIRST_PARTY_HOOKS: Mapping[str, tuple[str, ...]] = {
    "d8_credentials": ("token", "kubeconfig"),
    "d8_checks": ("checks",),
}
"""Hook -> modules of ``d8_hooks`` that implement it; schemes stand in ``manager.FIRST_PARTY``."""


class LoadedPlugin(Struct, frozen=True, kw_only=True):
    """A plugin whose code is imported and fits: its objects by label, and the hooks that they implement."""

    name: str
    version: str
    objects: Mapping[str, object]
    hooks: tuple[str, ...]

    def __repr__(self) -> str:
        return repr_without(self, "objects")


class UnusablePlugin(Struct, frozen=True, kw_only=True):
    """An enabled plugin that is not asked, and why. ``version`` None: it is not found.

    ``verifies``: it is known, or has to be feared, to have verifiers.
    """

    name: str
    version: str | None
    why: str
    verifies: bool


class Loaded(Struct, frozen=True):
    """What came of the enabled plugins."""

    plugins: tuple[LoadedPlugin, ...] = ()
    unusable: tuple[UnusablePlugin, ...] = ()

    @property
    def objects(self) -> dict[str, object]:
        """Every object that has hooks, by its plugin's name and version."""
        return {label: plugin for loaded in self.plugins for label, plugin in loaded.objects.items()}


class Hooks:
    """Asks the loaded plugins, and ours with them."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    def implements(self, *hooks: str) -> bool:
        """Whether a loaded plugin (ours do not count) has one of these hooks."""
        return any(set(hooks) & set(plugin.hooks) for plugin in self.loaded.plugins)

    def records(
        self,
        hook: str,
        kind: type[Record],
        facts: Mapping[str, object] | None = None,
        report: Callable[[D8Error], None] | None = None,
    ) -> list[Owned[Record]]:
        """Return the records of *hook* by name; failures are ConfigErrors, or told to *report* and passed over."""
        found = collect_owned(self._caller(hook), kind, facts, report)
        return [found[name] for name in sorted(found)]

    def call(self, hook: str, facts: Mapping[str, object]) -> Iterable[tuple[str, D8Error | None]]:
        """Call a hook that returns nothing, plugin by plugin: yields each plugin, and how it failed if it did."""
        return call_each(self._caller(hook), facts)

    def _caller(self, hook: str) -> pluggy.HookCaller:
        modules = (f"d8_hooks.{module}" for module in FIRST_PARTY_HOOKS.get(hook, ()))
        ours = {name: import_module(name) for name in modules}
        caller: pluggy.HookCaller = getattr(new_manager({**ours, **self.loaded.objects}).hook, hook)
        return caller
