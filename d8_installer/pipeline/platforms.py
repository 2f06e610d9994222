"""Which platform binaries are for, where plugins may choose: the host's own, or the one that they agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.platform import Platform
from d8_installer.plugin.calling import PLUGIN_HINT
from d8_installer.plugin.records import PlatformChoice

if TYPE_CHECKING:
    from d8_installer.model.platform import HostFacts
    from d8_installer.plugin.calling import Hooks


def chosen_platform(hooks: Hooks, facts: HostFacts) -> Platform:
    """Return the platform that the plugins choose, else the host's; choices that differ are a ConfigError."""
    if not hooks.implements("d8_platforms"):
        return Platform.of_host(facts)
    choices = hooks.records("d8_platforms", PlatformChoice, {"host": facts})
    platforms: dict[Platform, str] = {}
    for offer in choices:
        platform: object = offer.record.platform
        if not isinstance(platform, Platform):
            raise ConfigError(f"plugin {offer.plugin} failed in d8_platforms: no Platform is in it", hint=PLUGIN_HINT)
        platforms.setdefault(platform, offer.plugin)
    if len(platforms) > 1:
        said = " and ".join(f"{owner} chooses {platform}" for platform, owner in platforms.items())
        raise ConfigError(
            f"the plugins cannot agree on a platform: {said}", hint="choose one with --platform, or disable one of them"
        )
    return next(iter(platforms)) if platforms else Platform.of_host(facts)
