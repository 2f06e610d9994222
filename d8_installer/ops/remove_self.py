"""``self uninstall``: takes away everything that d8-installer ever made for a person, and nothing else.

Only files that are known to be ours go; a directory goes if nothing else is left in it. The Python package stays: the
manager that installed it has to remove it, and the result says by which command.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, D8Error, TryAgainError
from d8_installer.ops.lines import lines
from d8_installer.ops.start_up import StartUpFile, has_line, remove_line, start_up_files
from d8_installer.plugin.environments import project_roots
from d8_installer.plugin.launcher import PROFILE_LINK
from d8_installer.store import fs, lockfile
from d8_installer.store.layout import config_directory, home_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.ops.session import Session

_XDG = ((".local", "share"), (".local",), (".config",))
"""The directories below HOME that a first install may have had to make."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """What goes: the home's directory, files (settings and manifest), links in environments, and lines of files."""

    home: str
    files: tuple[str, ...]
    links: tuple[str, ...]
    start_up: tuple[StartUpFile, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """All of it, by path."""
        return (self.home, *self.files, *self.links, *(file.path for file in self.start_up))


@dataclass(frozen=True, slots=True)
class Left:
    """What went (``dry_run``: would go), what stays since it is not ours, and how the package itself is removed."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    package: str
    dry_run: bool

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "removed": list(self.removed), "kept": list(self.kept), "package": self.package, "dry_run": self.dry_run
        }  # fmt: skip


def leaving(session: Session) -> Leaving:
    """Say what would go. A home that is none of ours is a ConfigError."""
    home = session.home
    if os.path.isdir(home.root) and os.listdir(home.root) and not os.path.isfile(home.schema):
        raise ConfigError(f"{home.root} is no home of d8-installer's: it has no file `schema`", hint="see --home DIR")
    if session.is_global:
        return Leaving(home.root, (), tuple(_links(session)), ())
    config = config_directory(session.environ)
    if session.options.home is not None:  # the settings are not this home's alone
        return Leaving(home.root, (), tuple(_links(session)), ())
    files = tuple(path for name in ("config.toml", "d8.toml") if os.path.lexists(path := os.path.join(config, name)))
    start_up = tuple(file for file in start_up_files(session, home.bin) if has_line(file))
    return Leaving(home.root, files, tuple(_links(session)), start_up)


def uninstall_self(session: Session, *, dry_run: bool = False) -> Left:
    """Remove what ``leaving`` says; while another command is at work that is a TryAgainError."""
    plan = leaving(session)
    present = tuple(path for path in plan.places if os.path.lexists(path))
    if dry_run:
        return Left(present, (), package_command(), dry_run=True)
    for path in plan.places:
        session.refuse_foreign(path)
    with _nobody_else(session):
        _remove_traces(plan)
        kept = _remove_home(session)
    for file in plan.files:
        fs.remove(file)
    if not session.is_global and session.options.home is None:
        kept += _remove_directories(session)
    return Left(present, kept, package_command(), dry_run=False)


def _remove_traces(plan: Leaving) -> None:
    for start_up in plan.start_up:
        remove_line(start_up)
        if start_up.path.endswith(".fish"):  # it had a directory of its own, and that one, too
            fs.remove_if_empty(os.path.dirname(start_up.path))
            fs.remove_if_empty(os.path.dirname(os.path.dirname(start_up.path)))
    for link in plan.links:
        fs.remove(link)


def package_command() -> str:
    """Return the command that removes the Python package from where it runs."""
    if os.path.isfile(os.path.join(sys.prefix, "pipx_metadata.json")):
        return "pipx uninstall d8-installer"
    if os.path.isfile(os.path.join(sys.prefix, "uv-receipt.toml")):
        return "uv tool uninstall d8-installer"
    return f"{sys.executable} -m pip uninstall d8-installer"


def _links(session: Session) -> Iterator[str]:
    """Yield the links by which environments know a project's profile of this home."""
    if not os.path.isdir(session.home.root):
        return
    profiles = os.path.realpath(session.home.profiles)
    seen = set()
    for line in lines(session):
        places = list(lockfile.load_environments(line.paths))
        if line.project is not None:
            places += [root.path for root in project_roots(session.environ, line.project)]
        for place in places:
            link = os.path.join(place, PROFILE_LINK)
            if link not in seen and os.path.islink(link):
                seen.add(link)
                if os.path.dirname(os.path.realpath(link)) == profiles:
                    yield link


@contextlib.contextmanager
def _nobody_else(session: Session) -> Iterator[None]:
    """Hold every lock of the home, if there is one."""
    with contextlib.ExitStack() as held:
        if os.path.isdir(session.home.root):
            held.enter_context(session.switching())
            for line in lines(session):
                if not held.enter_context(fs.try_exclusive(line.paths.mutex)):
                    raise TryAgainError(
                        f"another d8-installer is at work in {line.title}", hint="type the same command when it is done"
                    )
        yield


def _remove_home(session: Session) -> tuple[str, ...]:
    """Remove the home's files; the one that says it is ours goes last, or a killed command could not be repeated."""
    home = session.home
    fs.remove(home.bin)
    for tree in (home.profiles, home.runs, os.path.dirname(home.stored), home.incoming, home.arriving):
        fs.remove_tree(tree)
    if os.path.isdir(home.root):
        fs.sweep(home.root)
    own = (home.config, home.config_manifest, home.tags, home.verifiers, home.mutex, home.switching, home.schema)
    for file in own:
        fs.remove(file)
    return () if fs.remove_if_empty(home.root) else (home.root,)


def _remove_directories(session: Session) -> tuple[str, ...]:
    """Remove the directories that may have been made for us, if they are empty; return ours that is not."""
    config = config_directory(session.environ)
    if os.path.isdir(config):
        fs.sweep(config)
    kept = () if fs.remove_if_empty(config) else (config,)
    person = home_directory(session.environ)
    for names in _XDG:
        with contextlib.suppress(D8Error):
            fs.remove_if_empty(os.path.join(person, *names))
    return kept
