"""Defect: one thing that ``verify`` finds wrong in a home, with its kind, its path and the remedy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from d8_installer.errors import DiskError
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.ops.upkeep.profiles_on_disk import ProfileOnDisk

DefectKind = Literal[
    "executable", "mode", "missing", "layer", "contract", "record", "link", "current", "bin", "lock", "tags", "project"
]

REPAIR_HINT = "type `d8-installer verify --fix`"


class Defect(Struct, frozen=True, kw_only=True):
    """One thing that is not as d8-installer made it: what kind of thing, its path, and the problem.

    ``digest`` (hex) is that of the stored file or layer, or of the index that the contract belongs to. ``profile`` and
    ``generation`` say which generation it belongs to, if it belongs to one. ``remedy`` is what to type if
    ``verify --fix`` does not help.
    """

    kind: DefectKind
    path: str
    problem: str
    digest: str | None = None
    profile: str | None = None
    generation: int | None = None
    remedy: str | None = None

    @property
    def text(self) -> str:
        """Return the defect as one clause."""
        of = f" (generation {self.generation} of {self.profile})" if self.generation is not None else ""
        return f"{self.path}{of} {self.problem}"

    @property
    def hint(self) -> str:
        """Return what to type."""
        return self.remedy or REPAIR_HINT

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {
            "kind": self.kind,
            "path": self.path,
            "problem": self.problem,
            "digest": self.digest,
            "profile": self.profile,
            "generation": self.generation,
        }


def sync_hint(profile: ProfileOnDisk) -> str:
    """Return what to type to sync *profile*."""
    if os.path.basename(profile.paths.root) == "system":
        return "type `d8-installer --global sync`"
    return "type `d8-installer sync`" + (f" in {profile.project}" if profile.project is not None else "")


def raise_if_from_system(error: D8Error) -> None:
    """Raise *error* if it is the operating system's refusal, which says nothing about the state of the home."""
    if isinstance(error, DiskError) and isinstance(error.__cause__, OSError):
        raise error
