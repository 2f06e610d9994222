"""``config``: read and write the person's ``config.toml``."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, DiskError, DocumentError, NotAllowedError, UsageError
from d8_installer.model.address import hides, shown
from d8_installer.model.config import Config, with_setting
from d8_installer.model.value import Struct
from d8_installer.store import documents, fs, status
from d8_installer.store.paths import absent_directories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.pipeline.session import Session


_LOCAL = frozenset(["bundle", "oci-layout"])
_PATHS = frozenset(["ca_file", "client_cert", "client_key", "token_file"])
_LISTS_OF_PATHS = frozenset(["environments", "safe_directories"])


class Settings(Struct, frozen=True):
    """The settings as they are now, and the file they lie in."""

    file: str
    values: dict[str, object]
    key: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"file": self.file, "settings": self.values, "key": self.key}


def show(session: Session, key: str | None = None) -> Settings:
    """Return all settings, or the one that *key* names."""
    values = session.scope.config.as_json()
    if key is None:
        return Settings(session.scope.config_file, values)
    head, _, binary = key.partition(".")
    if head == "owners" and binary:
        return Settings(session.scope.config_file, {key: session.scope.config.owners.get(binary)}, key)
    if key not in values:
        raise UsageError(f"{key[:100]!r} is not a setting", hint=f"settings: {', '.join(values)}")
    return Settings(session.scope.config_file, {key: values[key]}, key)


def change(session: Session, key: str, value: str | None) -> Settings:
    """Set *key* to *value*, or unset it for None; a value that the schema refuses is not written.

    A relative path in *value* is stored as an absolute one: the settings are read in every directory.
    """
    stored = None if value is None else absolute(key, value, session.scope.directory)
    return change_to(session, key, lambda _before: stored)


def absolute(key: str, value: str, directory: str) -> str:
    """Return *value* with each path in it made absolute, from *directory*; ``~`` is the home directory.

    Paths are the values of `_PATHS`, and what follows the scheme of a local source (``bundle:``, ``oci-layout:``).
    """
    if key in _PATHS:
        return _absolute_path(value, directory)
    if key in _LISTS_OF_PATHS:
        return ",".join(_absolute_path(part.strip(), directory) for part in value.split(",") if part.strip())
    if key == "endpoint":
        return _absolute_source(value, directory)
    if key == "sources":
        return ",".join(_absolute_source(part.strip(), directory) for part in value.split(",") if part.strip())
    return value


def _absolute_source(url: str, directory: str) -> str:
    scheme, colon, path = url.partition(":")
    return f"{scheme}:{_absolute_path(path, directory)}" if colon and scheme in _LOCAL and path else url


def _absolute_path(path: str, directory: str) -> str:
    if not path:
        return path
    joined = os.path.join(directory, os.path.expanduser(path))
    # `link/..` is the parent of what the link leads to, which the text alone cannot say.
    return os.path.realpath(joined) if ".." in path.split(os.sep) else os.path.normpath(joined)


def change_to(session: Session, key: str, value: Callable[[Config], str | None]) -> Settings:
    """Set *key* to what *value* makes of the settings as they are; no other process changes any meanwhile."""
    with _alone(session):
        return _changed(session, key, value)


@contextlib.contextmanager
def _alone(session: Session) -> Iterator[None]:
    """Hold the settings' lock, which is there only as long as somebody has it: no home need be near them."""
    session.profiles.refuse_foreign(session.scope.config_file)
    with status.readable_by_all(wanted=session.scope.is_global):
        if session.scope.is_global:
            session.profiles.prepare_home()
        else:
            note_directories(session)
        mutex = f"{session.scope.config_file}.mutex"
        with fs.exclusive(mutex, session.profiles.wait_policy.for_moments()):
            fs.sweep(*os.path.split(session.scope.config_file))
            try:
                yield
            finally:
                with contextlib.suppress(DiskError):  # Windows removes no open file; the next one uses it again
                    fs.remove(mutex)


def note_directories(session: Session) -> None:
    """Let the home remember that the configuration's parents were not there before: so they go when the rest does."""
    if not session.scope.has_own_files and absent_directories(session.scope.environ):
        with contextlib.suppress(ConfigError, DiskError, NotAllowedError):  # this command needs no home
            session.profiles.refuse_foreign(session.scope.home.root)
            session.profiles.prepare_home()


def _changed(session: Session, key: str, value: Callable[[Config], str | None]) -> Settings:
    before = documents.load_config(session.scope.config_file)
    wanted = value(before.value)
    edited = with_setting(before.text, key, wanted)
    try:
        config = Config.parse(edited.encode(), session.scope.config_file)
        if wanted is not None and key in {"endpoint", "sources"}:
            for url in [config.endpoint or ""] if key == "endpoint" else config.sources:
                _check_source(url, has_plugins=bool(config.plugins))
    except ConfigError as error:
        # The value itself is not shown: an address may have a password in it. The file's place and the hint to mend
        # it are left out: nothing was written.
        cause = error.__cause__
        problem, hint = (cause.problem, cause.hint) if isinstance(cause, DocumentError) else (str(error), error.hint)
        raise UsageError(f"{key} cannot be set to that: {problem}", hint=hint) from error
    documents.save(session.scope.config_file, edited, begin=True)
    return Settings(session.scope.config_file, config.as_json(), key)


def _check_source(url: str, *, has_plugins: bool) -> None:
    """Refuse what no source has, and what must not lie in a file that others may read: passwords and tokens."""
    from d8_installer.plugin.schemes import FIRST_PARTY

    scheme = url.partition(":")[0]
    if scheme not in FIRST_PARTY and not has_plugins:  # a plugin may have the scheme
        kinds = ", ".join(f"{name}:" for name in FIRST_PARTY)
        raise ConfigError(
            f"{shown(url)!r} is not a source", hint=f"begin it with one of {kinds}; `config unset` removes it"
        )
    if scheme not in {"http", "https"} and hides(url) and ("@" in url or scheme in FIRST_PARTY):
        raise ConfigError(
            f"{shown(url)!r} has a user or a query, or cannot be read; the settings keep no password",
            hint="for a registry, log in with `docker login` or `skopeo login`, and write oci://host[:port]/repository",
        )
    if scheme in _LOCAL and not url.partition(":")[2]:
        raise ConfigError(f"{scheme}: names no place", hint=f"write {scheme}:PATH")
    if scheme in {"http", "https"}:
        from d8_installer.registry.endpoint import Endpoint

        Endpoint.parse(url)
