"""What tags mean: which source is believed at first, what ``tags.json`` remembers, and which moves are accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, MismatchError, UsageError
from d8_installer.model.reference import image_name, is_tag
from d8_installer.pipeline.pool import workers
from d8_installer.store import home_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock
    from d8_installer.model.reference import ImageName
    from d8_installer.model.source import Source
    from d8_installer.pipeline.session import Session

_SHOWN = 5


def note_first_trust(session: Session, tags: Iterable[tuple[ImageName, str]]) -> None:
    """Name each source that is believed about *tags* that are not remembered.

    If a witness was asked as well, there is nothing to say.
    """
    if session.scope.options.witness is not None:
        return
    first: dict[str, list[str]] = {}
    for name, tag in tags:
        first.setdefault(source_name_of(session, name.path, tag), []).append(f"{name}:{tag}")
    for who, found in first.items():
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        session.reporter.note(f"trusting {who} for the first lock of {', '.join(found[:_SHOWN])}{more}")


def source_name_of(session: Session, image: str, tag: str) -> str:
    """Return the name of the source that said what a tag means."""
    source = session.source
    if len(session.sources.named) == 1:
        return source.name
    from d8_installer.registry.fallback import FallbackSource

    return source.giver(image, tag) if isinstance(source, FallbackSource) else source.name


def moved_tags(session: Session, tops: Mapping[tuple[str, str], Digest]) -> tuple[MismatchError, ...]:
    """Return an error for each of *tops*, by repository path and tag, that means something else at the source.

    A source that finds everything by digest may still have the locked bytes: then the tag was moved since, or the lock
    was edited.
    """
    if not tops:
        return ()
    source = session.source
    with workers(min(session.scope.options.connections, len(tops))) as pool:
        means = dict(zip(tops, pool.map(lambda key: _means(source, *key), tops), strict=True))
    return tuple(
        _moved(key, tops[key], f"{found} at {source.name}")
        for key, found in means.items()
        if found not in (None, tops[key])
    )


def _moved(key: tuple[str, str], locked: Digest, found: str) -> MismatchError:
    name = f"{key[0].rpartition('/')[2]}:{key[1]}"
    return MismatchError(
        f"{name} is {locked} in the lock, and {found}; the locked bytes are there all the same",
        hint=f"find out who changed it; to lock the new bytes, type `d8-installer lock --accept-moved {name}`",
        code="moved-tag",
    )


def _means(source: Source, path: str, tag: str) -> Digest | None:
    """Return what the tag means now, or None if the source does not say."""
    try:
        return source.manifest(path, tag).digest
    except D8Error:
        return None


def tops_of(lock: Lock) -> dict[tuple[str, str], Digest]:
    """Return the digest that the lock has for each of its tags, by repository path and tag."""
    return {(image.name.path, image.version): image.top for image in lock.images}


def refuse_moved(session: Session, lock: Lock) -> None:
    """Raise a MismatchError where *lock*, which may come from anywhere, contradicts what is remembered of a tag."""
    known = home_state.load_tags(session.scope.home)
    accepted = accepted_moves(session)
    for image in lock.images:
        before = known.get((image.name.path, image.version))
        if before not in (None, image.top) and (image.name, image.version) not in accepted:
            tag = f"{image.name}:{image.version}"
            raise MismatchError(
                f"the lock says that {tag} is {image.top}, and here it was {before}",
                hint=f"ask who changed the lock; to take the other bytes, type --accept-moved {tag}",
                code="lock-contradicted",
            )


def accepted_moves(session: Session) -> frozenset[tuple[ImageName, str]]:
    """Return the images and tags that ``--accept-moved IMAGE:TAG`` names."""
    accepted = set()
    for text in session.scope.options.accept_moved:
        name, colon, tag = text.partition(":")
        if not colon or not is_tag(tag):
            raise UsageError(f"{text[:100]!r} is not IMAGE:TAG", hint="such as --accept-moved stronghold:v1.4.2")
        accepted.add((image_name(name), tag))
    return frozenset(accepted)


def accepted_names(session: Session) -> frozenset[ImageName]:
    """Return the images that ``--accept-moved`` names."""
    return frozenset(name for name, _ in accepted_moves(session))


def accepted_tops(session: Session, lock: Lock) -> dict[tuple[str, str], Digest]:
    """Return the digests that *lock* has for the tags that ``--accept-moved`` names."""
    accepted = {(name.path, tag) for name, tag in accepted_moves(session)}
    return {key: top for key, top in tops_of(lock).items() if key in accepted}
