"""``config``: read and write the person's ``config.toml``."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, DiskError, DocumentError, NotAllowedError, UsageError
from d8_installer.model.address import PATH_SCHEMES, hides, shown
from d8_installer.model.config import Config, with_setting
from d8_installer.model.value import Struct, replace
from d8_installer.store import documents, fs, status
from d8_installer.store.flock import REMOVED_WHILE_HELD
from d8_installer.store.paths import absent_directories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.pipeline.session import Session


_PATHS = frozenset(["ca_file", "client_cert", "client_key", "token_file"])
_LISTS_OF_PATHS = frozenset(["environments", "safe_directories"])
_NOT_ON_WINDOWS = {
    "gate": "there is no gate on Windows: only what `d8-installer run` starts is checked",
    "layout": "nothing is laid out on Windows, because that needs symbolic links",
    "safe_directories": "on Windows, files of other users are not refused, so this setting has no effect",
}
"""What these settings mean there, where they are kept for a configuration that is used on several systems."""


class Settings(Struct, frozen=True):
    """The settings as they are now, and their file. ``key`` is the one that was asked for or changed.

    ``changed``: the file's text has changed, or would in a dry run. The values are then those of the new text.
    """

    file: str
    values: dict[str, object]
    key: str | None = None
    changed: bool = False
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        facts = {"changed": self.changed, "dry_run": self.dry_run}
        return {**facts, "file": self.file, "settings": self.values, "key": self.key}


def show(session: Session, key: str | None = None) -> Settings:
    """Return all settings, or the one that *key* names. Of the endpoint a note says where images really come from."""
    values = session.scope.config.as_json()
    if key == "endpoint":
        _tell_of_endpoint(session)
    if key is None:
        return Settings(session.scope.config_file, values)
    head, _, binary = key.partition(".")
    if head == "owners" and binary:
        return Settings(session.scope.config_file, {key: session.scope.config.owners.get(binary)}, key)
    if key not in values:
        raise UsageError(f"{key[:100]!r} is not a setting", hint=f"settings: {', '.join(values)}", code="bad-setting")
    return Settings(session.scope.config_file, {key: values[key]}, key)


def _tell_of_endpoint(session: Session) -> None:
    """Say which endpoint is used if it is not the setting, and why. No server is asked."""
    sources = session.sources
    if sources.named:
        if sources.named[0] != session.scope.config.endpoint:
            named_by = "--endpoint" if session.scope.options.endpoint else "D8_RPP_ENDPOINT"
            who = named_by if session.scope.config.sources != sources.named else "the setting sources"
            session.reporter.note(f"images come from {shown(sources.named[0])}, which {who} names")
        return
    if sources.search is None:
        why = session.cluster.absence
        session.reporter.note(f"no endpoint is set, and no kubeconfig names a cluster to find one in{why}")
        return
    kept = sources.search.kept()
    if kept is None:
        session.reporter.note(
            "no endpoint is set, so the next command that needs one asks the cluster; `d8-installer doctor` asks it now"
        )
        return
    session.reporter.note(f"no endpoint is set; the cluster's is {shown(kept.url)}, named by {kept.named_by}. It said:")
    for line in kept.asked:
        session.reporter.note(f"  {line}")


def change(session: Session, key: str, value: str | None, *, dry_run: bool = False) -> Settings:
    """Set *key* to *value*, or unset it for None. A value that the schema refuses is not written.

    A relative path in *value* is stored as an absolute one, since the settings hold in every directory.
    """
    stored = None if value is None else absolute(key, value, session.scope.directory)
    made = change_to(session, key, lambda _before: stored, dry_run=dry_run)
    if sys.platform == "win32" and key in _NOT_ON_WINDOWS:
        session.reporter.note(_NOT_ON_WINDOWS[key])
    elif key == "gate" and made.changed:
        _tell_of_gate(session, made)
    return made


def _tell_of_gate(session: Session, made: Settings) -> None:
    """Say when the gate counts, and which of its names it does not count for."""
    session.reporter.note("what is in bin follows at the next switch: type `d8-installer sync`")
    active = session.profiles.active(session.profiles.find(default="user"))
    placements = [placed.placement for placed in active.placed] if active is not None else []
    checked = {"*", *(one.binary for one in placements if one.contract is not None)}
    names = made.values["gate"]
    for name in names if isinstance(names, list) else ():
        if name not in checked:
            session.reporter.note(f"{name} is not gated yet: your profile has no program {name} with a contract")


def absolute(key: str, value: str, directory: str) -> str:
    """Return *value* with each path in it made absolute, from *directory*. ``~`` is the home directory.

    Paths are the values of `_PATHS` and `_LISTS_OF_PATHS`, and the part after the scheme of a local source.
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
    return f"{scheme}:{_absolute_path(path, directory)}" if colon and scheme in PATH_SCHEMES and path else url


def _absolute_path(path: str, directory: str) -> str:
    if not path:
        return path
    joined = os.path.join(directory, os.path.expanduser(path))
    # `link/..` is the parent of the directory that the link leads to, which the text alone does not tell.
    return os.path.realpath(joined) if ".." in path.split(os.sep) else os.path.normpath(joined)


def change_to(session: Session, key: str, value: Callable[[Config], str | None], *, dry_run: bool = False) -> Settings:
    """Set *key* to what *value* returns for the current settings. No other process changes them meanwhile."""
    if dry_run:
        return replace(_edited(session, key, value)[1], dry_run=True)
    with changing(session, session.scope.config_file, for_all=session.scope.is_global):
        return _changed(session, key, value)


@contextlib.contextmanager
def changing(session: Session, file: str, *, for_all: bool = False) -> Iterator[None]:
    """Hold the lock of the settings while *file*, which lies beside them, is changed; *for_all*: everybody reads it.

    The lock's file exists only while it is held, since there may be no home beside it.
    """
    session.profiles.refuse_foreign(file)
    with status.readable_by_all(wanted=for_all):
        if for_all:
            session.profiles.prepare_home()
        else:
            note_directories(session)
        mutex = os.path.join(os.path.dirname(file), "config.toml.mutex")
        with contextlib.ExitStack() as held:
            if not REMOVED_WHILE_HELD:
                held.callback(_remove_unused, mutex)
            held.enter_context(fs.exclusive(mutex, session.profiles.wait_policy.for_moments()))
            if REMOVED_WHILE_HELD:
                held.callback(_remove_unused, mutex)
            fs.sweep(*os.path.split(file))
            yield


def _remove_unused(mutex: str) -> None:
    with contextlib.suppress(DiskError):  # the next command reuses it
        fs.remove_unless_used(mutex)


def note_directories(session: Session) -> None:
    """Record in the home which parents of the configuration are made now, so that ``self uninstall`` removes them."""
    if not session.scope.has_own_files and absent_directories(session.scope.environ):
        with contextlib.suppress(ConfigError, DiskError, NotAllowedError):  # this command needs no home
            session.profiles.refuse_foreign(session.scope.home.root)
            session.profiles.prepare_home()


def _changed(session: Session, key: str, value: Callable[[Config], str | None]) -> Settings:
    text, made = _edited(session, key, value)
    if made.changed:
        documents.save(session.scope.config_file, text, begin=True)
    return made


def _edited(session: Session, key: str, value: Callable[[Config], str | None]) -> tuple[str, Settings]:
    """Return the new text of the file, and the settings that it has."""
    before = documents.load_config(session.scope.config_file)
    wanted = value(before.value)
    edited = with_setting(before.text, key, wanted)
    try:
        config = Config.parse(edited.encode(), session.scope.config_file)
        if wanted is not None and key in {"endpoint", "sources"}:
            for url in [config.endpoint or ""] if key == "endpoint" else config.sources:
                _check_source(url, has_plugins=bool(config.plugins))
    except ConfigError as error:
        # The value itself is not shown, since an address may contain a password. The file's name and the hint to edit
        # it are left out, since nothing was written.
        cause = error.__cause__
        problem, hint = (cause.problem, cause.hint) if isinstance(cause, DocumentError) else (str(error), error.hint)
        raise UsageError(f"{key} cannot be set to that: {problem}", hint=hint, code="bad-setting") from error
    return edited, Settings(session.scope.config_file, config.as_json(), key, changed=edited != before.text)


def _check_source(url: str, *, has_plugins: bool) -> None:
    """Refuse a URL that no source can have, and one with a password or token, since others may read the file."""
    from d8_installer.plugin.schemes import FIRST_PARTY, expected, without_scheme

    scheme = url.partition(":")[0]
    if scheme not in FIRST_PARTY and not has_plugins:  # a plugin may have the scheme
        raise without_scheme(url) or ConfigError(
            f"{shown(url)!r} is not a source",
            hint=expected(),
            code="bad-address",
        )
    if scheme not in {"http", "https"} and hides(url) and ("@" in url or scheme in FIRST_PARTY):
        raise ConfigError(
            f"{shown(url)!r} has a user or a query, or cannot be read; the settings keep no password",
            hint="for a registry, log in with `docker login` or `skopeo login`, and write oci://host[:port]/repository",
            code="bad-address",
        )
    if scheme in PATH_SCHEMES and not url.partition(":")[2]:
        raise ConfigError(f"{scheme}: names no place", hint=f"write {scheme}:PATH", code="bad-address")
    if scheme in {"http", "https"}:
        from d8_installer.registry.endpoint import Endpoint

        Endpoint.parse(url)
