"""``import d8``: takes over the plugins that the Go tool has installed, without running any.

The Go tool writes down no version for certain, so the bytes decide: the published version whose proven file has the
sha256 of the program is put into the user's manifest, locked and placed. Nothing in the Go tool's directory changes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from d8_installer.errors import DocumentError, NotAllowedError, NotFoundError
from d8_installer.model.d8_layout import DEFAULT_DIRECTORY, HOME_DIRECTORY, VARIABLE
from d8_installer.model.digest import Digest
from d8_installer.model.manifest import with_request
from d8_installer.model.requirement import Request, default_binaries
from d8_installer.model.value import Struct, replace
from d8_installer.model.version import Specifier, Version
from d8_installer.ops.images.editing import apply_with_warnings, changing, edited
from d8_installer.ops.images.exactly import narrowed, with_requests
from d8_installer.pipeline.beside import layout_of
from d8_installer.pipeline.change import Change, asked_by
from d8_installer.pipeline.driver import usable_tags
from d8_installer.pipeline.likeness import Likeness
from d8_installer.pipeline.relock import relock
from d8_installer.pipeline.requesters import gather
from d8_installer.resolve.d8_candidates import candidates
from d8_installer.store.d8_installed import has_install, installed_cli, installed_plugins
from d8_installer.store.d8_layout import file_content
from d8_installer.store.paths import known_home_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from d8_installer.model.lock import Lock
    from d8_installer.model.manifest import Manifest
    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session
    from d8_installer.store.d8_installed import InstalledByD8

_Fate = Literal["imported", "present", "left"]


class Takeover(Struct, frozen=True, kw_only=True):
    """What became of one plugin: taken over, in place already, or left, and why."""

    name: ImageName
    fate: _Fate
    version: str | None = None
    why: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {"image": str(self.name), "status": self.fate, "version": self.version, "why": self.why}


class Imported(Struct, frozen=True, kw_only=True):
    """The result: each plugin found in *directory*, and what was placed; None if nothing was."""

    directory: str
    plugins: tuple[Takeover, ...]
    applied: Applied | None
    dry_run: bool

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "changed": self.applied is not None and self.applied.changed,
            "directory": self.directory,
            "plugins": [plugin.as_json() for plugin in self.plugins],
            "applied": None if self.applied is None else self.applied.as_json(),
            "dry_run": self.dry_run,
        }


def import_d8(session: Session, plugins_dir: str | None, *, dry_run: bool = False) -> Imported:
    """Take over what the Go tool installed. A plugin whose bytes no candidate has is named, and left."""
    directory = _directory(session, plugins_dir)
    found = [*installed_plugins(directory)]
    home = known_home_directory(session.scope.environ)
    cli = None if home is None else installed_cli(home)
    found += [] if cli is None else [cli]
    if not found:
        raise NotFoundError(
            f"d8 has installed no plugin in {directory}",
            hint="if its directory is another one, name it with --plugins-dir DIR",
        )
    with changing(session, dry_run=dry_run) as workspace:
        like = Likeness(session, keeps=not dry_run)
        fates = [_identified(session, workspace, like, one) for one in found]
        chosen = {one.name: one.version for one in fates if one.fate == "imported" and one.version is not None}
        applied = _taken_over(session, workspace, chosen, dry_run=dry_run) if chosen else None
    return Imported(directory=directory, plugins=tuple(fates), applied=applied, dry_run=dry_run)


def _directory(session: Session, typed: str | None) -> str:
    """Return where the Go tool looks for its plugins; the one below HOME if the other has none (rpp.md §10)."""
    scope = session.scope
    chosen = typed or scope.environ.get(VARIABLE) or DEFAULT_DIRECTORY
    directory = os.path.abspath(os.path.join(scope.directory, chosen))
    home = known_home_directory(scope.environ)
    if typed is not None or home is None or has_install(directory):
        return directory
    fallback = os.path.join(home, HOME_DIRECTORY)
    return fallback if has_install(fallback) else directory


# -- which version it is -----------------------------------------------------------------------------------------


def _identified(session: Session, workspace: Workspace, like: Likeness, one: InstalledByD8) -> Takeover:
    if one.program is None:
        return Takeover(name=one.name, fate="left", why=f"{one.link} leads to no program")
    program = Digest.parse(file_content(one.program))
    active = workspace.generations.active()
    for placed in active.placed if active is not None else ():
        if placed.placement.name == one.name and placed.digest == program:
            return Takeover(name=one.name, fate="present", version=placed.placement.version)
    try:
        default_binaries(one.name)
        tags = usable_tags(session.source, one.name.path)
    except (DocumentError, NotFoundError, NotAllowedError) as error:
        return Takeover(name=one.name, fate="left", why=error.message)
    return _compared(workspace, like, one, candidates(tags, one.major, one.written), program)


def _compared(
    workspace: Workspace, like: Likeness, one: InstalledByD8, tags: Sequence[str], program: Digest
) -> Takeover:
    for tag in tags:
        if like.is_like(one.name, tag, program):
            refused = _outside(workspace.manifest, one.name, tag)
            return Takeover(name=one.name, fate="left" if refused else "imported", version=tag, why=refused)
    tried = f"its program is none of {', '.join(tags)}" if tags else f"no version of its major {one.major} is published"
    return Takeover(name=one.name, fate="left", why=tried)


def _outside(manifest: Manifest, name: ImageName, tag: str) -> str | None:
    """Return why *tag* cannot be locked: the person's manifest asks for other versions."""
    request = manifest.find(name)
    if request is None or _allows(request.version, tag):
        return None
    return f"it is {tag}, and your manifest asks for {request.version.text}"


def _allows(specifier: Specifier, tag: str) -> bool:
    version = Version.try_parse(tag)
    exact = specifier.exact_tag
    return exact == tag if exact is not None else version is not None and specifier.allows(version)


# -- taking it over ----------------------------------------------------------------------------------------------


def _taken_over(session: Session, workspace: Workspace, chosen: dict[ImageName, str], *, dry_run: bool) -> Applied:
    text = workspace.manifest_text
    for name, tag in chosen.items():
        if workspace.manifest.find(name) is None:
            text = with_request(text, _request(name, tag))
    edit = edited(workspace, text, f"import {' '.join(map(str, chosen))}", dry_run=dry_run)
    requesters = gather(session, workspace)
    wanted = requesters.wanted(workspace.locked, edit.manifest)
    relocked = relock(session, _exactly(wanted, chosen), session.checks.choosing(workspace.profile))
    lock = _with_own_hashes(relocked.lock, wanted, chosen)
    is_laid_out = layout_of(session, workspace) is not None
    change = Change(
        relocked=replace(relocked, lock=lock, text=lock.render()),
        reason=edit.reason,
        manifest_text=edit.manifest_text,
        dry_run=dry_run,
        # What is laid out follows with the next sync, which must not find a stamp that says that nothing is to be done.
        seen=None if requesters.problems or relocked.problems or is_laid_out else requesters,
        asked=asked_by(wanted.requirements),
        insist=frozenset(chosen),
        lays_out=False,
    )
    return apply_with_warnings(session, workspace, change)


def _request(name: ImageName, tag: str) -> Request:
    """Return the request that ``install NAME`` makes, or one for exactly *tag* if that does not allow it."""
    usual = Request.of(name)
    return usual if _allows(usual.version, tag) else Request.of(name, f"==={tag}")


def _exactly(wanted: Wanted, chosen: dict[ImageName, str]) -> Wanted:
    for name, tag in chosen.items():
        wanted = narrowed(wanted, name, tag)
    return wanted


def _with_own_hashes(lock: Lock, wanted: Wanted, names: Iterable[ImageName]) -> Lock:
    for name in names:
        hashes = {r.requester: r.request.hash for r in wanted.requirements if r.request.name == name}
        lock = with_requests(lock, name, hashes)
    return lock
