"""Versions that a source lists although it lacks their manifests: they do not count, and a person is told."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.session import Session


def warn_of_gone(session: Session, wanted: Wanted) -> None:
    """Warn of each version that does not count."""
    for image, tag in sorted(wanted.selection.gone):
        name = image.rpartition("/")[2]
        session.reporter.warn(f"{name} {tag} is passed over: it is listed, but its manifest is not there")


@contextmanager
def naming_gone(wanted: Wanted) -> Iterator[None]:
    """Add to an error of the context the versions that did not count, and what to do about them."""
    try:
        yield
    except (NotFoundError, ConflictError) as error:
        if not wanted.selection.gone:
            raise
        tags = ", ".join(sorted(tag for _, tag in wanted.selection.gone))
        raise error.within(
            more=f"listed, but without a manifest: {tags}",
            hint="tell the operator of this source, or name another one with --endpoint",
        ) from error
