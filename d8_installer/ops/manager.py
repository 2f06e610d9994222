"""``pip``, ``pipx``, ``uv``: which environment the manager's command line changes, and the sync that follows.

Nothing of a manager is imported. It runs as the process that a person would start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from d8_installer.errors import NotFoundError
from d8_installer.model.value import Struct
from d8_installer.ops.sync import SyncOptions, sync
from d8_installer.pipeline.plugin_search import default_roots
from d8_installer.pipeline.search_path import program_on_path
from d8_installer.plugin.discovery import scan
from d8_installer.plugin.environments import Root, environments, prefix_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.pipeline.change import Applied
    from d8_installer.pipeline.session import Session

MANAGERS = ("pip", "pipx", "uv")
_CHANGING = {
    "pip": {"install", "uninstall"},
    "pipx": {
        *("install", "install-all", "inject", "uninject", "upgrade", "upgrade-all", "uninstall", "uninstall-all"),
        *("reinstall", "reinstall-all", "manifest"),
    },
    "uv tool": {"install", "upgrade", "uninstall"},
    "uv pip": {"install", "uninstall", "sync"},
    "uv": {"add", "remove", "sync", "upgrade"},
}
_CHANGES_NOTHING = {"--dry-run", "--help", "-h"}
_VALUED = {
    *("--directory", "--project", "--config-file", "--cache-dir", "--color", "--log", "--proxy", "--cert"),
    *("--client-cert", "--timeout", "--retries", "--trusted-host", "--keyring-provider", "--allow-insecure-host"),
}
"""Options that may stand before the verb and take a value, which is not the verb."""
_PLACES = ("--python", "-p", "--prefix", "--target", "-t")
"""Options that name an environment."""


class Affected(Struct, frozen=True):
    """What a command line changes: the environments of the user's tools, or the one at ``environment``."""

    is_users: bool
    environment: str | None = None


def program_of(manager: str, environ: Mapping[str, str]) -> str:
    """Return the manager's program on PATH. If there is none, raise NotFoundError."""
    program = program_on_path(manager, environ)
    if program is None:
        raise NotFoundError(
            f"{manager} is not on PATH",
            hint=f"install {manager}, or activate where it is installed; see `d8-installer help {manager}`",
            code="manager-not-found",
        )
    return program


def affected_by(command: Sequence[str], environ: Mapping[str, str], directory: str) -> Affected | None:
    """Return what ``MANAGER ARGUMENTS…`` changes if it succeeds, or None if it changes nothing."""
    manager, *arguments = command
    words = _words(arguments)
    group = manager
    if manager == "uv" and words[:1] in (["tool"], ["pip"]):
        group, words = f"uv {words[0]}", words[1:]
    if not set(words[:1]) <= _CHANGING[group] or not words or _CHANGES_NOTHING & set(arguments):
        return None
    if group in {"pipx", "uv tool"} or (manager == "pip" and "--user" in arguments):
        return Affected(is_users=True)
    return Affected(False, _named(arguments, directory) or _default(group, environ, directory))


def plugins_of(session: Session, affected: Affected) -> frozenset[str]:
    """Return the names of the plugins, including broken ones, in the environments that are affected."""
    roots = default_roots(session, session.profiles.find())
    roots += [Root(prefix_of(affected.environment), "given")] if affected.environment is not None else []
    read = scan(environments(roots))
    return frozenset(p.name for p in read.plugins) | frozenset(b.distribution.name for b in read.broken)


def follow(session: Session, affected: Affected, before: frozenset[str]) -> Applied:
    """Sync the profile of the affected environments. The binaries of plugins that are gone since *before* go too."""
    given = () if affected.environment is None else (affected.environment,)
    return sync(session, SyncOptions(given=given, drop=before - plugins_of(session, affected)))


def options_after(session: Session, affected: Affected) -> Session:
    """Return the session for the sync: the environments of a user's tools belong to the user's profile."""
    return session.with_scope(session.scope.with_options(profile="user")) if affected.is_users else session


def _words(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that are neither options nor the values of options that may stand before the verb."""
    words, previous = [], ""
    for word in arguments:
        if not word.startswith("-") and previous not in _VALUED and previous not in _PLACES:
            words.append(word)
        previous = word
    return words


def _named(arguments: Sequence[str], directory: str) -> str | None:
    """Return the environment that the arguments name, as ``--option VALUE`` or ``--option=VALUE``."""
    for number, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if option in _PLACES:
            value = value if equals else "".join(arguments[number + 1 : number + 2])
            path = os.path.join(directory, os.path.expanduser(value))
            return path if value and os.path.exists(path) else None
    return None


def _default(group: str, environ: Mapping[str, str], directory: str) -> str | None:
    """Return the environment that the manager changes if the arguments name none."""
    if group == "pip":
        return _environment_of_pip(program_of("pip", environ), environ)
    if group == "uv pip":
        return _environment_of_uv_pip(environ, directory)
    chosen = environ.get("UV_PROJECT_ENVIRONMENT")
    return os.path.join(directory, chosen) if chosen else _nearest_venv(directory)


def _environment_of_uv_pip(environ: Mapping[str, str], directory: str) -> str | None:
    """Return the environment that the variables choose for ``uv pip``. UV_PYTHON wins over VIRTUAL_ENV (measured)."""
    named = environ.get("UV_PYTHON", "")
    if named and os.path.exists(os.path.join(directory, named)):
        return os.path.join(directory, named)
    if environ.get("UV_SYSTEM_PYTHON", "").lower() in {"1", "true", "yes", "on"}:
        return shutil.which("python3", path=environ.get("PATH", os.defpath))
    chosen = environ.get("VIRTUAL_ENV")
    return os.path.join(directory, chosen) if chosen else _nearest_venv(directory)


def _environment_of_pip(program: str, environ: Mapping[str, str]) -> str | None:
    """Return the environment that this pip installs into: the one it is in, or for a shim the one it reports."""
    prefix = prefix_of(program)
    if os.path.isfile(os.path.join(prefix, "pyvenv.cfg")):
        return prefix
    done = subprocess.run(
        [program, "--version"], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    package = done.stdout.partition(" from ")[2].rpartition(" (python ")[0]
    return os.path.dirname(package) if os.path.isabs(package) else None


def _nearest_venv(directory: str) -> str | None:
    while True:
        candidate = os.path.join(directory, ".venv")
        if os.path.isfile(os.path.join(candidate, "pyvenv.cfg")):
            return candidate
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent
