"""What is said aloud of a source that is believed, and of one whose tags are others than the lock's (DESIGN, Trust)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.ops.ask import workers
from d8_installer.registry.chain import ChainSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.reference import ImageName
    from d8_installer.model.source import Source
    from d8_installer.ops.session import Session

_SHOWN = 5


def say_first_trust(session: Session, tags: Iterable[tuple[ImageName, str]]) -> None:
    """Name each source that said what some of *tags*, which nothing remembered, mean; of several only who said it.

    With a witness, which was asked as well, there is nothing to say.
    """
    if session.options.witness is not None:
        return
    first: dict[str, list[str]] = {}
    for name, tag in tags:
        first.setdefault(_giver(session, name.path, tag), []).append(f"{name}:{tag}")
    for giver, found in first.items():
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        session.reporter.note(f"trusting {giver} for the first lock of {', '.join(found[:_SHOWN])}{more}")


def _giver(session: Session, image: str, tag: str) -> str:
    source = session.source
    return source.giver(image, tag) if isinstance(source, ChainSource) else source.name


def compare_tags(
    session: Session, tops: Mapping[tuple[str, str], Digest], consequence: str
) -> dict[tuple[str, str], Digest]:
    """Return those of *tops*, (repository path, tag) to digest, that the source confirms; warn of those that differ.

    Where a source finds all by digest a tag may have been moved since, and the lock is right; or somebody has written
    another version into the lock. A person should know, with the *consequence*.
    """
    if not tops:
        return {}
    source, confirmed = session.source, {}
    with workers(min(session.options.connections, len(tops))) as pool:
        for key, found in zip(tops, pool.map(lambda key: _means(source, *key), tops), strict=True):
            if found == tops[key]:
                confirmed[key] = found
            elif found is not None:
                name = key[0].rpartition("/")[2]
                session.reporter.warn(
                    f"{name}:{key[1]} is {tops[key]} in the lock, and {found} at {source.name}: {consequence}"
                )
    return confirmed


def _means(source: Source, path: str, tag: str) -> Digest | None:
    """Return what the tag means now, or None where that is not to be had."""
    try:
        return source.manifest(path, tag).digest
    except D8Error:
        return None
