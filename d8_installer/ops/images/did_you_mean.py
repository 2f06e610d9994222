"""Finds the image that a mistyped name may mean, among the names that this machine knows."""

from __future__ import annotations

import contextlib
import difflib
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.model.reference import PLUGIN_ROOT
from d8_installer.pipeline.plugin_search import search_plugins
from d8_installer.store import home_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.errors import NotFoundError
    from d8_installer.pipeline.session import Session


def suggest(session: Session, error: NotFoundError) -> NotFoundError:
    """Return *error* with the hint "did you mean NAME?" if it is about an absent image with a similar name.

    The known names are those in manifests, locks, plugins and the remembered tags. Unreadable ones are skipped.
    """
    if error.image is None:
        return error
    near = difflib.get_close_matches(error.image, set(_known(session)) - {error.image}, n=1)
    return error.within(hint=f"did you mean {near[0]}?") if near else error


def _known(session: Session) -> Iterator[str]:
    for profile in (session.profiles.find(), session.profiles.find(default="user")):
        with contextlib.suppress(D8Error):
            workspace = session.profiles.read(profile)
            yield from (request.name.short for request in workspace.manifest.requests)
            yield from (image.name.short for image in workspace.locked.images)
        with contextlib.suppress(D8Error):
            for plugin in search_plugins(session, profile).chosen:
                yield from (request.name.short for request in plugin.manifest.requests)
    with contextlib.suppress(D8Error):
        yield from (image.removeprefix(PLUGIN_ROOT) for image, _tag in home_state.load_tags(session.scope.home))
