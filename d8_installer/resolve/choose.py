"""Which version of each image: the locked one while it will do, else the newest that all allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, NotFoundError
from d8_installer.model.date import spelled
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.resolution import Answers, Choice, HeldBack, LeftOut, ManifestOf, Resolution, TagsOf
from d8_installer.model.value import replace
from d8_installer.model.version import Version
from d8_installer.resolve.dates import dates_of
from d8_installer.resolve.demand import absent, all_allow, allows, by_image, can_agree, is_current, locked_will_do
from d8_installer.resolve.left_out import may_leave_out, naming, without

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from datetime import datetime

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import LockedImage
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Needs, Wanted


def resolve(wanted: Wanted) -> Generator[Needs, Answers, Resolution]:
    """Choose one version for every wanted image: the locked one while it will do, else the newest that all allow.

    Raises NotFoundError where no version is allowed, ConflictError naming both requesters where they exclude each
    other (``wanted.lenient``: the newcomer is left out instead).
    """
    groups = by_image(wanted.requirements)
    needs = tuple(TagsOf(name.path) for name, group in groups.items() if not locked_will_do(wanted, name, group))
    answers = _without_gone(wanted, (yield needs)) if needs else Answers()
    dated: dict[ManifestOf, datetime | None] = {}
    while True:
        try:
            resolution = _decide(wanted, groups, _old_enough(wanted, answers, dated))
        except _Undecided as undecided:
            raise _with_cutoff(undecided, wanted, dated) from undecided
        chosen = {ManifestOf(image=c.name.path, ref=c.tag) for c in resolution.choices if _is_anew(wanted, c)}
        if wanted.created_before is None or chosen <= dated.keys():
            return resolution
        dated |= yield from dates_of(sorted(chosen - dated.keys(), key=lambda top: top.image))


class _Undecided(Exception):  # noqa: N818 - it never leaves this module
    """What is wrong with one image."""

    def __init__(self, name: ImageName, error: ConflictError | NotFoundError) -> None:
        super().__init__(name)
        self.name = name
        self.error = error


def _without_gone(wanted: Wanted, answers: Answers) -> Answers:
    tags = {
        need: tuple(tag for tag in every if (need.image, tag) not in wanted.gone)
        for need, every in answers.tags.items()
    }
    return replace(answers, tags=tags) if wanted.gone else answers


def _is_anew(wanted: Wanted, choice: Choice) -> bool:
    return not choice.kept and not locked_will_do(wanted, choice.name, choice.requirements)


def _old_enough(wanted: Wanted, answers: Answers, dated: Mapping[ManifestOf, datetime | None]) -> Answers:
    """Return *answers* without the tags that are known to be too new, or to have no date."""
    if wanted.created_before is None:
        return answers
    late = {top for top, date in dated.items() if date is None or date >= wanted.created_before}
    tags = {
        need: tuple(tag for tag in every if ManifestOf(image=need.image, ref=tag) not in late)
        for need, every in answers.tags.items()
    }
    return replace(answers, tags=tags)


def _with_cutoff(
    undecided: _Undecided, wanted: Wanted, dated: Mapping[ManifestOf, datetime | None]
) -> ConflictError | NotFoundError:
    error = undecided.error
    if wanted.created_before is None or not dated:
        return error
    return error.within(
        more=f"versions without a date, or from {spelled(wanted.created_before)} on, are excluded",
        hint=f"see `d8-installer lock --explain {undecided.name}` with the same --exclude-newer",
    )


def _decide(wanted: Wanted, groups: Mapping[ImageName, tuple[Requirement, ...]], answers: Answers) -> Resolution:
    choices, left_out, held = [], list[LeftOut](), list[HeldBack]()
    for name, group in groups.items():
        locked = wanted.locked.find(name)
        if locked is not None and locked_will_do(wanted, name, group):
            choices.append(_as_locked(wanted, locked, group))
            continue
        try:
            agreed, refused = agree(wanted, name, group, answers)
            left_out += refused
            rest = without(wanted, refused)
            if not agreed:
                choices += (
                    [Choice(name=name, tag=locked.version, requirements=(), locked=locked, kept=True)]
                    if locked is not None
                    else []
                )
            elif locked is not None and locked_will_do(rest, name, agreed):
                choices.append(_as_locked(rest, locked, agreed))
            else:
                tags = answers.tags[TagsOf(name.path)]
                choices.append(Choice(name=name, tag=newest(name, agreed, tags), requirements=agreed, locked=locked))
                held += _held(wanted, choices[-1], tags)
        except (ConflictError, NotFoundError) as error:
            raise _Undecided(name, error) from error
    return Resolution((*choices, *absent(wanted, groups)), tuple(left_out), tuple(held))


def _held(wanted: Wanted, choice: Choice, tags: Sequence[str]) -> Iterator[HeldBack]:
    """Yield the image if it was to be upgraded, and a range keeps it from its newest stable version."""
    if wanted.upgrade is not None and choice.name not in wanted.upgrade:
        return
    stable = [version for tag in tags if (version := Version.try_parse(tag)) is not None and version.is_stable()]
    best, chosen = max(stable, key=lambda one: one.preference_key, default=None), Version.try_parse(choice.tag)
    if best is None or chosen is None or best.compare(chosen) <= 0:
        return
    holders = tuple(requirement for requirement in choice.requirements if not allows(requirement, best.text))
    if holders:
        yield HeldBack(name=choice.name, tag=choice.tag, newest=best.text, holders=holders)


def _as_locked(wanted: Wanted, locked: LockedImage, group: tuple[Requirement, ...]) -> Choice:
    current, adds = is_current(wanted, locked, group), bool(wanted.adds)
    return Choice(
        name=locked.name,
        tag=locked.version,
        requirements=group,
        locked=locked,
        kept=current and not adds,
        grows=current and adds,
    )


def newest(name: ImageName, group: Sequence[Requirement], tags: Sequence[str]) -> str:
    """Return the tag of the newest version that all of *group* allow; ConflictError or NotFoundError if none is."""
    exact = next((r.request.version.exact_tag for r in group if r.request.version.exact_tag is not None), None)
    allowed = [tag for tag in tags if all_allow(group, tag)]
    if exact is not None and exact in allowed:
        return exact
    versions = [version for tag in allowed if (version := Version.try_parse(tag)) is not None]
    if versions:
        return max(versions, key=lambda version: version.preference_key).text
    raise _nothing_allowed(name, group, tags)


def _nothing_allowed(
    name: ImageName, group: Sequence[Requirement], tags: Sequence[str]
) -> ConflictError | NotFoundError:
    alone = [r for r in group if not any(allows(r, tag) for tag in tags)]
    if len(group) > 1 and not alone:
        wants = " and ".join(map(str, group))
        return ConflictError(f"no version of {name} fits both: {wants}", hint="loosen one of the two ranges")
    versions = sorted((v for tag in tags if (v := Version.try_parse(tag))), key=lambda v: v.preference_key)
    stable = [version for version in versions if version.is_stable()]
    culprit = (alone or group)[0]
    if not versions:
        why = "none of its tags is a version" if tags else "its list of tags is empty"
        return NotFoundError(f"{name} has no published version: {why}", hint="ask its publisher for a version tag")
    newest = f"; the newest stable one is {stable[-1]}" if stable else ""
    if not stable and versions:
        newest = f"; there are only pre-releases, such as {versions[-1]}"
    return NotFoundError(
        f"no published version of {name} fits: {culprit}{newest}",
        hint=f"see `d8-installer versions {name}`"
        + ("; ask for pre-releases with '>=0-0'" if versions and not stable else ""),
    )


def agree(
    wanted: Wanted, name: ImageName, group: tuple[Requirement, ...], answers: Answers
) -> tuple[tuple[Requirement, ...], list[LeftOut]]:
    """Return those of *group* that can agree, the already locked first, and each left-out one with the reason.

    Raises ConflictError or NotFoundError where one cannot be left out.
    """
    need = TagsOf(name.path)
    if need in answers.absent:
        absence = answers.absent[need]
        if not may_leave_out(wanted, group):
            raise absence
        return (), [LeftOut(requirement, naming(requirement, absence)) for requirement in group]
    if not wanted.lenient:
        return group, []
    locked = wanted.locked.find(name)
    lines = dict(locked.requests) if locked is not None else {}
    agreed: list[Requirement] = []
    refused = []
    for requirement in sorted(group, key=lambda r: _seniority(lines, r)):
        if can_agree([*agreed, requirement], answers.tags[need]):
            agreed.append(requirement)
            continue
        error = _refusal(name, requirement, agreed, answers.tags[need])
        if not may_leave_out(wanted, (requirement,)) and (not agreed or requirement.requester in wanted.insist):
            raise error
        refused.append(LeftOut(requirement, error))
    return tuple(agreed), refused


def _seniority(lines: Mapping[str, Digest], requirement: Requirement) -> tuple[bool, bool, bool, str]:
    """Those whose very request is locked come first, then those who were locked at all, then a person's own."""
    who = requirement.requester
    return (lines.get(who) != requirement.request.hash, who not in lines, who != OWN_MANIFEST, who)


def _refusal(
    name: ImageName, requirement: Requirement, agreed: Sequence[Requirement], tags: Sequence[str]
) -> ConflictError | NotFoundError:
    if not agreed:
        return _nothing_allowed(name, (requirement,), tags)
    wanted = dict(requirement.request.binaries)
    for other in agreed:
        for binary, member in other.request.binaries:
            if wanted.get(binary, member) != member:
                return ConflictError(
                    f"{requirement.requester} wants {binary!r} to be the file {wanted[binary]!r} of {name},"
                    f" and {other.requester} wants {member!r}",
                    hint=f"rename one of the two binaries, or do without {_plugin_of(requirement, other)}",
                )
    culprits = [other for other in agreed if not can_agree((other, requirement), tags)] or agreed
    return ConflictError(
        f"{requirement} and cannot agree: {' and '.join(map(str, culprits))}",
        hint=f"loosen one of the ranges, or do without {_plugin_of(requirement, culprits[0])}",
    )


def _plugin_of(requirement: Requirement, other: Requirement) -> str:
    """Return which of two requesters can be done without."""
    return (other if requirement.requester == OWN_MANIFEST else requirement).requester
