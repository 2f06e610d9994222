"""Turns requirements into a Lock, pinned by digest for every platform. Reads only manifests, and writes nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, NotFoundError, StaleLockError, UnreachableError
from d8_installer.model.contract_lookup import misnamed
from d8_installer.model.date import typed_cutoff
from d8_installer.model.facts import ClusterFacts
from d8_installer.model.lock import Lock
from d8_installer.model.reference import is_tag
from d8_installer.model.requirement import ANY_VERSION, needing_image
from d8_installer.model.resolution import ManifestOf, Trust
from d8_installer.model.source import ManifestBytes
from d8_installer.model.value import Struct, field, replace
from d8_installer.pipeline.driver import Known, drive
from d8_installer.pipeline.gone_versions import naming_gone, warn_of_gone
from d8_installer.pipeline.other_profiles import hint_elsewhere
from d8_installer.pipeline.pool import workers
from d8_installer.pipeline.tag_memory import accepted_moves, note_first_trust, refuse_moved, tops_of
from d8_installer.resolve.choose import resolve
from d8_installer.resolve.pin import pin_what_can_be
from d8_installer.resolve.stale import staleness
from d8_installer.store import home_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from d8_installer.errors import D8Error
    from d8_installer.model.digest import Digest
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Difference, HeldBack, LeftOut, PassedOver, Resolution, Wanted
    from d8_installer.pipeline.cluster_checks import AskFacts
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


_SHOWN = 20


class Relocked(Struct, frozen=True, kw_only=True):
    """A lock and its text, the requests that were left out of it, and what the source's tags mean.

    ``shown``: the digests of the tags that the source was asked for, and ``manifests``: their manifests; both by
    repository path and tag. ``held``: images that were to be upgraded and that a range keeps from their newest version.
    ``passed_over``: newer versions that were not taken, because of what they require.
    """

    lock: Lock
    text: str
    left_out: tuple[LeftOut, ...] = ()
    shown: Mapping[tuple[str, str], Digest] = field(default_factory=dict)
    manifests: Mapping[tuple[str, str], ManifestBytes] = field(default_factory=dict)
    held: tuple[HeldBack, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def problems(self) -> tuple[D8Error, ...]:
        """The reasons why requests were left out."""
        return tuple(dict.fromkeys(one.error for one in self.left_out))


def as_read(workspace: Workspace) -> Relocked:
    """Return the profile's lock as it was read, for a change that does not lock again."""
    return Relocked(lock=workspace.locked, text=workspace.lock_text)


def refuse_unknown(session: Session, profile: Profile, wanted: Wanted, names: Iterable[ImageName]) -> None:
    """Raise a NotFoundError for the first of the typed *names* that is neither asked for nor locked."""
    known = {requirement.request.name for requirement in wanted.requirements}
    unknown = sorted(name for name in names if name not in known and wanted.locked.find(name) is None)
    if unknown:
        name = unknown[0]
        hint = hint_elsewhere(session, profile, f"upgrade {name}", lambda one: one.name == name)
        raise NotFoundError(
            f"nothing in {profile} asks for {name}, and it is not locked there", hint=hint, code="not-installed"
        )


def refuse_stale(workspace: Workspace, wanted: Wanted) -> None:
    """Raise a StaleLockError unless the lock exists and says what is wanted."""
    refuse_missing(workspace)
    differences = staleness(wanted)
    if differences:
        raise stale_error(workspace, differences)


def refuse_missing(workspace: Workspace) -> None:
    """Raise a StaleLockError if there is no lock."""
    if workspace.lock is None:
        profile = workspace.profile
        hint = "type `d8-installer lock`"
        if profile.kind == "user" and not os.path.exists(profile.manifest):
            hint = "no project is here or above: go to the project's directory, or name it with -C DIR"
        raise StaleLockError("is missing", file=profile.lock, hint=hint, about_file=True)


def stale_error(workspace: Workspace, differences: Iterable[Difference]) -> StaleLockError:
    """Return the error that names the first *differences*, a clause each."""
    every = tuple(differences)
    clauses = "; ".join(map(str, every[:_SHOWN]))
    more = f"; and {len(every) - _SHOWN} more, which `lock --check` shows" if len(every) > _SHOWN else ""
    hint = "type `d8-installer lock`"
    if outsiders := sorted({who for difference in every for who in difference.outsiders}):
        names = " and ".join(outsiders)
        hint += f"; if it leaves {names} out, loosen a range, or do without {names}"
    return StaleLockError(f"is stale: {clauses}{more}", file=workspace.profile.lock, hint=hint, about_file=True)


def relock(session: Session, wanted: Wanted, read_facts: AskFacts | None = None, *, alone: bool = False) -> Relocked:
    """Resolve and pin *wanted*, compare it with the witness, and return the lock.

    If *wanted* is lenient, a request that cannot be met is left out, and what was locked for it stays. *read_facts*
    gives the facts of the cluster that contracts ask for. Without it, or if it gives none, no version is passed over
    because of the cluster. *alone*: what others need is not for this lock.
    """
    accepted = accepted_moves(session)
    repin = wanted.selection.repin | {name for name, _ in accepted}
    selection = replace(wanted.selection, repin=repin, created_before=cutoff_of(session))
    wanted = replace(wanted, selection=selection)
    trust = Trust(home_state.load_tags(session.scope.home), frozenset((name.path, tag) for name, tag in accepted))
    if read_facts is not None and wanted.facts is None:
        wanted = replace(wanted, facts=ClusterFacts(kinds=frozenset()))
    made = _resolved(session, wanted, trust, read_facts)
    made = made.of(one.request.name for one in wanted.requirements) if alone else made
    ask_witness(session, made.lock)
    _note_passed_over(session, made.resolution)
    _note_needed(session, made.resolution)
    _warn_of_misnamed(session, made.resolution)
    note_first_trust(session, _first_seen(made.resolution, trust))
    asked = {(choice.name.path, choice.tag) for choice in made.resolution.choices if not choice.kept}
    return Relocked(
        lock=made.lock,
        text=made.lock.render(),
        left_out=made.left_out,
        shown={key: top for key, top in tops_of(made.lock).items() if key in asked},
        held=made.resolution.held,
        passed_over=made.resolution.passed_over,
        manifests=_manifests_of(made.known),
    )


class _Resolved(Struct, frozen=True, kw_only=True):
    """What was chosen, its lock, what was left out of both, and all that the source answered."""

    resolution: Resolution
    lock: Lock
    left_out: tuple[LeftOut, ...]
    known: Known

    def of(self, names: Iterable[ImageName]) -> _Resolved:
        """Return what is about the images *names* alone."""
        wanted = frozenset(names)
        choices = tuple(choice for choice in self.resolution.choices if choice.name in wanted)
        lock = Lock.of(image for image in self.lock.images if image.name in wanted)
        return replace(self, resolution=replace(self.resolution, choices=choices), lock=lock)


def _note_passed_over(session: Session, resolution: Resolution) -> None:
    """Say of each version that was passed over for an older one why it was."""
    for choice in resolution.choices:
        newer = [f"{one.tag} ({one.why})" for one in resolution.passed_over if one.name == choice.name]
        if newer:
            session.reporter.note(f"{choice.name} {choice.tag} is taken; passed over: {'; '.join(newer)}")


def _note_needed(session: Session, resolution: Resolution) -> None:
    """Say which images come along because others need them."""
    for choice in resolution.choices:
        needed = [
            f"{image} needs {'it' if one.range == ANY_VERSION else one.range}"
            for one in choice.requirements
            if (image := needing_image(one.requester))
        ]
        if choice.locked is None and len(needed) == len(choice.requirements):
            session.reporter.note(f"{choice.name} {choice.tag} comes along: {', '.join(needed)}")


def _warn_of_misnamed(session: Session, resolution: Resolution) -> None:
    """Warn of contracts that call their image by another name."""
    for choice in resolution.choices:
        warning = None if choice.contract is None or choice.kept else misnamed(choice.contract)
        if warning is not None:
            session.reporter.warn(warning)


def _resolved(session: Session, wanted: Wanted, trust: Trust, read_facts: AskFacts | None) -> _Resolved:
    """Choose versions and pin them. Facts of the cluster are read when a contract asks for them.

    If the image of a request cannot be pinned, the versions are chosen again without that request. The same happens
    without a version that the source lists although it lacks its manifest. No question is asked twice.
    """
    width, known = session.scope.options.connections, Known()
    unpinned: list[LeftOut] = []
    while True:
        with naming_gone(wanted):
            resolution = drive(resolve(wanted), lambda: session.source, width, known)
        if resolution.missing_facts and read_facts is not None:
            has = wanted.facts.kinds if wanted.facts is not None else frozenset()
            wanted = replace(wanted, facts=read_facts(has | resolution.missing_facts))
            continue
        kept = Lock.of(c.locked for c in resolution.choices if c.locked and c.tag == c.locked.version)
        refuse_moved(session, kept)
        rest = wanted.without(resolution.left_out)
        with naming_gone(wanted):
            pinned = drive(pin_what_can_be(resolution, rest, trust), lambda: session.source, width, known)
        if pinned.gone:
            gone = wanted.selection.gone | pinned.gone.keys()
            wanted = replace(wanted, selection=replace(wanted.selection, gone=gone))
            continue
        if not pinned.left_out:
            warn_of_gone(session, wanted)
            left_out = (*unpinned, *resolution.left_out)
            return _Resolved(resolution=resolution, lock=pinned.lock, left_out=left_out, known=known)
        unpinned += pinned.left_out
        wanted = wanted.without(pinned.left_out)


def _manifests_of(known: Known) -> dict[tuple[str, str], ManifestBytes]:
    """Return the manifests that the source gave for tags, by repository path and tag."""
    return {
        (need.image, need.ref): answer
        for need, answer in known.items()
        if isinstance(need, ManifestOf) and isinstance(answer, ManifestBytes) and is_tag(need.ref)
    }


def cutoff_of(session: Session) -> datetime | None:
    """Return the time that ``--exclude-newer`` names; raise UsageError if it is neither a date nor an age."""
    typed = session.scope.options.exclude_newer
    return None if typed is None else typed_cutoff(typed, session.scope.clock())


def _first_seen(resolution: Resolution, trust: Trust) -> list[tuple[ImageName, str]]:
    """Return the tags of which only the source says what they mean: neither remembered nor demanded by digest."""
    return [
        (choice.name, choice.tag)
        for choice in resolution.choices
        if not choice.kept
        and (choice.locked is None or choice.locked.version != choice.tag)
        and (choice.name.path, choice.tag) not in trust.remembered
        and not any(requirement.request.digest for requirement in choice.requirements)
    ]


def ask_witness(session: Session, locked: Lock) -> None:
    """Compare every index digest with a second source, if ``--witness`` names one."""
    url = session.scope.options.witness
    if url is None:
        return
    witness = session.sources.open_source(url)

    def differs(entry: tuple[str, str, str]) -> str | None:
        path, tag, expected = entry
        try:
            found = str(witness.manifest(path, tag).digest)
        except UnreachableError as error:
            address = "check the address after --witness and the network, or leave out --witness"
            hint = address if error.code == UnreachableError.code else error.hint
            raise error.within(f"the witness {witness.name}", hint=hint) from error
        return None if found == expected else f"{path}:{tag} is {expected} here and {found} at the witness"

    entries = [(path, tag, str(top)) for (path, tag), top in tops_of(locked).items()]
    with workers(session.scope.options.connections) as pool:
        differences = [text for text in pool.map(differs, entries) if text is not None]
    if differences:
        raise MismatchError(
            f"the witness {witness.name} disagrees: {'; '.join(differences)}",
            hint="find out which of the two is wrong before you install anything",
            code="witness-disagrees",
        )
