"""Requirements to Resolution to Lock: decides every version and every digest, and does no I/O.

``resolve`` and ``pin`` are generators: they yield what they need to know (a round of Needs, to be answered at once
and in any order), are sent the Answers, and return their result. Whoever drives them owns network and threads.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, MismatchError, NotFoundError
from d8_installer.model.lock import ANY_PLATFORM, MAX_LAYER_BYTES, Lock, LockedImage, Pin
from d8_installer.model.oci import ImageIndex, ImageManifest, parse_manifest
from d8_installer.model.platform import Platform
from d8_installer.model.reference import is_tag
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.resolution import Answers, Choice, LeftOut, ManifestOf, Resolution, TagsOf, Trust, Wanted
from d8_installer.model.version import Version

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from d8_installer.model.digest import Digest
    from d8_installer.model.oci import Descriptor
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.source import ManifestBytes

Need = TagsOf | ManifestOf
Asked = tuple[Need, ...]


# -- which version -------------------------------------------------------------------------------------------


def resolve(wanted: Wanted) -> Generator[Asked, Answers, Resolution]:
    """Choose one version for every wanted image: the locked one while it will do, else the newest that all allow.

    Raises NotFoundError where no version is allowed, ConflictError naming both requesters where they exclude each
    other (``wanted.lenient``: the newcomer is left out instead).
    """
    groups = _by_image(wanted.requirements)
    unsettled = {name: group for name, group in groups.items() if not _locked_will_do(wanted, name, group)}
    needs = tuple(TagsOf(name.path) for name in unsettled)
    answers = (yield needs) if needs else Answers()
    choices, left_out = [], list[LeftOut]()
    for name, group in groups.items():
        locked = wanted.locked.find(name)
        if name not in unsettled and locked is not None:
            choices.append(Choice(name, locked.version, group, locked, is_current(wanted, locked, group)))
            continue
        agreed, refused = _agree(wanted, name, group, answers)
        left_out += refused
        if not agreed:
            choices += [Choice(name, locked.version, (), locked, kept=True)] if locked is not None else []
        elif locked is not None and _locked_will_do(wanted, name, agreed):
            choices.append(Choice(name, locked.version, agreed, locked, is_current(wanted, locked, agreed)))
        else:
            choices.append(Choice(name, _newest(name, agreed, answers.tags[TagsOf(name.path)]), agreed, locked))
    return Resolution((*choices, *_absent(wanted, groups)), tuple(left_out))


def is_current(wanted: Wanted, locked: LockedImage, group: Sequence[Requirement]) -> bool:
    """Whether the lock's entry says exactly what *group* asks for, so that nothing has to be asked or written."""
    asked = {requirement.requester: requirement.request.hash for requirement in group}
    lines = dict(locked.requests)
    lines = {requester: line for requester, line in lines.items() if not _stays(wanted, requester)}
    as_demanded = all(requirement.request.digest in (None, locked.top) for requirement in group)
    unasked = wanted.platforms is None and locked.name not in wanted.repin
    return lines == asked and as_demanded and unasked


def staleness(wanted: Wanted) -> tuple[str, ...]:
    """Say, a clause each, where the lock does not match what is wanted; empty when it is current."""
    groups = _by_image(wanted.requirements)
    reasons = []
    for name, group in groups.items():
        locked = wanted.locked.find(name)
        if locked is None:
            reasons.append(f"{name} is wanted by {_names(group)} and not locked")
        elif not is_current(wanted, locked, group) or not _locked_will_do(wanted, name, group):
            reasons.append(f"{name} is locked for another request than that of {_names(group)}")
    kept = {choice.name: choice.locked for choice in _absent(wanted, groups)}
    unwanted = (i.name for i in wanted.locked.images if i.name not in groups and kept.get(i.name) != i)
    return (*reasons, *(f"{name} is locked and nobody here wants it" for name in unwanted))


def _by_image(requirements: Iterable[Requirement]) -> dict[ImageName, tuple[Requirement, ...]]:
    groups: dict[ImageName, list[Requirement]] = defaultdict(list)
    for requirement in sorted(requirements, key=lambda r: (r.request.name, r.requester)):
        groups[requirement.request.name].append(requirement)
    return {name: tuple(group) for name, group in groups.items()}


def _locked_will_do(wanted: Wanted, name: ImageName, group: Sequence[Requirement]) -> bool:
    locked = wanted.locked.find(name)
    if locked is None or wanted.upgrade is None or name in wanted.upgrade:
        return False
    return _can_agree(group, [locked.version]) or (not wanted.lenient and _all_allow(group, locked.version))


def _can_agree(group: Sequence[Requirement], tags: Iterable[str]) -> bool:
    """Whether one of *tags* is right for all, and no binary is another file for one than for another."""
    files = {pair for requirement in group for pair in requirement.request.binaries}
    return len(dict(files)) == len(files) and any(_all_allow(group, tag) for tag in tags)


def _all_allow(group: Iterable[Requirement], tag: str) -> bool:
    return all(_allows(requirement, tag) for requirement in group)


def _allows(requirement: Requirement, tag: str) -> bool:
    specifier = requirement.request.version
    if specifier.exact_tag is not None:
        return specifier.exact_tag == tag
    version = Version.try_parse(tag) if is_tag(tag) else None
    return version is not None and specifier.allows(version)


def _newest(name: ImageName, group: Sequence[Requirement], tags: Sequence[str]) -> str:
    exact = next((r.request.version.exact_tag for r in group if r.request.version.exact_tag is not None), None)
    allowed = [tag for tag in tags if _all_allow(group, tag)]
    if exact is not None and exact in allowed:
        return exact
    versions = [version for tag in allowed if (version := Version.try_parse(tag)) is not None]
    if versions:
        return max(versions, key=lambda version: version.preference_key).text
    raise _nothing_allowed(name, group, tags)


def _nothing_allowed(
    name: ImageName, group: Sequence[Requirement], tags: Sequence[str]
) -> ConflictError | NotFoundError:
    alone = [r for r in group if not any(_allows(r, tag) for tag in tags)]
    if len(group) > 1 and not alone:
        wants = " and ".join(map(str, group))
        return ConflictError(f"no version of {name} is right for both: {wants}", hint="loosen one of the two ranges")
    versions = sorted((v for tag in tags if (v := Version.try_parse(tag))), key=lambda v: v.preference_key)
    stable = [version for version in versions if version.is_stable()]
    culprit = (alone or group)[0]
    newest = f"; the newest stable one is {stable[-1]}" if stable else ""
    if not stable and versions:
        newest = f"; there are only pre-releases, such as {versions[-1]}"
    return NotFoundError(
        f"no published version of {name} is right: {culprit}{newest}",
        hint=f"see `d8-installer versions {name}`" + ("" if stable else "; ask for pre-releases with '>=0-0'"),
    )


def _agree(
    wanted: Wanted, name: ImageName, group: tuple[Requirement, ...], answers: Answers
) -> tuple[tuple[Requirement, ...], list[LeftOut]]:
    """Return those of *group* that can agree, the already locked first, and each left-out one with the reason."""
    need = TagsOf(name.path)
    if need in answers.absent:
        absence = answers.absent[need]
        if not _may_leave_out(wanted, group):
            raise absence
        return (), [LeftOut(requirement, _without(requirement, absence)) for requirement in group]
    if not wanted.lenient:
        return group, []
    locked = wanted.locked.find(name)
    lines = dict(locked.requests) if locked is not None else {}
    agreed: list[Requirement] = []
    refused = []
    for requirement in sorted(group, key=lambda r: _seniority(lines, r)):
        if _can_agree([*agreed, requirement], answers.tags[need]):
            agreed.append(requirement)
            continue
        error = _refusal(name, requirement, agreed, answers.tags[need])
        if not _may_leave_out(wanted, (requirement,)) and (not agreed or requirement.requester in wanted.insist):
            raise error
        refused.append(LeftOut(requirement, error))
    return tuple(agreed), refused


def _seniority(lines: Mapping[str, Digest], requirement: Requirement) -> tuple[bool, bool, bool, str]:
    """Those whose very request is locked come first, then those who were locked at all, then a person's own."""
    who = requirement.requester
    return (lines.get(who) != requirement.request.hash, who not in lines, who != OWN_MANIFEST, who)


def _may_leave_out(wanted: Wanted, group: Iterable[Requirement]) -> bool:
    """Whether the rest may go on without *group*: a person's own manifest is not gone on without."""
    requesters = {requirement.requester for requirement in group}
    return wanted.lenient and OWN_MANIFEST not in requesters and not requesters & wanted.insist


def _refusal(
    name: ImageName, requirement: Requirement, agreed: Sequence[Requirement], tags: Sequence[str]
) -> ConflictError | NotFoundError:
    if not agreed:
        return _nothing_allowed(name, (requirement,), tags)
    return ConflictError(
        f"{requirement} and cannot agree: {agreed[0]}",
        hint=f"loosen one of the two ranges, or uninstall one of {agreed[0].requester} and {requirement.requester}",
    )


def _without(requirement: Requirement, error: NotFoundError) -> NotFoundError:
    if requirement.requester in {OWN_MANIFEST} or str(requirement) in error.message:
        return error
    return NotFoundError(f"{requirement}: {error}", hint=error.hint)


def _absent(wanted: Wanted, groups: Mapping[ImageName, object]) -> Iterable[Choice]:
    """Yield the images that only requesters want who are not here: as locked, without the lines of those who are."""
    for image in wanted.locked.images:
        lines = _absent_lines(wanted, image)
        if image.name not in groups and lines:
            yield Choice(image.name, image.version, (), replace(image, requests=lines), kept=True)


def _absent_lines(wanted: Wanted, image: LockedImage) -> tuple[tuple[str, Digest], ...]:
    return tuple(line for line in image.requests if _stays(wanted, line[0]))


def _stays(wanted: Wanted, requester: str) -> bool:
    """Whether the lock keeps the line of a requester who asks for nothing now."""
    return requester in wanted.unread or (wanted.keep_absent and requester not in wanted.present)


def _names(group: Iterable[Requirement]) -> str:
    return " and ".join(requirement.requester for requirement in group)


# -- which bytes ---------------------------------------------------------------------------------------------


def pin(resolution: Resolution, wanted: Wanted, trust: Trust) -> Generator[Asked, Answers, Lock]:
    """Pin every choice by digest, for all its platforms, from manifests alone.

    Raises MismatchError where a tag now means other bytes than remembered or demanded, where a child is not what
    its index promised, or where a child is itself an index; NotFoundError where a demanded platform is missing.
    """
    fresh = [choice for choice in resolution.choices if not choice.kept]
    tops = {choice.name: ManifestOf(choice.name.path, choice.tag) for choice in fresh}
    answers = (yield tuple(tops.values())) if tops else Answers()
    indexes = {}
    for choice in fresh:
        top = answers.manifests[tops[choice.name]]
        _check_top(choice, top.digest, trust)
        document = _parsed(choice, top)
        children = _children(choice, document, wanted) if isinstance(document, ImageIndex) else {}
        indexes[choice.name] = (top, document, children)
    needs = dict.fromkeys(
        ManifestOf(name.path, str(child.digest), child.size)
        for name, (_, _, children) in indexes.items()
        for child in children.values()
    )
    built = (yield tuple(needs)) if needs else Answers()
    entries = [choice.locked for choice in resolution.choices if choice.kept and choice.locked is not None]
    for choice in fresh:
        top, document, children = indexes[choice.name]
        if isinstance(document, ImageManifest):
            entries.append(_entry(choice, wanted, None, {ANY_PLATFORM: _pin(choice, top.digest, document)}))
        else:
            pins = {str(platform): _child_pin(choice, child, built) for platform, child in children.items()}
            entries.append(_entry(choice, wanted, top.digest, pins))
    return Lock.of(entries, wanted.locked.extra)


def _check_top(choice: Choice, digest: Digest, trust: Trust) -> None:
    path = choice.name.path
    expected = trust.remembered.get((path, choice.tag))
    if choice.locked is not None and choice.locked.version == choice.tag:
        expected = choice.locked.top
    if expected not in (None, digest) and (path, choice.tag) not in trust.accept_moved:
        raise MismatchError(
            f"the tag {choice.name}:{choice.tag} was moved: it meant {expected}, and now means {digest}",
            hint=f"ask its publisher why; to take the new bytes, type --accept-moved {choice.name}:{choice.tag}",
        )
    for requirement in choice.requirements:
        demanded = requirement.request.digest
        if demanded is not None and demanded != digest:
            raise MismatchError(
                f"{choice.name}:{choice.tag} is {digest}, but {requirement.requester} demands {demanded}",
                hint="correct `digest` in the manifest, or ask the publisher why the tag was moved",
            )


def _parsed(choice: Choice, top: ManifestBytes) -> ImageIndex | ImageManifest:
    try:
        return parse_manifest(top.raw)
    except MismatchError as error:
        raise MismatchError(f"{choice.name}:{choice.tag}: {error}", hint=error.hint) from error


def _children(choice: Choice, index: ImageIndex, wanted: Wanted) -> dict[Platform, Descriptor]:
    children: dict[Platform, Descriptor] = {}
    for platform, required in _platforms(choice, index, wanted).items():
        child = index.child_for(platform)
        if child is None and required:
            offered = ", ".join(map(str, index.platforms)) or "no platform at all"
            raise NotFoundError(
                f"{choice.name} {choice.tag} has no build for {platform}",
                hint=f"it has {offered}; drop the platform from `platforms`, or set `optional = true`",
            )
        if child is not None and child.is_index:
            raise MismatchError(
                f"{choice.name} {choice.tag} holds an index inside its index for {platform}, which is refused",
                hint="ask the publisher for an index whose children are image manifests",
            )
        if child is not None:
            children[platform] = child
    if not children:
        raise NotFoundError(
            f"{choice.name} {choice.tag} has no build for any wanted platform", hint=f"see what {choice.tag} offers"
        )
    return children


def _platforms(choice: Choice, index: ImageIndex, wanted: Wanted) -> dict[Platform, bool]:
    """Return the platforms to pin, sorted, each with whether it must be there."""
    platforms: dict[Platform, bool] = {}
    for requirement in choice.requirements:
        request = requirement.request
        listed = wanted.platforms if wanted.platforms is not None else request.platforms
        for platform in index.platforms if listed is None else listed:
            platforms[platform] = platforms.get(platform, False) or (listed is not None and not request.optional)
    # What the absent list is not known here, but it is among what was locked so far.
    if choice.locked is not None and wanted.platforms is None and _absent_lines(wanted, choice.locked):
        for key, _ in choice.locked.platforms:
            if key != ANY_PLATFORM:
                platforms.setdefault(Platform.parse(key), False)
    return dict(sorted(platforms.items()))


def _child_pin(choice: Choice, child: Descriptor, built: Answers) -> Pin:
    answer = built.manifests[ManifestOf(choice.name.path, str(child.digest), child.size)]
    if answer.digest != child.digest or len(answer.raw) != child.size:
        raise MismatchError(
            f"{choice.name} {choice.tag}: the manifest of {child.platform} arrived as {answer.digest}"
            f" ({len(answer.raw)} bytes), but the index promises {child.digest} ({child.size} bytes)",
            hint="try again; if it stays, the source is damaged or tampered with",
        )
    document = _parsed(choice, answer)
    if not isinstance(document, ImageManifest):
        raise MismatchError(
            f"{choice.name} {choice.tag}: what {child.platform} names is an index, not a build",
            hint="ask the publisher for an index whose children are image manifests",
        )
    return _pin(choice, child.digest, document)


def _pin(choice: Choice, digest: Digest, manifest: ImageManifest) -> Pin:
    """Return the pin of the LAST layer, the one that the proxy serves (rpp.md §2.5)."""
    if not manifest.layers or manifest.layers[-1].size == 0:
        raise MismatchError(
            f"{choice.name} {choice.tag}: the manifest {digest} has no layer",
            hint="ask the publisher for a repaired image",
        )
    layer = manifest.layers[-1]
    if layer.size > MAX_LAYER_BYTES:
        raise MismatchError(
            f"{choice.name} {choice.tag}: the last layer of {digest} has {layer.size} bytes, more than can be locked",
            hint="ask the publisher for a repaired image",
        )
    return Pin(digest, layer.digest, layer.size)


def _entry(choice: Choice, wanted: Wanted, index: Digest | None, pins: Mapping[str, Pin]) -> LockedImage:
    lines = {r.requester: r.request.hash for r in choice.requirements}
    binaries = _binaries(choice.requirements)
    optional = all(r.request.optional for r in choice.requirements)
    extra: Mapping[str, object] = {}
    if choice.locked is not None:
        extra = choice.locked.extra
        absent = dict(_absent_lines(wanted, choice.locked))
        if absent:
            lines = {**absent, **lines}
            binaries = {**dict(choice.locked.binaries), **binaries}
            optional = optional and choice.locked.optional
    return LockedImage(
        choice.name,
        choice.tag,
        index,
        tuple(sorted(binaries.items())),
        tuple(sorted(lines.items())),
        tuple(sorted(pins.items())),
        optional,
        extra,
    )


def _binaries(requirements: Iterable[Requirement]) -> dict[str, str]:
    binaries: dict[str, tuple[str, Requirement]] = {}
    for requirement in requirements:
        for binary, member in requirement.request.binaries:
            known = binaries.setdefault(binary, (member, requirement))
            if known[0] != member:
                raise ConflictError(
                    f"{known[1].requester} wants {binary!r} to be the file {known[0]!r} of {requirement.request.name},"
                    f" and {requirement.requester} wants {member!r}",
                    hint="rename one of the two binaries",
                )
    return {binary: member for binary, (member, _) in binaries.items()}
