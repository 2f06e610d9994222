"""``sync --frozen``: the profile's lock as it is, or else the lock that the source carries, with its manifest.

A bundle's ``d8.toml`` becomes the profile's manifest if there is none, so that its images can be managed here
(docs/explanation/profiles.md). As with the lock alone, its binaries get no name that is already a command elsewhere.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, StaleLockError
from d8_installer.model.document import Document
from d8_installer.model.lock import FILE_NAME, Lock
from d8_installer.model.manifest import FILE_NAME as MANIFEST_NAME
from d8_installer.model.manifest import Manifest
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.resolution import KeptRequests, Wanted
from d8_installer.model.source import CarriesLock, CarriesManifest
from d8_installer.model.value import replace
from d8_installer.pipeline.change import Change, asked_by
from d8_installer.pipeline.relock import Relocked, as_read
from d8_installer.pipeline.requesters import gather
from d8_installer.pipeline.situation import situation
from d8_installer.pipeline.tag_memory import note_first_trust
from d8_installer.plan.plan import make_plan
from d8_installer.resolve.absent_manifest import seen_from_here
from d8_installer.resolve.stale import staleness
from d8_installer.store import home_state

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


def frozen_change(session: Session, workspace: Workspace, *, given: tuple[str, ...], adopts: bool) -> Change:
    """Return the change to the profile's lock as it is, or else to the source's; with its manifest if *adopts*.

    A lock without a manifest here came from another machine. Its requesters are not here to ask for names in ``bin``,
    so its binaries get only the names that a plugin's binaries would get.
    """
    has_manifest = os.path.exists(workspace.profile.manifest)
    if workspace.lock is not None:
        return Change(relocked=as_read(workspace), reason="sync", asked=None if has_manifest else {})
    carried = _carried_lock(session, workspace)
    lock, name = carried.value, session.source.name
    asked = {}
    if has_manifest:
        wanted = _wanted_of(session, workspace.profile, lock, given)
        if differences := staleness(wanted):
            raise StaleLockError(
                f"is not what is wanted here: {'; '.join(map(str, differences))}",
                file=f"{name}:{FILE_NAME}",
                hint="leave --frozen out: then `sync` takes the images from there, and locks what is wanted here",
                about_file=True,
                code="bundle-lock-stale",
            )
        asked = asked_by(wanted.requirements)
    session.reporter.note(f"there is no lock here: taking the one of {name}")
    known = home_state.load_tags(session.scope.home)
    tags = [(image.name, image.version) for image in lock.images]
    note_first_trust(session, [tag for tag in tags if (tag[0].path, tag[1]) not in known])
    change = Change(relocked=Relocked(lock=lock, text=carried.text), reason="sync", asked=asked)
    return change if has_manifest else _with_manifest(session, workspace, change, adopts=adopts)


def _with_manifest(session: Session, workspace: Workspace, change: Change, *, adopts: bool) -> Change:
    """Return *change* with the source's manifest if that may become the profile's.

    Otherwise the lock's requests of ``d8.toml`` are those of another manifest, which is not here.
    """
    text = _carried_manifest(session, change.lock) if adopts else None
    if text is not None:
        withheld = make_plan(change.lock, situation(session, change)).withheld
        if not withheld:
            session.reporter.note(f"taking the d8.toml of {session.source.name} as yours: {workspace.profile.manifest}")
            return replace(change, manifest_text=text)
        names = ", ".join(sorted({placement.binary for placement in withheld}))
        session.reporter.note(f"the d8.toml of {session.source.name} is not taken: it asks for the names {names}")
    lock = seen_from_here(change.lock, None, is_elsewhere=True)
    return replace(change, relocked=Relocked(lock=lock, text=lock.render())) if lock != change.lock else change


def _carried_manifest(session: Session, lock: Lock) -> str | None:
    """Return the text of the source's manifest if the lock is exactly what it wants, else None."""
    source: object = session.source
    raw = source.manifest_text() if isinstance(source, CarriesManifest) else None
    if raw is None:
        return None
    file = f"{session.source.name}:{MANIFEST_NAME}"
    try:
        manifest = Manifest.parse(raw, file)
    except DocumentError as error:
        session.reporter.warn(f"{error}; it is not taken")
        return None
    requirements = manifest.requirements(OWN_MANIFEST)
    present = frozenset([OWN_MANIFEST])
    wanted = Wanted(
        requirements=requirements,
        present=present,
        locked=lock,
        platforms=manifest.platforms,
        kept=KeptRequests(absent=True),
    )
    if differences := staleness(wanted):
        session.reporter.warn(f"{file} is not what its lock is for ({differences[0]}); it is not taken")
        return None
    return raw.decode()


def _wanted_of(session: Session, profile: Profile, lock: Lock, given: tuple[str, ...]) -> Wanted:
    workspace = replace(session.profiles.read(profile), lock=lock)
    return gather(session, workspace, given).wanted(lock)


def _carried_lock(session: Session, workspace: Workspace) -> Document[Lock]:
    """Return the lock that the source carries, as a bundle does."""
    source: object = session.source if session.sources.named else None
    if not isinstance(source, CarriesLock):
        raise StaleLockError(
            "is missing", file=workspace.profile.lock, hint="type `d8-installer lock`", about_file=True
        )
    raw, name = source.lock_text(), session.source.name
    try:
        lock = Lock.parse(raw, f"{name}:{FILE_NAME}")  # before the text: bytes that are not UTF-8 are refused here
        return Document(raw.decode(), lock)
    except DocumentError as error:
        if error.key != "lock_version":  # else it is a newer tool's
            hint = "copy the bundle again, or make a new one: `d8-installer bundle create -o FILE`"
            raise error.within(hint=hint) from error
        raise
