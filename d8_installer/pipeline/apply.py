"""The end of the one road: a Change becomes the active generation.

How it works. ``apply`` takes five steps, and the caller holds the profile's lock throughout:

1. **Plan.** Compare the lock with the active generation and the store. A dry run ends here.
2. **Refuse.** Everything that may stop the command comes before anything is fetched: files of another user, a tag that
   means other bytes than before, a file in the place of ``bin``, then the plugins' checks and verifiers.
3. **Provide.** Read the contracts and fetch the layers that the store lacks. Bytes get a name only after they were
   verified (``store.store``).
4. **Build and switch.** Under the home's ``switching`` lock: make sure that everything is still stored, build the
   generation's directory, write ``d8.toml``, ``d8.lock`` and ``tags.json`` in this order, and rename the link
   ``current``.
5. **Tell.** Write the stamp, and tell the plugins.

A killed process leaves the old generation active or the new one, since the rename of ``current`` is the only moment at
which the profile changes. A kill before it leaves unnamed bytes, stored files that no generation uses, a draft, a
complete generation that is not active, or documents that are ahead of the binaries; the next ``sync`` places what the
documents say. A kill after it leaves old generations and no stamp, so that the next ``sync`` looks at everything.
``docs/architecture.md`` lists what finishes each of these, and ``tests/crash`` kills at every call that changes a file.
An error follows the same rule: until the switch it ends the command, after the switch it is a warning.
"""

from __future__ import annotations

import contextlib
from datetime import UTC
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError
from d8_installer.model.generation import Generation, Placed
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.activation import activate, warned_of
from d8_installer.pipeline.admission import Admission, locks_more, refuse_without_verifiers, switch_facts, tell_switched
from d8_installer.pipeline.beside import layout_of
from d8_installer.pipeline.change import Applied
from d8_installer.pipeline.contracts import contracts_to_keep, keep_contracts
from d8_installer.pipeline.dispensable import Dispensable
from d8_installer.pipeline.fetch import fetch_all
from d8_installer.pipeline.gate import keep_passes
from d8_installer.pipeline.ownership import refuse_foreign_project
from d8_installer.pipeline.situation import lost_placements, readable_active, refuse_foreign_platform, situation
from d8_installer.pipeline.stamping import write_stamp
from d8_installer.pipeline.store_guard import all_stored
from d8_installer.pipeline.tag_memory import accepted_tops, refuse_moved
from d8_installer.pipeline.unmet import admit_images
from d8_installer.pipeline.wrapping import Wrapping
from d8_installer.plan.plan import make_plan
from d8_installer.store import documents
from d8_installer.store.generations import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from d8_installer.model.contract import Contract
    from d8_installer.model.digest import Digest
    from d8_installer.model.plan import Plan
    from d8_installer.pipeline.change import Change
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session
    from d8_installer.pipeline.store_guard import Members
    from d8_installer.plugin.records import SwitchFacts


def apply(session: Session, workspace: Workspace, change: Change) -> Applied:
    """Make *change* true in the profile of *workspace*, which the caller holds for writing."""
    active = readable_active(session, workspace)
    layout = layout_of(session, workspace) if change.lays_out else None
    plan = _plan(session, workspace, change, active)
    applied = Applied(
        plan=plan,
        generation=None if active is None else active.number,
        bin=workspace.bin_in(session.scope.home),
        profile=workspace.profile,
        dry_run=change.dry_run,
        left_out=(*change.problems, *plan.problems),
        manifest=workspace.profile.manifest if _edits_manifest(workspace, change) else None,
        lock=workspace.profile.lock if _edits_lock(workspace, change) else None,
    )
    if change.dry_run:
        return applied if layout is None else replace(applied, laid_out=layout.preview(plan, change.lock))
    application = _Application(session, workspace, change, active, plan)
    application.refuse()
    if layout is not None:
        layout.refuse(plan, change.lock)
    provided = application.provide()
    plan = provided.plan
    with contextlib.nullcontext() if layout is None else layout.ready(plan):
        switched = application.build_and_switch(provided)
        laid_out = None if layout is None else layout.lay_out(has_switched=switched.facts is not None)
    left_out = (*change.problems, *plan.problems)
    has_switched = switched.facts is not None
    applied = replace(applied, plan=plan, generation=switched.number, left_out=left_out, switched=has_switched)
    applied = replace(applied, laid_out=laid_out)
    application.tell(applied, switched.facts, is_complete=layout is None or layout.is_complete)
    return applied


def _plan(session: Session, workspace: Workspace, change: Change, active: Generation | None) -> Plan:
    refuse_foreign_platform(session, active)
    lost = frozenset() if active is None else lost_placements(session, workspace, active, dry_run=change.dry_run)
    return make_plan(change.lock, replace(situation(session, change, active), lost=lost))


class _Provided(Struct, frozen=True):
    """The plan without the dispensable binaries that failed, and the digests of the tags that were asked for.

    ``contracts`` are those of the placed images, by the digest of their index.
    """

    plan: Plan
    shown: Mapping[tuple[str, str], Digest]
    contracts: Mapping[Digest, Contract]


class _Switched(Struct, frozen=True):
    """The number of the active generation, and the facts for plugins if it is a new one."""

    number: int | None
    facts: SwitchFacts | None = None


class _Application:
    """One change being applied: the steps after the plan, in their order."""

    def __init__(
        self, session: Session, workspace: Workspace, change: Change, active: Generation | None, plan: Plan
    ) -> None:
        self._session = session
        self._workspace = workspace
        self._generations = workspace.generations
        self._change = change
        self._active = active
        self._plan = plan
        self._admission = Admission(session, plan, active)
        self._dispensable = Dispensable(change.lock, plan, change.asked, change.insist)
        # A damaged active generation counts as none for the plan, yet it is not the first one.
        self._is_first = self._generations.switch.active(self._generations.paths) is None

    # -- refuse ----------------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """Raise whatever forbids the change. Images that only plugins want are left out instead."""
        session, workspace, change, plan = self._session, self._workspace, self._change, self._plan
        if _edits_manifest(workspace, change) or _edits_lock(workspace, change):
            refuse_foreign_project(workspace.profile)
        refuse_moved(session, change.lock)
        admit_images(session, change, plan, self._active, self._dispensable.leave_out)
        self._tell_what_is_not_placed()
        if workspace.profile.is_exposed and not (self._is_first and plan.is_empty):
            self._generations.switch.expose(session.scope.home, self._generations.paths, _names_in_bin(plan))
        if locks_more(workspace.locked, change.lock):
            refuse_without_verifiers(session)
        self._admission.admit(change.lock, self._dispensable)

    def _tell_what_is_not_placed(self) -> None:
        for placement in self._plan.withheld:
            self._session.reporter.warn(
                f"{placement.binary} of {placement.name} is kept out of bin: the name is reserved, or another command's"
                f" (`d8-installer config set allow {placement.name}` lets it in)"
            )
        for name in self._plan.skipped:
            self._session.reporter.note(f"{name} is optional and has no build for {self._plan.platform}: skipped")

    # -- provide ---------------------------------------------------------------------------------------------

    def provide(self) -> _Provided:
        """Fetch what was not refused."""
        contracts = contracts_to_keep(self._session, self._change.lock, self._rest_of(self._plan), self._dispensable)
        shown = fetch_all(
            self._session,
            self._rest_of(self._plan),
            awaited=self._change.awaited,
            dispensable=self._dispensable,
            asked=self._change.relocked.manifests,
        )
        return _Provided(self._rest_of(self._plan), shown, contracts)

    def _rest_of(self, plan: Plan) -> Plan:
        return self._dispensable.rest(plan, self._active, self._session.store)

    def _plan_again(self) -> Plan:
        """Plan the fetches once more, because garbage was collected meanwhile."""
        return self._rest_of(make_plan(self._change.lock, situation(self._session, self._change, self._active)))

    # -- build and switch ------------------------------------------------------------------------------------

    def build_and_switch(self, provided: _Provided) -> _Switched:
        """Write the documents and, unless the plan is empty, make a new generation the active one."""
        plan, shown = provided.plan, provided.shown
        if plan.is_empty and (self._is_first or self._active is not None):
            keep_contracts(self._session, provided.contracts)
            self._write(shown)
            return _Switched(None if self._active is None else self._active.number)
        number = self._generations.next_number()
        facts = switch_facts(
            plan,
            profile=str(self._workspace.profile),
            before=None if self._active is None else self._active.number,
            after=number,
            reason=self._change.reason,
            bin_directory=self._workspace.bin_in(self._session.scope.home),
        )
        self._admission.before_switch(facts)
        with all_stored(self._session, plan, self._plan_again) as members:
            keep_contracts(self._session, provided.contracts)
            self._build(plan, number, members, provided.contracts)
            try:
                self._write(shown)
            except BaseException:
                with contextlib.suppress(DiskError):  # a generation that never was active must not be rolled back to
                    self._generations.drop(number)
                raise
            self._switch_to(number)
        return _Switched(number, facts)

    def _build(self, plan: Plan, number: int, members: Members, contracts: Mapping[Digest, Contract]) -> None:
        wrapping = Wrapping(contracts.values(), self._active, self._session.scope.program)
        placed = _placed(plan, members, wrapping)
        generation = Generation(
            number=number,
            platform=plan.platform,
            time=self._session.scope.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            reason=self._change.reason,
            placed=tuple(sorted(placed, key=lambda one: one.sort_key)),
            lock=self._change.relocked.text,
        )
        self._generations.build(generation)

    def _write(self, shown: Mapping[tuple[str, str], Digest]) -> None:
        workspace, change = self._workspace, self._change
        manifest, text = workspace.profile.manifest, change.manifest_text
        is_edited = text is not None and _edits_manifest(workspace, change)
        with documents.put_back(manifest) if is_edited else contextlib.nullcontext():
            if text is not None and is_edited:
                documents.save(manifest, text, begin=True)
            if _edits_lock(workspace, change):
                documents.save(workspace.profile.lock, change.relocked.text)
        accepted = accepted_tops(self._session, change.lock)
        self._session.profiles.remember_tags({**accepted, **shown, **change.relocked.shown})

    def _switch_to(self, number: int) -> None:
        generations, warn = self._generations, self._session.reporter.warn
        activate(generations.switch, generations.paths, number, warn)
        with warned_of("old generations stay for now", warn):
            generations.keep(self._session.scope.config.retention)

    # -- tell ------------------------------------------------------------------------------------------------

    def tell(self, applied: Applied, facts: SwitchFacts | None, *, is_complete: bool) -> None:
        """Write the stamp if everything *is_complete*, and tell the plugins of the switch."""
        seen = self._change.seen
        if seen is not None and seen.is_lasting and is_complete and not applied.left_out:
            with warned_of("the next sync looks at everything", self._session.reporter.warn):
                write_stamp(self._session, self._workspace, seen, applied.plan, applied.generation)
        if facts is not None:
            tell_switched(self._session, facts)
            if any(placement.contract is not None for placement in applied.plan.target):
                keep_passes(self._session, self._generations)


def _names_in_bin(plan: Plan) -> list[str]:
    suffix = plan.platform.executable_suffix
    return [file_name(placement.binary, suffix) for placement in plan.target if placement.in_bin]


def _edits_manifest(workspace: Workspace, change: Change) -> bool:
    return change.manifest_text not in (None, workspace.manifest_text)


def _edits_lock(workspace: Workspace, change: Change) -> bool:
    """Whether the lock is written. If nothing is asked for and there is no lock yet, an empty one is not."""
    is_needed = change.lock.images or workspace.lock is not None or change.manifest_text or workspace.manifest_text
    return bool(is_needed) and change.relocked.text != workspace.lock_text


def _placed(plan: Plan, members: Members, wrapping: Wrapping) -> Iterator[Placed]:
    for placement in plan.target:
        stored = members[placement.layer][placement.member]
        yield Placed(placement, stored.digest, stored.size, wrapping.wrapper_of(placement))
