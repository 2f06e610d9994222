"""``use``: locks an image to one version within its range. The manifest stays as it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, NotFoundError, UsageError
from d8_installer.model.reference import image_name, is_tag, part_of_version, typed_image
from d8_installer.model.requirement import ANY_VERSION, OWN_MANIFEST, Request, Requirement, needing_image
from d8_installer.model.resolution import LENIENT
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import replace
from d8_installer.model.version import Specifier, Version
from d8_installer.ops.images.editing import apply_with_warnings, changing, raise_if_left_out
from d8_installer.ops.images.exactly import narrowed, with_requests
from d8_installer.ops.images.published import newest_allowed
from d8_installer.ops.images.requests import locked_requests, refusal, requirements_for
from d8_installer.pipeline.change import Applied, Change, asked_by
from d8_installer.pipeline.driver import usable_tags
from d8_installer.pipeline.other_profiles import found_elsewhere, typed_command
from d8_installer.pipeline.relock import relock
from d8_installer.pipeline.requesters import gather

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.errors import D8Error
    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


def named_version(text: str, version: str | None) -> tuple[ImageName, str]:
    """Return the image and the version of ``NAME VERSION``, ``NAME@VERSION`` or ``NAME==VERSION``."""
    if version is not None:
        return image_name(text), version
    typed, name = typed_image(text), typed_image(text).name
    exact = typed.specifier.removeprefix("==").removeprefix("=").removesuffix(".*")
    if typed.specifier.startswith("==") and is_tag(exact):
        return name, exact
    if typed.specifier == ANY_VERSION:
        raise UsageError(
            f"use switches {name} within its range, and does not change the range",
            hint=f"type `d8-installer upgrade {name}`, or without a range `d8-installer install {name}@latest`",
        )
    raise UsageError(
        f"{text[:100]!r} names no version",
        hint=f"type `d8-installer use {name} VERSION`; see `d8-installer versions {name}`",
    )


def use(session: Session, name: ImageName, version: str, *, dry_run: bool = False) -> Applied:
    """Lock the image to exactly *version*, which its range must allow.

    The version is a tag as spelled, a part of a version (``1.4``), which means the newest one of that line, or a SemVer
    version that one tag spells otherwise (``1.4.2`` for ``v1.4.2``).
    If no requester here says which versions are allowed, any published version is.
    """
    if not is_tag(version):
        raise UsageError(f"{version[:100]!r} is not a version", hint=f"see `d8-installer versions {name}`")
    with changing(session, dry_run=dry_run) as workspace:
        requesters = gather(session, workspace)
        wanted = requesters.wanted(workspace.locked)
        requests = locked_requests(wanted, name)
        requirements = requirements_for(wanted, name)
        if not requests and not requirements:
            raise _not_installed(session, workspace, wanted, name, version)
        requests |= {r.requester: r.request.hash for r in requirements}
        if not requirements:
            wanted = _with_stand_in(wanted, name)
        tag = _published(session, name, version, requirements)
        for requirement in requirements:
            _refuse_outside(session, requirement, tag, workspace)
        exactly = replace(narrowed(wanted, name, tag), strictness=LENIENT)
        relocked = relock(session, exactly, session.checks.choosing(workspace.profile))
        raise_if_left_out([name], relocked)
        for problem in relocked.problems:
            session.reporter.warn(problem.message)
        lock = with_requests(relocked.lock, name, requests)
        change = Change(
            relocked=replace(relocked, lock=lock, text=lock.render()),
            reason=f"use {name} {tag}",
            dry_run=dry_run,
            seen=None if requesters.problems or relocked.problems else requesters,
            asked=asked_by(wanted.requirements),
            insist=frozenset([name]),
        )
        return apply_with_warnings(session, workspace, change)


def _not_installed(session: Session, workspace: Workspace, wanted: Wanted, name: ImageName, version: str) -> D8Error:
    """Return the error. mise's ``use`` installs, so the hint is how that is done here, if no other profile has it."""
    error = refusal(session, workspace, wanted, name, f"use {name} {version}")
    profile = workspace.profile
    if not isinstance(error, NotFoundError) or found_elsewhere(session, profile, lambda one: one.name == name):
        return error
    install = typed_command(session, profile, f"install {quoted(f'{name}@{version}')}")
    return error.within(hint=f"type `{install}` to install it")


def _with_stand_in(wanted: Wanted, name: ImageName) -> Wanted:
    """Return *wanted* with a requirement of any version for an image that no readable requester asks for.

    It asks for the locked binaries, as the first locked requester. ``with_requests`` restores that one's hash.
    """
    image = wanted.locked.find(name)
    who = next((who for who in locked_requests(wanted, name) if needing_image(who) is None), None)
    if image is None or who is None:
        return wanted
    request = Request(name, Specifier.parse(ANY_VERSION), image.binaries, None, image.optional)
    return replace(wanted, requirements=(*wanted.requirements, Requirement(who, request)))


def _published(session: Session, name: ImageName, version: str, requirements: Iterable[Requirement]) -> str:
    """Return the published tag that *version* means; of a line the newest one, in the ranges if it can be."""
    tags = usable_tags(session.source, name.path)
    if version in tags:
        return version
    part = part_of_version(version)
    if part is not None:
        allowed = [tag for tag in tags if all(requirement.allows(tag) for requirement in requirements)]
        line = Specifier.parse(f"=={part}.*")
        with contextlib.suppress(NotFoundError):
            return newest_allowed(name, allowed, line)
        return newest_allowed(name, tags, line)
    wanted = Version.try_parse(version)
    same = [v for tag in tags if wanted and (v := Version.try_parse(tag)) and v.compare(wanted) == 0]
    if not same:
        raise NotFoundError(
            f"{name} {version} is not published", hint=f"see `d8-installer versions {name}`", code="no-such-version"
        )
    return max(same, key=lambda v: v.preference_key).text


def _refuse_outside(session: Session, requirement: Requirement, tag: str, workspace: Workspace) -> None:
    request = requirement.request
    if requirement.allows(tag):
        return
    problem = f"{request.name} {tag} is outside the range {request.version.text!r}"
    dependent = needing_image(requirement.requester)
    if dependent is not None:
        raise DocumentError(
            f"{request.name} {tag} is outside the range {requirement.range!r} that {dependent} needs",
            hint=f"see `d8-installer versions {request.name}`, or move {dependent} first",
            code="outside-range",
        )
    if requirement.requester != OWN_MANIFEST:
        raise DocumentError(
            f"{problem} of the plugin {requirement.requester}",
            hint=f"see `d8-installer versions {request.name}`",
            code="outside-range",
        )
    command = typed_command(session, workspace.profile, f"install {quoted(f'{request.name}==={tag}')}")
    raise DocumentError(
        problem, file=workspace.profile.manifest, hint=f"change the range first: `{command}`", code="outside-range"
    )
