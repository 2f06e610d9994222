"""Which profile a quick command means: what ``pipeline.profile_choice`` finds, without what that module needs.

It must find the same profile and the same files, so a change there may be a change here.
"""

from __future__ import annotations

import os

from d8_installer.model.profile import Profile
from d8_installer.store import paths as home_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.store.paths import Home, ProfilePaths


class FoundProfile:
    """A profile with its paths, and its ``bin`` that is on PATH."""

    __slots__ = ("bin", "paths", "profile")

    def __init__(self, profile: Profile, paths: ProfilePaths, bin_directory: str) -> None:
        self.profile = profile
        self.paths = paths
        self.bin = bin_directory


def find_profile(
    kind: str | None, home: Home, environ: Mapping[str, str], directory: str, *, is_chosen: bool
) -> FoundProfile | None:
    """Return the user's or the project's profile, or None for the system's, or if there is no project."""
    if kind == "system":
        return None
    project = None
    if kind != "user":
        project = home_paths.find_project(directory, home_paths.known_home_directory(environ))
    if project is not None:
        paths = home.profile(home_paths.project_directory(project))
        manifest, lock = os.path.join(project, "d8.toml"), os.path.join(project, "d8.lock")
        return FoundProfile(Profile("project", "", manifest, lock, project), paths, paths.bin)
    if kind == "project":
        return None
    paths = home.profile("user")
    manifest = home.config_manifest if is_chosen else os.path.join(home_paths.config_directory(environ), "d8.toml")
    return FoundProfile(Profile("user", "", manifest, paths.lock), paths, home.bin)
