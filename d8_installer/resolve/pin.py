"""Turns choices into lock entries: each is pinned by digest for all its platforms, from manifests alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, D8Error, MismatchError, NotAllowedError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.lock import ANY_PLATFORM, MAX_LAYER_BYTES, Lock, LockedImage, Pin
from d8_installer.model.oci import ImageIndex, ImageManifest, parse_manifest
from d8_installer.model.platform import Platform
from d8_installer.model.requirement import needing_image
from d8_installer.model.resolution import Answers, Choice, LeftOut, ManifestOf, Resolution, Strictness, Trust
from d8_installer.model.value import Struct, field, replace
from d8_installer.resolve.dependencies import bounds_of
from d8_installer.resolve.missing_platform import explain_missing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from d8_installer.model.oci import Descriptor
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Needs, Wanted
    from d8_installer.model.source import ManifestBytes


MAX_PASSED = 10
"""How many tags without a manifest are passed over. A source that lists more of them is broken."""


class Pinned(Struct, frozen=True):
    """The lock of all choices, or what has to be left out before the versions are chosen again.

    ``left_out`` are requirements with their reasons, ``gone`` tags (repository path, tag) without a manifest, with the
    error of the source.
    """

    lock: Lock
    left_out: tuple[LeftOut, ...] = ()
    gone: Mapping[tuple[str, str], D8Error] = field(default_factory=dict)


def pin(resolution: Resolution, wanted: Wanted, trust: Trust) -> Generator[Needs, Answers, Lock]:
    """Pin every choice by digest, for all its platforms, from manifests alone.

    Raises MismatchError if a tag means other bytes than are remembered or demanded, or if a child is an index or not
    what its index promises, and NotFoundError if a demanded platform is missing.
    """
    pinned = yield from pin_what_can_be(resolution, replace(wanted, strictness=Strictness()), trust)
    for error in pinned.gone.values():
        raise error
    return pinned.lock


def pin_what_can_be(resolution: Resolution, wanted: Wanted, trust: Trust) -> Generator[Needs, Answers, Pinned]:
    """Pin as ``pin`` does, but if *wanted* is lenient, collect the faults of requirements that may be left out.

    Their images are not in the lock then: without them, the other requirements may get another version, so the caller
    resolves again. The same holds for a version that was chosen from a range and has no manifest.
    """
    fresh = [choice for choice in resolution.choices if not choice.kept]
    faults = _Faults(wanted, resolution)
    tops = {choice.name: ManifestOf(image=choice.name.path, ref=choice.tag) for choice in fresh}
    answers = (yield tuple(tops.values())) if tops else Answers()
    gone = {(need.image, need.ref): error for need, error in answers.failed.items() if isinstance(error, NotFoundError)}
    passed = {key: gone[key] for c in fresh if (key := (c.name.path, c.tag)) in gone and _is_passable(c, wanted)}
    if passed:
        return Pinned(Lock(), gone=passed)
    found: list[tuple[Choice, _Top]] = []
    for choice in fresh:
        with faults.of(choice):
            found.append((choice, (yield from _top(choice, tops[choice.name], answers, wanted, trust))))
    needs = dict.fromkeys(
        ManifestOf(image=choice.name.path, ref=str(child.digest), size=child.size)
        for choice, top in found
        for child in top.children.values()
    )
    built = (yield tuple(needs)) if needs else Answers()
    entries = [choice.locked for choice in resolution.choices if choice.kept and choice.locked is not None]
    for choice, top in found:
        with faults.of(choice):
            entries.append(_pinned(choice, top, built, wanted))
    return Pinned(Lock.of(entries, wanted.locked.extra), tuple(faults.left_out))


class _Top(Struct, frozen=True):
    """What a tag means, and the builds for the wanted platforms (none for a single manifest)."""

    digest: Digest
    document: ImageIndex | ImageManifest
    children: dict[Platform, Descriptor]


class _BlameError(Exception):
    """What is wrong with a choice, and the requirements to blame; never leaves this module."""

    def __init__(self, error: D8Error, blamed: Sequence[Requirement]) -> None:
        super().__init__(error)
        self.error = error
        self.blamed = tuple(blamed)


class _Faults:
    """Collects the requirements that are left out; raises the fault of one that may not be.

    What an image needs is not left out alone: then the requirements for that image are to blame.
    """

    def __init__(self, wanted: Wanted, resolution: Resolution) -> None:
        self._wanted = wanted
        self._requirements = {choice.name: choice.requirements for choice in resolution.choices}
        self.left_out: list[LeftOut] = []

    @contextmanager
    def of(self, choice: Choice) -> Iterator[None]:
        """Collect the faults of one choice. All its requirements are to blame, unless the fault names some."""
        try:
            yield
        except _BlameError as fault:
            self._leave_out(fault.error, fault.blamed)
        except (MismatchError, NotFoundError, NotAllowedError, ConflictError) as error:
            self._leave_out(error, choice.requirements)

    def _leave_out(self, error: D8Error, blamed: Sequence[Requirement]) -> None:
        blamed = self._asked_by_name(blamed)
        if not blamed or not self._wanted.strictness.may_leave_out(blamed):
            raise error
        self.left_out += [LeftOut.of(requirement, error) for requirement in blamed]

    def _asked_by_name(self, blamed: Sequence[Requirement]) -> list[Requirement]:
        """Return *blamed* with the requirements for a dependent in place of what that needs."""
        found: dict[Requirement, None] = {}
        waiting, seen = list(blamed), set[str]()
        while waiting:
            requirement = waiting.pop(0)
            dependent = needing_image(requirement.requester)
            if dependent is None:
                found[requirement] = None
            elif requirement.requester not in seen:
                seen.add(requirement.requester)
                waiting += self._requirements.get(dependent, ())
        return list(found)


def _top(
    choice: Choice, need: ManifestOf, answers: Answers, wanted: Wanted, trust: Trust
) -> Generator[Needs, Answers, _Top]:
    """Return what the tag of *choice* means now."""
    if need in answers.failed:
        raise _gone(choice, wanted, answers.failed) or answers.failed[need]
    top = answers.manifests[need]
    _check_top(choice, top.digest, trust)
    document = _parsed(choice, top)
    if isinstance(document, ImageManifest):
        return _Top(top.digest, document, {})
    missing = _missing(choice, document, wanted)
    if missing is not None:
        _refuse_unusable(choice, document, missing)
        error = yield from explain_missing(choice, missing, document, wanted)
        asking = [r for r in choice.requirements if not r.request.optional and missing in (r.request.platforms or ())]
        raise _BlameError(error, asking or choice.requirements)
    return _Top(top.digest, document, _children(choice, document, wanted))


def _gone(choice: Choice, wanted: Wanted, failed: Mapping[ManifestOf, D8Error]) -> NotFoundError | None:
    """Return the error for a locked version that the source does not have (the lock may be edited by hand), or None.

    The hint names all such images, because ``lock`` chooses all or nothing.
    """
    gone = {need.image: error for need, error in failed.items() if isinstance(error, NotFoundError)}
    images = [
        i
        for i in wanted.locked.images
        if ManifestOf(image=i.name.path, ref=i.version) in failed and i.name.path in gone
    ]
    if choice.locked not in images or choice.locked is None or choice.locked.version != choice.tag:
        return None
    names = sorted({image.name for image in images} | (wanted.selection.upgrade or frozenset()))
    options = " ".join(f"--upgrade-image {name}" for name in names)
    return NotFoundError(
        f"the lock has {choice.name} {choice.tag}, and that is not there: {gone[choice.name.path]}",
        hint=f"type `d8-installer lock {options}`, which chooses again; else restore the lock",
        code="locked-bytes-gone",
    )


def _pinned(choice: Choice, top: _Top, built: Answers, wanted: Wanted) -> LockedImage:
    if isinstance(top.document, ImageManifest):
        return _entry(choice, wanted, None, {ANY_PLATFORM: _pin(choice, top.digest, top.document)})
    pins = {str(platform): _child_pin(choice, child, built) for platform, child in top.children.items()}
    return _entry(choice, wanted, top.digest, pins)


def _is_passable(choice: Choice, wanted: Wanted) -> bool:
    """Whether another version would do: none is locked, and no tag or digest is asked for."""
    if len(wanted.selection.gone) >= MAX_PASSED or (choice.locked is not None and choice.locked.version == choice.tag):
        return False
    requests = [requirement.request for requirement in choice.requirements]
    return not any(request.digest or request.version.exact_tag is not None for request in requests)


def _check_top(choice: Choice, digest: Digest, trust: Trust) -> None:
    path = choice.name.path
    expected = trust.remembered.get((path, choice.tag))
    if choice.locked is not None and choice.locked.version == choice.tag:
        expected = choice.locked.top
    if expected not in (None, digest) and (path, choice.tag) not in trust.accept_moved:
        raise MismatchError(
            f"the tag {choice.name}:{choice.tag} was moved: it meant {expected}, and now means {digest}",
            hint=f"ask its publisher why; to take the new bytes, type the same command again with "
            f"--accept-moved {choice.name}:{choice.tag}",
            code="moved-tag",
        )
    for requirement in choice.requirements:
        demanded = requirement.request.digest
        if demanded is not None and demanded != digest:
            error = MismatchError(
                f"{choice.name}:{choice.tag} is {digest}, but {requirement.requester} demands {demanded}",
                hint="correct `digest` in the manifest, or ask the publisher why the tag was moved",
                code="digest-not-demanded",
            )
            raise _BlameError(error, [requirement])


def _parsed(choice: Choice, top: ManifestBytes) -> ImageIndex | ImageManifest:
    try:
        return parse_manifest(top.raw)
    except MismatchError as error:
        raise error.within(f"{choice.name}:{choice.tag}") from error


def _missing(choice: Choice, index: ImageIndex, wanted: Wanted) -> Platform | None:
    """Return the first demanded platform that the index lacks."""
    platforms = _platforms(choice, index, wanted).items()
    return next((platform for platform, required in platforms if required and not index.child_for(platform)), None)


def _children(choice: Choice, index: ImageIndex, wanted: Wanted) -> dict[Platform, Descriptor]:
    children: dict[Platform, Descriptor] = {}
    for platform in _platforms(choice, index, wanted):
        child = index.child_for(platform)
        if child is not None and child.is_index:
            raise _nested(choice, f" for {platform}")
        if child is not None:
            children[platform] = child
    if not children and not choice.grows:
        raise _no_build(choice, index)
    return children


def _nested(choice: Choice, where: str = "") -> MismatchError:
    return MismatchError(
        f"{choice.name} {choice.tag} holds an index inside its index{where}, which is refused",
        hint="ask the publisher for an index whose children are image manifests",
        code="damaged-image",
    )


def _foreign(choice: Choice, algorithms: Iterable[str], where: str = "") -> MismatchError:
    kinds = " and ".join(sorted(set(algorithms)))
    return MismatchError(
        f"{choice.name} {choice.tag} has a build{where} with a {kinds} digest; only sha256 is supported",
        hint="ask the publisher for an index whose children have sha256 digests",
        code="damaged-image",
    )


def _refuse_unusable(choice: Choice, index: ImageIndex, platform: Platform) -> None:
    """Raise a MismatchError if the index has *platform*, but in a form that cannot be used."""
    algorithms = [algorithm for offered, algorithm in index.foreign if offered == platform]
    if algorithms:
        raise _foreign(choice, algorithms, f" for {platform}")
    if any(child.is_index and child.platform is None for child in index.children):
        raise _nested(choice)


def _no_build(choice: Choice, index: ImageIndex) -> MismatchError | NotFoundError:
    """Return the error for an index in which there is nothing to lock."""
    what = f"{choice.name} {choice.tag}"
    if any(child.is_index for child in index.children):
        return _nested(choice)
    if index.foreign:
        return _foreign(choice, (algorithm for _, algorithm in index.foreign))
    if index.children and not index.platforms:
        return NotFoundError(
            f"the index of {what} names a platform for none of its builds",
            hint="ask the publisher to name them; `d8-installer publish linux-amd64=FILE …` does",
            code="no-build-for-platform",
        )
    return NotFoundError(
        f"{what} has no build for any wanted platform",
        hint=f"see what {choice.tag} offers",
        code="no-build-for-platform",
    )


def _platforms(choice: Choice, index: ImageIndex, wanted: Wanted) -> dict[Platform, bool]:
    """Return the platforms to pin, sorted, each with whether the index must have it."""
    must = not all(requirement.request.optional for requirement in choice.requirements)
    platforms: dict[Platform, bool] = dict.fromkeys(wanted.adds, must)
    if choice.grows:
        return dict(sorted(platforms.items()))
    platforms |= dict.fromkeys(wanted.platforms, must)
    for requirement in choice.requirements:
        request = requirement.request
        for platform in index.platforms if request.platforms is None else request.platforms:
            required = request.platforms is not None and not request.optional
            platforms[platform] = platforms.get(platform, False) or required
    # What absent requesters ask for is not known here; it is among the platforms that are locked.
    if choice.locked is not None and choice.kept_requests:
        for key, _ in choice.locked.platforms:
            if key != ANY_PLATFORM:
                platforms.setdefault(Platform.parse(key), False)
    return dict(sorted(platforms.items()))


def _child_pin(choice: Choice, child: Descriptor, built: Answers) -> Pin:
    need = ManifestOf(image=choice.name.path, ref=str(child.digest), size=child.size)
    if need in built.failed:
        raise built.failed[need]
    answer = built.manifests[need]
    if answer.digest != child.digest or len(answer.raw) != child.size:
        raise MismatchError(
            f"{choice.name} {choice.tag}: the manifest of {child.platform} arrived as {answer.digest}"
            f" ({len(answer.raw)} bytes), but the index promises {child.digest} ({child.size} bytes)",
            hint="try again; if it stays, the source is damaged or tampered with",
            code="wrong-bytes",
        )
    document = _parsed(choice, answer)
    if not isinstance(document, ImageManifest):
        raise MismatchError(
            f"{choice.name} {choice.tag}: what {child.platform} names is an index, not a build",
            hint="ask the publisher for an index whose children are image manifests",
            code="damaged-image",
        )
    return _pin(choice, child.digest, document)


def _pin(choice: Choice, digest: Digest, manifest: ImageManifest) -> Pin:
    """Return the pin of the LAST layer, the one that the proxy serves (rpp.md §2.5)."""
    if not manifest.layers or manifest.layers[-1].size == 0:
        raise MismatchError(
            f"{choice.name} {choice.tag}: the manifest {digest} has no layer",
            hint="ask the publisher for a repaired image",
            code="damaged-image",
        )
    layer = manifest.layers[-1]
    if layer.size > MAX_LAYER_BYTES:
        raise MismatchError(
            f"{choice.name} {choice.tag}: the last layer of {digest} has {layer.size} bytes, more than can be locked",
            hint="ask the publisher for a repaired image",
            code="damaged-image",
        )
    return Pin(child=digest, layer=layer.digest, size=layer.size)


def _entry(choice: Choice, wanted: Wanted, index: Digest | None, pins: Mapping[str, Pin]) -> LockedImage:
    lines = {r.requester: r.request.hash for r in choice.requirements}
    binaries = _binaries(choice.requirements)
    optional = all(r.request.optional for r in choice.requirements)
    extra: Mapping[str, object] = {}
    if choice.locked is not None:
        extra = choice.locked.extra
        before = dict(choice.locked.platforms)
        pins = {key: _with_extra(pin, before.get(key)) for key, pin in pins.items()}
        if choice.grows:
            return replace(choice.locked, platforms=tuple(sorted({**before, **pins}.items())))
        absent = dict(choice.kept_requests)
        if absent:
            lines = {**absent, **lines}
            binaries = {**dict(choice.locked.binaries), **binaries}
            optional = optional and choice.locked.optional
    contract = choice.contract
    bounds = bounds_of(contract, choice.name, choice.tag, wanted.built_in)
    return LockedImage(
        name=choice.name,
        version=choice.tag,
        index=index,
        binaries=tuple(sorted(binaries.items())),
        requests=tuple(sorted(lines.items())),
        platforms=tuple(sorted(pins.items())),
        optional=optional,
        extra=extra,
        demanded=wanted.platforms,
        contract=Digest.of(contract.render().encode()) if contract is not None else None,
        needs=tuple(sorted((bound.name.short, bound.constraint) for bound in bounds if bound.mandatory)),
        needs_if_present=tuple(sorted((one.name.short, one.constraint) for one in bounds if not one.mandatory)),
    )


def _with_extra(pin: Pin, before: Pin | None) -> Pin:
    """Return *pin* with the unknown keys of the entry before it, if both are of the same build."""
    return replace(pin, extra=before.extra) if before is not None and before.child == pin.child else pin


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
                    code="binary-conflict",
                )
    return {binary: member for binary, (member, _) in binaries.items()}
