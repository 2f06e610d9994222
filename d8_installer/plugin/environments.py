"""Where Python environments are: the roots to look in, the environments below them, their libraries. Paths only.

The no-op ``sync`` uses this module, so it imports as little as possible.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ACTIVE = "active"
"""The manager of the environment that VIRTUAL_ENV names."""
_MAX_SETTINGS = 1 << 16
_LIBRARY_NAMES = ("site-packages", "dist-packages")
_WINDOWS_LIBRARIES = (("Lib", "site-packages"), ("site-packages",))
"""An environment's library on Windows, and that of a user site."""
_PROGRAM_DIRECTORIES = ("scripts", "bin")
# In the order of `sys.path`: Debian's /usr/local comes before /usr, Fedora's lib64 before lib.
_LIBRARY_PARENTS = tuple(dict.fromkeys((os.path.join("local", "lib"), sys.platlibdir, "lib", "lib64")))


class Root:
    """A place to look in: an environment, or with ``many`` a directory of environments. ``manager`` made it."""

    __slots__ = ("manager", "many", "path")

    def __init__(self, path: str, manager: str, *, many: bool = False) -> None:
        self.path = path
        self.manager = manager
        self.many = many


class Environment:
    """An environment that exists: its prefix (or a library on its own), its manager, and its libraries."""

    __slots__ = ("libraries", "manager", "path")

    def __init__(self, path: str, manager: str, libraries: tuple[str, ...]) -> None:
        self.path = path
        self.manager = manager
        self.libraries = libraries


def user_roots(environ: Mapping[str, str], home: str, prefix: str) -> list[Root]:
    """Return where the plugins of a user's profile may be. *home* is HOME, *prefix* is d8-installer's environment.

    For pipx: PIPX_HOME, its default, its fallback, its global home. For uv: UV_TOOL_DIR, or its default.
    """
    if sys.platform == "win32":  # where pip, pipx and uv do not look at HOME
        home = environ.get("USERPROFILE") or home
    data = _data_directory(environ, home)
    roots = [Root(os.path.join(base, "venvs"), "pipx", many=True) for base in _pipx_homes(environ, home, data)]
    roots += [Root(path, "uv tool", many=True) for path in _uv_tools(environ, home, data)]
    # On Windows each version of Python has a prefix of its own in the base (sysconfig's scheme nt_user).
    roots.append(Root(_user_base(environ, home), "user site", many=sys.platform == "win32"))
    roots.append(Root(prefix, "d8-installer's own"))
    if active := environ.get("VIRTUAL_ENV"):
        roots.append(Root(os.path.abspath(active), ACTIVE))
    return roots


def project_roots(environ: Mapping[str, str], project: str) -> list[Root]:
    """Return where the plugins of a project's profile may be: its ``.venv``, or without one the active environment."""
    own = os.path.join(project, ".venv")
    active = environ.get("VIRTUAL_ENV")
    if active and not os.path.isdir(own):
        return [Root(own, "venv"), Root(os.path.abspath(active), ACTIVE)]
    return [Root(own, "venv")]


def environments(roots: Iterable[Root]) -> list[Environment]:
    """Return the environments below *roots*, each once, in the order of the roots and then by name."""
    found: dict[str, Environment] = {}
    for root in roots:
        for path in _below(root):
            libraries = tuple(libraries_of(path))
            # No path of a device on Windows, for which `realpath` fails, has any.
            if libraries and (real := os.path.realpath(path)) not in found:
                found[real] = Environment(path, root.manager, libraries)
    return list(found.values())


def watched(roots: Iterable[Root], found: Iterable[Environment]) -> list[str]:
    """Return the directories whose times change when an environment or a distribution in one is added or removed."""
    directories = []
    for root in roots:
        directories += [root.path] if root.many else [os.path.join(root.path, name) for name in ("lib", "Lib")]
    for environment in found:
        directories += [os.path.dirname(os.path.dirname(library)) for library in environment.libraries]
        directories += environment.libraries
    return sorted(set(directories))


def prefix_of(path: str) -> str:
    """Return the environment that *path* means: *path* itself, or the environment of a Python (``bin/python``)."""
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        return path
    directory, _ = os.path.split(path)
    if sys.platform == "win32" and os.path.basename(directory).lower() not in _PROGRAM_DIRECTORIES:
        return directory  # outside of virtual environments, Python lies beside Lib there
    return os.path.dirname(directory)


def libraries_of(prefix: str) -> Iterator[str]:
    """Yield the directories of an environment that contain its distributions, in the order of its ``sys.path``.

    *prefix* may be such a directory itself.
    """
    if sys.platform == "win32":
        for names in _WINDOWS_LIBRARIES:
            if os.path.isdir(library := os.path.join(prefix, *names)):
                yield library
                return
    anything = False
    for parent in _LIBRARY_PARENTS:
        base = os.path.join(prefix, parent)
        if parent == "lib64" and os.path.islink(base):
            continue
        versions = [name for name in _names(base) if name.startswith(("python", "pypy"))]
        for version in versions if len(versions) < 2 else _own_first(prefix, versions):
            for name in _LIBRARY_NAMES:
                library = os.path.join(base, version, name)
                if os.path.isdir(library):
                    anything = True
                    yield library
    if not anything and any(name.endswith(".dist-info") for name in _names(prefix)):
        yield prefix


def _own_first(prefix: str, versions: list[str]) -> list[str]:
    """Return *versions* with that of the environment's Python first. An upgraded environment keeps the older ones."""
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            lines = file.read(_MAX_SETTINGS).splitlines()
    except OSError:
        return versions
    settings = [
        line.partition("=")[2].strip() for line in lines if line.startswith(("version ", "version_info ", "version="))
    ]
    own = {f"python{'.'.join(version.split('.')[:2])}" for version in settings}
    return sorted(versions, key=lambda name: (name not in own, name))


def _below(root: Root) -> list[str]:
    if not root.many:
        return [root.path]
    return [os.path.join(root.path, name) for name in _names(root.path)]


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _data_directory(environ: Mapping[str, str], home: str) -> str:
    chosen = environ.get("XDG_DATA_HOME", "")
    return chosen if os.path.isabs(chosen) else os.path.join(home, ".local", "share")


def _pipx_homes(environ: Mapping[str, str], home: str, data: str) -> list[str]:
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
        defaults = [os.path.join(base, "pipx", "pipx"), os.path.join(home, "pipx")]
    elif sys.platform == "darwin":
        defaults = [os.path.join(home, "Library", "Application Support", "pipx"), os.path.join(data, "pipx")]
    else:
        defaults = [os.path.join(data, "pipx")]
    chosen = [_expanded(environ["PIPX_HOME"], home)] if environ.get("PIPX_HOME") else []
    homes = [*chosen, *defaults, os.path.join(home, ".local", "pipx")]
    if sys.platform != "win32":  # where pipx has no --global
        homes.append(_expanded(environ.get("PIPX_GLOBAL_HOME") or "/opt/pipx", home))
    return homes


def _uv_tools(environ: Mapping[str, str], home: str, data: str) -> list[str]:
    if environ.get("UV_TOOL_DIR"):
        return [_expanded(environ["UV_TOOL_DIR"], home)]
    if sys.platform == "win32":
        base = environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming")
        return [os.path.join(base, "uv", "tools"), os.path.join(base, "uv", "data", "tools")]
    return [os.path.join(data, "uv", "tools")]


def _user_base(environ: Mapping[str, str], home: str) -> str:
    chosen = environ.get("PYTHONUSERBASE", "")
    if chosen:
        return _expanded(chosen, home)
    if sys.platform == "win32":
        return os.path.join(environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming"), "Python")
    return os.path.join(home, ".local")


def _expanded(path: str, home: str) -> str:
    if path == "~" or path.startswith(("~/", f"~{os.sep}")):
        path = home + path[1:]
    return os.path.abspath(path)
