"""Profile: the user's, a project's or the system's line of generations, as names and paths. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["user", "project", "system", "run"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: where its manifest and lock are, and what its directory under ``profiles/`` is called.

    ``project`` is the real path of the project's directory, or None. All paths are absolute.
    """

    kind: Kind
    directory: str
    manifest: str
    lock: str
    project: str | None = None

    @property
    def is_exposed(self) -> bool:
        """Whether the home's ``bin`` leads to it: the one profile of its home that is on PATH."""
        return self.kind in ("user", "system")

    def __str__(self) -> str:
        return f"the project {self.project}" if self.project else f"the {self.kind}'s profile"
