"""``install``: puts images into the manifest, locks again, and places the binaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.manifest import with_request
from d8_installer.model.reference import split_requirement
from d8_installer.model.requirement import Request
from d8_installer.model.resolution import Selection
from d8_installer.model.value import Struct, replace
from d8_installer.ops.images.editing import apply_edit, changing, edited, relock_leniently
from d8_installer.pipeline.requesters import gather

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.session import Session


class _Typed(Struct, frozen=True):
    """A requirement as a person typed it."""

    request: Request
    has_specifier: bool


def install(
    session: Session, requirements: Sequence[str], *, use_major: int | None = None, dry_run: bool = False
) -> Applied:
    """Put each ``NAME[SPEC]`` into the user's manifest, lock, and place everything.

    An entry of the manifest is replaced if a specifier was typed, and kept if not. Other images keep their locked
    versions, but for what the new ones need. With *use_major*, the images get that major version, and what they need
    may leave its own (rpp.md §7).
    """
    typed = [_parse(text) for text in requirements]
    _refuse_repeated(one.request for one in typed)
    with changing(session, dry_run=dry_run) as workspace:
        text = workspace.manifest_text
        for one in typed:
            if one.has_specifier or workspace.manifest.find(one.request.name) is None:
                text = with_request(text, one.request)
        named = frozenset(one.request.name for one in typed)
        edit = edited(workspace, text, f"install {' '.join(requirements)}", dry_run=dry_run, named=named)
        requesters = gather(session, workspace)
        wanted = requesters.wanted(workspace.locked, edit.manifest)
        if use_major is not None:
            wanted = replace(wanted, selection=Selection(use_major=use_major, named=named))
        relocked = relock_leniently(session, wanted, session.checks.choosing(workspace.profile))
        return apply_edit(session, workspace, requesters, wanted, relocked, edit)


def _parse(text: str) -> _Typed:
    name, specifier = split_requirement(text)
    try:
        return _Typed(Request.of(name, specifier), bool(specifier))
    except DocumentError as error:
        raise UsageError(f"{text[:100]!r}: {error}", hint=error.hint) from error


def _refuse_repeated(requests: Iterable[Request]) -> None:
    names = [request.name for request in requests]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UsageError(f"{min(repeated)} is named twice", hint="write one range, such as 'stronghold>=1.4,<2'")
