"""Why one image is locked as it is: its requirements, the tags considered, and why newer ones were passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, DocumentError, MismatchError, NotFoundError
from d8_installer.model.date import spelled
from d8_installer.model.oci import ImageIndex, parse_manifest
from d8_installer.model.reference import is_tag
from d8_installer.model.resolution import Answers, Considered, Explanation, ManifestOf, TagsOf
from d8_installer.model.value import Struct, field, replace
from d8_installer.model.version import Version
from d8_installer.resolve.choose import settled
from d8_installer.resolve.dates import dates_of
from d8_installer.resolve.demand import Agreement, Demand, demands_of
from d8_installer.resolve.dependencies import with_needs
from d8_installer.resolve.rejections import NoneFound

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from datetime import datetime

    from d8_installer.model.facts import FactKind
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Needs, Wanted

MAX_READ = 32
"""How many allowed versions are read for dates and platforms, the newest first."""


def explain(wanted: Wanted, name: ImageName) -> Generator[Needs, Answers, Explanation]:
    """Return the requirements for *name* and the verdict on each of its tags. Changes nothing.

    Raises NotFoundError if the source does not have the image.
    """
    wanted = with_needs(wanted)
    group = demands_of(wanted)[name].group if any(r.request.name == name for r in wanted.requirements) else ()
    need = TagsOf(name.path)
    answers = yield (need,)
    if need in answers.absent:
        raise answers.absent[need]
    tags = _newest_first(answers.tags[need])
    agreement = _agreement(replace(Demand.of(wanted, name, group), tags=tags))
    demand = replace(Demand.of(wanted, name, agreement.group), tags=tags)
    allowed = [tag for tag in tags if demand.group and demand.allows(tag)]
    tops = tuple(ManifestOf(image=name.path, ref=tag, may_fail=True) for tag in allowed[:MAX_READ])
    dates: dict[str, datetime | None] = {}
    if wanted.selection.created_before is not None and tops:
        found = yield from dates_of(tops)
        dates = {top.ref: date for top, date in found.items()}
    answers = (yield tops) if tops else Answers()
    upgraded = (yield from _upgraded(wanted, name)) if group else _Upgraded()
    facts = _Facts(
        demand=demand,
        dates=dates,
        lacking={top.ref: _lacking(answers, top, demand) for top in tops},
        stays=bool(demand.group) and demand.will_do,
        has_left_out=bool(agreement.left_out),
        passed_over=upgraded.passed_over,
    )
    candidate = None
    if demand.can_agree(allowed):
        fitting = (tag for tag in allowed if not facts.too_new(tag) and tag not in upgraded.passed_over)
        candidate = next(fitting, None) if upgraded.tag is None else upgraded.tag
    locked = demand.locked
    chosen = locked.version if locked is not None and facts.stays else candidate
    return Explanation(
        name=name,
        group=group,
        locked=locked,
        chosen=chosen,
        considered=tuple(Considered(tag, facts.verdict(tag, chosen, candidate), tag == chosen) for tag in tags),
        left_out=agreement.left_out,
        missing_facts=upgraded.missing_facts,
    )


class _Upgraded(Struct, frozen=True, kw_only=True):
    """What an upgrade of the image would take, and the reasons against versions that all ranges allow."""

    tag: str | None = None
    passed_over: Mapping[str, str] = field(default_factory=dict)
    missing_facts: frozenset[FactKind] = frozenset()


def _upgraded(wanted: Wanted, name: ImageName) -> Generator[Needs, Answers, _Upgraded]:
    """Return what an upgrade of *name* alone would take. If the rest cannot be chosen, that says nothing of it."""
    selection = replace(wanted.selection, upgrade=frozenset([name]))
    try:
        outcome = yield from settled(replace(wanted, selection=selection))
    except (ConflictError, DocumentError, NotFoundError):
        return _Upgraded()
    if isinstance(outcome, NoneFound):
        return _Upgraded(passed_over={tag: str(why) for tag, why in outcome.tried} if outcome.name == name else {})
    pick = outcome.picks.get(name)
    return _Upgraded(
        tag=None if pick is None else pick.tag,
        passed_over={one.tag: one.why for one in outcome.passed_over if one.name == name},
        missing_facts=outcome.missing,
    )


def _agreement(demand: Demand) -> Agreement:
    """Return the requirements that ``lock`` would follow, and those it would leave out; if it would fail, all count."""
    if demand.will_do:
        return Agreement(demand.group)
    try:
        agreement = demand.agree()
    except (ConflictError, NotFoundError):
        return Agreement(demand.group)
    return agreement if agreement.group else Agreement(demand.group)


class _Facts(Struct, frozen=True, kw_only=True):
    """What is known about the tags of one image, and the verdict on each."""

    demand: Demand
    dates: Mapping[str, datetime | None]
    lacking: Mapping[str, tuple[Platform, ...]]
    stays: bool
    has_left_out: bool
    passed_over: Mapping[str, str]

    def too_new(self, tag: str) -> str | None:
        """Return why the cut-off excludes the allowed *tag*, or None."""
        cutoff = self.demand.wanted.selection.created_before
        if cutoff is None:
            return None
        if tag not in self.dates:
            return f"older than the {MAX_READ} newest that were asked for their dates"
        date = self.dates[tag]
        if date is None:
            return "it has no date, so it counts as too new"
        return None if date < cutoff else f"created {spelled(date)}, which is not before {spelled(cutoff)}"

    def verdict(self, tag: str, chosen: str | None, candidate: str | None) -> str:
        """Return whether *tag* is chosen, or why it is passed over."""
        why = self._refused(tag) or (None if tag == chosen else self.too_new(tag) or self.passed_over.get(tag))
        if why is not None:
            return why
        missing = ", ".join(map(str, self.lacking.get(tag, ())))
        without = f"; it has no build for {missing}, which is demanded" if missing else ""
        if tag == chosen:
            others = "the others" if self.has_left_out else "all"
            return (f"locked, and {others} allow it" if self.stays else f"the newest that {others} allow") + without
        if tag == candidate:
            return "newer than the locked one, which is kept until an upgrade" + without
        if self.stays and chosen is not None:
            if not _is_newer(tag, chosen):
                return f"older than the locked {chosen}{without}"
            more = f", and older than {candidate}" if candidate is not None and _is_newer(candidate, tag) else ""
            return f"newer than the locked {chosen}{more}{without}"
        return f"older than {candidate}{without}" if candidate is not None else f"no version is right for all{without}"

    def _refused(self, tag: str) -> str | None:
        if not self.demand.group:
            return "no requester here wants the image"
        version = Version.try_parse(tag) if is_tag(tag) else None
        refusing = [requirement for requirement in self.demand.group if not requirement.allows(tag)]
        if not refusing:
            return None
        if version is None:
            return "it is not a version"
        for requirement in refusing:
            if not version.is_stable() and _allows_release(requirement, version):
                spec = requirement.request.version.text
                return f"a pre-release, for which {requirement.requester} ({spec}) does not ask"
        return "outside " + " and ".join(f"{r.range} of {r.requester}" for r in refusing)


def _is_newer(tag: str, other: str) -> bool:
    one, two = Version.try_parse(tag), Version.try_parse(other)
    return one is not None and two is not None and one.preference_key > two.preference_key


def _allows_release(requirement: Requirement, version: Version) -> bool:
    """Whether the range would allow *version* without its pre-release part."""
    release = Version.try_parse(version.text.partition("+")[0].partition("-")[0])
    return release is not None and requirement.request.version.allows(release)


def _newest_first(tags: Iterable[str]) -> list[str]:
    """Return *tags* with the newest version first, and tags that are not versions at the end."""
    versions = {tag: version for tag in tags if (version := Version.try_parse(tag)) is not None}
    others = sorted(tag for tag in tags if tag not in versions)
    return sorted(versions, key=lambda tag: versions[tag].preference_key, reverse=True) + others


def _lacking(answers: Answers, top: ManifestOf, demand: Demand) -> tuple[Platform, ...]:
    """Return the demanded platforms for which the version has no build."""
    manifest = answers.manifests.get(top)
    try:
        index = parse_manifest(manifest.raw) if manifest is not None else None
    except MismatchError:
        return ()
    if not isinstance(index, ImageIndex):
        return ()
    strict = [requirement.request for requirement in demand.group if not requirement.request.optional]
    demanded = {platform for request in strict for platform in request.platforms or ()}
    demanded |= set(demand.wanted.platforms) if strict else set()
    return tuple(sorted(platform for platform in demanded if index.child_for(platform) is None))
