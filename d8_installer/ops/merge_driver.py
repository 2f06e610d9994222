"""``lock`` on a file with conflict markers, and ``lock --merge``, git's merge driver. The package ``merge`` decides."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, D8Error, DocumentError, NotFoundError, UsageError
from d8_installer.merge.three_way import Merged, Versions, merge, render
from d8_installer.model.conflict_markers import TAKE_ONE, Sides, first_marker, put_together, take_apart
from d8_installer.model.document import Document
from d8_installer.model.lock import Doubles, Lock, entry_hashes
from d8_installer.model.torn_lock import Torn, read_torn
from d8_installer.model.value import Struct
from d8_installer.store import documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.merge.three_way import Clash
    from d8_installer.model.reference import ImageName
    from d8_installer.ops.git_index import MergeVersions
    from d8_installer.pipeline.reporter import Reporter


_SHOWN = 20


class Merging(Struct, kw_only=True):
    """Reads a lock that may have the conflict markers of an unfinished merge.

    ``taken`` names, for an image, the side that counts. Images in ``upgrade`` (None: every image) are resolved
    again anyway. After ``load``, ``unsettled`` are the images to pin again at the version that they have, and ``seen``
    are all images that any side of the merge has.
    """

    reporter: Reporter
    taken: Mapping[ImageName, str]
    upgrade: frozenset[ImageName] | None
    unsettled: frozenset[ImageName] = frozenset()
    seen: frozenset[ImageName] = frozenset()

    def load(self, path: str) -> Document[Lock] | None:
        """Return the file's text and the merged lock. If both sides changed an image, raise a ConflictError for all."""
        text = documents.load_lock_text(path)
        sides = None if text is None else _sides(text, path)
        if text is None or sides is None:
            if self.taken:
                raise UsageError(
                    "--ours and --theirs choose between the sides of a merge, and the lock has no conflict markers",
                    hint="leave them out",
                )
            return self._whole_entries(path, text)
        versions = _versions(path, sides)
        merged = merge(versions, self.taken)
        for name in sorted(self.taken.keys() - versions.names):
            raise NotFoundError(f"neither side has {name}", hint=f"leave --{self.taken[name]} {name} out")
        clashes = [clash for clash in merged.clashes if not self._is_upgraded(clash)]
        if clashes:
            error = ConflictError(
                f"both sides changed {_listed(clashes)}", file=path, hint=_hint(clashes), code="merge-conflict"
            )
            error.conflicts = tuple(clash.as_json() for clash in clashes if clash.name is not None)
            raise error
        self.unsettled, self.seen = merged.unsettled, versions.names
        self.reporter.note(f"merged both sides of {path}")
        if merged.unsettled:
            names = ", ".join(sorted(map(str, merged.unsettled)))
            self.reporter.note(f"both sides changed the requests for {names}: pinned again from the manifests")
        return Document(text, merged.lock)

    def _whole_entries(self, path: str, text: str | None) -> Document[Lock] | None:
        """Read a lock without markers. If all its torn entries are to be upgraded, the other entries count."""
        try:
            return documents.load_lock(path)
        except DocumentError as error:
            torn = None if error.key == "lock_version" else _readable(text, path)
            names = frozenset() if torn is None else frozenset(torn.blocks)
            if text is None or torn is None or not names or not (self.upgrade is None or names <= self.upgrade):
                raise
            self.seen = names
            self.reporter.note(
                f"resolved again, because their entries cannot be read: {', '.join(sorted(map(str, names)))}"
            )
            return Document(text, torn.lock)

    def _is_upgraded(self, clash: Clash) -> bool:
        return clash.name is not None and (self.upgrade is None or clash.name in self.upgrade)


def _listed(clashes: Sequence[Clash]) -> str:
    return _shortened(list(map(str, clashes)))


def _shortened(words: Sequence[str]) -> str:
    more = len(words) - _SHOWN
    return " and ".join([*words[:_SHOWN], f"{more} more"] if more > 0 else words)


def _hint(clashes: Sequence[Clash]) -> str:
    images = [clash for clash in clashes if clash.name is not None]
    if not images:
        return "keep one of the two lines by hand, without markers around it"
    if len(images) == 1:
        name, mixed = images[0].name, images[0].mixed
        ways = [f"--{side} {name}" for side in ("ours", "theirs") if side not in mixed]
        first = f"{', '.join(ways)} or " if ways else ""
        return f"type `d8-installer lock` with {first}--upgrade-image {name}, which resolves it again"
    names = _shortened([str(clash.name) for clash in images])
    unsure = any(clash.mixed & {"ours", "theirs"} for clash in images)
    return (
        "type `d8-installer lock` with --ours NAME, --theirs NAME or --upgrade-image NAME, which resolves it again,"
        f" for each of {names}" + ("; a side that git mixed up cannot be taken" if unsure else "")
    )


def _sides(text: str, path: str) -> Sides | None:
    """Return the two sides that git left in the file, or None if it has no conflict."""
    sides = take_apart(text, path)
    return Sides(None, text, text) if sides is None and Doubles.of(text).names else sides


def _versions(path: str, sides: Sides) -> Versions:
    """Return the three locks: from git's index during a merge, or else from what the markers enclose."""
    from d8_installer.ops.git_index import merge_versions  # a lock without markers needs no process

    in_index = merge_versions(path)
    if in_index is not None:
        try:
            return _from_index(path, in_index)
        except DocumentError:
            pass  # a lock was committed with markers in it, so only the file tells the sides
    try:
        return _from_markers(path, sides)
    except DocumentError as error:
        nested = any(first_marker(text) is not None for text in (sides.ours, sides.theirs))
        why = "there are others inside of them" if nested else error.problem
        raise ConflictError(
            f"has conflict markers that leave no whole lock on either side: {why}",
            file=path,
            hint=TAKE_ONE,
            about_file=True,
            code="conflict-markers",
        ) from error


def _from_markers(path: str, sides: Sides) -> Versions:
    doubles = [Doubles.of(text) for text in (sides.ours, sides.theirs)]
    texts = {"ours": doubles[0].first, "theirs": doubles[1].last, "base": sides.base or ""}
    locks = {side: Lock.parse(texts[side].encode(), path) for side in ("ours", "theirs")}
    base = _readable(sides.base, path)
    mixed: dict[ImageName, frozenset[str]] = {}
    for side, lock in {**locks, "base": base.lock if base else Lock()}.items():
        for name in _mixed(texts[side], lock, doubles[0].names | doubles[1].names if side == "base" else frozenset()):
            mixed[name] = mixed.get(name, frozenset()) | {side}
    return Versions(
        base=base.lock if base else None, ours=locks["ours"], theirs=locks["theirs"], mixed=mixed, torn=_torn(base=base)
    )


def _from_index(path: str, found: MergeVersions) -> Versions:
    """Return the locks in the index. If both sides added the file, the base is empty."""
    base = _readable((found.base or b"").decode("utf-8", "replace"), path)
    return Versions(
        base=base.lock if base else None,
        ours=Lock.parse(found.ours, path),
        theirs=Lock.parse(found.theirs, path),
        torn=_torn(base=base),
    )


def _readable(text: str | None, path: str) -> Torn | None:
    try:
        return None if text is None else read_torn(text, path)
    except DocumentError:
        return None


def _torn(**sides: Torn | None) -> dict[tuple[str, ImageName], str]:
    return {(side, name): text for side, torn in sides.items() if torn for name, text in torn.blocks.items()}


def _mixed(text: str, lock: Lock, doubled: frozenset[str]) -> list[ImageName]:
    """Return the images whose entry does not have its hash, because git joined lines of both sides in it.

    A base is not trusted either for an image that one side has twice (*doubled*).
    """
    known = entry_hashes(text)
    return [
        i.name for i in lock.images if str(i.name) in doubled or known.get(str(i.name), i.entry_hash) != i.entry_hash
    ]


# -- the merge driver ----------------------------------------------------------------------------------------


class Driven(Struct, frozen=True):
    """The file that the driver wrote, and its lock before and after."""

    file: str
    before: Lock
    after: Lock


def drive(directory: str, files: Sequence[str]) -> Driven:
    """Merge the three *files*, git's %O %A %B, into the second of them.

    Entries that a person or the manifests must settle are written between markers. Then a D8Error with exit code 1 is
    raised, as gitattributes(5) demands of a driver.
    """
    paths = [os.path.join(directory, file) for file in files]
    texts = [documents.load_lock_text(path) for path in paths]
    missing = [path for path, text in zip(paths, texts, strict=True) if text is None]
    if missing:
        raise UsageError(f"{missing[0]} is not there", hint="type the three files that git gives to a merge driver")
    base, ours, theirs = (text or "" for text in texts)
    try:
        versions = _driven((base, ours, theirs))
    except DocumentError as error:
        documents.save(paths[1], put_together(*(_whole_lines(text) for text in (ours, base, theirs))))
        raise D8Error(f"one side is not a lock: {error}", hint=error.hint or TAKE_ONE) from error
    merged = merge(versions)
    documents.save(paths[1], render(versions, merged))
    if merged.clashes or merged.unsettled:
        raise D8Error(_left(merged), hint="merge d8.toml, then type `d8-installer lock`")
    return Driven(paths[1], versions.ours, merged.lock)


def _driven(texts: Sequence[str]) -> Versions:
    """Return the locks in *texts*: base, ours, theirs. With more than one base, git's ours may have markers itself."""
    base = _readable(texts[0], "base")
    ours, theirs = read_torn(texts[1], "ours"), read_torn(texts[2], "theirs")
    mixed: dict[ImageName, frozenset[str]] = {}
    for side, torn in (("ours", ours), ("theirs", theirs)):
        mixed |= {name: mixed.get(name, frozenset()) | {side} for name in torn.blocks}
    return Versions(
        base=base.lock if base else None,
        ours=ours.lock,
        theirs=theirs.lock,
        mixed=mixed,
        torn=_torn(base=base, ours=ours, theirs=theirs),
    )


def _whole_lines(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _left(merged: Merged) -> str:
    named = {clash.name for clash in merged.clashes}
    shown = [str(clash) for clash in merged.clashes]
    shown += [f"{name} (its requests)" for name in sorted(merged.unsettled) if name not in named]
    return f"both sides changed {_shortened(shown)}"
