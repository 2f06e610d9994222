"""From what the layout beside the Go tool has to what it should have: which files to put, to take away, to leave.

A file that is not recorded, and that is not by chance the wanted one, is somebody else's: it is named, and never
replaced or removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.d8_layout import LINK, LayoutFile, LayoutRecord, OwnFile
from d8_installer.model.value import Struct, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class LayoutPlan(Struct, frozen=True, kw_only=True):
    """The files to put and to take away, in this order; those of others in the way; and the records.

    ``begun`` is the record while the plan is carried out: it allows the old and the new content of each file, so that a
    killed command leaves nothing that is not recorded. ``done`` is the record after it, and ``is_recorded`` whether it
    is the one before. ``locks`` are the lock files to hold meanwhile.
    """

    puts: tuple[LayoutFile, ...]
    takes: tuple[OwnFile, ...]
    foreign: tuple[str, ...]
    locks: tuple[str, ...]
    is_recorded: bool
    begun: LayoutRecord
    done: LayoutRecord

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to put, to take away, or to finish."""
        return not self.locks


def make_layout_plan(
    wanted: Iterable[LayoutFile], directory: str, record: LayoutRecord | None, found: Mapping[str, str | None]
) -> LayoutPlan:
    """Return the steps from *record* and what was *found* (the content by path, None for no file) to *wanted*."""
    before = record or LayoutRecord(directory=directory)
    wanted = tuple(wanted)
    own = {one.path: one for one in before.files}
    unwanted = [own[path] for path in own.keys() - {file.path for file in wanted}]
    puts = tuple(file for file in wanted if found.get(file.path) != file.content)
    takes = tuple(sorted((one for one in unwanted if found.get(one.path) is not None), key=_taking_order))
    ours = {path: one.contents for path, one in own.items()}
    touched = [*(file.path for file in puts), *(one.path for one in takes)]
    foreign = sorted(path for path in touched if found.get(path) not in (None, *ours.get(path, ())))
    locks = {file.lock for file in puts} | {one.lock for one in takes}
    if not before.is_done:
        locks |= {file.lock for file in wanted} | {one.lock for one in before.files}
    done = LayoutRecord(directory=directory, files=tuple(map(_owned, wanted)))
    return LayoutPlan(
        puts=puts,
        takes=takes,
        foreign=tuple(foreign),
        locks=tuple(sorted(locks)),
        is_recorded=record is not None and _without_states(record) == done,
        begun=LayoutRecord(directory=directory, files=_begun(wanted, before), is_done=False),
        done=done,
    )


def make_ending(record: LayoutRecord, found: Mapping[str, str | None]) -> LayoutPlan:
    """Return the steps that take everything away. An image of which others have replaced a file is left to them."""
    made = make_layout_plan((), record.directory, record, found)
    theirs = {one.image for one in record.files if one.path in made.foreign}
    takes = tuple(one for one in made.takes if one.image not in theirs)
    return replace(made, takes=takes)


def _without_states(record: LayoutRecord) -> LayoutRecord:
    return replace(record, files=tuple(replace(one, state=None) for one in record.files))


def _taking_order(one: OwnFile) -> tuple[bool, str]:
    """Links go first, so that none leads nowhere meanwhile."""
    return not one.contents[-1].startswith(LINK), one.path


def _owned(file: LayoutFile) -> OwnFile:
    return OwnFile(image=file.image, path=file.path, stage=file.stage, lock=file.lock, contents=(file.content,))


def _begun(wanted: Iterable[LayoutFile], before: LayoutRecord) -> tuple[OwnFile, ...]:
    files = {one.path: replace(one, state=None) for one in before.files}
    for file in wanted:
        old = files.get(file.path)
        contents = () if old is None else tuple(one for one in old.contents if one != file.content)
        files[file.path] = replace(_owned(file), contents=(*contents, file.content))
    return tuple(files.values())
