"""The paths of a home and its profiles, and the directories that a home may be in. Only this module joins them.

``Home`` and ``ProfilePaths`` are plain classes, because the no-op ``sync`` imports them: a record would cost more than
that command's own work.
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
REQUEST_DIGITS = 32 if sys.platform == "win32" else 64
"""The digits of a request's hash in the names of directories.

A path may have no more than 259 characters on Windows ("Maximum Path Length Limitation"), and two of these names may be
in one path.
"""
_LONGEST_BELOW = 168
"""The characters of the longest path below a home on Windows, with its first separator.

``runs``, a request, ``generations``, a number of six digits that is being removed, ``req``, a request, a file's name.
"""
LONGEST_HOME = 259 - _LONGEST_BELOW
_APP = "d8-installer"
_GLOBAL = "/opt/d8-installer"
_NOWHERE = "/nonexistent"
"""The home directory of accounts without one, as on Debian."""


class Home:
    """The paths below one home directory. No file is read or created."""

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    @property
    def schema(self) -> str:
        """The file that holds the home's schema number."""
        return os.path.join(self.root, "schema")

    @property
    def bin(self) -> str:
        """The PATH entry: a link to the active binaries of the user's profile, or on Windows their directory."""
        return os.path.join(self.root, "bin")

    @property
    def tags(self) -> str:
        """The remembered digest of each tag."""
        return os.path.join(self.root, "tags.json")

    @property
    def verifiers(self) -> str:
        """The file that lists the enabled plugins seen so far, and which of them verify images."""
        return os.path.join(self.root, "verifiers")

    @property
    def made(self) -> str:
        """The file that lists the directories outside the home that were created for it."""
        return os.path.join(self.root, "made")

    @property
    def mutex(self) -> str:
        """The lock file for changes to the whole home. It is held for moments only."""
        return os.path.join(self.root, "mutex")

    @property
    def switching(self) -> str:
        """The lock file that is held while a generation is built and activated, and during garbage collection."""
        return os.path.join(self.root, "switching.mutex")

    @property
    def profiles(self) -> str:
        """The directory of all profiles."""
        return os.path.join(self.root, "profiles")

    @property
    def runs(self) -> str:
        """The directory of the images that ``run`` has resolved."""
        return os.path.join(self.root, "runs")

    @property
    def incoming(self) -> str:
        """The directory of unverified bytes, with a directory for each process."""
        return os.path.join(self.root, "incoming")

    @property
    def arriving(self) -> str:
        """The directory of partial layers, and of the locks of layers that are being fetched."""
        return os.path.join(self.root, "arriving")

    def partial_layer(self, layer: str) -> str:
        """The kept part of the layer with that digest (64 hex digits)."""
        return os.path.join(self.arriving, layer)

    def partial_layer_etag(self, layer: str) -> str:
        """The ETag that the source sent with the kept part."""
        return os.path.join(self.arriving, f"{layer}.etag")

    def partial_layer_mutex(self, layer: str) -> str:
        """The lock file that the process that fetches the layer holds."""
        return os.path.join(self.arriving, f"{layer}.mutex")

    @property
    def config_manifest(self) -> str:
        """The user's manifest in a home that was chosen with ``--home`` or D8_INSTALLER_HOME."""
        return os.path.join(self.root, "d8.toml")

    @property
    def config(self) -> str:
        """The settings in the system's home, which belong to no person."""
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
        """The record of the stored members of the layer with that digest (64 hex digits)."""
        return os.path.join(self.layers, f"{digest}.json")

    @property
    def contracts(self) -> str:
        """The directory of the contracts of placed images."""
        return os.path.join(self.root, "store", "contracts")

    def contract(self, digest: str) -> str:
        """The contract of the image whose index, or single manifest, has that digest (64 hex digits)."""
        return os.path.join(self.contracts, f"{digest}.json")

    @property
    def facts(self) -> str:
        """The directory of the kept facts of clusters, which only its owner can read."""
        return os.path.join(self.root, "facts")

    def cluster_facts(self, key: str) -> str:
        """The kept facts of the cluster and user with that key (64 hex digits)."""
        return os.path.join(self.facts, f"{key}.json")

    def passes(self, directory: str) -> str:
        """The programs of a profile that passed the gate."""
        return os.path.join(self.facts, f"{directory}.passes.json")

    def found_facts(self, name: str) -> str:
        """The key that the kubeconfigs with that name (64 hex digits) led to."""
        return os.path.join(self.facts, f"{name}.found.json")

    @property
    def endpoints(self) -> str:
        """The directory of the endpoints that were found in clusters, which only its owner can read."""
        return os.path.join(self.root, "endpoints")

    def endpoint(self, key: str) -> str:
        """The endpoint that was found in the cluster of that key (64 hex digits)."""
        return os.path.join(self.endpoints, f"{key}.json")

    def profile(self, directory: str) -> ProfilePaths:
        """The directory of one profile."""
        return ProfilePaths(os.path.join(self.profiles, directory))

    def run(self, request: str) -> ProfilePaths:
        """The files of an image that ``run`` resolved without installing it, by the hash of its request."""
        return ProfilePaths(os.path.join(self.runs, name_of_request(request)))


class ProfilePaths:
    """The paths below one profile's directory."""

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = root

    @property
    def project(self) -> str:
        """The file that names the project of this profile."""
        return os.path.join(self.root, "project")

    @property
    def mounted(self) -> str:
        """The file whose presence says that the project's directory was a mount point at the last sync."""
        return os.path.join(self.root, "mounted")

    @property
    def lock(self) -> str:
        """The lock of the user's or the system's profile; a project's lies beside its ``d8.toml``."""
        return os.path.join(self.root, "d8.lock")

    @property
    def stamp(self) -> str:
        """The state that the last sync left."""
        return os.path.join(self.root, "stamp.json")

    @property
    def layout(self) -> str:
        """What was laid out for the Go tool, and where."""
        return os.path.join(self.root, "layout.json")

    @property
    def environments(self) -> str:
        """The file that lists the environments that were named on a command line and have plugins."""
        return os.path.join(self.root, "environments")

    @property
    def mutex(self) -> str:
        """The lock file that a writing command holds."""
        return os.path.join(self.root, "mutex")

    @property
    def current(self) -> str:
        """The pointer to the active generation: a link, or on Windows a directory."""
        return os.path.join(self.root, "current")

    @property
    def bin(self) -> str:
        """The directory of the active binaries."""
        return placed_bin(self) if sys.platform == "win32" else linked_bin(self)

    @property
    def requests(self) -> str:
        """The directory of the active binaries for launchers, by the hash of their request."""
        return os.path.join(self.root, "current", "req")

    def request(self, request: str) -> str:
        """The directory of the active binaries of the request with that hash (64 hex digits)."""
        return os.path.join(self.requests, name_of_request(request))

    @property
    def generations(self) -> str:
        """The directory of all generations."""
        return os.path.join(self.root, "generations")

    def generation(self, number: int) -> str:
        """The directory of one generation."""
        return os.path.join(self.generations, str(number))

    def record(self, number: int) -> str:
        """The record of one generation: platform, time, reason, placed binaries, and the lock's text."""
        return os.path.join(self.generations, str(number), "generation.json")


def refuse_long_home(home: Home) -> None:
    """Raise a ConfigError if a path below the home could be longer than Windows allows."""
    if sys.platform == "win32":
        length = sum(2 if ord(char) > 0xFFFF else 1 for char in home.root)
        if length > LONGEST_HOME:
            raise ConfigError(
                f"the path of the home {home.root} has {length} characters, and {LONGEST_HOME} are the most that work "
                "on Windows",
                hint="choose a home with a shorter path, with --home DIR",
                code="bad-home-path",
            )


def linked_bin(paths: ProfilePaths) -> str:
    """Return the directory of a profile's active binaries where ``current`` is a link."""
    return os.path.join(paths.current, "bin")


def placed_bin(paths: ProfilePaths) -> str:
    """Return the directory of a profile's active binaries where ``current`` is a directory.

    For the user's and the system's profile that is the home's ``bin``, the PATH entry itself.
    """
    above, name = os.path.split(paths.root)
    home, profiles = os.path.split(above)
    is_exposed = name in ("user", "system") and profiles == "profiles"
    return Home(home).bin if is_exposed else linked_bin(paths)


def name_of_request(request: str) -> str:
    """Return the name of the directories of the request with that hash (64 hex digits)."""
    return request[:REQUEST_DIGITS]


def default_home(environ: Mapping[str, str]) -> str:
    """Return the default home: in XDG's data directory on every POSIX system, in LOCALAPPDATA on Windows."""
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.join(os.path.expanduser("~"), "AppData", "Local")
    else:
        base = xdg_directory(environ, "XDG_DATA_HOME", ".local", "share")
    return os.path.join(base, _APP)


def chosen_home(typed: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the home that was chosen with ``--home`` or D8_INSTALLER_HOME, or None. A ``~`` is expanded."""
    chosen = typed or environ.get("D8_INSTALLER_HOME")
    return _without_tilde(chosen, environ) if chosen else None


def _without_tilde(path: str, environ: Mapping[str, str]) -> str:
    if path == "~" or path.startswith("~/"):
        return home_directory(environ) + path[1:]
    return path


def global_home(environ: Mapping[str, str]) -> str:
    """Return the home of the system profile: D8_INSTALLER_GLOBAL_HOME, or the system's usual directory."""
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
    """Return the path of a person's ``config.toml``; without HOME it is in the home that was *chosen*."""
    try:
        return os.path.join(config_directory(environ), "config.toml")
    except ConfigError:
        if chosen is None:
            raise
        return home.config


def logins_file(home: Home, chosen: str | None, environ: Mapping[str, str]) -> str:
    """Return the path of a person's kept logins, beside their settings."""
    return os.path.join(os.path.dirname(settings_file(home, chosen, environ)), "logins.json")


def xdg_directory(environ: Mapping[str, str], variable: str, *below_home: str) -> str:
    """Return a base directory. By the XDG base directory specification a relative value counts as unset."""
    chosen = environ.get(variable, "")
    if os.path.isabs(chosen):
        return chosen
    return os.path.join(home_directory(environ), *below_home)


def home_directory(environ: Mapping[str, str]) -> str:
    """Return the person's home directory, from HOME or the user database; without either, raise a ConfigError."""
    known = known_home_directory(environ)
    if known is None:
        raise ConfigError(
            "HOME names no absolute directory", hint="set HOME, or choose a home with --home DIR", code="bad-home-path"
        )
    return known


def known_home_directory(environ: Mapping[str, str]) -> str | None:
    """Return the person's home directory, or None if it is unknown."""
    chosen = environ.get("HOME", "")
    if os.path.isabs(chosen):
        return chosen
    # Without HOME, expanduser asks the user database; with a relative HOME it would return that.
    known = os.path.expanduser("~") if not chosen else ""
    return known if os.path.isabs(known) else None


def home_directory_or_nowhere(environ: Mapping[str, str]) -> str:
    """Return the person's home directory, or a directory that does not exist if it is unknown."""
    return known_home_directory(environ) or _NOWHERE


def shared_directories(environ: Mapping[str, str]) -> list[str]:
    """Return the directories below HOME that programs share, and that a first install may have to create."""
    home = known_home_directory(environ)
    if sys.platform == "win32" or home is None:
        return []
    return [os.path.join(home, *names) for names in ((".local", "share"), (".local",), (".config",))]


def absent_directories(environ: Mapping[str, str]) -> list[str]:
    """Return the ``shared_directories`` that do not exist."""
    return [path for path in shared_directories(environ) if not os.path.lexists(path)]


def find_project(directory: str, home_directory: str | None) -> str | None:
    """Return the nearest directory with a ``d8.toml``, from *directory* upwards, or None.

    The search ends at the top of a git work tree and at the person's home directory, however it is spelled; both are
    searched too. A ``d8.toml`` that is not a file counts: the command that reads it reports the problem.
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


def is_above_projects(directory: str, home_directory: str | None) -> bool:
    """Whether *directory* is the person's home directory or a root: a ``d8.toml`` there would count far below it."""
    here = os.path.abspath(directory)
    home = _identity(home_directory)
    return os.path.dirname(here) == here or (home is not None and _identity(here) == home)


def _identity(directory: str | None) -> tuple[int, int] | None:
    """Return the identity of a directory, whichever links and mounts lead to it."""
    try:
        status = os.stat(directory) if directory is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def project_directory(project: str) -> str:
    """Return the name of a project's directory under ``profiles``: 16 hex digits of its real path's sha256."""
    return directory_of(os.path.realpath(project))


def directory_of(real_path: str) -> str:
    """Return the name of the directory of the project with that real path."""
    import hashlib  # a command in the user's profile does not need it

    return hashlib.sha256(real_path.encode("utf-8", "surrogateescape")).hexdigest()[:16]
