"""Ownership of files: refuses to write among another user's files, and to trust files that another user may write.

Tab completion passes through here, so the settings are read only if an owner is not trusted.
"""

from __future__ import annotations

import os
import sys

from d8_installer.errors import ConfigError, DocumentError, NotAllowedError
from d8_installer.model.shell_words import quoted
from d8_installer.store import documents, fs, status, trusted_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.model.profile import Profile
    from d8_installer.store.paths import Home
    from d8_installer.store.trusted_directories import ForeignOwner

    ConfigFile = Callable[[], str]


AS_ADMINISTRATOR = (
    "type the same command in a console that was opened with Run as administrator, or leave --global out to work on "
    "your own profile"
)
"""What to do on Windows where only an administrator may write."""

# -- where this user must not write ------------------------------------------------------------------------------


def refuse_foreign(path: str, *, system: bool) -> None:
    """Raise NotAllowedError where this user must not write; *system*: *path* is the system profile's."""
    if sys.platform == "win32":
        from d8_installer.store import administrators

        if system and not administrators.is_administrator():
            raise NotAllowedError(
                f"{path} is the system's, and not yours to write", hint=AS_ADMINISTRATOR, code="administrator-needed"
            )
    if system and not status.is_writable(path):
        raise NotAllowedError(
            f"{path} is the system's, and not yours to write",
            hint="type it as root (sudo), or leave --global out to work on your own profile",
            code="administrator-needed",
        )
    if is_foreign(path):
        raise NotAllowedError(
            f"{_existing(path)} belongs to another user, and root would leave files there that its owner cannot change",
            hint="work as that user, or with a HOME (or --home DIR) of root's own",
            code="other-users-files",
        )


def refuse_foreign_project(profile: Profile) -> None:
    """Raise NotAllowedError where root would write files of another user's project."""
    if profile.project is None:
        return
    for file in (profile.manifest, profile.lock):
        if is_foreign(file):
            raise NotAllowedError(
                f"{file} is another user's, and root would leave a file there that its owner cannot change",
                hint="work as that user; `d8-installer sync --locked` writes nothing into the project",
                code="other-users-files",
            )


def is_foreign(path: str) -> bool:
    """Whether this is root, and *path* (or the directory it would be made in) is another user's."""
    return sys.platform != "win32" and os.geteuid() == 0 and status.owner(_existing(path)) != 0


def _existing(path: str) -> str:
    while status.owner(path) is None and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def refuse_leading_out(profile: Profile) -> None:
    """Raise DocumentError if a project's manifest or lock is a link that leads out of it.

    Otherwise a hostile clone could have another file read and written.
    """
    if profile.project is None:
        return
    inside = os.path.join(os.path.realpath(profile.project), "")
    for file in (profile.manifest, profile.lock):
        if os.path.islink(file) and not os.path.realpath(file).startswith(inside):
            raise DocumentError(
                "is a link that leads out of the project",
                file=file,
                hint="put the file itself there, or remove it",
                about_file=True,
            )


def settle_system_home(home: Home) -> None:
    """Make a new system home readable by everyone and writable by its owner, whatever made its directory.

    A home in use that others may write to is a ConfigError: they may have replaced programs that everyone runs.
    """
    from d8_installer.store import inventory

    path = os.path.realpath(home.root)
    if sys.platform == "win32":
        from d8_installer.store import administrators

        (administrators.make_directory if inventory.is_new(home) else administrators.refuse_stranger)(path)
    mode = status.mode(path)
    if os.name != "posix" or mode is None:
        return
    if inventory.is_new(home):
        if mode & 0o077 != 0o055:
            fs.set_mode(path, 0o755)
    elif mode & 0o022:
        raise ConfigError(
            f"others may write to {path} (its mode is {mode:04o}), and could replace what everyone runs",
            hint=f"type `chmod go-w {path}`, then `d8-installer --global verify --fix`",
            code="unsafe-home",
        )


# -- what another user may have written ----------------------------------------------------------------------------


def refuse_untrusted_project(project: str, environ: Mapping[str, str], config_file: ConfigFile) -> None:
    """Raise NotAllowedError if another user may have written the project, and nothing says that it is safe.

    The files of this user and of root are trusted, and for root those of SUDO_UID. ``safe_directories`` in the settings
    and D8_SAFE_DIRECTORIES name others.
    """
    found = trusted_directories.foreign_owner_of_project(project, environ)
    if found is None:
        return
    safe = _safe_directories(config_file)
    if trusted_directories.is_listed(project, safe):
        return
    typed = quoted(",".join((*safe, project)))
    raise NotAllowedError(
        f"the project {project} is not trusted: {found}",
        hint=f"if you trust it, type `d8-installer config set safe_directories {typed}`, or set "
        f"{trusted_directories.VARIABLE}={quoted(project)}; --user leaves it alone",
        code="other-users-files",
    )


def other_owner_of_home(
    home: Home, environ: Mapping[str, str], config_file: ConfigFile, *paths: str
) -> ForeignOwner | None:
    """Return the other user who owns the home, or one of *paths* in it, unless the home is listed as safe."""
    found = trusted_directories.foreign_owner_of_home(paths, home.root, environ)
    return None if found is None or trusted_directories.is_listed(home.root, _safe_directories(config_file)) else found


def refuse_home_of_another(home: Home, environ: Mapping[str, str], config_file: ConfigFile) -> None:
    """Raise NotAllowedError if a user other than this one and root owns the home, before it is written to."""
    found = other_owner_of_home(home, environ, config_file)
    if found is not None:
        raise NotAllowedError(f"{found}, and cannot be written by you", hint=_way_out(home), code="other-users-files")


def refuse_program_of_another(home: Home, environ: Mapping[str, str], config_file: ConfigFile, *paths: str) -> None:
    """Raise NotAllowedError if a user other than this one and root owns the home, or a program at one of *paths*."""
    found = other_owner_of_home(home, environ, config_file, *paths)
    if found is not None:
        raise NotAllowedError(
            f"{found}, who can change what it does, so it is not run", hint=_way_out(home), code="other-users-files"
        )


def _way_out(home: Home) -> str:
    return (
        "work as that user, or choose a home of your own with --home DIR; if you trust it, set "
        f"{trusted_directories.VARIABLE}={quoted(home.root)}"
    )


def _safe_directories(config_file: ConfigFile) -> tuple[str, ...]:
    """Return the setting. Settings that cannot be read list nothing."""
    try:
        return documents.load_config(config_file()).value.safe_directories
    except ConfigError:
        return ()
