"""The values of resolving: what is wanted, the questions to the source, its answers, and the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.contract import BUILT_IN
from d8_installer.model.requirement import OWN_MANIFEST, needing_image
from d8_installer.model.value import Struct, field, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from d8_installer.errors import D8Error
    from d8_installer.model.contract import Contract
    from d8_installer.model.digest import Digest
    from d8_installer.model.facts import ClusterFacts, FactKind
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.source import ManifestBytes


class TagsOf(Struct, frozen=True):
    """The question for every tag of an image (a repository path)."""

    image: str


class ManifestOf(Struct, frozen=True, kw_only=True):
    """The question for the manifest that a tag or a digest names; ``size`` is the size that a descriptor promised.

    If it ``may_fail`` and the manifest cannot be read, it has no answer, and that is not an error.
    """

    image: str
    ref: str
    size: int | None = None
    may_fail: bool = False


class ContractOf(Struct, frozen=True, kw_only=True):
    """The question for the contract of a version: that of its index, or else that of its builds (rpp.md §5.1).

    ``platforms`` are the builds that count, None for all. They are the ones that are locked, so that no manifest is
    read for this question alone.
    """

    image: str
    tag: str
    platforms: tuple[Platform, ...] | None = None


if TYPE_CHECKING:
    Question = TagsOf | ManifestOf | ContractOf
    Needs = tuple[Question, ...]
    """One round of questions, to be answered at once and in any order."""


class Answers(Struct, frozen=True, kw_only=True):
    """What a source answered to one round of questions. Only a question that ``may_fail`` may lack one.

    ``absent`` holds the errors for images that the source does not have, ``failed`` other errors that concern one
    image alone. ``contracts`` has None for a version without a contract, and for one whose manifest cannot be read:
    pinning it says why. ``broken`` holds the errors of contracts that cannot be read.
    """

    tags: Mapping[TagsOf, Sequence[str]] = field(default_factory=dict)
    manifests: Mapping[ManifestOf, ManifestBytes] = field(default_factory=dict)
    absent: Mapping[TagsOf, D8Error] = field(default_factory=dict)
    failed: Mapping[ManifestOf, D8Error] = field(default_factory=dict)
    contracts: Mapping[ContractOf, Contract | None] = field(default_factory=dict)
    broken: Mapping[ContractOf, D8Error] = field(default_factory=dict)


class Strictness(Struct, frozen=True):
    """Which requirements may be left out where they cannot be met, instead of failing the command.

    If it is *lenient*, those of plugins may, but for the requesters that *insist*. A person's own manifest may not.
    """

    lenient: bool = False
    insist: frozenset[str] = frozenset()

    def may_leave_out(self, group: Iterable[Requirement]) -> bool:
        """Whether the rest may go on without all of *group*."""
        requesters = {requirement.requester for requirement in group}
        return self.lenient and OWN_MANIFEST not in requesters and not requesters & self.insist


LENIENT = Strictness(lenient=True)


class Selection(Struct, frozen=True, kw_only=True):
    """Which images get a new version, or are pinned again, and which versions count.

    ``upgrade``: images whose locked version is not preferred, None for all. ``repin``: images that are asked for again
    at the locked version. ``created_before``: versions that are newly chosen were created before then. ``gone``: tags
    (repository path, tag) that the source lists although it lacks their manifest, and that do not count.
    ``use_major``: the major version that the images ``named`` get; dependencies may then leave their major, too
    (rpp.md §7). ``typed``: the tag that a person typed for an image that only others need.
    """

    upgrade: frozenset[ImageName] | None = frozenset()
    repin: frozenset[ImageName] = frozenset()
    created_before: datetime | None = None
    gone: frozenset[tuple[str, str]] = frozenset()
    use_major: int | None = None
    named: frozenset[ImageName] = frozenset()
    typed: Mapping[ImageName, str] = field(default_factory=dict)


class KeptRequests(Struct, frozen=True, kw_only=True):
    """Which requests stay in the lock although no requirement asks for them now.

    ``absent``: those of requesters that are not present, except for the images in ``released``. ``unread``: those of
    requesters that are here and could not be read. ``left_out``: single ones (image, requester).
    """

    absent: bool = False
    released: frozenset[ImageName] = frozenset()
    unread: frozenset[str] = frozenset()
    left_out: frozenset[tuple[ImageName, str]] = frozenset()


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be resolved: the requirements, the requesters that were read, and the lock so far.

    ``present`` has the requesters that ask for nothing, too. ``platforms`` are demanded of every image besides what
    the requests demand, as a setting of the project; ``adds`` are demanded this once, and change nothing else of a
    lock entry that is current. ``facts`` are what is known of the cluster; None if nothing of it is checked.
    ``built_in`` are plugins that count as installed. ``program`` is how a command that changes this profile begins,
    for hints.

    Among the requirements are those of images that need other ones, as the lock has them (``with_needs`` in
    ``resolve/dependencies.py``). Resolving makes them anew.
    """

    requirements: tuple[Requirement, ...]
    present: frozenset[str]
    locked: Lock
    platforms: tuple[Platform, ...] = ()
    adds: tuple[Platform, ...] = ()
    strictness: Strictness = Strictness()
    selection: Selection = Selection()
    kept: KeptRequests = KeptRequests()
    facts: ClusterFacts | None = None
    built_in: frozenset[str] = BUILT_IN
    program: str = "d8-installer"

    def keeps(self, name: ImageName, requester: str) -> bool:
        """Whether the lock entry of *name* keeps the request of *requester*, which does not ask for the image now."""
        if requester in self.kept.unread or (name, requester) in self.kept.left_out:
            return True
        if needing_image(requester) is not None:
            return False  # it is here as long as that image is locked
        return self.kept.absent and requester not in self.present and name not in self.kept.released

    def kept_requests(self, image: LockedImage) -> tuple[tuple[str, Digest], ...]:
        """Return the requests of a lock entry that stay although they are not asked now."""
        return tuple(request for request in image.requests if self.keeps(image.name, request[0]))

    def without(self, left_out: Iterable[LeftOut]) -> Wanted:
        """Return what is wanted without the requirements that are left out; what is locked for them stays."""
        gone = {(one.requirement.request.name, one.requirement.requester) for one in left_out}
        if not gone:
            return self
        requirements = tuple(one for one in self.requirements if (one.request.name, one.requester) not in gone)
        kept = replace(self.kept, left_out=self.kept.left_out | gone)
        return replace(self, requirements=requirements, kept=kept)


class Choice(Struct, frozen=True, kw_only=True):
    """The version that is chosen for one image.

    ``locked`` is its lock entry so far. ``kept``: nothing about that entry has to change, so the source is not asked.
    ``grows``: only platforms are added to it. ``contract`` was read if the image is to be pinned. ``kept_requests`` are
    requests that stay although nothing here asks them now.
    """

    name: ImageName
    tag: str
    requirements: tuple[Requirement, ...]
    locked: LockedImage | None = None
    kept: bool = False
    grows: bool = False
    contract: Contract | None = None
    kept_requests: tuple[tuple[str, Digest], ...] = ()


class LeftOut(Struct, frozen=True):
    """A requirement that the rest goes on without, and the error that says why."""

    requirement: Requirement
    error: D8Error

    @classmethod
    def of(cls, requirement: Requirement, error: D8Error) -> LeftOut:
        """Leave *requirement* out for *error*, which then names the requester if it is a plugin."""
        is_named = requirement.requester == OWN_MANIFEST or requirement.requester in error.message
        return cls(requirement, error if is_named else error.within(str(requirement)))


class HeldBack(Struct, frozen=True, kw_only=True):
    """An image that was to be upgraded, and that the requirements *holders* keep from its newest stable version."""

    name: ImageName
    tag: str
    newest: str
    holders: tuple[Requirement, ...]


class PassedOver(Struct, frozen=True, kw_only=True):
    """A version newer than the chosen one that every range allows, and why it was not taken.

    ``facts``: it was facts of the cluster that spoke against it.
    """

    name: ImageName
    tag: str
    why: str
    facts: bool = False


class Resolution(Struct, frozen=True):
    """The choices by name, the requirements left out, and the images that a range holds back.

    ``passed_over``: newer versions that were not taken. ``missing_facts``: kinds of facts that contracts ask for and
    that are not in the facts: the caller reads them and resolves again, and the choices do not count.
    """

    choices: tuple[Choice, ...]
    left_out: tuple[LeftOut, ...] = ()
    held: tuple[HeldBack, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    missing_facts: frozenset[FactKind] = frozenset()


class Detail(Struct, frozen=True):
    """One thing that differs between a lock entry and what is wanted, in words."""

    what: str
    locked: str
    wanted: str


class Difference(Struct, frozen=True, kw_only=True):
    """Why the lock entry of an image is stale: one clause, and each thing that differs.

    ``outsiders`` are requesters that are not in the entry and do not allow the version on which the others agreed:
    ``lock`` may leave them out.
    """

    image: ImageName
    problem: str
    details: tuple[Detail, ...] = ()
    outsiders: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.problem


class Considered(Struct, frozen=True):
    """One tag of an image, and why it was chosen or passed over, in words."""

    tag: str
    why: str
    chosen: bool


class Explanation(Struct, frozen=True, kw_only=True):
    """Why an image is locked as it is: the requirements, the lock entry so far, the tag that ``lock`` takes, all tags.

    ``left_out`` are the requirements that ``lock`` goes on without. ``missing_facts``: as in a Resolution.
    """

    name: ImageName
    group: tuple[Requirement, ...]
    locked: LockedImage | None
    chosen: str | None
    considered: tuple[Considered, ...]
    left_out: tuple[LeftOut, ...] = ()
    missing_facts: frozenset[FactKind] = frozenset()


class Trust(Struct, frozen=True):
    """What earlier resolutions remember: (repository path, tag) to digest; and which tags may have moved."""

    remembered: Mapping[tuple[str, str], Digest]
    accept_moved: frozenset[tuple[str, str]] = frozenset()
