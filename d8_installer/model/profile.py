"""Profile: the generations of the user, of a project or of the system, as names and paths. No I/O.

A plain class: the no-op ``sync`` imports it, and nothing third-party.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    ProfileKind = Literal["user", "project", "system", "run"]


class Profile:
    """One profile: where its manifest and lock are, and what its directory under ``profiles/`` is called.

    ``project`` is the real path of the project's directory, or None. All paths are absolute.
    """

    __slots__ = ("directory", "kind", "lock", "manifest", "project")

    def __init__(self, kind: ProfileKind, directory: str, manifest: str, lock: str, project: str | None = None) -> None:
        self.kind = kind
        self.directory = directory
        self.manifest = manifest
        self.lock = lock
        self.project = project

    @property
    def is_exposed(self) -> bool:
        """Whether the home's ``bin`` leads to it: it is the one profile of its home that is on PATH."""
        return self.kind in ("user", "system")

    @property
    def program(self) -> str:
        """How a command that changes an image of this profile begins: ``install`` and such mean the user's else."""
        return {"project": "d8-installer --project", "system": "d8-installer --global"}.get(self.kind, "d8-installer")

    def as_json(self) -> dict[str, str]:
        """Return the profile for ``--json``: its kind, and the directory of the project or of the lock."""
        return {"kind": self.kind, "path": self.project or self.lock[: -len("/d8.lock")]}

    @property
    def title(self) -> str:
        """The profile's kind and place, such as "your profile (/home/ann/.local/share/d8-installer)"."""
        if self.project:
            return f"the project {self.project}"
        return f"{self} ({self.lock[: -len(f'/profiles/{self.kind}/d8.lock')]})"

    def __str__(self) -> str:
        if self.project:
            return f"the project {self.project}"
        return "your profile" if self.kind == "user" else f"the {self.kind}'s profile"
