"""``show NAME[SPEC]``: one version of an image, its contract, and whether it fits here. Changes nothing.

What is locked is shown from the lock and the store, so that no source has to answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DocumentError, NotAllowedError, NotFoundError, UsageError
from d8_installer.model.contract import BUILT_IN
from d8_installer.model.contract_lookup import misnamed
from d8_installer.model.reference import ImageName, typed_image
from d8_installer.model.value import Struct, field
from d8_installer.model.version import Specifier, Version
from d8_installer.ops.images.did_you_mean import suggest
from d8_installer.ops.images.published import PlatformBuild, newest_allowed, published_version
from d8_installer.ops.list import RequestedRange, requested_ranges
from d8_installer.pipeline.contracts import contract_of, published_contract
from d8_installer.pipeline.driver import usable_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.contract import Contract, Need
    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import LockedImage
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session
    from d8_installer.resolve.requirements import Judgement


class Requirements(Struct, frozen=True, kw_only=True):
    """Whether the cluster meets the contract: ``judgement`` is None if that was not checked.

    ``cluster`` names the cluster that was asked, or whose facts were given.
    """

    judgement: Judgement | None = None
    cluster: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the value for ``data``."""
        judgement = self.judgement
        return {
            "met": None if judgement is None else judgement.is_met,
            "cluster": self.cluster,
            "unmet": [] if judgement is None else [one.text for one in judgement.unmet],
            "warnings": [] if judgement is None else list(judgement.warnings),
        }


class NeededPlugin(Struct, frozen=True, kw_only=True):
    """A plugin that the contract names: ``locked`` is the version in this profile, None if there is none.

    ``if_present``: it only matters if it is there. ``built_in``: d8 has it in itself.
    """

    name: str
    range: str
    if_present: bool
    locked: str | None
    built_in: bool
    met: bool | None

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {
            "image": self.name,
            "range": self.range,
            "if_present": self.if_present,
            "locked": self.locked,
            "built_in": self.built_in,
            "met": self.met,
        }


class ShownImage(Struct, frozen=True, kw_only=True):
    """One version of an image.

    ``locked`` and ``placed`` are the versions in the profile, None if there are none. ``versions`` are the published
    ones, newest first; None if no source was asked. ``needed_by`` is about the profile, not about the version.
    """

    image: ImageName
    version: str
    top: Digest
    locked: str | None
    placed: str | None
    versions: tuple[str, ...] | None
    builds: tuple[PlatformBuild, ...]
    contract: Contract | None
    requirements: Requirements | None = None
    needs: tuple[NeededPlugin, ...] = ()
    needed_by: tuple[RequestedRange, ...] = ()
    errors: tuple[D8Error, ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "image": str(self.image),
            "path": self.image.path,
            "version": self.version,
            "digest": str(self.top),
            "locked": self.locked,
            "installed": self.placed,
            "versions": None if self.versions is None else list(self.versions),
            "platforms": [build.as_json() for build in self.builds],
            "contract": None if self.contract is None else self.contract.as_json(),
            "requirements": None if self.requirements is None else self.requirements.as_json(),
            "needs": [need.as_json() for need in self.needs],
            "needed_by": [request.as_json() for request in self.needed_by],
        }


def show(session: Session, text: str) -> ShownImage:
    """Return the version that *text* means: the locked one if it is in the range, else the newest published one.

    ``NAME@latest`` and ``NAME@1.4`` mean the newest published one.

    An image that is neither locked nor published is a NotFoundError.
    """
    typed = typed_image(text)
    name, spec = typed.name, typed.specifier
    specifier = _typed(text, spec)
    workspace = _workspace(session)
    locked = None if workspace is None else workspace.locked.find(name)
    errors: list[D8Error] = []
    if locked is not None and not typed.is_newest and (not spec or _allows(specifier, locked.version)):
        shown = _of_lock(session, locked, errors)
    else:
        shown = _of_source(session, name, specifier)
    requirements = _requirements(session, shown.contract, errors)
    return _joined(shown, session, workspace, requirements, errors)


def _typed(text: str, spec: str) -> Specifier:
    try:
        return Specifier.parse(spec) if spec else Specifier.any()
    except DocumentError as error:
        raise UsageError(f"{text[:100]!r}: {error}", hint=error.hint, code="bad-requirement") from error


def _workspace(session: Session) -> Workspace | None:
    """Return the profile, or None if the project is another user's: what is published does not depend on it."""
    try:
        return session.profiles.read(session.profiles.find())
    except NotAllowedError:
        return None


def _allows(specifier: Specifier, tag: str) -> bool:
    if specifier.exact_tag is not None:
        return tag == specifier.exact_tag
    version = Version.try_parse(tag)
    return version is not None and specifier.allows(version)


class _Version(Struct, frozen=True, kw_only=True):
    """What is shown of the version alone."""

    name: ImageName
    version: str
    top: Digest
    versions: tuple[str, ...] | None
    builds: tuple[PlatformBuild, ...]
    contract: Contract | None


def _of_lock(session: Session, image: LockedImage, errors: list[D8Error]) -> _Version:
    versions = _published(session, image.name)
    contract = None
    try:
        contract = contract_of(session, image)
        if image.contract is None and versions is not None:
            contract = _contract_not_locked(session, image)
    except D8Error as error:
        errors.append(error)
    builds = (
        PlatformBuild(platform=key, child=pin.child, layer=pin.layer, size=pin.size) for key, pin in image.platforms
    )
    return _Version(
        name=image.name,
        version=image.version,
        top=image.top,
        versions=versions,
        builds=tuple(builds),
        contract=contract,
    )


def _contract_not_locked(session: Session, image: LockedImage) -> Contract | None:
    """Return the contract of an image whose lock entry has none: a tool may have locked it that knew no contracts."""
    contract = published_contract(session, image)
    if contract is not None:
        hint = f"`d8-installer lock --upgrade-image {image.name}` writes it"
        session.reporter.warn(f"the lock does not have the contract of {image.name} {image.version}; {hint}")
    return contract


def _of_source(session: Session, name: ImageName, specifier: Specifier) -> _Version:
    try:
        tags = usable_tags(session.source, name.path)
    except D8Error as error:
        raise _suggested(session, error) from error
    tag = newest_allowed(name, tags, specifier)
    found = published_version(session, name, tag)
    warning = None if found.contract is None else misnamed(found.contract)
    if warning is not None:
        session.reporter.warn(warning)
    return _Version(
        name=name,
        version=tag,
        top=found.top,
        versions=_newest_first(tags),
        builds=found.builds,
        contract=found.contract,
    )


def _suggested(session: Session, error: D8Error) -> D8Error:
    return suggest(session, error) if isinstance(error, NotFoundError) else error


def _published(session: Session, name: ImageName) -> tuple[str, ...] | None:
    """Return the published versions, or None where no source can be asked: what is locked is shown all the same."""
    if session.scope.is_offline:
        return None
    try:
        return _newest_first(usable_tags(session.source, name.path))
    except D8Error as error:
        session.reporter.warn(f"the published versions are not known: {error}")
        return None


def _newest_first(tags: tuple[str, ...]) -> tuple[str, ...]:
    versions = [version for tag in tags if (version := Version.try_parse(tag)) is not None]
    ordered = sorted(versions, key=lambda version: version.preference_key, reverse=True)
    return tuple(version.text for version in ordered)


# -- the cluster and the profile ---------------------------------------------------------------------------------------


def _requirements(session: Session, contract: Contract | None, errors: list[D8Error]) -> Requirements | None:
    """Return whether the cluster meets the contract; None if it asks nothing of one. A failure is no reason to stop."""
    if contract is None or not contract.fact_kinds:
        return None
    from d8_installer.resolve.requirements import check

    try:
        facts = session.checks.admitting(contract.fact_kinds)
        if facts is not None:
            return Requirements(judgement=check(contract, facts), cluster=facts.cluster)
    except D8Error as error:
        errors.append(error)
    return Requirements()


def _joined(
    shown: _Version,
    session: Session,
    workspace: Workspace | None,
    requirements: Requirements | None,
    errors: list[D8Error],
) -> ShownImage:
    locked = {} if workspace is None else {image.name: image for image in workspace.locked.images}
    active = None if workspace is None else workspace.generations.active()
    placed = {one.placement.name: one.placement.version for one in active.placed} if active is not None else {}
    ranges = {} if workspace is None or active is None else requested_ranges(session, workspace.profile, active)
    own = locked.get(shown.name)
    return ShownImage(
        image=shown.name,
        version=shown.version,
        top=shown.top,
        locked=None if own is None else own.version,
        placed=placed.get(shown.name),
        versions=shown.versions,
        builds=shown.builds,
        contract=shown.contract,
        requirements=requirements,
        needs=tuple(_needs(shown.contract, {name.short: image.version for name, image in locked.items()})),
        needed_by=tuple(_needed_by(shown.name, ranges.get(shown.name, ()), locked)),
        errors=tuple(errors),
    )


def _needs(contract: Contract | None, locked: dict[str, str]) -> Iterator[NeededPlugin]:
    for if_present, needs in (
        (False, contract.plugins.mandatory if contract is not None else ()),
        (True, contract.plugins.conditional if contract is not None else ()),
    ):
        for need in needs:
            yield _need(need, locked.get(need.name), if_present=if_present)


def _need(need: Need, locked: str | None, *, if_present: bool) -> NeededPlugin:
    built_in = need.name in BUILT_IN and locked is None
    met = True if built_in or (locked is None and if_present) else locked is not None and _is_met(need, locked)
    return NeededPlugin(
        name=need.name,
        range=need.constraint,
        if_present=if_present,
        locked=locked,
        built_in=built_in,
        met=met,
    )


def _is_met(need: Need, tag: str) -> bool | None:
    """Whether a locked version is in the range; None if the range cannot be read."""
    if not need.constraint:
        return True
    version = Version.try_parse(tag)
    try:
        return version is not None and Specifier.parse(need.constraint, compat="go").allows(version)
    except DocumentError:
        return None


def _needed_by(
    name: ImageName, asked: tuple[RequestedRange, ...], locked: dict[ImageName, LockedImage]
) -> Iterator[RequestedRange]:
    """Yield who asks for the image; for an image that needs it, the range is in that image's entry of the lock."""
    for request in asked:
        kind, colon, other = request.requester.partition(":")
        dependent = locked.get(ImageName(other)) if kind == "image" and colon else None
        known = request.range if dependent is None else dict(dependent.needs).get(name.short, request.range)
        yield RequestedRange(request.requester, known)
    for image in locked.values():
        constraint = dict(image.needs_if_present).get(name.short)
        if constraint is not None:
            yield RequestedRange(f"image:{image.name}", constraint)
