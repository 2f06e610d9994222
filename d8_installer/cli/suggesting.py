"""Adds to errors what only the command line tells: the image that a mistyped name may mean, the typed endpoint."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, NotAllowedError, NotFoundError
from d8_installer.model.address import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.pipeline.session import Session

_LOGIN = "`d8-installer login`"


@contextmanager
def with_suggestions(session: Session) -> Iterator[Session]:
    """Enter *session*; an error about an unknown image suggests the name that is spelled most like it.

    A hint to log in names the endpoint, if it was typed: without it, ``login`` is for that of the settings.
    """
    try:
        with session, _suggesting(session):
            yield session
    except D8Error:
        raise
    except Exception as error:
        failure = _of_a_plugin(session, error)
        if failure is None:
            raise
        raise failure from error


@contextmanager
def _suggesting(session: Session) -> Iterator[None]:
    try:
        yield
    except NotFoundError as error:
        if error.image is not None:
            from d8_installer.ops.images.did_you_mean import suggest

            raise suggest(session, error) from error
        raise
    except NotAllowedError as error:
        typed = session.scope.options.endpoint
        if typed is None or error.hint is None or _LOGIN not in error.hint:
            raise
        raise error.within(hint=error.hint.replace(_LOGIN, f"`d8-installer login {shown(typed)}`")) from error


def _of_a_plugin(session: Session, error: Exception) -> D8Error | None:
    """Return the error that names the plugin in whose code *error* was raised; None if no plugin's code was running."""
    host = vars(session.plugins).get("hooks")
    if host is None:
        return None
    from d8_installer.plugin.calling import failure_in

    return failure_in(host.loaded, error)
