"""Asks each source once for ``doctor``, with a short timeout: does it answer, and does it accept the token?"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, D8Error, NotFoundError
from d8_installer.model.address import PATH_SCHEMES, shown
from d8_installer.model.reference import CLI_IMAGE, ImageName
from d8_installer.model.value import replace
from d8_installer.plugin.records import AskedSource

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session

TIME_LIMIT = 5.0
"""The timeout for one source, in seconds."""


def ask_sources(session: Session, profile: Profile) -> tuple[AskedSource, ...]:
    """Return what each of the session's sources answers to a request for the tags of one image.

    A missing image is an answer. Nothing is raised if there is no source, since other findings say so.
    """
    image = _image(session, profile)
    try:
        urls = session.sources.named or session.sources.endpoints
    except D8Error:
        return ()
    return tuple(_ask(session, url, image) for url in urls)


def _ask(session: Session, url: str, image: ImageName) -> AskedSource:
    limit = min(TIME_LIMIT, session.scope.timeout)
    if session.scope.is_offline and url.partition(":")[0] not in PATH_SCHEMES:
        return AskedSource(address=shown(url), was_asked=False)
    try:
        source = session.sources.open_source(
            url, replace(session.sources.access, tries=1, max_wait=limit, stall_timeout=limit)
        )
        with contextlib.suppress(NotFoundError):
            source.tags(image.path)
    except ConfigError as error:
        return AskedSource(address=shown(url), token_from=None, problem=error.message, hint=error.hint)
    except D8Error as error:
        return replace(_asked(session, url), problem=error.message, hint=error.hint)
    return _asked(session, url)


def _asked(session: Session, url: str) -> AskedSource:
    """Return that the source was asked, and as whom."""
    if url != session.sources.endpoint:
        kept = session.sources.login_at(url, None)
        return AskedSource(address=shown(url), token_from=None if kept is None else kept.place)
    identity = session.sources.identity
    return AskedSource(address=shown(url), token_from=identity.origin, identity_kind=identity.kind)


def _image(session: Session, profile: Profile) -> ImageName:
    """Return an image of the profile, because the source should have it; else the CLI's image."""
    with contextlib.suppress(D8Error):
        active = session.profiles.active(profile)
        if active is not None and active.placed:
            return active.placed[0].placement.name
    return ImageName(CLI_IMAGE)
