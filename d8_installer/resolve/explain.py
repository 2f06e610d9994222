"""Why one image is locked as it is: who asked, which tags were considered, and why newer ones were passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, MismatchError, NotFoundError
from d8_installer.model.date import spelled
from d8_installer.model.oci import ImageIndex, parse_manifest
from d8_installer.model.reference import is_tag
from d8_installer.model.resolution import Answers, Considered, Explanation, ManifestOf, TagsOf
from d8_installer.model.value import Struct
from d8_installer.model.version import Version
from d8_installer.resolve.choose import agree
from d8_installer.resolve.dates import dates_of
from d8_installer.resolve.demand import all_allow, allows, by_image, can_agree, locked_will_do

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from datetime import datetime

    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import LeftOut, Needs, Wanted

MAX_READ = 32
"""Allowed versions whose manifests are read for dates and platforms, the newest first."""


def explain(wanted: Wanted, name: ImageName) -> Generator[Needs, Answers, Explanation]:
    """Return who asks for *name* and what becomes of every tag of it. Changes nothing.

    Raises NotFoundError where the source lacks the image.
    """
    group = by_image(wanted.requirements).get(name, ())
    need = TagsOf(name.path)
    answers = yield (need,)
    if need in answers.absent:
        raise answers.absent[need]
    tags = _newest_first(answers.tags[need])
    locked = wanted.locked.find(name)
    agreed, left_out = _agreed(wanted, name, group, answers)
    allowed = [tag for tag in tags if agreed and all_allow(agreed, tag)]
    tops = tuple(ManifestOf(image=name.path, ref=tag, spare=True) for tag in allowed[:MAX_READ])
    dates: dict[str, datetime | None] = {}
    if wanted.created_before is not None and tops:
        found = yield from dates_of(tops)
        dates = {top.ref: date for top, date in found.items()}
    answers = (yield tops) if tops else Answers()
    lacking = {top.ref: _lacking(answers, top, wanted, agreed) for top in tops}
    stays = locked is not None and bool(agreed) and locked_will_do(wanted, name, agreed)
    facts = _Facts(
        wanted=wanted,
        group=agreed,
        dates=dates,
        lacking=lacking,
        stays=stays,
        left_out=frozenset(one.requirement for one in left_out),
    )
    candidate = next((tag for tag in allowed if not facts.too_new(tag)), None) if can_agree(agreed, allowed) else None
    chosen = locked.version if locked is not None and stays else candidate
    considered = tuple(Considered(tag, facts.verdict(tag, chosen, candidate), tag == chosen) for tag in tags)
    return Explanation(name=name, group=group, locked=locked, chosen=chosen, considered=considered, left_out=left_out)


def _agreed(
    wanted: Wanted, name: ImageName, group: tuple[Requirement, ...], answers: Answers
) -> tuple[tuple[Requirement, ...], tuple[LeftOut, ...]]:
    """Return who counts, as `lock` sees it, and who is left out; where it would fail, all of them count."""
    if locked_will_do(wanted, name, group):
        return group, ()
    try:
        agreed, left_out = agree(wanted, name, group, answers)
    except (ConflictError, NotFoundError):
        return group, ()
    return (agreed, tuple(left_out)) if agreed else (group, ())


class _Facts(Struct, frozen=True, kw_only=True):
    """What is known of the tags of one image, and the word on each."""

    wanted: Wanted
    group: tuple[Requirement, ...]
    dates: Mapping[str, datetime | None]
    lacking: Mapping[str, tuple[Platform, ...]]
    stays: bool
    left_out: frozenset[Requirement]

    def too_new(self, tag: str) -> str | None:
        """Return why the cut-off excludes an allowed *tag*, or None."""
        cutoff = self.wanted.created_before
        if cutoff is None:
            return None
        if tag not in self.dates:
            return f"older than the {MAX_READ} newest that were asked for their dates"
        date = self.dates[tag]
        if date is None:
            return "it has no date, so it counts as too new"
        return None if date < cutoff else f"created {spelled(date)}, which is not before {spelled(cutoff)}"

    def verdict(self, tag: str, chosen: str | None, candidate: str | None) -> str:
        """Say what becomes of *tag*: chosen, or why it is passed over."""
        why = self._refused(tag) or (None if tag == chosen else self.too_new(tag))
        if why is not None:
            return why
        missing = ", ".join(map(str, self.lacking.get(tag, ())))
        without = f"; it has no build for {missing}, which is demanded" if missing else ""
        if tag == chosen:
            others = "the others" if self.left_out else "all"
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
        if not self.group:
            return "nobody here wants the image"
        version = Version.try_parse(tag) if is_tag(tag) else None
        refusing = [requirement for requirement in self.group if not allows(requirement, tag)]
        if not refusing:
            return None
        if version is None:
            return "it is not a version"
        for requirement in refusing:
            if not version.is_stable() and _allows_release(requirement, version):
                spec = requirement.request.version.text
                return f"a pre-release, for which {requirement.requester} ({spec}) does not ask"
        return "outside " + " and ".join(f"{r.request.version.text} of {r.requester}" for r in refusing)


def _is_newer(tag: str, other: str) -> bool:
    one, two = Version.try_parse(tag), Version.try_parse(other)
    return one is not None and two is not None and one.preference_key > two.preference_key


def _allows_release(requirement: Requirement, version: Version) -> bool:
    """Whether only the pre-release part stands between *version* and the range."""
    release = Version.try_parse(version.text.partition("+")[0].partition("-")[0])
    return release is not None and requirement.request.version.allows(release)


def _newest_first(tags: Iterable[str]) -> list[str]:
    """Return *tags* with the newest version first, and what is not a version at the end."""
    versions = {tag: version for tag in tags if (version := Version.try_parse(tag)) is not None}
    others = sorted(tag for tag in tags if tag not in versions)
    return sorted(versions, key=lambda tag: versions[tag].preference_key, reverse=True) + others


def _lacking(answers: Answers, top: ManifestOf, wanted: Wanted, group: Iterable[Requirement]) -> tuple[Platform, ...]:
    """Return the demanded platforms that the version has no build for."""
    manifest = answers.manifests.get(top)
    try:
        index = parse_manifest(manifest.raw) if manifest is not None else None
    except MismatchError:
        return ()
    if not isinstance(index, ImageIndex):
        return ()
    strict = [requirement.request for requirement in group if not requirement.request.optional]
    demanded = {platform for request in strict for platform in request.platforms or ()}
    demanded |= set(wanted.platforms) if strict else set()
    return tuple(sorted(platform for platform in demanded if index.child_for(platform) is None))
