"""``lock``: resolves the requirements and writes ``d8.lock``, for every platform. No layer is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.platform import typed_platform
from d8_installer.model.resolution import LENIENT, Selection
from d8_installer.model.value import Struct, field, replace
from d8_installer.ops.merge_driver import Merging
from d8_installer.pipeline.absent_requesters import note_absent
from d8_installer.pipeline.admission import locks_more, refuse_without_verifiers
from d8_installer.pipeline.contested import refuse_contested_verifiers
from d8_installer.pipeline.other_profiles import note_profile
from d8_installer.pipeline.ownership import refuse_foreign_project
from d8_installer.pipeline.relock import refuse_unknown, relock
from d8_installer.pipeline.requesters import gather
from d8_installer.pipeline.tag_memory import accepted_names
from d8_installer.pipeline.unmet import refuse_unmet
from d8_installer.store import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.errors import D8Error
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.session import Session


class VersionChange(Struct, frozen=True):
    """The locked version of an image before and after; None if the image was not, or is no longer, locked."""

    image: str
    before: str | None
    after: str | None


class LockResult(Struct, frozen=True, kw_only=True):
    """The result of ``lock``: the images whose version changed, and whether the file ``changed`` and was ``written``.

    There is no ``profile`` where git merges three files. The file may change although no version does. In a ``dry_run``
    or a check, it would change, and is not written.
    """

    profile: Profile | None
    file: str
    changes: tuple[VersionChange, ...]
    images: int
    changed: bool
    written: bool
    left_out: tuple[D8Error, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        changes = [{"image": one.image, "before": one.before, "after": one.after} for one in self.changes]
        profile = None if self.profile is None else self.profile.as_json()
        data = {
            "profile": profile,
            "file": self.file,
            "images": self.images,
            "changed": self.changed,
            "written": self.written,
        }
        return data | {"changes": changes, "left_out": [error.message for error in self.left_out]}


class LockOptions(Struct, frozen=True, kw_only=True):
    """The options of ``lock``.

    ``upgrade`` names images, or is None for every image. ``platforms`` are added. ``given`` are environments to look
    for plugins in. With ``prune``, the requests of requesters that are not installed here are dropped. ``taken`` says,
    for a file with conflict markers, whether an image's entry is that of "ours" or of "theirs".
    """

    dry_run: bool = False
    upgrade: frozenset[ImageName] | None = frozenset()
    platforms: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    prune: bool = False
    taken: Mapping[ImageName, str] = field(default_factory=dict)


def lock(session: Session, options: LockOptions) -> LockResult:
    """Bring the profile's lock up to date.

    Plugins that cannot be read, or whose requests cannot be met, are left out and named in ``left_out``. So are locked
    images whose requirements do not hold: their versions stay.
    """
    profile = session.profiles.find()
    note_profile(session, profile, dry_run=options.dry_run)
    merging = Merging(reporter=session.reporter, taken=options.taken, upgrade=options.upgrade)
    with session.profiles.changing(profile, dry_run=options.dry_run, load=merging.load) as workspace:
        requesters = gather(session, workspace, options.given)
        if not options.dry_run:
            refuse_contested_verifiers(session, requesters)
        wanted = requesters.wanted(workspace.locked, prune=options.prune)
        refuse_unknown(session, profile, wanted, {*(options.upgrade or ()), *accepted_names(session)} - merging.seen)
        adds = tuple(sorted({typed_platform(text) for text in options.platforms}))
        wanted = replace(
            wanted,
            adds=adds,
            strictness=LENIENT,
            selection=Selection(upgrade=options.upgrade, repin=merging.unsettled),
        )
        facts = session.checks.choosing(profile, places=False)
        relocked = relock(session, wanted, facts)
        unmet: list[D8Error] = []
        compared = _to_compare(session, options, workspace.locked, relocked.lock)
        refuse_unmet(session, relocked.lock, compared, lambda error, _: unmet.append(error), facts)
        if not options.dry_run and locks_more(workspace.locked, relocked.lock):
            refuse_without_verifiers(session)
        note_absent(session, wanted, "lock")
        changed = relocked.text != workspace.lock_text
        if changed and not options.dry_run:
            refuse_foreign_project(profile)
            documents.save(profile.lock, relocked.text)
        if not options.dry_run:
            session.profiles.remember_tags(relocked.shown)
        return LockResult(
            profile=profile,
            file=profile.lock,
            changes=version_changes(workspace.locked, relocked.lock),
            images=len(relocked.lock.images),
            changed=changed,
            written=changed and not options.dry_run,
            left_out=(*requesters.problems, *relocked.problems, *dict.fromkeys(unmet)),
        )


def _to_compare(session: Session, options: LockOptions, before: Lock, after: Lock) -> list[LockedImage]:
    """Return the images whose requirements are compared with facts: what has changed, and what facts were typed for."""
    every = options.upgrade is None or session.scope.options.facts is not None
    named = options.upgrade or ()
    return [one for one in after.images if every or one.name in named or one != before.find(one.name)]


def version_changes(before: Lock, after: Lock) -> tuple[VersionChange, ...]:
    """Return the images whose version differs, by name."""
    old = {image.name.short: image.version for image in before.images}
    new = {image.name.short: image.version for image in after.images}
    names = sorted(old.keys() | new.keys())
    changed = (name for name in names if old.get(name) != new.get(name))
    return tuple(VersionChange(name, old.get(name), new.get(name)) for name in changed)
