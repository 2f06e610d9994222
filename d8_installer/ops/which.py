"""``which``: finds a binary of the profile and its stored file. Takes no lock and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import NotFoundError
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import Struct
from d8_installer.pipeline.altered_files import warn_of_altered
from d8_installer.store.generations import file_name

if TYPE_CHECKING:
    from d8_installer.pipeline.session import Session


class WhichResult(Struct, frozen=True, kw_only=True):
    """Where a binary is, and what it was taken from."""

    binary: str
    path: str
    image: str
    version: str
    digest: str

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "binary": self.binary,
            "path": self.path,
            "image": self.image,
            "version": self.version,
            "digest": self.digest,
        }


def which(session: Session, binary: str) -> WhichResult:
    """Return where *binary* is in the profile. A binary that is not in place is a NotFoundError."""
    profile = session.profiles.find()
    active = session.profiles.active(profile)
    placed = active.find(binary) if active is not None else None
    if active is None or placed is None:
        from d8_installer.pipeline.other_profiles import hint_elsewhere, typed_command

        words = f"which {quoted(binary)}"
        hint = hint_elsewhere(
            session, profile, words, lambda placement: placement.binary == binary and placement.in_bin
        )
        name = binary.partition("@")[0]
        if name != binary and active is not None and active.find(name) is not None:
            hint = f"one version of it is in place: type `{typed_command(session, profile, f'which {name}')}`"
        raise NotFoundError(f"{binary[:100]!r} is not in place in {profile}", hint=hint, code="not-installed")
    warn_of_altered(session, profile, active, binary)
    name = file_name(binary, active.platform.executable_suffix)
    return WhichResult(
        binary=binary,
        path=session.scope.home.executable(placed.digest.hex, name),
        image=placed.placement.name.short,
        version=placed.placement.version,
        digest=str(placed.digest),
    )
