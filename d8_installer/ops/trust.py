"""What is said aloud when a source is believed for the first time (DESIGN, Trust). Decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.registry.chain import ChainSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.model.reference import ImageName
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
