"""A lock's text with more than one entry for an image: it has conflict markers, or an image is in it twice.

Git merges the bases of a criss-cross history first, and takes the result, with its markers, for the base.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.conflict_markers import put_together, take_apart
from d8_installer.model.lock import END, Lock, LockedImage, entry_hashes, name_in, split_entries
from d8_installer.model.reference import ImageName
from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_LEVELS = 3
_HEAD = "lock_version = 1\n\n"


class Torn(Struct, frozen=True):
    """The entries that are certain, and for every other image its blocks as they are, between markers."""

    lock: Lock
    blocks: Mapping[ImageName, str] = field(default_factory=dict)


def read_torn(text: str, file: str) -> Torn:
    """Return what *text* says; a DocumentError if its markers or blocks cannot be separated, or it is not a lock.

    A block without a marker is whole, and its `LockedImage.entry_hash` shows that git merged no lines in it.
    """
    try:
        return Torn(Lock.parse(text.encode(), file) if text.strip() else Lock())
    except DocumentError:
        leaves = [_Leaf.of(leaf, file) for leaf in _leaves(text, file, _MAX_LEVELS)]
    names = sorted({name for leaf in leaves for name in leaf.blocks})
    images, blocks = [], {}
    for name in names:
        texts = ["".join(leaf.blocks.get(name, ())) for leaf in leaves]
        image = _whole(texts[0], name) if len(set(texts)) == 1 else None
        if image is not None:
            images.append(image)
        else:
            blocks[name] = put_together(texts[0], "", texts[-1], inner=True)
    same = all(leaf.head == leaves[0].head for leaf in leaves)
    if not blocks and same:
        raise DocumentError("is no lock, whichever side is taken", file=file, about_file=True, code="bad-lock")
    return Torn(Lock.of(images, leaves[0].head.extra if same else {}), blocks)


class _Leaf(Struct, frozen=True):
    """A text without markers: its head, and the blocks of each image."""

    head: Lock
    blocks: Mapping[ImageName, tuple[str, ...]]

    @classmethod
    def of(cls, text: str, file: str) -> _Leaf:
        head, entries = split_entries(text)
        blocks: dict[ImageName, tuple[str, ...]] = {}
        for entry in entries:
            found = name_in(entry)
            if found is not None:  # else it is part of a block whose name is in another leaf
                name = ImageName.parse(found)
                blocks[name] = (*blocks.get(name, ()), f"{entry.replace(END, '').strip()}\n")
        return cls(Lock.parse(head.encode(), file), blocks)


def _leaves(text: str, file: str, levels: int) -> list[str]:
    sides = take_apart(text, file)
    if sides is None:
        return [text]
    if not levels:
        raise DocumentError(
            "has conflict markers inside of conflict markers inside of others",
            file=file,
            about_file=True,
            code="conflict-markers",
        )
    return [leaf for side in (sides.ours, sides.theirs) for leaf in _leaves(side, file, levels - 1)]


def _whole(block: str, name: ImageName) -> LockedImage | None:
    try:
        (image,) = Lock.parse(f"{_HEAD}{block}".encode(), str(name)).images
    except (DocumentError, ValueError):
        return None
    return image if entry_hashes(block).get(str(name), image.entry_hash) == image.entry_hash else None
