"""``lock``: requirements become a Lock, pinned by digest for every platform; no layer is downloaded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, StaleLockError, UsageError
from d8_installer.model.date import typed_cutoff
from d8_installer.model.lock import Lock
from d8_installer.model.platform import typed_platform
from d8_installer.model.reference import image_name, is_tag
from d8_installer.model.resolution import Trust
from d8_installer.ops.apply import refuse_moved, tops_of
from d8_installer.ops.ask import drive, workers
from d8_installer.ops.merge import Merging
from d8_installer.ops.requesters import gather
from d8_installer.resolve import pin, resolve, staleness
from d8_installer.store import lockfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from d8_installer.errors import D8Error
    from d8_installer.model.digest import Digest
    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Difference, Resolution, Wanted
    from d8_installer.ops.session import Session, Workspace


@dataclass(frozen=True, slots=True)
class Relocked:
    """A new lock, its text, why requirements were left out of it, and what the source said that tags mean."""

    lock: Lock
    text: str
    problems: tuple[D8Error, ...] = ()
    shown: Mapping[tuple[str, str], Digest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LockResult:
    """What ``lock`` did: each image with its version before and after (None: was not, or is no longer, locked)."""

    file: str
    changes: tuple[tuple[str, str | None, str | None], ...]
    images: int
    written: bool
    left_out: tuple[D8Error, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        changes = [{"image": name, "before": before, "after": after} for name, before, after in self.changes]
        return {"file": self.file, "images": self.images, "written": self.written, "changes": changes} | {
            "left_out": [error.message for error in self.left_out]
        }


@dataclass(frozen=True, slots=True)
class LockOptions:
    """What ``lock`` was asked for.

    ``upgrade`` None means every image; ``platforms`` are added; ``given`` are environments to look in. ``taken``: in a
    file with conflict markers, the image's entry is that of "ours" or of "theirs".
    """

    dry_run: bool = False
    upgrade: frozenset[ImageName] | None = frozenset()
    platforms: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    taken: Mapping[ImageName, str] = field(default_factory=dict)


def lock(session: Session, options: LockOptions) -> LockResult:
    """Bring the profile's lock up to date, and drop requesters that are gone.

    Raises whatever resolving raises; plugins that cannot be read, or cannot agree, are among the result's ``left_out``.
    """
    profile = session.profile()
    merging = Merging(session.reporter, options.taken, options.upgrade)
    with session.writing(profile, load=merging.load) as workspace:
        requesters = gather(session, workspace, options.given)
        wanted = replace(requesters.wanted(workspace.locked, workspace.manifest), repin=merging.unsettled)
        adds = tuple(sorted({typed_platform(text) for text in options.platforms}))
        wanted = replace(wanted, upgrade=options.upgrade, adds=adds, lenient=True)
        relocked = relock(session, wanted)
        changed = relocked.text != workspace.lock_text
        if changed and not options.dry_run:
            lockfile.save(profile.lock, relocked.text)
        if not options.dry_run:
            lockfile.remember_tags(session.home, relocked.shown)
        changes = changes_between(workspace.locked, relocked.lock)
        written = changed and not options.dry_run
        problems = (*requesters.problems, *relocked.problems)
        return LockResult(profile.lock, changes, len(relocked.lock.images), written, problems)


def refuse_stale(workspace: Workspace, wanted: Wanted) -> None:
    """Raise a StaleLockError unless the lock is there and says what is wanted."""
    refuse_missing(workspace)
    differences = staleness(wanted)
    if differences:
        raise stale_error(workspace, differences)


def refuse_missing(workspace: Workspace) -> None:
    """Raise a StaleLockError where there is no lock."""
    if workspace.lock is None:
        raise StaleLockError("is missing", file=workspace.profile.lock, hint="type `d8-installer lock`")


def stale_error(workspace: Workspace, differences: Iterable[Difference]) -> StaleLockError:
    """Return the error that says, a clause each, where the lock is stale."""
    clauses = "; ".join(map(str, differences))
    return StaleLockError(f"is stale: {clauses}", file=workspace.profile.lock, hint="type `d8-installer lock`")


def relock(session: Session, wanted: Wanted) -> Relocked:
    """Resolve and pin *wanted*, check it against the witness, and return the lock with its text."""
    accepted = accepted_moves(session.options.accept_moved)
    wanted = replace(wanted, repin=wanted.repin | {name for name, _ in accepted}, created_before=cutoff_of(session))
    width = session.options.connections
    resolution = drive(resolve(wanted), lambda: session.source, width)
    refuse_moved(session, Lock.of(c.locked for c in resolution.choices if c.locked and c.tag == c.locked.version))
    trust = Trust(lockfile.load_tags(session.home), frozenset((name.path, tag) for name, tag in accepted))
    _say_first_trust(session, resolution, trust)
    locked = drive(pin(resolution, wanted, trust), lambda: session.source, width)
    ask_witness(session, locked)
    asked = {(choice.name.path, choice.tag) for choice in resolution.choices if not choice.kept}
    shown = {key: top for key, top in tops_of(locked).items() if key in asked}
    return Relocked(locked, locked.render(), tuple(left_out.error for left_out in resolution.left_out), shown)


def cutoff_of(session: Session) -> datetime | None:
    """Return what ``--exclude-newer`` says; a UsageError if it is neither a date nor an age."""
    typed = session.options.exclude_newer
    return None if typed is None else typed_cutoff(typed, session.clock())


def accepted_moves(texts: Iterable[str]) -> frozenset[tuple[ImageName, str]]:
    """Read ``--accept-moved IMAGE:TAG``."""
    accepted = set()
    for text in texts:
        name, colon, tag = text.partition(":")
        if not colon or not is_tag(tag):
            raise UsageError(f"{text[:100]!r} is not IMAGE:TAG", hint="such as --accept-moved stronghold:v1.4.2")
        accepted.add((image_name(name), tag))
    return frozenset(accepted)


def changes_between(before: Lock, after: Lock) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return, by name, the images whose version differs, with both versions."""
    old = {image.name.short: image.version for image in before.images}
    new = {image.name.short: image.version for image in after.images}
    names = sorted(old.keys() | new.keys())
    return tuple((name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _say_first_trust(session: Session, resolution: Resolution, trust: Trust) -> None:
    """The first lock of a tag believes its source; whoever wants more is told how (DESIGN, Trust)."""
    first = [
        f"{choice.name}:{choice.tag}"
        for choice in resolution.choices
        if not choice.kept
        and (choice.name.path, choice.tag) not in trust.remembered
        and not any(requirement.request.digest for requirement in choice.requirements)
    ]
    if first and session.options.witness is None:
        shown = ", ".join(first[:5]) + (f" and {len(first) - 5} more" if len(first) > 5 else "")
        session.reporter.note(f"trusting {session.source.name} for the first lock of {shown}")


def ask_witness(session: Session, locked: Lock) -> None:
    """Compare every index digest with a second source, if ``--witness`` names one."""
    url = session.options.witness
    if url is None:
        return
    witness = session.open_source(url)

    def differs(entry: tuple[str, str, str]) -> str | None:
        path, tag, expected = entry
        found = str(witness.manifest(path, tag).digest)
        return None if found == expected else f"{path}:{tag} is {expected} here and {found} at the witness"

    entries = [(path, tag, str(top)) for (path, tag), top in tops_of(locked).items()]
    with workers(session.options.connections) as pool:
        differences = [text for text in pool.map(differs, entries) if text is not None]
    if differences:
        raise MismatchError(
            f"the witness {witness.name} disagrees: {'; '.join(differences)}",
            hint="find out which of the two is wrong before you install anything",
        )
