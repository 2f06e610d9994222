"""One plugin in two environments: whose requests a profile follows, and where a person must decide."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.value import Struct
from d8_installer.plugin.dist_info import VERIFIERS, normalised
from d8_installer.plugin.installed import distributions_with_hooks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.model.lock import Lock
    from d8_installer.model.requirement import Request
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.discovery import DiscoveredPlugin


class UnmetRequest(Struct, frozen=True, kw_only=True):
    """A plugin's request that the profile's lock does not satisfy; ``why`` is a clause for people.

    ``can_follow``: the profile follows the same plugin of another environment, and could follow this one instead.
    """

    plugin: DiscoveredPlugin
    request: Request
    why: str
    can_follow: bool = False


def unmet_requests(
    plugin: DiscoveredPlugin, chosen: Iterable[DiscoveredPlugin], locked: Lock
) -> tuple[UnmetRequest, ...]:
    """Return the requests of *plugin* that the profile does not follow because it follows another environment's.

    The profile follows the *chosen* plugin of the same name as soon as the lock has a request of it. Before that, the
    locked request is an older one of *plugin* itself, and is about to be replaced.
    """
    rival = next((one for one in chosen if one.name == plugin.name and not _is_same(one, plugin)), None)
    if rival is None or not any(_is_locked(rival.name, request, locked) for request in rival.manifest.requests):
        return ()
    why = f"the profile follows {rival.name} in {rival.distribution.environment.path}"
    followed = {(request.name, request.hash) for request in rival.manifest.requests}
    return tuple(
        UnmetRequest(plugin=plugin, request=request, why=why, can_follow=True)
        for request in plugin.manifest.requests
        if (request.name, request.hash) not in followed
    )


def _is_same(one: DiscoveredPlugin, other: DiscoveredPlugin) -> bool:
    return os.path.realpath(one.distribution.directory) == os.path.realpath(other.distribution.directory)


def _is_locked(requester: str, request: Request, locked: Lock) -> bool:
    image = locked.find(request.name)
    return image is not None and (requester, request.hash) in image.requests


def refuse_contested_verifiers(session: Session, requesters: Requesters) -> None:
    """Raise a ConfigError if two environments have different versions of a plugin that is enabled to verify."""
    enabled = set(map(normalised, session.scope.config.plugins))
    if not enabled or not session.scope.options.plugins:
        return
    verifying = {name for name, found in distributions_with_hooks().items() if VERIFIERS in found.groups}
    verifying |= {d.name for d in requesters.scan.distributions if VERIFIERS in d.groups}
    for other in requesters.others:
        if other.name in enabled & verifying:
            (chosen,) = [plugin for plugin in requesters.plugins if plugin.name == other.name]
            raise ConfigError(
                f"{other.name} verifies images, and two environments have different ones:"
                f" {chosen.distribution.directory} and {other.distribution.directory}",
                hint="uninstall one of the two",
                code="plugins-disagree",
            )
