"""``install``, ``uninstall``, ``upgrade``, ``use``: an edit of the manifest or of the range, then the one road."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, NotFoundError, UsageError
from d8_installer.model.manifest import Manifest, with_request, without_request
from d8_installer.model.reference import ImageName, image_name, is_tag, split_requirement
from d8_installer.model.requirement import OWN_MANIFEST, Request
from d8_installer.model.value import Struct, replace
from d8_installer.model.version import Specifier, Version
from d8_installer.ops.names.held_back import say_held
from d8_installer.ops.names.named_image import (
    absent_askers,
    can_go,
    keepers,
    lines_of,
    refusal,
    requirements_of,
    unknown_range,
    with_stand_ins,
)
from d8_installer.pipeline.absent_requesters import named
from d8_installer.pipeline.apply import Applied, Change, apply, asked_by
from d8_installer.pipeline.driver import usable_tags
from d8_installer.pipeline.other_profiles import say_which, typed_command
from d8_installer.pipeline.relock import relock
from d8_installer.pipeline.requesters import gather

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.relock import Relocked
    from d8_installer.pipeline.requesters import Requesters
    from d8_installer.pipeline.session import Session, Workspace


class Edit(Struct, frozen=True, kw_only=True):
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
    with _changing(session, dry_run=dry_run) as workspace:
        text = workspace.manifest_text
        for name, spec, request in wanted:
            if spec or workspace.manifest.find(name) is None:
                text = with_request(text, request)
        edit = _edit(workspace, text, f"install {' '.join(requirements)}", dry_run=dry_run)
        requesters = gather(session, workspace)
        return _place(session, workspace, requesters, requesters.wanted(workspace.locked, edit.manifest), edit)


def uninstall(session: Session, names: Sequence[str], *, dry_run: bool = False) -> Applied:
    """Take each image out of the user's manifest and its binaries out of ``bin``.

    Lines of requesters that are not here go, too. An image that a plugin requires which is here is a DocumentError
    naming the plugin; an unknown image is a NotFoundError.
    """
    chosen = [image_name(name) for name in names]
    with _changing(session, dry_run=dry_run) as workspace:
        requesters = _askers(session, workspace, chosen)
        before = requesters.wanted(workspace.locked)
        text = workspace.manifest_text
        for name in chosen:
            if workspace.manifest.find(name) is not None:
                text = without_request(text, name)
            elif not can_go(workspace, before, name):
                raise refusal(session, workspace, before, name, f"uninstall {name}")
            _say_whose(session, before, name)
        session.settle_platform(workspace)
        edit = Edit(
            manifest_text=text, manifest=workspace.manifest, reason=f"uninstall {' '.join(names)}", dry_run=dry_run
        )
        own = None
        if requesters.own is not None:
            edit = _edit(workspace, text, edit.reason, dry_run=dry_run)
            own = edit.manifest
        wanted = replace(requesters.wanted(workspace.locked, own), released=frozenset(chosen))
        return _place(session, workspace, requesters, wanted, edit)


def upgrade(session: Session, names: Sequence[str], *, every: bool, dry_run: bool = False) -> Applied:
    """Move the images to the newest versions that their ranges allow, plugins' too; ``every``: all of the profile.

    An image of a range that is not known here is a DocumentError where it was named, else a note.
    """
    chosen = frozenset(map(image_name, names))
    if every == bool(chosen):
        raise UsageError("name the images to upgrade, or type --all", hint="such as `d8-installer upgrade stronghold`")
    with _changing(session, dry_run=dry_run) as workspace:
        requesters = gather(session, workspace)
        wanted = requesters.wanted(workspace.locked)
        for name in sorted(chosen):
            if not requirements_of(wanted, name):
                if lines_of(wanted, name):
                    raise unknown_range(session, workspace, wanted, name)
                raise refusal(session, workspace, wanted, name, f"upgrade {name}")
        reason = "upgrade --all" if every else f"upgrade {' '.join(names)}"
        wanted = replace(wanted, upgrade=None if every else chosen)
        edit = Edit(manifest_text=workspace.manifest_text, manifest=workspace.manifest, reason=reason, dry_run=dry_run)
        return _place(session, workspace, requesters, wanted, edit)


def use(session: Session, name: ImageName, version: str, *, dry_run: bool = False) -> Applied:
    """Lock the image to exactly *version*, which its range must allow; the manifest stays.

    The version is a tag as spelled, or a SemVer version that one tag spells otherwise (``1.4.2`` for ``v1.4.2``).
    Where nobody here says which versions are allowed, any published one is.
    """
    if not is_tag(version):
        raise UsageError(f"{version[:100]!r} is not a version", hint=f"see `d8-installer versions {name}`")
    with _changing(session, dry_run=dry_run) as workspace:
        requesters = gather(session, workspace)
        wanted = requesters.wanted(workspace.locked)
        lines = lines_of(wanted, name)
        requirements = requirements_of(wanted, name)
        if requirements:
            lines |= {r.requester: r.request.hash for r in requirements}
        elif lines:
            wanted = with_stand_ins(wanted, name)
        else:
            raise refusal(session, workspace, wanted, name, f"use {name} {version}")
        tag = _published(session, name, version)
        for requirement in requirements:
            _refuse_outside(session, requirement, tag, workspace)
        relocked = relock(session, replace(_narrowed(wanted, name, tag), lenient=True))
        _raise_of({name}, relocked)
        lock = _with_lines(relocked.lock, name, lines)
        problems = (*requesters.problems, *relocked.problems)
        for problem in relocked.problems:
            session.reporter.warn(problem.message)
        seen = None if problems else requesters
        change = Change(lock=lock, reason=f"use {name} {tag}", lock_text=lock.render(), dry_run=dry_run, seen=seen)
        change = replace(change, shown=relocked.shown, insist=frozenset([name]))
        return _applied(session, workspace, replace(change, asked=asked_by(wanted.requirements)))


def _changing(session: Session, *, dry_run: bool) -> AbstractContextManager[Workspace]:
    """Hold the profile that these verbs mean, the user's unless another was typed, and say which it is."""
    profile = session.profile(default="user")
    say_which(session, profile)
    return session.changing(profile, dry_run=dry_run)


def _raise_of(names: Collection[ImageName] | None, relocked: Relocked) -> None:
    """Raise the fault of the first request for one of the *names* that was left out: a person named it."""
    for one in relocked.left_out:
        if names is not None and one.requirement.request.name in names:
            raise one.error


def _typed(text: str) -> tuple[ImageName, str, Request]:
    name, spec = split_requirement(text)
    try:
        return name, spec, Request.of(name, spec)
    except DocumentError as error:
        raise UsageError(f"{text[:100]!r}: {error}", hint=error.hint) from error


def _edit(workspace: Workspace, text: str, reason: str, *, dry_run: bool) -> Edit:
    """Read the manifest's edited *text* as if it had been written."""
    return Edit(
        manifest_text=text,
        manifest=Manifest.parse(text.encode(), workspace.profile.manifest),
        reason=reason,
        dry_run=dry_run,
    )


def _place(session: Session, workspace: Workspace, requesters: Requesters, wanted: Wanted, edit: Edit) -> Applied:
    """Lock and place; what is wrong with plugins, which nobody asked about now, is a warning."""
    relocked = relock(session, replace(wanted, lenient=True, insist=frozenset([OWN_MANIFEST])))
    _raise_of(wanted.upgrade, relocked)
    say_held(session, workspace, wanted, relocked)
    problems = (*requesters.problems, *relocked.problems)
    for problem in problems:
        session.reporter.warn(problem.message)
    change = Change(
        lock=relocked.lock,
        reason=edit.reason,
        lock_text=relocked.text,
        manifest_text=edit.manifest_text,
        dry_run=edit.dry_run,
    )
    change = replace(change, seen=requesters, asked=asked_by(wanted.requirements), problems=problems)
    change = replace(change, shown=relocked.shown, insist=wanted.upgrade or frozenset())
    return _applied(session, workspace, change)


def _applied(session: Session, workspace: Workspace, change: Change) -> Applied:
    """Place; what is wrong with plugins is a warning."""
    applied = apply(session, workspace, change)
    for problem in applied.left_out[len(change.problems) :]:
        session.reporter.warn(problem.message)
    return replace(applied, left_out=())


def _narrowed(wanted: Wanted, name: ImageName, tag: str) -> Wanted:
    """Return what is wanted with every request for *name* narrowed to exactly *tag*."""
    exactly = Specifier.parse(f"==={tag}")
    requirements = tuple(
        replace(r, request=replace(r.request, version=exactly)) if r.request.name == name else r
        for r in wanted.requirements
    )
    return replace(wanted, requirements=requirements)


def _with_lines(lock: Lock, name: ImageName, lines: Mapping[str, Digest]) -> Lock:
    """Return *lock* saying that *name* is there for the requests as they are, not as they were narrowed."""
    images = []
    for image in lock.images:
        requests = tuple((who, lines.get(who, line)) for who, line in image.requests)
        images.append(replace(image, requests=requests) if image.name == name else image)
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


def _refuse_outside(session: Session, requirement: Requirement, tag: str, workspace: Workspace) -> None:
    request, version = requirement.request, Version.try_parse(tag)
    exact = request.version.exact_tag
    if exact == tag or (version is not None and exact is None and request.version.allows(version)):
        return
    problem = f"{request.name} {tag} is outside the range {request.version.text!r}"
    if requirement.requester != OWN_MANIFEST:
        raise DocumentError(
            f"{problem} of the plugin {requirement.requester}", hint=f"see `d8-installer versions {request.name}`"
        )
    command = typed_command(session, workspace.profile, f"install '{request.name}==={tag}'")
    raise DocumentError(problem, file=workspace.profile.manifest, hint=f"change the range first: `{command}`")


def _askers(session: Session, workspace: Workspace, chosen: Sequence[ImageName]) -> Requesters:
    """Return who wants what. Plugins' hooks are asked only where they may be those who want one of *chosen*.

    A plugin that does not work must not keep a person from taking something away.
    """
    requesters = gather(session, workspace, hooks=False)
    wanted = requesters.wanted(workspace.locked)
    doubtful = not requesters.is_certain and any(lines_of(wanted, name).keys() & wanted.unread for name in chosen)
    return gather(session, workspace) if doubtful else requesters


def _say_whose(session: Session, wanted: Wanted, name: ImageName) -> None:
    """Say who keeps an image that is uninstalled, and who else was to have it."""
    if kept := keepers(wanted, name):
        session.reporter.note(f"{name} stays for {', '.join(kept)}, which wants it too")
    if absent := absent_askers(wanted, name):
        session.reporter.note(f"{name} was locked for {named(absent)}, not installed here: that goes too")
