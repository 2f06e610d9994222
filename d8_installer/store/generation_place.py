"""Where a generation is: its home, profile and number, the profile's ``bin``, and the settings that count for it.

The quick way of ``run`` imports this module, so it imports little.
"""

from __future__ import annotations

import os

from d8_installer.store.paths import Home, global_home, settings_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.store.paths import ProfilePaths


class GenerationPlace:
    """One generation, with ``bin``, where people find the binaries of its profile, and the path of ``config.toml``."""

    __slots__ = ("bin", "home", "number", "paths", "settings")

    def __init__(self, home: Home, paths: ProfilePaths, number: int, bin_directory: str, settings: str) -> None:
        self.home = home
        self.paths = paths
        self.number = number
        self.bin = bin_directory
        self.settings = settings

    @property
    def is_run(self) -> bool:
        """Whether it is outside the profiles."""
        return os.path.dirname(self.paths.root) == self.home.runs


def place_of_wrapper(directory: str, environ: Mapping[str, str]) -> GenerationPlace | None:
    """Return the generation that has a wrapper in *directory*, ``bin`` or a directory in ``req``; None if none has."""
    parts = os.path.realpath(directory).split(os.sep)
    below = 3 if parts[-1:] == ["bin"] else 4  # generations/<n>/bin, or generations/<n>/req/<request>
    if len(parts) < below + 3 or parts[-below] != "generations" or not parts[1 - below].isdecimal():
        return None
    kind, name = parts[-below - 2], parts[-below - 1]
    home = Home(os.sep.join(parts[: -below - 2]))
    paths = {"profiles": home.profile, "runs": home.run}.get(kind)
    if paths is None:
        return None
    is_system = home.root == os.path.realpath(global_home(environ))
    settings = home.config if is_system else settings_file(home, home.root, environ)
    profile = paths(name)
    is_exposed = kind == "profiles" and name in {"user", "system"}
    return GenerationPlace(home, profile, int(parts[1 - below]), home.bin if is_exposed else profile.bin, settings)
