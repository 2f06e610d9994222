"""What the source has said during one resolution, and how it is asked for contracts. Asks nothing itself."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from d8_installer.model.lock import ANY_PLATFORM
from d8_installer.model.platform import Platform
from d8_installer.model.requirement import needing_image
from d8_installer.model.resolution import ContractOf, ManifestOf, TagsOf
from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from d8_installer.errors import D8Error
    from d8_installer.model.contract import Contract
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Request
    from d8_installer.model.resolution import Answers, Wanted
    from d8_installer.resolve.dependencies import Pick


class Knowledge(Struct, kw_only=True):
    """What the source has said so far. It outlives a search, so that the next one asks nothing again.

    ``absent`` holds the errors for images that have no tags, ``broken`` those for contracts that cannot be read.
    """

    tags: dict[ImageName, Sequence[str]] = field(default_factory=dict)
    absent: dict[ImageName, D8Error] = field(default_factory=dict)
    contracts: dict[ContractOf, Contract | None] = field(default_factory=dict)
    broken: dict[ContractOf, D8Error] = field(default_factory=dict)
    dates: dict[ManifestOf, datetime | None] = field(default_factory=dict)

    def learn_tags(self, names: Iterable[ImageName], answers: Answers, wanted: Wanted) -> None:
        """Take in the tags of *names*, without those whose manifest is gone."""
        gone = wanted.selection.gone
        for name in names:
            question = TagsOf(name.path)
            tags = answers.tags.get(question, ())
            self.tags[name] = tuple(tag for tag in tags if (name.path, tag) not in gone) if gone else tags
            if question in answers.absent:
                self.absent[name] = answers.absent[question]

    def learn_contracts(self, answers: Answers) -> None:
        """Take in contracts, and the errors of those that cannot be read."""
        self.contracts |= answers.contracts
        self.broken |= answers.broken

    def has_read(self, question: ContractOf) -> bool:
        """Whether the source has answered *question*."""
        return question in self.contracts or question in self.broken

    def is_late(self, pick: Pick, wanted: Wanted) -> bool:
        """Whether *pick* is known to be from after the cut-off, or to have no date."""
        cutoff, top = wanted.selection.created_before, top_of(pick)
        if cutoff is None or top not in self.dates:
            return False
        date = self.dates[top]
        return date is None or date >= cutoff


def top_of(pick: Pick) -> ManifestOf:
    """Return the question for the manifest of a version."""
    return ManifestOf(image=pick.name.path, ref=pick.tag)


class Questions(Struct, frozen=True):
    """How to ask for contracts: the builds that count are those that are locked, so that none is read in vain."""

    platforms: Mapping[ImageName, tuple[Platform, ...] | None]
    others: tuple[Platform, ...] | None

    @classmethod
    def of(cls, wanted: Wanted) -> Questions:
        """Return the questions for what is *wanted*. A dependency is asked about every platform that any image has."""
        requests: dict[ImageName, list[Request]] = defaultdict(list)
        for requirement in wanted.requirements:
            if needing_image(requirement.requester) is None:
                requests[requirement.request.name].append(requirement.request)
        platforms = {name: _platforms(name, group, wanted) for name, group in requests.items()}
        listed = {one for some in platforms.values() for one in some or ()}
        return cls(platforms, None if None in platforms.values() or not platforms else tuple(sorted(listed)))

    def contract(self, name: ImageName, tag: str) -> ContractOf:
        """Return the question for the contract of a version."""
        return ContractOf(image=name.path, tag=tag, platforms=self.platforms.get(name, self.others))


def _platforms(name: ImageName, requests: Iterable[Request], wanted: Wanted) -> tuple[Platform, ...] | None:
    listed = [request.platforms for request in requests]
    if None in listed:
        return None
    found = {platform for some in listed for platform in some or ()}
    return tuple(sorted({*found, *wanted.platforms, *wanted.adds, *_kept(name, wanted)}))


def _kept(name: ImageName, wanted: Wanted) -> Iterator[Platform]:
    locked = wanted.locked.find(name)
    if locked is not None and wanted.kept_requests(locked):
        yield from (Platform.parse(key) for key, _ in locked.platforms if key != ANY_PLATFORM)
