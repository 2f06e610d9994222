"""``install``: puts images into the manifest, locks again, and places the binaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.manifest import with_request
from d8_installer.model.reference import split_requirement
from d8_installer.model.requirement import ANY_VERSION, Request
from d8_installer.model.resolution import Selection
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import Struct, replace
from d8_installer.model.version import Specifier
from d8_installer.ops.images.editing import apply_edit, changing, edited, relock_leniently
from d8_installer.pipeline.requesters import gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.session import Session


class _Typed(Struct, frozen=True):
    """A requirement as a person typed it: an image, and the range or ""."""

    name: ImageName
    specifier: str

    def request(self, known: Request | None) -> Request:
        """Return the request for the manifest, which has *known* for that image, or nothing."""
        if known is not None and not self.specifier:
            return known
        try:
            if known is None:
                return Request.of(self.name, self.specifier)
            return replace(known, version=Specifier.parse(self.specifier))
        except DocumentError as error:
            raise UsageError(f"{f'{self.name}{self.specifier}'[:100]!r}: {error}", hint=error.hint) from error


def install(
    session: Session,
    requirements: Sequence[str],
    *,
    use_major: int | None = None,
    dry_run: bool = False,
    word: str = "install",
) -> Applied:
    """Put each ``NAME[SPEC]`` into the user's manifest, lock, and place everything. *word* is the typed command.

    An entry of the manifest is replaced if a specifier was typed, and kept if not. Other images keep their locked
    versions, but for what the new ones need. With *use_major*, the images get that major version, and what they need
    may leave its own (rpp.md §7).
    """
    typed = [_parse(text) for text in requirements]
    _refuse_repeated([one.name for one in typed])
    with changing(session, dry_run=dry_run) as workspace:
        text = workspace.manifest_text
        for one in typed:
            known = workspace.manifest.find(one.name)
            if one.specifier or known is None:
                text = with_request(text, one.request(known))
        named = frozenset(one.name for one in typed)
        edit = edited(workspace, text, f"{word} {' '.join(requirements)}", dry_run=dry_run, named=named)
        requesters = gather(session, workspace)
        wanted = requesters.wanted(workspace.locked, edit.manifest)
        if use_major is not None:
            wanted = replace(wanted, selection=Selection(use_major=use_major, named=named))
        relocked = relock_leniently(session, wanted, session.checks.choosing(workspace.profile))
        return apply_edit(session, workspace, requesters, wanted, relocked, edit)


def _parse(text: str) -> _Typed:
    name, specifier = split_requirement(text)
    try:
        Specifier.parse(specifier or ANY_VERSION)
    except DocumentError as error:
        raise UsageError(f"{text[:100]!r}: {error}", hint=error.hint) from error
    return _Typed(name, specifier)


def _refuse_repeated(names: Sequence[ImageName]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UsageError(
            f"{min(repeated)} is named twice", hint=f"write one range, such as {quoted('stronghold>=1.4,<2')}"
        )
