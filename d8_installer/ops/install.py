"""``install``: puts images into the manifest, locks again, and places the binaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.manifest import with_request
from d8_installer.model.reference import typed_image
from d8_installer.model.requirement import ANY_VERSION, Request
from d8_installer.model.resolution import Selection
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import replace
from d8_installer.model.version import Specifier
from d8_installer.ops.images.editing import apply_edit, changing, edited, relock_leniently
from d8_installer.ops.images.held_back import note_held_by_others
from d8_installer.pipeline.requesters import gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.reference import ImageName, TypedImage
    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.session import Session


def install(
    session: Session,
    requirements: Sequence[str],
    *,
    use_major: int | None = None,
    dry_run: bool = False,
    word: str = "install",
) -> Applied:
    """Put each ``NAME[SPEC]`` into the user's manifest, lock, and place everything. *word* is the typed command.

    An entry of the manifest is replaced if a specifier was typed, and kept if not. Images of which the newest version
    was typed move to it, as with ``upgrade``. Others keep their locked versions, but for what the new ones need. With
    *use_major*, the images get that major version, and what they need may leave its own (rpp.md §7).
    """
    typed = [_parse(text) for text in requirements]
    _refuse_repeated([one.name for one in typed])
    with changing(session, dry_run=dry_run) as workspace:
        text = workspace.manifest_text
        for one in typed:
            known = workspace.manifest.find(one.name)
            if one.specifier or known is None:
                text = with_request(text, _request(one, known))
        named = frozenset(one.name for one in typed)
        edit = edited(workspace, text, f"{word} {' '.join(requirements)}", dry_run=dry_run, named=named)
        requesters = gather(session, workspace)
        wanted = requesters.wanted(workspace.locked, edit.manifest)
        newest = frozenset(one.name for one in typed if one.is_newest)
        selection = Selection(upgrade=newest, use_major=use_major, named=frozenset() if use_major is None else named)
        wanted = replace(wanted, selection=selection)
        relocked = relock_leniently(session, wanted, session.checks.choosing(workspace.profile))
        note_held_by_others(session, workspace, relocked)
        return apply_edit(session, workspace, requesters, wanted, relocked, edit)


def _parse(text: str) -> TypedImage:
    typed = typed_image(text)
    try:
        Specifier.parse(typed.specifier or ANY_VERSION)
    except DocumentError as error:
        raise UsageError(f"{text[:100]!r}: {error}", hint=error.hint, code="bad-requirement") from error
    return typed


def _request(typed: TypedImage, known: Request | None) -> Request:
    """Return the request for the manifest, which has *known* for that image, or nothing."""
    if known is not None:
        return replace(known, version=Specifier.parse(typed.specifier)) if typed.specifier else known
    try:
        return Request.of(typed.name, typed.specifier)
    except DocumentError as error:  # a name that no binary may have
        raise UsageError(error.problem, hint=error.hint, code="bad-requirement") from error


def _refuse_repeated(names: Sequence[ImageName]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UsageError(
            f"{min(repeated)} is named twice",
            hint=f"write one range, such as {quoted('stronghold>=1.4,<2')}",
            code="bad-requirement",
        )
