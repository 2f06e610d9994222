"""The one road's end: a Lock becomes the active generation, or only a Plan where nothing may be done."""

from __future__ import annotations

import contextlib
from datetime import UTC
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError, MismatchError, UsageError
from d8_installer.model.generation import Generation, Placed
from d8_installer.model.plan import Fetch, Link, Unlink
from d8_installer.model.value import Struct, field, replace
from d8_installer.pipeline.activation import activate, warned_of
from d8_installer.pipeline.admission import Gate, locks_more, refuse_without_verifiers, switch_facts, tell_switched
from d8_installer.pipeline.altered_files import altered_text
from d8_installer.pipeline.consistency import agrees
from d8_installer.pipeline.fetch import fetch_all
from d8_installer.pipeline.ownership import refuse_foreign_project
from d8_installer.pipeline.path_lookup import is_command_elsewhere
from d8_installer.pipeline.spares import Spares
from d8_installer.pipeline.store_guard import all_stored
from d8_installer.plan.plan import Policy, Situation, is_own, make_plan
from d8_installer.plugin.discovery import normalised
from d8_installer.store import documents, fs, home_state, stamp, status, trusted_directories
from d8_installer.store.generations import file_name
from d8_installer.store.store import EXECUTABLE, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from d8_installer.errors import D8Error
    from d8_installer.model.digest import Digest
    from d8_installer.model.generation import Placement
    from d8_installer.model.lock import Lock, Pin
    from d8_installer.model.plan import Plan
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.source import Provenance
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session


class Change(Struct, frozen=True, kw_only=True):
    """What is written together with the switch: the lock, its text, the manifest's text, and why.

    ``manifest_text`` or ``lock_text`` None: that file is not written. ``seen`` are the requesters that were all read
    for it, None where it does not speak for all; ``asked`` who asks for which names, None where nobody was read.
    ``problems`` are those of requesters that were left out. What fails of images of ``insist`` fails
    all of it. ``shown`` is what the source said that tags mean. ``awaited`` is the image that a person waits for, and
    is fetched first.
    """

    lock: Lock
    reason: str
    lock_text: str | None = None
    manifest_text: str | None = None
    dry_run: bool = False
    seen: Requesters | None = None
    asked: Mapping[tuple[str, str], frozenset[str]] | None = None
    problems: tuple[D8Error, ...] = ()
    insist: frozenset[ImageName] = frozenset()
    shown: Mapping[tuple[str, str], Digest] = field(default_factory=dict)
    awaited: ImageName | None = None


class Applied(Struct, frozen=True, kw_only=True):
    """What came of a Change: the plan, and the number of the generation that is active now (None: still none).

    ``lock``: the lock file, where what it says has changed, or would.
    """

    plan: Plan
    generation: int | None
    bin: str
    profile: Profile
    dry_run: bool = False
    left_out: tuple[D8Error, ...] = ()
    lock: str | None = None

    @property
    def has_placed(self) -> bool:
        """Whether binaries were put in place."""
        return not self.dry_run and any(isinstance(step, Link) for step in self.plan.steps)

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "profile": self.profile.as_json(),
            "platform": str(self.plan.platform),
            "generation": self.generation,
            "bin": self.bin,
            "dry_run": self.dry_run,
            "changes": [_step_json(step) for step in self.plan.steps],
            "skipped": [str(name) for name in self.plan.skipped],
            "withheld": sorted({placement.binary for placement in self.plan.withheld}),
            "left_out": [error.message for error in self.left_out],
            "lock": self.lock,
        }


def apply(session: Session, workspace: Workspace, change: Change) -> Applied:
    """Make *change* true: plan, fetch, build the generation, write manifest and lock, switch, stamp.

    Until the switch nothing that was there before has changed, except that the two files may be ahead of it,
    which the next sync mends.
    """
    generations = workspace.generations
    active = _readable(session, workspace)
    _refuse_foreign_platform(session, active)
    lost = frozenset() if active is None else _lost(session, workspace, active, dry_run=change.dry_run)
    plan = make_plan(change.lock, replace(situation(session, change, active), lost=lost))
    bin_directory = bin_of(session, workspace)
    number = before = None if active is None else active.number
    switch = None
    result = Applied(
        plan=plan,
        generation=number,
        bin=bin_directory,
        profile=workspace.profile,
        lock=_changed_lock(workspace, change),
    )
    if change.dry_run:
        return replace(result, dry_run=True, left_out=(*change.problems, *plan.problems))
    if {change.manifest_text, change.lock_text} - {None, workspace.manifest_text, workspace.lock_text}:
        refuse_foreign_project(workspace.profile)
    refuse_moved(session, change.lock)
    _warn(session, plan)
    is_first = generations.switch.active(generations.paths) is None  # the active one may be damaged, and so None
    if workspace.profile.is_exposed and not (is_first and plan.is_empty):  # first, for what is in the way stops all
        generations.switch.expose(session.scope.home, generations.paths)
    if locks_more(workspace.locked, change.lock):
        refuse_without_verifiers(session)
    gate = Gate(session, plan, active)
    spares = Spares(change.lock, plan, change.asked, change.insist)
    gate.admit(change.lock, spares)
    plan, shown = _fetched(session, plan, spares, (active, change.awaited))
    result, change = replace(result, plan=plan), replace(change, shown={**shown, **change.shown})
    if plan.is_empty and (is_first or active is not None):
        _write(session, workspace, change)
    else:
        number = generations.next_number()
        switch = switch_facts(
            plan,
            profile=str(workspace.profile),
            before=before,
            after=number,
            reason=change.reason,
            bin_directory=bin_directory,
        )
        gate.before_switch(switch)
        with all_stored(session, plan, lambda: _again(session, change, spares, active)):
            _activate(session, workspace, change, (plan, number))
    problems = (*change.problems, *plan.problems)
    if change.seen is not None and change.seen.is_lasting and not problems:
        with warned_of("the next sync looks at everything", session.reporter.warn):
            write_stamp(session, workspace, change.seen, plan, number)
    if switch is not None:
        tell_switched(session, switch)
    return replace(result, generation=number, left_out=problems)


def _lost(session: Session, workspace: Workspace, active: Generation, *, dry_run: bool) -> frozenset[Placement]:
    """Return what the active generation lacks, or has no longer as it was installed; the latter is warned of."""
    lost = {placed.placement for placed, _ in workspace.generations.missing_files(active)}
    for placed, path, problem in workspace.generations.altered_executables(active):
        placement = placed.placement
        undone = "" if dry_run else "putting back what was installed: "
        session.reporter.warn(f"{undone}{altered_text(placed, path, problem)}")
        if problem == status.UNEXECUTABLE and not dry_run:
            fs.set_mode(path, EXECUTABLE)
        else:
            lost.add(placement)
    return frozenset(lost)


def _fetched(
    session: Session, plan: Plan, spares: Spares, by: tuple[Generation | None, ImageName | None]
) -> tuple[Plan, Mapping[tuple[str, str], Digest]]:
    """Fetch what is not refused; return the plan without the spares that cannot be had, and what tags mean.

    *by*: the active generation, and the image that is awaited.
    """
    active, awaited = by
    shown = fetch_all(session, spares.rest(plan, active, session.store), awaited, spares)
    return spares.rest(plan, active, session.store), shown


def _again(session: Session, change: Change, spares: Spares, active: Generation | None) -> Plan:
    """Plan once more what is to be fetched, for garbage was collected meanwhile."""
    return spares.rest(make_plan(change.lock, situation(session, change, active)), active, session.store)


def _changed_lock(workspace: Workspace, change: Change) -> str | None:
    return None if change.lock_text in (None, workspace.lock_text) else workspace.profile.lock


def bin_of(session: Session, workspace: Workspace) -> str:
    """Return the directory that the profile's binaries are found in."""
    return session.scope.home.bin if workspace.profile.is_exposed else workspace.generations.paths.bin


def _activate(session: Session, workspace: Workspace, change: Change, made: tuple[Plan, int]) -> None:
    """Build generation and files, then switch."""
    plan, number = made
    generations = workspace.generations
    text = change.lock_text if change.lock_text is not None else workspace.lock_text
    time = session.scope.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    generations.build(
        Generation(
            number=number,
            platform=plan.platform,
            time=time,
            reason=change.reason,
            placed=tuple(sorted(_placed(session, plan))),
            lock=text,
        )
    )
    try:
        _write(session, workspace, change)
    except BaseException:
        with contextlib.suppress(DiskError):  # one that was never active must not be one to go back to
            generations.drop(number)
        raise
    activate(generations.switch, generations.paths, number, session.reporter.warn)
    with warned_of("old generations stay for now", session.reporter.warn):
        generations.keep(session.scope.config.retention)


def situation(session: Session, change: Change, active: Generation | None) -> Situation:
    """Return where a plan for the change's lock starts from."""
    pins = [pin for image in change.lock.images if (pin := image.pin_for(session.platform)) is not None]
    stored, proven = held_of(session, pins)
    return Situation(
        platform=session.platform, active=active, stored=stored, policy=_policy(session, change), proven=proven
    )


def held_of(
    session: Session, pins: Iterable[Pin]
) -> tuple[dict[Digest, frozenset[str]], dict[Digest, Sequence[Provenance]]]:
    """Return which members of the pins' layers the store has, and by which chains each was seen to be reached."""
    held = {layer: session.store.held(layer) for layer in {pin.layer for pin in pins}}
    stored = {layer: frozenset(one.members) for layer, one in held.items()}
    return stored, {layer: one.provenance for layer, one in held.items()}


def watched_files(session: Session, workspace: Workspace) -> list[str]:
    """Return the files whose change makes a sync look again."""
    environments = workspace.generations.paths.environments
    return [workspace.profile.manifest, workspace.profile.lock, session.scope.config_file, environments]


def write_stamp(session: Session, workspace: Workspace, requesters: Requesters, plan: Plan, number: int | None) -> None:
    """Record what this sync saw, so that the next one can be quick."""
    project = workspace.profile.project
    facts: dict[str, object] = {
        "generation": number,
        "platform": str(plan.platform),
        "skipped": [str(name) for name in plan.skipped],
        "withheld": sorted({placement.binary for placement in plan.withheld}),
        "roots": requesters.default_roots,
        "safe_by_settings": project is not None
        and trusted_directories.foreign_owner_of_project(project, session.scope.environ) is not None,
    }
    paths = workspace.generations.paths
    places = [*_watched_places(session, workspace, plan, number), *requesters.watched]
    executables = [] if number is None else _executables(session, workspace.generations.load(number))
    files = watched_files(session, workspace)
    fs.replace_file(paths.stamp, stamp.seen(paths, files, places, executables, facts), durable=False)


def _executables(session: Session, generation: Generation) -> list[str]:
    """Return the stored files of a generation."""
    suffix = generation.platform.executable_suffix
    return [
        session.store.expected_path(Stored(placed.digest, placed.size), file_name(placed.placement.binary, suffix))
        for placed in generation.placed
    ]


def _watched_places(session: Session, workspace: Workspace, plan: Plan, number: int | None) -> list[str]:
    """Return what must be there untouched for a sync to have nothing to do."""
    paths = workspace.generations.paths
    entry = [session.scope.home.bin] if workspace.profile.is_exposed else []
    record = [] if number is None else [paths.record(number)]
    requests = {paths.request(request.hex) for p in plan.target for request in p.requests}
    directories = [paths.bin, *([paths.requests] if requests else []), *sorted(requests)]
    return [*directories, *entry, *record, session.scope.home.schema]


def _readable(session: Session, workspace: Workspace) -> Generation | None:
    """Return the active generation; a damaged record counts as none, since the lock tells all that is needed."""
    generations = workspace.generations
    try:
        active = generations.active()
    except DocumentError as error:
        session.reporter.warn(f"{error}; making a new generation from the lock")
        return None
    if active is None or active.lock == workspace.lock_text or generations.has_checksum(active.number):
        return active
    if agrees(active):
        return active
    record = generations.paths.record(active.number)
    session.reporter.warn(f"{record}: says something else than the lock in it; making a new generation from the lock")
    return None


def _refuse_foreign_platform(session: Session, active: Generation | None) -> None:
    if active is None or active.platform == session.platform:
        return  # and no plugin is asked what this host's platform is
    if session.platform != session.plugins.host_platform:
        raise UsageError(
            f"this home's binaries are for {active.platform}, and --platform says {session.platform}",
            hint=f"lay them out in a directory with `sync --platform {session.platform} --to DIR`, or give the other"
            " platform a home of its own with --home DIR",
        )


def asked_by(requirements: Iterable[Requirement]) -> dict[tuple[str, str], frozenset[str]]:
    """Return who asks for which binary of which image."""
    asked: dict[tuple[str, str], frozenset[str]] = {}
    for requirement in requirements:
        for binary, _ in requirement.request.binaries:
            key = str(requirement.request.name), binary
            asked[key] = asked.get(key, frozenset()) | {requirement.requester}
    return asked


def refuse_moved(session: Session, lock: Lock) -> None:
    """A lock may come from anywhere: where it calls other bytes by a tag that is remembered, the tag was moved."""
    known = home_state.load_tags(session.scope.home)
    for image in lock.images:
        before = known.get((image.name.path, image.version))
        tag = f"{image.name}:{image.version}"
        if before not in (None, image.top) and tag not in session.scope.options.accept_moved:
            raise MismatchError(
                f"the lock says that {tag} is {image.top}, and here it was {before}",
                hint=f"ask who changed the lock; to take the other bytes, type --accept-moved {tag}",
            )


def _policy(session: Session, change: Change) -> Policy:
    config = session.scope.config
    shadowed = frozenset(
        binary
        for image in change.lock.images
        for binary, _ in image.binaries
        if not is_own(binary, image, change.asked) and is_command_elsewhere(session, binary)
    )
    allow = frozenset(config.allow) | frozenset(map(normalised, config.allow))
    return Policy(
        owners=config.owners, shadowed=shadowed, allow=allow, reserved=frozenset(config.reserved), asked=change.asked
    )


def _warn(session: Session, plan: Plan) -> None:
    for placement in plan.withheld:
        session.reporter.warn(
            f"{placement.binary} of {placement.name} is kept out of bin: the name is reserved, or another command's"
            f" (`d8-installer config set allow {placement.name}` lets it in)"
        )
    for name in plan.skipped:
        session.reporter.note(f"{name} is optional and has no build for {plan.platform}: skipped")


def _placed(session: Session, plan: Plan) -> Iterable[Placed]:
    members = {layer: session.store.members(layer) for layer in {placement.layer for placement in plan.target}}
    for placement in plan.target:
        stored = members[placement.layer].get(placement.member)
        if stored is None:
            raise DiskError(
                f"the store no longer has {placement.member!r} of {placement.name} while it was being placed",
                hint="type the same command again",
            )
        yield Placed(placement, stored.digest, stored.size)


def _write(session: Session, workspace: Workspace, change: Change) -> None:
    if change.manifest_text is not None and change.manifest_text != workspace.manifest_text:
        documents.save(workspace.profile.manifest, change.manifest_text, begin=True)
    if change.lock_text is not None and not _is_about_nothing(workspace, change):
        documents.save(workspace.profile.lock, change.lock_text)
    accepted = {key: top for key, top in tops_of(change.lock).items() if _is_accepted(session, *key)}
    session.profiles.remember_tags({**accepted, **change.shown})


def _is_about_nothing(workspace: Workspace, change: Change) -> bool:
    """Whether nobody asks for anything and there is no lock yet: then a lock that says so is of no use."""
    return not (change.lock.images or workspace.lock is not None or change.manifest_text or workspace.manifest_text)


def _is_accepted(session: Session, path: str, tag: str) -> bool:
    return f"{path.rpartition('/')[2]}:{tag}" in session.scope.options.accept_moved


def tops_of(lock: Lock) -> dict[tuple[str, str], Digest]:
    """Return what each locked tag means by the lock."""
    return {(image.name.path, image.version): image.top for image in lock.images}


def _step_json(step: Fetch | Link | Unlink) -> dict[str, object]:
    if isinstance(step, Fetch):
        return {"action": "fetch", "image": str(step.name), "version": step.request.tag, "bytes": step.request.size}
    action = "unlink" if isinstance(step, Unlink) else "link"
    replaces = step.replaces if isinstance(step, Link) else None
    return {"action": action, **_placement_json(step.placement), "replaces": replaces}


def _placement_json(placement: Placement) -> dict[str, object]:
    return {"binary": placement.binary, "image": str(placement.name), "version": placement.version}
