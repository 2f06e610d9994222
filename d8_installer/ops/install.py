"""``install``, ``uninstall``, ``upgrade``, ``use``: an edit of the manifest or of the range, then the one road."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, NotFoundError, UsageError
from d8_installer.model.manifest import Manifest, with_request, without_request
from d8_installer.model.reference import ImageName, image_name, is_tag, split_requirement
from d8_installer.model.requirement import OWN_MANIFEST, Request
from d8_installer.model.version import Specifier, Version
from d8_installer.ops.apply import Applied, Change, apply, asked_by
from d8_installer.ops.ask import usable_tags
from d8_installer.ops.lock import relock
from d8_installer.ops.requesters import gather

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted
    from d8_installer.ops.requesters import Requesters
    from d8_installer.ops.session import Session, Workspace


@dataclass(frozen=True, slots=True)
class Edit:
    """A manifest as it should become, and why."""

    manifest_text: str
    manifest: Manifest
    reason: str
    dry_run: bool = False


def install(session: Session, requirements: Sequence[str], *, dry_run: bool = False) -> Applied:
    """Put each ``NAME[SPEC]`` into the user's manifest, lock, and place everything.

    An entry that is there is replaced if a specifier is typed and kept if not; other entries keep their versions.
    """
    wanted = [_typed(text) for text in requirements]
    twice = {name for name, _, _ in wanted if sum(name == other for other, _, _ in wanted) > 1}
    if twice:
        raise UsageError(f"{min(twice)} is named twice", hint="write one range, such as 'stronghold>=1.4,<2'")
    with session.writing(session.profile(default="user")) as workspace:
        text = workspace.manifest_text
        for name, spec, request in wanted:
            if spec or workspace.manifest.find(name) is None:
                text = with_request(text, request)
        names = " ".join(requirements)
        return _follow(session, workspace, _edit(workspace, text, f"install {names}", dry_run=dry_run))


def uninstall(session: Session, names: Sequence[str], *, dry_run: bool = False) -> Applied:
    """Take each image out of the user's manifest and its binaries out of ``bin``.

    An image that only a plugin requires is a DocumentError naming the plugin; an unknown one a NotFoundError.
    """
    with session.writing(session.profile(default="user")) as workspace:
        text = workspace.manifest_text
        for name in map(image_name, names):
            if workspace.manifest.find(name) is not None:
                text = without_request(text, name)
                _say_who_keeps(session, name, workspace.locked)
            elif not _is_leaving(name, workspace):
                raise _not_ours(name, workspace.locked)
        if not text:
            hint = "restore it, or make it anew with `d8-installer install NAME…`"
            raise DocumentError("is missing, and the lock has images of it", file=workspace.profile.manifest, hint=hint)
        session.settle_platform(workspace)
        edit = _edit(workspace, text, f"uninstall {' '.join(names)}", dry_run=dry_run)
        return _follow(session, workspace, edit, hooks=False)


def upgrade(session: Session, names: Sequence[str], *, every: bool, dry_run: bool = False) -> Applied:
    """Move the images to the newest versions that their ranges allow, plugins' too; ``every``: all of the profile."""
    chosen = frozenset(map(image_name, names))
    if every == bool(chosen):
        raise UsageError("say which images to upgrade, or --all", hint="such as `d8-installer upgrade stronghold`")
    with session.writing(session.profile(default="user")) as workspace:
        requesters = gather(session, workspace)
        wanted = requesters.wanted(workspace.locked)
        for name in sorted(chosen):
            if not _requirements(wanted, name):
                raise _not_ours(name, workspace.locked)
        reason = "upgrade --all" if every else f"upgrade {' '.join(names)}"
        wanted = replace(wanted, upgrade=None if every else chosen)
        edit = Edit(workspace.manifest_text, workspace.manifest, reason, dry_run)
        return _place(session, workspace, requesters, wanted, edit)


def use(session: Session, name: ImageName, version: str, *, dry_run: bool = False) -> Applied:
    """Lock the image to exactly *version*, which its range must allow; the manifest stays.

    The version is a tag as spelled, or a SemVer version that one tag spells otherwise (``1.4.2`` for ``v1.4.2``).
    """
    if not is_tag(version):
        raise UsageError(f"{version[:100]!r} is not a version", hint=f"see `d8-installer versions {name}`")
    with session.writing(session.profile(default="user")) as workspace:
        requesters = gather(session, workspace)
        wanted = requesters.wanted(workspace.locked)
        requirements = _requirements(wanted, name)
        if not requirements:
            raise _not_ours(name, workspace.locked)
        tag = _published(session, name, version)
        for requirement in requirements:
            _refuse_outside(requirement, tag, workspace)
        relocked = relock(session, _narrowed(wanted, name, tag))
        lock = _with_lines(relocked.lock, name, {r.requester: r.request.hash for r in requirements})
        seen = None if requesters.problems else requesters
        change = Change(lock, f"use {name} {tag}", lock_text=lock.render(), dry_run=dry_run, seen=seen)
        change = replace(change, shown=relocked.shown)
        return apply(session, workspace, replace(change, asked=asked_by(wanted.requirements)))


def _typed(text: str) -> tuple[ImageName, str, Request]:
    name, spec = split_requirement(text)
    try:
        return name, spec, Request.of(name, spec)
    except DocumentError as error:
        raise UsageError(f"{text[:100]!r}: {error}", hint=error.hint) from error


def _edit(workspace: Workspace, text: str, reason: str, *, dry_run: bool) -> Edit:
    """Read the manifest's edited *text* as if it had been written."""
    return Edit(text, Manifest.parse(text.encode(), workspace.profile.manifest), reason, dry_run)


def _follow(session: Session, workspace: Workspace, edit: Edit, *, hooks: bool = True) -> Applied:
    """Take the road from an edited manifest; without *hooks* no plugin's code is asked what it wants."""
    requesters = gather(session, workspace, hooks=hooks)
    return _place(session, workspace, requesters, requesters.wanted(workspace.locked, edit.manifest), edit)


def _place(session: Session, workspace: Workspace, requesters: Requesters, wanted: Wanted, edit: Edit) -> Applied:
    """Lock and place; what is wrong with plugins, which nobody asked about now, is a warning."""
    relocked = relock(session, replace(wanted, keep_absent=True, lenient=True, insist=frozenset([OWN_MANIFEST])))
    problems = (*requesters.problems, *relocked.problems)
    for problem in problems:
        session.reporter.warn(problem.message)
    change = Change(relocked.lock, edit.reason, relocked.text, edit.manifest_text, edit.dry_run)
    change = replace(change, seen=requesters, asked=asked_by(wanted.requirements), problems=problems)
    change = replace(change, shown=relocked.shown)
    applied = apply(session, workspace, change)
    for problem in applied.left_out[len(problems) :]:
        session.reporter.warn(problem.message)
    return replace(applied, left_out=())


def _requirements(wanted: Wanted, name: ImageName) -> tuple[Requirement, ...]:
    return tuple(requirement for requirement in wanted.requirements if requirement.request.name == name)


def _narrowed(wanted: Wanted, name: ImageName, tag: str) -> Wanted:
    """Return what is wanted with every request for *name* narrowed to exactly *tag*."""
    exactly = Specifier.parse(f"==={tag}")
    requirements = tuple(
        replace(r, request=replace(r.request, version=exactly)) if r.request.name == name else r
        for r in wanted.requirements
    )
    return replace(wanted, requirements=requirements, keep_absent=True)


def _with_lines(lock: Lock, name: ImageName, lines: Mapping[str, Digest]) -> Lock:
    """Return *lock* saying that *name* is there for the requests as they are, not as they were narrowed."""
    images = [
        replace(image, requests=tuple(sorted({**dict(image.requests), **lines}.items())))
        if image.name == name
        else image
        for image in lock.images
    ]
    return replace(lock, images=tuple(images))


def _published(session: Session, name: ImageName, version: str) -> str:
    tags = usable_tags(session.source, name.path)
    if version in tags:
        return version
    wanted = Version.try_parse(version)
    same = [v for tag in tags if wanted and (v := Version.try_parse(tag)) and v.compare(wanted) == 0]
    if not same:
        raise NotFoundError(f"{name} {version} is not published", hint=f"see `d8-installer versions {name}`")
    return max(same, key=lambda v: v.preference_key).text


def _refuse_outside(requirement: Requirement, tag: str, workspace: Workspace) -> None:
    request, version = requirement.request, Version.try_parse(tag)
    exact = request.version.exact_tag
    if exact == tag or (version is not None and exact is None and request.version.allows(version)):
        return
    problem = f"{request.name} {tag} is outside the range {request.version.text!r}"
    if requirement.requester != OWN_MANIFEST:
        raise DocumentError(
            f"{problem} of the plugin {requirement.requester}", hint=f"see `d8-installer versions {request.name}`"
        )
    raise DocumentError(
        problem,
        file=workspace.profile.manifest,
        hint=f"change the range first: `d8-installer install '{request.name}==={tag}'`",
    )


def _say_who_keeps(session: Session, name: ImageName, locked: Lock) -> None:
    image = locked.find(name)
    if image is not None and image.plugins:
        session.reporter.note(f"{name} stays for {', '.join(image.plugins)}, which wants it too")


def _is_leaving(name: ImageName, workspace: Workspace) -> bool:
    """Whether an uninstall that was cut short took the image out of the manifest, but not yet out of the rest."""
    image = workspace.locked.find(name)
    if image is not None:
        return {who for who, _ in image.requests} == {OWN_MANIFEST}
    active = workspace.generations.active()
    return active is not None and any(placed.placement.name == name for placed in active.placed)


def _not_ours(name: ImageName, locked: Lock) -> DocumentError | NotFoundError:
    image = locked.find(name)
    others = [who for who, _ in image.requests if who != OWN_MANIFEST] if image is not None else []
    if others:
        return DocumentError(
            f"{name} is required by the plugin {others[0]}, not by your manifest",
            hint=f"uninstall {others[0]} with the package manager that installed it, then `d8-installer sync --prune`",
        )
    return NotFoundError(f"{name} is not installed", hint="see `d8-installer list`")
