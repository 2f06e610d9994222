"""``list``: lists the binaries of a profile and the requesters of their images. Takes no lock and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.value import Struct
from d8_installer.pipeline.altered_files import warn_of_altered
from d8_installer.pipeline.other_profiles import beside_project
from d8_installer.pipeline.requirement_reports import unmet_by_kept_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from d8_installer.model.generation import Generation, Placed
    from d8_installer.model.lock import Lock
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.pipeline.other_profiles import BesideProject
    from d8_installer.pipeline.session import Session


class RequestedRange(Struct, frozen=True):
    """A requester of an image and the range it asks for; None if no manifest here tells the range."""

    requester: str
    range: str | None

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {"requester": self.requester, "range": self.range}


class InstalledBinary(Struct, frozen=True, kw_only=True):
    """One binary that is in place, and the requesters of its image.

    ``size`` is that of the file in bytes. ``newest`` is the newest stable version published; it is set by
    ``--outdated`` only. ``problem`` says how the stored file differs from what was installed. The file's bytes are not
    read for it. ``unmet`` are requirements of the image that do not hold, by the facts that were read last.
    """

    binary: str
    image: str
    version: str
    digest: str
    size: int
    in_bin: bool
    newest: str | None = None
    requests: tuple[RequestedRange, ...] = ()
    problem: str | None = None
    unmet: tuple[str, ...] = ()


class ListResult(Struct, frozen=True, kw_only=True):
    """The binaries in place in a profile, by name. ``beside`` is what the user's profile has beside a project's."""

    profile: Profile
    generation: int | None
    platform: str | None
    binaries: tuple[InstalledBinary, ...]
    outdated: bool = False
    beside: BesideProject | None = None

    @property
    def unmet(self) -> tuple[str, ...]:
        """What does not hold, each once."""
        return tuple(dict.fromkeys(reason for binary in self.binaries for reason in binary.unmet))

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        rows = [
            {"binary": b.binary, "image": b.image, "version": b.version, "digest": b.digest}
            | {"size": b.size, "in_bin": b.in_bin}
            | {"asked": [request.as_json() for request in b.requests], "problem": b.problem, "unmet": list(b.unmet)}
            | ({"newest": b.newest} if self.outdated else {})
            for b in self.binaries
        ]
        return {
            "profile": self.profile.as_json(),
            "generation": self.generation,
            "platform": self.platform,
            "binaries": rows,
            "beside": None if self.beside is None else self.beside.as_json(),
        }


def list_installed(session: Session, *, outdated: bool = False) -> ListResult:
    """Return what is in place. With *outdated*, ask the source, and return only what has a newer stable version."""
    profile = session.profiles.find()
    active = session.profiles.active(profile)
    beside = beside_project(session, profile)
    if active is None:
        return ListResult(
            profile=profile, generation=None, platform=None, binaries=(), outdated=outdated, beside=beside
        )
    newest = _newest(session, active) if outdated else {}
    requests = requested_ranges(session, profile, active) if active.placed else {}
    problems = warn_of_altered(session, profile, active)
    unmet = unmet_by_kept_facts(session, active)
    rows = [
        _row(
            placed,
            newest=newest.get(placed.placement.name),
            requests=requests.get(placed.placement.name, ()),
            problem=problems.get(placed),
            unmet=unmet.get(placed.placement.name, ()),
        )
        for placed in active.placed
    ]
    return ListResult(
        profile=profile,
        generation=active.number,
        platform=str(active.platform),
        binaries=tuple(row for row in rows if row.newest is not None or not outdated),
        outdated=outdated,
        beside=beside,
    )


def _row(
    placed: Placed,
    *,
    newest: str | None,
    requests: tuple[RequestedRange, ...],
    problem: str | None,
    unmet: tuple[str, ...],
) -> InstalledBinary:
    placement = placed.placement
    return InstalledBinary(
        binary=placement.binary,
        image=placement.name.short,
        version=placement.version,
        digest=str(placed.digest),
        size=placed.size,
        in_bin=placement.in_bin,
        newest=newest,
        requests=requests,
        problem=problem,
        unmet=unmet,
    )


# -- requesters and their ranges ---------------------------------------------------------------------------------------


def requested_ranges(
    session: Session, profile: Profile, active: Generation
) -> Mapping[ImageName, tuple[RequestedRange, ...]]:
    """Return the requests for each image. Documents that cannot be read are warned of, and stop nothing."""
    try:
        workspace = session.profiles.read(profile)
        if any(image.plugins for image in workspace.locked.images):
            from d8_installer.pipeline.requesters import gather

            wanted = gather(session, workspace, hooks=False).wanted(workspace.locked)
            return _joined(wanted.locked, wanted.requirements)
        return _joined(workspace.locked, workspace.manifest.requirements(OWN_MANIFEST))
    except D8Error as error:
        session.reporter.warn(f"{error}; the requesters are read from the active generation only")
    from d8_installer.model.lock import Lock

    try:
        return _joined(Lock.parse(active.lock.encode(), "d8.lock"), ())
    except D8Error:  # the record is damaged, as `verify` reports; no requester is known
        return {}


def _joined(lock: Lock, requirements: Iterable[Requirement]) -> dict[ImageName, tuple[RequestedRange, ...]]:
    """Return the requesters that *lock* names, with the ranges of *requirements*."""
    ranges: dict[ImageName, dict[str, str | None]] = {
        image.name: dict.fromkeys(requester for requester, _ in image.requests) for image in lock.images
    }
    for requirement in requirements:
        request = requirement.request
        ranges.setdefault(request.name, {})[requirement.requester] = requirement.range
    return {name: tuple(RequestedRange(*pair) for pair in sorted(found.items())) for name, found in ranges.items()}


# -- what is newer -----------------------------------------------------------------------------------------------------


def _newest(session: Session, active: Generation) -> dict[ImageName, str]:
    """Return the newest stable version of each image that has a newer one than the one in place."""
    from d8_installer.pipeline.driver import usable_tags
    from d8_installer.pipeline.pool import workers

    current = {placed.placement.name: placed.placement.version for placed in active.placed}
    with workers(session.scope.options.connections) as pool:
        tags = dict(zip(current, pool.map(lambda name: usable_tags(session.source, name.path), current), strict=True))
    return {name: newer for name, version in current.items() if (newer := _newer_than(version, tags[name])) is not None}


def _newer_than(current: str, tags: Sequence[str]) -> str | None:
    from d8_installer.model.version import Version

    stable = [version for tag in tags if (version := Version.try_parse(tag)) and version.is_stable()]
    newest = max(stable, key=lambda version: version.preference_key, default=None)
    running = Version.try_parse(current)
    if newest is None or (running is not None and newest.compare(running) <= 0):
        return None
    return newest.text
