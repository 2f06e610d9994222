"""``env``: prints the lines by which a shell puts a profile's binaries first on PATH."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from d8_installer.model.value import Struct
from d8_installer.pipeline.parent_shell import shell_of_person
from d8_installer.pipeline.shell_lines import first_on_path, path_entry
from d8_installer.pipeline.windows_lines import first_on_windows_path

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session


class EnvLines(Struct, frozen=True):
    """Lines for a shell to evaluate, and the directory that they put first on PATH."""

    profile: Profile
    directory: str
    lines: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"profile": self.profile.as_json(), "directory": self.directory, "lines": list(self.lines)}


def env_lines(session: Session, shell: str | None) -> EnvLines:
    """Return the lines that put the profile's ``bin`` first on PATH, for *shell* or else for the person's."""
    profile = session.profiles.find()
    paths = session.scope.home.profile(profile.directory)
    chosen = shell or shell_of_person(session.scope.environ)
    directory = path_entry(paths.bin)
    if sys.platform == "win32":
        line = first_on_windows_path(chosen, directory, session.scope.environ)
    else:
        line = first_on_path(chosen, directory)
    return EnvLines(profile, directory, (line,))
