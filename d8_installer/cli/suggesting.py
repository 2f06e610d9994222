"""Adds a suggestion to errors about an unknown image: the image that a mistyped name may mean."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.pipeline.session import Session


@contextmanager
def with_suggestions(session: Session) -> Iterator[Session]:
    """Enter *session*; an error about an unknown image suggests the name that is spelled most like it."""
    with session:
        try:
            yield session
        except NotFoundError as error:
            if error.image is not None:
                from d8_installer.ops.images.did_you_mean import suggest

                raise suggest(session, error) from error
            raise
