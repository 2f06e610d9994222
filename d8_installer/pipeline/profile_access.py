"""Where a command works: the home and the profile that are meant, and holding them alone to write there."""

from __future__ import annotations

import contextlib
import os

from d8_installer.errors import UsageError
from d8_installer.model.profile import Profile
from d8_installer.pipeline.ownership import refuse_foreign, settle_system_home
from d8_installer.pipeline.strangers import refuse_strangers_home, refuse_untrusted_project
from d8_installer.store import documents, fs, home_state, one_file_system, recovery, status
from d8_installer.store.paths import (
    Home,
    absent_directories,
    chosen_home,
    config_directory,
    default_home,
    find_project,
    global_home,
    known_home_directory,
    project_directory,
    settings_file,
)
from d8_installer.store.switch import switch_for_this_system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from d8_installer.model.profile import ProfileKind
    from d8_installer.store.flock import WaitPolicy
    from d8_installer.store.paths import ProfilePaths
    from d8_installer.store.switch import Switch


class ProfileAccess:
    """What was typed of where to work, the environment, and the working directory."""

    __slots__ = ("directory", "environ", "home", "kind")

    def __init__(self, home: str | None, kind: ProfileKind | None, environ: Mapping[str, str], directory: str) -> None:
        self.home = home
        self.kind = kind
        self.environ = environ
        self.directory = directory

    @property
    def is_global(self) -> bool:
        """Whether this is about the system's profile, which is everybody's to read and an administrator's to write."""
        return self.kind == "system"

    @property
    def chosen_home(self) -> str | None:
        """The home that was chosen by hand, or None."""
        return chosen_home(self.home, {} if self.is_global else self.environ)

    @property
    def has_own_files(self) -> bool:
        """Whether the home holds its own manifest, and nothing of a person's counts: it was chosen, or the system's."""
        return self.is_global or self.chosen_home is not None

    def find_home(self) -> Home:
        """Return the home; one that a newer tool wrote is a ConfigError."""
        usual = global_home if self.is_global else default_home
        home = Home(self.chosen_home or usual(self.environ))
        home_state.check_schema(home)
        return home

    def find_profile(self, home: Callable[[], Home], kind: ProfileKind | None) -> Profile:
        """Return the profile of that *kind*; None: the project's that we are in, else the user's."""
        if kind == "system":
            return Profile("system", "system", home().config_manifest, home().profile("system").lock)
        project = None if kind == "user" else find_project(self.directory, known_home_directory(self.environ))
        if project is not None:
            refuse_untrusted_project(project, self.environ, lambda: self.find_config(home))
            manifest, lock = os.path.join(project, "d8.toml"), os.path.join(project, "d8.lock")
            return Profile("project", project_directory(project), manifest, lock, project)
        if kind == "project":
            raise UsageError(
                f"no d8.toml in {self.directory} or above it", hint="make one there, or leave --project out"
            )
        if self.has_own_files:
            manifest = home().config_manifest
        else:
            manifest = os.path.join(config_directory(self.environ), "d8.toml")
        return Profile("user", "user", manifest, home().profile("user").lock)

    def find_config(self, home: Callable[[], Home]) -> str:
        """Return the path of ``config.toml``; the system's lies in its home: nothing of a person's counts there."""
        return home().config if self.is_global else settings_file(home(), self.chosen_home, self.environ)


class Place:
    """One profile in its home, and the *patience* with other processes that are at work there."""

    __slots__ = ("choice", "home", "patience", "profile")

    def __init__(self, choice: ProfileAccess, home: Home, profile: Profile, patience: WaitPolicy) -> None:
        self.choice = choice
        self.home = home
        self.profile = profile
        self.patience = patience

    @property
    def paths(self) -> ProfilePaths:
        """The profile's paths."""
        return self.home.profile(self.profile.directory)

    @property
    def switch(self) -> Switch:
        """How a generation becomes the active one here."""
        return switch_for_this_system()

    def switching(self) -> contextlib.AbstractContextManager[None]:
        """Hold the home's lock for making and activating a generation; whoever collects garbage holds it, too."""
        return fs.exclusive(self.home.switching, self.patience)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the profile alone while the context lasts: one command writes, another waits for it."""
        profile, is_global = self.profile, self.choice.is_global
        refuse_foreign(self.home.root, system=is_global)
        if profile.kind == "user":
            refuse_foreign(profile.manifest, system=is_global)
        held = alone(self.choice, self.home, self.paths, self.patience)
        with status.readable_by_all(wanted=is_global), held:
            recovery.sweep_store(self.home, self.patience)
            one_file_system.refuse_scattered(self.home, self.paths)
            with self.switching():
                recovery.recover(self.paths, self.switch)
            for file in (profile.manifest, profile.lock):
                fs.sweep(*os.path.split(os.path.realpath(file)))
            if profile.project is not None:
                documents.save(self.paths.project, f"{os.path.realpath(profile.project)}\n")
                if os.path.ismount(profile.project):
                    documents.save(self.paths.mounted, "")
                else:
                    fs.remove(self.paths.mounted)
            yield


@contextlib.contextmanager
def alone(choice: ProfileAccess, home: Home, paths: ProfilePaths, patience: WaitPolicy) -> Iterator[None]:
    """Hold one profile's (or run's) own lock in a home that is ready."""
    prepare_home(choice, home, patience)
    with fs.exclusive(paths.mutex, patience):
        yield


def prepare_home(choice: ProfileAccess, home: Home, patience: WaitPolicy) -> None:
    """Make the home ready to be written to.

    Raises ConfigError where its directory holds other things or is scattered, NotAllowedError where it is another
    user's.
    """
    if choice.is_global:
        settle_system_home(home)
    refuse_strangers_home(home, choice.environ, lambda: choice.find_config(lambda: home))
    one_file_system.refuse_scattered(home)
    absent = [] if choice.has_own_files else absent_directories(choice.environ)
    home_state.prepare_home(home, patience.for_moments(), absent)
