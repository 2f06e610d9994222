"""The hooks that a plugin may implement: when each is called, what it returns, what it may raise.

A plugin implements a hook by a function of the same name, marked ``@hookimpl``. Every hook here returns a
list of records that have a ``name``: a list, not a generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from d8_installer.plugin.types import DestinationScheme, SourceScheme

PROJECT = "d8_installer"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def d8_sources() -> list[SourceScheme]:
    """Offer schemes of sources: places that images come from.

    When: once for each source that is opened, before any request. Order: does not matter; two plugins that
    offer one name are a ConfigError which names both. Returns: one record a scheme; ``open`` is called only for
    the scheme that was asked for. Raises: nothing; ``open`` may raise any D8Error.

    Example::

        @hookimpl
        def d8_sources() -> list[SourceScheme]:
            return [SourceScheme("mirror", open=lambda url, access: Mirror(url.removeprefix("mirror:")))]
    """
    raise NotImplementedError


@hookspec
def d8_destinations() -> list[DestinationScheme]:
    """Offer schemes of destinations: places that ``publish`` writes to.

    When: once for each destination that is opened. Order, returns, raises: as ``d8_sources``.

    Example::

        @hookimpl
        def d8_destinations() -> list[DestinationScheme]:
            return [DestinationScheme("mirror", open=open_mirror)]
    """
    raise NotImplementedError
