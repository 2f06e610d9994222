"""Where everything lies in the home, and which directories are ours: the only file that joins home paths.

A plain class, since the no-op ``sync`` imports it and a dataclass would cost that command its speed.
"""

from __future__ import annotations

import os
import sys

from d8_installer.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OLD_SUMMARY = "summary"
"""A file that older versions wrote beside a generation's record; nothing reads it."""
SCHEMA = 1
_APP = "d8-installer"
_GLOBAL = "/opt/d8-installer"
_NOWHERE = "/nonexistent"
"""The home directory that Debian gives to accounts without one."""


class Home:
    """The paths below one home directory; nothing is looked at or made."""

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    @property
    def schema(self) -> str:
        """The file that holds the home's schema number."""
        return os.path.join(self.root, "schema")

    @property
    def bin(self) -> str:
        """The PATH entry: a link to the active binaries of the user's profile."""
        return os.path.join(self.root, "bin")

    @property
    def tags(self) -> str:
        """``tags.json``: which digest each tag meant."""
        return os.path.join(self.root, "tags.json")

    @property
    def verifiers(self) -> str:
        """The file that names the enabled plugins that were seen, and which of them verify images."""
        return os.path.join(self.root, "verifiers")

    @property
    def made(self) -> str:
        """The file that names the directories outside the home that were not there before it."""
        return os.path.join(self.root, "made")

    @property
    def mutex(self) -> str:
        """The lock file that is held for the moments in which something of the whole home changes."""
        return os.path.join(self.root, "mutex")

    @property
    def switching(self) -> str:
        """The lock file that is held while a generation is made and activated, or garbage collected."""
        return os.path.join(self.root, "switching.mutex")

    @property
    def profiles(self) -> str:
        """The directory of all profiles."""
        return os.path.join(self.root, "profiles")

    @property
    def runs(self) -> str:
        """The directory of the images that ``run`` resolved."""
        return os.path.join(self.root, "runs")

    @property
    def incoming(self) -> str:
        """Where unverified bytes lie, a directory for each process."""
        return os.path.join(self.root, "incoming")

    @property
    def arriving(self) -> str:
        """Where the beginnings of layers are kept whose transfer was cut, and the locks of those under way."""
        return os.path.join(self.root, "arriving")

    def partial_layer(self, layer: str) -> str:
        """The kept beginning of the layer with that digest (64 hex digits)."""
        return os.path.join(self.arriving, layer)

    def partial_layer_etag(self, layer: str) -> str:
        """What the sender of the kept bytes called the whole."""
        return os.path.join(self.arriving, f"{layer}.etag")

    def partial_layer_mutex(self, layer: str) -> str:
        """The lock file that is held by who fetches the layer."""
        return os.path.join(self.arriving, f"{layer}.mutex")

    @property
    def config_manifest(self) -> str:
        """The user's manifest of a home that was chosen by hand."""
        return os.path.join(self.root, "d8.toml")

    @property
    def config(self) -> str:
        """The settings of the system's home, which belong to no person."""
        return os.path.join(self.root, "config.toml")

    @property
    def stored(self) -> str:
        """The directory of all executables, each in a directory named by its digest."""
        return os.path.join(self.root, "store", "sha256")

    def executables(self, digest: str) -> str:
        """The directory of the executable with that digest (64 hex digits)."""
        return os.path.join(self.stored, digest)

    def executable(self, digest: str, file_name: str) -> str:
        """The stored executable under one of its file names."""
        return os.path.join(self.executables(digest), file_name)

    @property
    def layers(self) -> str:
        """The directory of the layers' records."""
        return os.path.join(self.root, "store", "layers")

    def layer(self, digest: str) -> str:
        """The record of what was taken out of the layer with that digest (64 hex digits)."""
        return os.path.join(self.layers, f"{digest}.json")

    def profile(self, directory: str) -> ProfilePaths:
        """The paths of one profile."""
        return ProfilePaths(os.path.join(self.profiles, directory))

    def run(self, request: str) -> ProfilePaths:
        """The paths of an image that ``run`` resolved without installing it, by its request's hash."""
        return ProfilePaths(os.path.join(self.runs, request))


class ProfilePaths:
    """The paths below one profile's directory."""

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = root

    @property
    def project(self) -> str:
        """The file that names the project this profile belongs to."""
        return os.path.join(self.root, "project")

    @property
    def mounted(self) -> str:
        """The file that says that the project's directory was a disk of its own when it was last synced."""
        return os.path.join(self.root, "mounted")

    @property
    def lock(self) -> str:
        """The user's or system's ``d8.lock``."""
        return os.path.join(self.root, "d8.lock")

    @property
    def stamp(self) -> str:
        """``stamp.json``: what the last sync saw."""
        return os.path.join(self.root, "stamp.json")

    @property
    def environments(self) -> str:
        """The file that names the environments which a command was given and found plugins in."""
        return os.path.join(self.root, "environments")

    @property
    def mutex(self) -> str:
        """The lock file that one writing command holds."""
        return os.path.join(self.root, "mutex")

    @property
    def current(self) -> str:
        """What says which generation is active: a link, or on Windows a directory."""
        return os.path.join(self.root, "current")

    @property
    def bin(self) -> str:
        """The active binaries."""
        return os.path.join(self.root, "current", "bin")

    @property
    def requests(self) -> str:
        """The directory of the active binaries for launchers, by the hash of the request that they serve."""
        return os.path.join(self.root, "current", "req")

    def request(self, request: str) -> str:
        """The active binaries that serve the request with that hash (64 hex digits)."""
        return os.path.join(self.requests, request)

    @property
    def generations(self) -> str:
        """The directory of all generations."""
        return os.path.join(self.root, "generations")

    def generation(self, number: int) -> str:
        """The directory of one generation."""
        return os.path.join(self.generations, str(number))

    def record(self, number: int) -> str:
        """``generation.json`` of one generation."""
        return os.path.join(self.generations, str(number), "generation.json")


def default_home(environ: Mapping[str, str]) -> str:
    """Return the home that is used when none is chosen: XDG's on every POSIX system, LOCALAPPDATA's on Windows."""
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.join(os.path.expanduser("~"), "AppData", "Local")
    else:
        base = xdg_directory(environ, "XDG_DATA_HOME", ".local", "share")
    return os.path.join(base, _APP)


def chosen_home(typed: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the home that was chosen with ``--home`` or D8_INSTALLER_HOME, or None; a shell may have left a ``~``."""
    chosen = typed or environ.get("D8_INSTALLER_HOME")
    return _without_tilde(chosen, environ) if chosen else None


def _without_tilde(path: str, environ: Mapping[str, str]) -> str:
    if path == "~" or path.startswith("~/"):
        return home_directory(environ) + path[1:]
    return path


def global_home(environ: Mapping[str, str]) -> str:
    """Return the home of the system profile: D8_INSTALLER_GLOBAL_HOME, else the system's usual place."""
    usual = os.path.join(environ.get("PROGRAMDATA", "C:\\ProgramData"), _APP) if sys.platform == "win32" else _GLOBAL
    chosen = environ.get("D8_INSTALLER_GLOBAL_HOME")
    return _without_tilde(chosen, environ) if chosen else usual


def config_directory(environ: Mapping[str, str]) -> str:
    """Return the directory of ``config.toml`` and of the default home's ``d8.toml``."""
    if sys.platform == "win32":
        base = environ.get("APPDATA") or os.path.join(os.path.expanduser("~"), "AppData", "Roaming")
    else:
        base = xdg_directory(environ, "XDG_CONFIG_HOME", ".config")
    return os.path.join(base, _APP)


def settings_file(home: Home, chosen: str | None, environ: Mapping[str, str]) -> str:
    """Return the path of a person's ``config.toml``; without a HOME it lies in the home that was *chosen*."""
    try:
        return os.path.join(config_directory(environ), "config.toml")
    except ConfigError:
        if chosen is None:
            raise
        return home.config


def xdg_directory(environ: Mapping[str, str], variable: str, *below_home: str) -> str:
    """Return a base directory; by the XDG base directory specification a relative value counts as unset."""
    chosen = environ.get(variable, "")
    if os.path.isabs(chosen):
        return chosen
    return os.path.join(home_directory(environ), *below_home)


def home_directory(environ: Mapping[str, str]) -> str:
    """Return the person's home directory: HOME, else that of the user database; without either, a ConfigError."""
    known = known_home_directory(environ)
    if known is None:
        raise ConfigError("HOME names no absolute directory", hint="set HOME, or choose a home with --home DIR")
    return known


def known_home_directory(environ: Mapping[str, str]) -> str | None:
    """Return what ``home_directory`` returns, or None."""
    chosen = environ.get("HOME", "")
    if os.path.isabs(chosen):
        return chosen
    # Without HOME, expanduser asks the user database; with a relative one it would return just that.
    known = os.path.expanduser("~") if not chosen else ""
    return known if os.path.isabs(known) else None


def home_directory_or_nowhere(environ: Mapping[str, str]) -> str:
    """Return the person's home directory; if it is not known, a directory that does not exist."""
    return known_home_directory(environ) or _NOWHERE


def shared_directories(environ: Mapping[str, str]) -> list[str]:
    """Return the directories below HOME that are everybody's, and that a first install may have to make."""
    home = known_home_directory(environ)
    if sys.platform == "win32" or home is None:
        return []
    return [os.path.join(home, *names) for names in ((".local", "share"), (".local",), (".config",))]


def absent_directories(environ: Mapping[str, str]) -> list[str]:
    """Return those of ``shared_directories`` that are not there."""
    return [path for path in shared_directories(environ) if not os.path.lexists(path)]


def find_project(directory: str, home_directory: str | None) -> str | None:
    """Return the nearest directory with a ``d8.toml``, from *directory* upwards, or None.

    The search ends at the top of a git work tree and at the person's home directory, however that is spelled; both are
    still looked at. A ``d8.toml`` that is not a file counts as well: the command that reads it says so.
    """
    here, home = os.path.abspath(directory), _identity(home_directory)
    while True:
        if os.path.exists(os.path.join(here, "d8.toml")):
            return here
        parent = os.path.dirname(here)
        is_home = home is not None and _identity(here) == home
        if parent == here or is_home or os.path.exists(os.path.join(here, ".git")):
            return None
        here = parent


def _identity(directory: str | None) -> tuple[int, int] | None:
    """Return what tells a directory from all others, whichever links and mounts lead to it."""
    try:
        status = os.stat(directory) if directory is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def project_directory(project: str) -> str:
    """Return the name of a project's directory under ``profiles``: 16 hex digits of its real path's sha256."""
    return directory_of(os.path.realpath(project))


def directory_of(real_path: str) -> str:
    """Return the name of the directory of the project whose real path is known."""
    import hashlib  # which a command in the user's profile does without

    return hashlib.sha256(real_path.encode("utf-8", "surrogateescape")).hexdigest()[:16]
