"""PluginHost: the plugins that may run code in this command, loaded at first use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.platform import Platform
from d8_installer.model.value import Struct
from d8_installer.pipeline.scope import host_facts
from d8_installer.store import home_state

if TYPE_CHECKING:
    from d8_installer.model.platform import HostFacts
    from d8_installer.pipeline.events import Announcer
    from d8_installer.pipeline.scope import Scope
    from d8_installer.plugin.calling import Hooks, Loaded


class PluginHost(Struct, frozen=True, dict=True):
    """The enabled plugins of a command, whose reporters join *announcer* once they are loaded."""

    scope: Scope
    announcer: Announcer

    @property
    def any_enabled(self) -> bool:
        """Whether the settings enable a plugin, and ``--no-plugins`` was not given."""
        return self.scope.options.plugins and bool(self.scope.config.plugins)

    @cached_property
    def loaded(self) -> Loaded:
        """The enabled plugins, imported. A plugin that fails to import carries its error; nothing is reported here."""
        from d8_installer.plugin.calling import Loaded

        if not self.any_enabled:
            return Loaded()
        from d8_installer.plugin.installed import distributions_with_hooks
        from d8_installer.plugin.loading import isolate_sys_path, load

        scope = self.scope
        isolate_sys_path(scope.directory)
        return load(scope.config.plugins, distributions_with_hooks(), home_state.load_known_plugins(scope.home))

    @cached_property
    def hooks(self) -> Hooks:
        """All hooks, first-party ones too. An unusable plugin is warned of and left out."""
        from d8_installer.plugin.calling import Hooks

        for unusable in self.loaded.unusable:
            self.announcer.warn(f"the plugin {unusable.name} is left out: {unusable.why}")
        hooks = Hooks(self.loaded)
        self.announcer.join(hooks)
        return hooks

    @cached_property
    def host_platform(self) -> Platform:
        """The platform of the running host, or the one that a plugin chooses instead."""
        return agreed_platform(self.hooks, host_facts()) if self.any_enabled else Platform.of_host(host_facts())


def agreed_platform(hooks: Hooks, facts: HostFacts) -> Platform:
    """Return the platform that the plugins choose, else the host's; a ConfigError where they choose different ones."""
    from d8_installer.plugin.calling import hint_about
    from d8_installer.plugin.records import PlatformChoice

    if not hooks.implements("d8_platforms"):
        return Platform.of_host(facts)
    chosen: dict[Platform, str] = {}
    for offer in hooks.records("d8_platforms", PlatformChoice, {"host": facts}):
        platform: object = offer.record.platform
        if not isinstance(platform, Platform):
            raise ConfigError(
                f"plugin {offer.plugin} failed in d8_platforms: no Platform is in it",
                hint=hint_about(offer.plugin),
                code="plugin-failed",
            )
        chosen.setdefault(platform, offer.plugin)
    if len(chosen) > 1:
        said = " and ".join(f"{owner} chooses {platform}" for platform, owner in chosen.items())
        raise ConfigError(
            f"the plugins cannot agree on a platform: {said}",
            hint="choose one with --platform, or disable one of them",
            code="plugins-disagree",
        )
    return next(iter(chosen)) if chosen else Platform.of_host(facts)
