"""What resolving needs to know, and what it decides: Need, Answers, Choice, Resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from d8_installer.errors import D8Error
    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.source import ManifestBytes


class TagsOf(Struct, frozen=True):
    """The need to know every tag of an image (a repository path)."""

    image: str


class ManifestOf(Struct, frozen=True, kw_only=True):
    """The need to read the manifest that a tag or digest names; ``size`` is what a descriptor promised of it.

    One that is ``spare`` has no answer where it cannot be read, and that is not an error.
    """

    image: str
    ref: str
    size: int | None = None
    spare: bool = False


if TYPE_CHECKING:
    Needs = tuple[TagsOf | ManifestOf, ...]
    """One round of questions, to be answered at once and in any order."""


class Answers(Struct, frozen=True, kw_only=True):
    """What a source said to one round of needs; every need has its answer, ``absent`` those of images it lacks.

    ``failed`` are other needs that could not be met, and that concern their image alone. Only spare needs may be
    without any answer.
    """

    tags: Mapping[TagsOf, Sequence[str]] = field(default_factory=dict)
    manifests: Mapping[ManifestOf, ManifestBytes] = field(default_factory=dict)
    absent: Mapping[TagsOf, D8Error] = field(default_factory=dict)
    failed: Mapping[ManifestOf, D8Error] = field(default_factory=dict)


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be resolved.

    ``present`` are the requesters that were read, also those that ask for nothing. ``locked`` is the lock so far:
    its versions are preferred unless their image is in ``upgrade`` (None: every image); those in ``repin`` are asked
    for again at the same version. ``keep_absent`` leaves requesters in the lock that are not present. ``platforms`` are
    demanded of every image besides what the requests say, as a setting; ``adds`` are demanded this once, and change
    nothing else of an entry that is current. ``lenient`` leaves a newcomer out that cannot agree, or a plugin out whose
    image is not to be had, instead of failing; but those who ``insist`` fail. Lines of ``unread`` requesters, who are
    here and could not be read, stay. ``created_before``: versions that are now chosen were created before then.

    ``released``: images that lose the lines of requesters who are not present, whatever ``keep_absent`` says.
    ``left``: requests (image, requester) that are left out of ``requirements``; their lines in the lock stay.
    ``gone``: tags (repository path, tag) that are listed although the source lacks their manifest: they do not count.
    """

    requirements: tuple[Requirement, ...]
    present: frozenset[str]
    locked: Lock
    upgrade: frozenset[ImageName] | None = frozenset()
    repin: frozenset[ImageName] = frozenset()
    platforms: tuple[Platform, ...] = ()
    adds: tuple[Platform, ...] = ()
    keep_absent: bool = False
    lenient: bool = False
    insist: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    created_before: datetime | None = None
    released: frozenset[ImageName] = frozenset()
    left: frozenset[tuple[ImageName, str]] = frozenset()
    gone: frozenset[tuple[str, str]] = frozenset()


class Choice(Struct, frozen=True, kw_only=True):
    """One image's version as chosen.

    ``locked`` is its lock entry so far. ``kept``: nothing about that entry has to change, so nothing is asked.
    ``grows``: only the platforms that are added change it.
    """

    name: ImageName
    tag: str
    requirements: tuple[Requirement, ...]
    locked: LockedImage | None = None
    kept: bool = False
    grows: bool = False


class LeftOut(Struct, frozen=True):
    """A requirement that the rest goes on without, and the error that says why."""

    requirement: Requirement
    error: D8Error


class HeldBack(Struct, frozen=True, kw_only=True):
    """An image that was to be upgraded and is not at its newest stable version: who does not allow that one."""

    name: ImageName
    tag: str
    newest: str
    holders: tuple[Requirement, ...]


class Resolution(Struct, frozen=True):
    """What was chosen, by name, what was left out, and what a range keeps from its newest version."""

    choices: tuple[Choice, ...]
    left_out: tuple[LeftOut, ...] = ()
    held: tuple[HeldBack, ...] = ()


class Detail(Struct, frozen=True):
    """One thing that a lock entry says otherwise than is wanted, in words."""

    what: str
    locked: str
    wanted: str


class Difference(Struct, frozen=True, kw_only=True):
    """Why an image's entry is stale: one clause, and each thing that differs.

    ``outsiders`` are not in the entry and do not allow its version, on which others agreed: `lock` may leave them out.
    """

    image: ImageName
    problem: str
    details: tuple[Detail, ...] = ()
    outsiders: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.problem


class Considered(Struct, frozen=True):
    """One tag of an image, and in words why it was chosen or passed over."""

    tag: str
    why: str
    chosen: bool


class Explanation(Struct, frozen=True, kw_only=True):
    """Why an image is locked as it is: who asked, its entry so far, the tag that ``lock`` takes, all tags it has.

    ``left_out`` are those of the group that ``lock`` goes on without.
    """

    name: ImageName
    group: tuple[Requirement, ...]
    locked: LockedImage | None
    chosen: str | None
    considered: tuple[Considered, ...]
    left_out: tuple[LeftOut, ...] = ()


class Trust(Struct, frozen=True):
    """What earlier resolutions remember: (repository path, tag) to digest; and which tags may have moved."""

    remembered: Mapping[tuple[str, str], Digest]
    accept_moved: frozenset[tuple[str, str]] = frozenset()
