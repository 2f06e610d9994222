"""``wheel``: a manifest's binaries as proven files in the store, for any platform. No profile is involved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, NotFoundError, StaleLockError, UsageError
from d8_installer.model.lock import ANY_PLATFORM, Lock
from d8_installer.model.platform import Platform
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.resolution import Wanted
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.fetch import fetch_all
from d8_installer.pipeline.relock import relock
from d8_installer.pipeline.situation import stored_for
from d8_installer.pipeline.tag_memory import refuse_moved
from d8_installer.plan.plan import make_plan
from d8_installer.resolve.stale import staleness
from d8_installer.store import status
from d8_installer.store.generations import file_name

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest
    from d8_installer.model.manifest import Manifest
    from d8_installer.pipeline.session import Session


class GivenLock(Struct, frozen=True):
    """A lock that exists already, and its file."""

    lock: Lock
    file: str


class ProvenBinary(Struct, frozen=True, kw_only=True):
    """A binary: its name, the stored file, its digest and its bytes."""

    name: str
    path: str
    digest: Digest
    size: int


def lock_of(session: Session, manifest: Manifest, given: GivenLock | None, *, keeps: bool = True) -> Lock:
    """Return the lock of *manifest*: the *given* one, which must be current, or else a new one.

    If it *keeps* what it learns, the home is made ready, and remembers what tags mean.

    Images of other requesters in the given lock are left out, unless those of *manifest* need them. If it is stale,
    raise StaleLockError.
    """
    session.profiles.refuse_foreign(session.scope.home.root)
    if keeps:
        with status.readable_by_all(wanted=session.scope.is_global):
            session.profiles.prepare_home()
    requirements = manifest.requirements(OWN_MANIFEST)
    wanted = Wanted(
        requirements=requirements, present=frozenset([OWN_MANIFEST]), locked=Lock(), platforms=manifest.platforms
    )
    if given is None:
        relocked = relock(session, wanted)
        if keeps:
            session.profiles.remember_tags(relocked.shown)
        return relocked.lock
    asked_for = {image.name for image in given.lock.images if image.is_own}
    along = given.lock.needed_by(asked_for)
    own = Lock.of(image for image in given.lock.images if image.name in asked_for or image.name in along)
    differences = staleness(replace(wanted, locked=own))
    if differences:
        clauses = "; ".join(map(str, differences))
        raise StaleLockError(
            f"is stale: {clauses}",
            file=given.file,
            hint="type `d8-installer lock` beside the manifest",
            about_file=True,
        )
    refuse_moved(session, own)
    return own


def platforms_of(lock: Lock) -> tuple[Platform, ...]:
    """Return the platforms that every image of *lock* has a build for. Optional images do not count.

    If the images do not name their platforms, raise UsageError. If they have none in common, raise NotFoundError.
    """
    required = [image for image in lock.images if not image.optional] or list(lock.images)
    keys = [{key for key, _ in image.platforms} for image in required]
    known = [names for names in keys if names != {ANY_PLATFORM}]
    if not known:
        raise UsageError("these images do not say for which platforms they are", hint="name them with --platform")
    common = set.intersection(*known)
    if not common:
        raise NotFoundError(
            "there is no platform that all images have a build for",
            hint="ask the images' authors",
            code="no-build-for-platform",
        )
    return tuple(sorted(map(Platform.parse, common)))


def binaries_for(session: Session, lock: Lock, platform: Platform) -> tuple[ProvenBinary, ...]:
    """Fetch and prove the binaries of *lock* for *platform*. Optional images without a build for it are left out.

    If another image has no build for it, raise NotFoundError.
    """
    plan = make_plan(lock, stored_for(session, lock, platform))
    with status.readable_by_all(wanted=session.scope.is_global):
        fetch_all(session, plan)
    found = []
    for placement in plan.target:
        stored = session.store.members(placement.layer).get(placement.member)
        if stored is None:
            raise DiskError(
                f"the store no longer has {placement.member!r}", hint="type the same command again", code="program-gone"
            )
        path = session.store.path(stored, file_name(placement.binary, platform.executable_suffix))
        found.append(ProvenBinary(name=placement.binary, path=path, digest=stored.digest, size=stored.size))
    return tuple(found)
