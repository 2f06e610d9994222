"""Which file a launcher stands for, if that file is in place: what a launcher without a warm path asks first.

A console script on Windows asks at each start, so only what that needs is imported here.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct
from d8_installer.plugin.discovery import scan
from d8_installer.plugin.environments import Environment, libraries_of, prefix_of
from d8_installer.plugin.launcher import PROFILE_LINK
from d8_installer.store import home_state
from d8_installer.store.paths import Home, ProfilePaths, chosen_home, default_home, settings_file
from d8_installer.store.profile_link import named_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.model.requirement import Request
    from d8_installer.plugin.discovery import DiscoveredPlugin

_HASH_DIGITS = 64


class Launch(Struct, frozen=True, kw_only=True):
    """A launcher's call: the hash of its request (or ``-``), its binary, its ``argv[0]``, its environment's prefix."""

    request: str
    binary: str
    argv0: str
    prefix: str


class LaunchPlace(Struct, frozen=True):
    """The home and the profile that a launcher uses."""

    home: Home
    profile: ProfilePaths


class LaunchedRequest(Struct, frozen=True):
    """The request that a launcher stands for, and the plugin that ships it."""

    plugin: DiscoveredPlugin
    request: Request


def environment_of(argv0: str) -> str:
    """Return the prefix of the environment that a launcher is in, which may be a user site; else that of this Python.

    The two differ if the launcher had to use the d8-installer on PATH.
    """
    path = os.path.realpath(argv0)
    if sys.platform == "win32" and not os.path.isfile(path):
        path += ".exe"  # the scripts of pip and uv cut it off
    prefix = prefix_of(path)
    return prefix if any(libraries_of(prefix)) else sys.prefix


def find_ready(launch: Launch, environ: Mapping[str, str]) -> str | None:
    """Return the file if it is in place: another first run was faster, or the launcher has no warm path.

    If the file is another user's, raise NotAllowedError; if the environment has no such plugin, DocumentError.
    """
    request = find_request(launch).request.hash.hex if launch.request == "-" else launch.request
    if len(request) != _HASH_DIGITS or not request.isalnum():
        return None
    place = place_of(launch, environ)
    for paths in (place.profile, place.home.run(request)):
        path = requested_file(paths, request, launch.binary)
        if os.access(path, os.X_OK):
            from d8_installer.pipeline.ownership import refuse_program_of_another

            settings = partial(settings_file, place.home, chosen_home(None, environ), environ)
            refuse_program_of_another(place.home, environ, settings, path)
            return path
    return None


def find_request(launch: Launch) -> LaunchedRequest:
    """Return the launcher's plugin and request, by the request's hash, or by the binary if the manifest was edited.

    If the environment has no such plugin, raise DocumentError.
    """
    read = scan([Environment(launch.prefix, "launcher's", tuple(libraries_of(launch.prefix)))])
    offers = [
        LaunchedRequest(plugin, request)
        for plugin in read.plugins
        for request in plugin.manifest.requests
        if launch.binary in dict(request.binaries)
    ]
    exact = [offer for offer in offers if offer.request.hash.hex == launch.request]
    if offers:
        return (exact or offers)[0]
    for broken in read.broken:
        raise broken.error
    raise DocumentError(
        f"no plugin in {launch.prefix} asks for {launch.binary[:100]!r}",
        hint="reinstall the plugin that ships it",
        code="launcher-orphaned",
    )


def place_of(launch: Launch, environ: Mapping[str, str]) -> LaunchPlace:
    """Return the home and the profile that the launcher's warm path uses, by the same rule."""
    named = None if os.path.islink(launch.argv0) else named_profile(os.path.join(launch.prefix, PROFILE_LINK))
    if named is not None:
        profile = ProfilePaths(os.path.realpath(named))
        home = Home(os.path.dirname(os.path.dirname(profile.root)))
        if os.path.isfile(home.schema) and project_of(profile) is not None:
            return LaunchPlace(home, profile)
    home = Home(chosen_home(None, environ) or default_home(environ))
    return LaunchPlace(home, home.profile("user"))


def project_of(profile: ProfilePaths) -> str | None:
    """Return the project of a profile, if it still has a manifest."""
    project = home_state.load_project(profile)
    return project if project is not None and os.path.isfile(os.path.join(project, "d8.toml")) else None


def requested_file(profile: ProfilePaths, request: str, binary: str) -> str:
    """Return the path of *binary* in the active generation, for the request with this hash."""
    from d8_installer.store.generations import file_name

    name = file_name(binary, ".exe" if sys.platform == "win32" else "")
    return os.path.join(profile.request(request), name)
