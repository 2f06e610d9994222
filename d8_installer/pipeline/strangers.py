"""What another user may have written is not believed: a project that is found by chance, and programs in a home."""

from __future__ import annotations

from d8_installer.errors import ConfigError, NotAllowedError
from d8_installer.store import documents, trusted_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.store.paths import Home
    from d8_installer.store.trusted_directories import ForeignOwner

    ConfigFile = Callable[[], str]


def refuse_untrusted_project(project: str, environ: Mapping[str, str], config_file: ConfigFile) -> None:
    """Raise NotAllowedError if a project may have been written by another user, and nothing says that it is safe.

    Trusted are the files of this user, of root, and for root those of SUDO_UID; else ``safe_directories`` in the
    settings, or D8_SAFE_DIRECTORIES.
    """
    found = trusted_directories.foreign_owner_of_project(project, environ)
    if found is None:
        return
    safe = _safe_directories(config_file)
    if trusted_directories.is_listed(project, safe):
        return
    import shlex

    typed = shlex.quote(",".join((*safe, project)))
    raise NotAllowedError(
        f"the project {project} is not trusted: {found}",
        hint=f"if you trust it, type `d8-installer config set safe_directories {typed}`, or set "
        f"{trusted_directories.VARIABLE}={shlex.quote(project)}; --user leaves it alone",
    )


def stranger_in_home(
    home: Home, environ: Mapping[str, str], config_file: ConfigFile, *paths: str
) -> ForeignOwner | None:
    """Return who else owns the home, or one of *paths* in it, unless the home is named as safe."""
    found = trusted_directories.foreign_owner_of_home(paths, home.root, environ)
    return None if found is None or trusted_directories.is_listed(home.root, _safe_directories(config_file)) else found


def refuse_strangers_home(home: Home, environ: Mapping[str, str], config_file: ConfigFile) -> None:
    """Raise NotAllowedError if another user, who is not root, owns the home that is to be written to."""
    found = stranger_in_home(home, environ, config_file)
    if found is not None:
        raise NotAllowedError(f"{found}, and cannot be written by you", hint=_way_out(home))


def refuse_strangers_program(home: Home, environ: Mapping[str, str], config_file: ConfigFile, *paths: str) -> None:
    """Raise NotAllowedError if another user, who is not root, owns the home or a program at one of *paths* in it."""
    found = stranger_in_home(home, environ, config_file, *paths)
    if found is not None:
        raise NotAllowedError(f"{found}, who can change what it does, so it is not run", hint=_way_out(home))


def _way_out(home: Home) -> str:
    import shlex

    return (
        "work as that user, or choose a home of your own with --home DIR; if you trust it, set "
        f"{trusted_directories.VARIABLE}={shlex.quote(home.root)}"
    )


def _safe_directories(config_file: ConfigFile) -> tuple[str, ...]:
    """Return the setting; settings that cannot be read name nothing safe."""
    try:
        return documents.load_config(config_file()).value.safe_directories
    except ConfigError:
        return ()
