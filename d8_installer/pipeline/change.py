"""Change and Applied: what a command wants to make true of a profile, and what came of it. Values only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.plan import Fetch, Link, Unlink
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from d8_installer.errors import D8Error
    from d8_installer.model.generation import Placement
    from d8_installer.model.lock import Lock
    from d8_installer.model.plan import Plan, Step
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.pipeline.relock import Relocked
    from d8_installer.pipeline.requesters import Requesters


class Change(Struct, frozen=True, kw_only=True):
    """A lock to place, the documents to write with it, and why.

    ``manifest_text``: the new text of the manifest, or None to leave it alone. ``seen``: the requesters, if all were
    read. ``asked``: who asks for which names, or None if no manifest was read. ``problems``: those of requesters that
    were left out. ``insist``: the images whose failure ends the command. ``awaited``: the image that a person
    waits for; it is fetched first. ``lays_out``: what is laid out for the Go tool follows.
    """

    relocked: Relocked
    reason: str
    manifest_text: str | None = None
    dry_run: bool = False
    seen: Requesters | None = None
    asked: Mapping[tuple[str, str], frozenset[str]] | None = None
    problems: tuple[D8Error, ...] = ()
    insist: frozenset[ImageName] = frozenset()
    awaited: ImageName | None = None
    lays_out: bool = True

    @property
    def lock(self) -> Lock:
        """The lock to place."""
        return self.relocked.lock


class LaidOut(Struct, frozen=True):
    """What was laid out for the Go tool, which looks in ``directory``.

    ``placed`` are images with their version and the path of their program, ``removed`` those that were taken away.
    """

    directory: str
    placed: tuple[tuple[str, str, str], ...]
    removed: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        placed = [{"image": image, "version": version, "path": path} for image, version, path in self.placed]
        return {"directory": self.directory, "placed": placed, "removed": list(self.removed)}


class Applied(Struct, frozen=True, kw_only=True):
    """The result of a Change: the plan, and the active generation's number (None if there still is none).

    ``manifest`` and ``lock`` are the paths of these files if their text has changed, or would change in a dry run.
    ``laid_out`` is None if nothing changed in the layout for the Go tool. ``environments`` are those that were recorded
    for the profile, or linked to it. ``switched``: a new generation was made, even if it has the same binaries.
    """

    plan: Plan
    generation: int | None
    bin: str
    profile: Profile
    dry_run: bool = False
    left_out: tuple[D8Error, ...] = ()
    manifest: str | None = None
    lock: str | None = None
    laid_out: LaidOut | None = None
    environments: tuple[str, ...] = ()
    switched: bool = False

    @property
    def written(self) -> tuple[str, ...]:
        """The documents that were written, or would be in a dry run."""
        return tuple(path for path in (self.manifest, self.lock) if path is not None)

    @property
    def changed(self) -> bool:
        """Whether anything was changed, or would be in a dry run."""
        return bool(self.plan.steps or self.written or self.laid_out or self.environments or self.switched)

    @property
    def has_placed(self) -> bool:
        """Whether binaries were put in place."""
        return not self.dry_run and any(isinstance(step, Link) for step in self.plan.steps)

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "changed": self.changed,
            "profile": self.profile.as_json(),
            "platform": str(self.plan.platform),
            "generation": self.generation,
            "bin": self.bin,
            "dry_run": self.dry_run,
            "changes": [_step_json(step) for step in self.plan.steps],
            "skipped": [str(name) for name in self.plan.skipped],
            "withheld": sorted({placement.binary for placement in self.plan.withheld}),
            "left_out": [error.message for error in self.left_out],
            "manifest": self.manifest,
            "lock": self.lock,
            "laid_out": None if self.laid_out is None else self.laid_out.as_json(),
            "environments": list(self.environments),
        }


def _step_json(step: Step) -> dict[str, object]:
    if isinstance(step, Fetch):
        return {"action": "fetch", "image": str(step.name), "version": step.request.tag, "bytes": step.request.size}
    action = "unlink" if isinstance(step, Unlink) else "link"
    replaces = step.replaces if isinstance(step, Link) else None
    return {"action": action, **_placement_json(step.placement), "replaces": replaces}


def _placement_json(placement: Placement) -> dict[str, object]:
    return {"binary": placement.binary, "image": str(placement.name), "version": placement.version}


def asked_by(requirements: Iterable[Requirement]) -> dict[tuple[str, str], frozenset[str]]:
    """Return who asks for which binary of which image."""
    asked: dict[tuple[str, str], frozenset[str]] = {}
    for requirement in requirements:
        for binary, _ in requirement.request.binaries:
            key = str(requirement.request.name), binary
            asked[key] = asked.get(key, frozenset()) | {requirement.requester}
    return asked
