"""ProfileAccess: which profile a command means, reading it, and writing it while no other process does."""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError
from d8_installer.model.document import Document
from d8_installer.model.lock import Lock
from d8_installer.model.manifest import Manifest
from d8_installer.model.value import Struct
from d8_installer.pipeline import ownership
from d8_installer.pipeline.ownership import refuse_home_of_another
from d8_installer.pipeline.timeouts import wait_policy
from d8_installer.store import documents, fs, home_state, one_file_system, recovery, status
from d8_installer.store.generations import ProfileStore
from d8_installer.store.paths import absent_directories, refuse_long_home
from d8_installer.store.store import Store
from d8_installer.store.switch import switch_for_this_system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.generation import Generation
    from d8_installer.model.profile import Profile, ProfileKind
    from d8_installer.pipeline.reporter import Reporter
    from d8_installer.pipeline.scope import Scope
    from d8_installer.store.flock import WaitPolicy
    from d8_installer.store.paths import Home, ProfilePaths

    LoadLock = Callable[[str], Document[Lock] | None]


class Workspace(Struct, frozen=True, kw_only=True):
    """One profile with its manifest and lock as they were read; a text is empty where the file does not exist."""

    profile: Profile
    generations: ProfileStore
    manifest_text: str = ""
    manifest: Manifest = Manifest()
    lock_text: str = ""
    lock: Lock | None = None

    @property
    def locked(self) -> Lock:
        """The lock, or an empty one."""
        return self.lock if self.lock is not None else Lock()

    def bin_in(self, home: Home) -> str:
        """Return the directory in which the profile's binaries are found; *home* is the one of the profile."""
        return home.bin if self.profile.is_exposed else self.generations.paths.bin


class ProfileAccess(Struct, frozen=True, dict=True):
    """The profiles of the scope's home. *reporter* hears which other process a command waits for."""

    scope: Scope
    reporter: Reporter

    def find(self, *, default: ProfileKind | None = None) -> Profile:
        """Return the profile that the command means.

        That is the kind that the options name, else *default*, else the project around the working directory, else
        the user's.
        """
        return self.scope.choice.find_profile(lambda: self.scope.home, default=default)

    # -- reading ---------------------------------------------------------------------------------------------

    @cached_property
    def store(self) -> Store:
        """The home's store."""
        return Store(self.scope.home, self.wait_policy)

    def generations(self, profile: Profile) -> ProfileStore:
        """Return the generations of *profile*, where a switch that was cut is finished first."""
        paths = self.scope.home.profile(profile.directory)
        self.finish_cut_switch(paths)
        return ProfileStore(paths, switch_for_this_system(), self.store)

    def finish_cut_switch(self, paths: ProfilePaths) -> None:
        """Finish a switch that was cut, so that no command is missing longer than until the next command of any kind.

        A switch that another process is at work on, or that this person may not finish, is left alone: the next writing
        command finishes it, or says why not.
        """
        switch = switch_for_this_system()
        if not switch.is_cut(paths):
            return
        home = self.scope.home
        with contextlib.suppress(DiskError), fs.try_exclusive(paths.mutex) as is_alone:
            if is_alone:
                with fs.try_exclusive(home.switching) as is_quiet:
                    if is_quiet:
                        recovery.finish(paths, switch)

    def active(self, profile: Profile) -> Generation | None:
        """Return the active generation of *profile*. Readers need no lock."""
        return self.generations(profile).active()

    def read(self, profile: Profile, *, frozen: bool = False, load: LoadLock = documents.load_lock) -> Workspace:
        """Read the profile's manifest and its lock, the latter by *load*; only the lock if *frozen*."""
        ownership.refuse_leading_out(profile)
        manifest = Document("", Manifest()) if frozen else documents.load_manifest(profile.manifest)
        lock = load(profile.lock)
        return Workspace(
            profile=profile,
            generations=self.generations(profile),
            manifest_text=manifest.text,
            manifest=manifest.value,
            lock_text="" if lock is None else lock.text,
            lock=None if lock is None else lock.value,
        )

    # -- writing ---------------------------------------------------------------------------------------------

    def changing(
        self, profile: Profile, *, dry_run: bool, frozen: bool = False, load: LoadLock = documents.load_lock
    ) -> contextlib.AbstractContextManager[Workspace]:
        """Return ``writing``, or for a *dry_run* only ``read``, which needs no right to write and never waits."""
        if dry_run:
            return contextlib.nullcontext(self.read(profile, frozen=frozen, load=load))
        return self.writing(profile, frozen=frozen, load=load)

    @contextlib.contextmanager
    def writing(
        self,
        profile: Profile,
        *,
        frozen: bool = False,
        reading: bool = True,
        load: LoadLock = documents.load_lock,
    ) -> Iterator[Workspace]:
        """Hold the profile's lock while the context lasts, so that one command writes and another waits.

        Without *reading* neither manifest nor lock is read: for verbs that need neither and may repair both.
        """
        home, is_global = self.scope.home, self.scope.is_global
        paths = home.profile(profile.directory)
        self.refuse_foreign(home.root)
        if profile.kind == "user":
            self.refuse_foreign(profile.manifest)
        with status.readable_by_all(wanted=is_global), self.alone(paths):
            recovery.sweep_store(home, self.wait_policy)
            one_file_system.refuse_scattered(home, paths)
            with self.switching():
                recovery.recover(paths, switch_for_this_system())
            _settle_files(profile, paths)
            if reading:
                yield self.read(profile, frozen=frozen, load=load)
            else:
                yield Workspace(profile=profile, generations=self.generations(profile))

    @contextlib.contextmanager
    def alone(self, paths: ProfilePaths) -> Iterator[None]:
        """Hold the lock of one profile (or of one image under ``runs/``) in a home that is ready."""
        self.prepare_home()
        with fs.exclusive(paths.mutex, self.wait_policy):
            yield

    def switching(self) -> contextlib.AbstractContextManager[None]:
        """Hold the home's lock for making and activating a generation; a garbage collection holds it too."""
        return fs.exclusive(self.scope.home.switching, self.wait_policy)

    def prepare_home(self) -> None:
        """Make the home ready to be written to.

        Raises ConfigError where its directory holds other things, is scattered over file systems or has too long a path
        for Windows, NotAllowedError where it belongs to another user.
        """
        scope = self.scope
        refuse_long_home(scope.home)
        if scope.is_global:
            ownership.settle_system_home(scope.home)
        refuse_home_of_another(scope.home, scope.environ, lambda: scope.config_file)
        one_file_system.refuse_scattered(scope.home)
        absent = [] if scope.has_own_files else absent_directories(scope.environ)
        home_state.prepare_home(scope.home, self.wait_policy.for_moments(), absent)

    def remember_tags(self, tops: Mapping[tuple[str, str], Digest]) -> None:
        """Add to ``tags.json`` what the tags *tops*, by repository path and tag, were resolved to."""
        home_state.remember_tags(self.scope.home, tops, self.wait_policy.for_moments())

    def refuse_foreign(self, place: str) -> None:
        """Raise NotAllowedError where this user must not write.

        Root would leave files in another user's home that its owner cannot change (rpp.md §16, 9), and the system's
        home is an administrator's to write.
        """
        ownership.refuse_foreign(place, system=self.scope.is_global)

    @cached_property
    def wait_policy(self) -> WaitPolicy:
        """How long to wait for another process that is at work in the home."""
        return wait_policy(self.reporter.note, self.scope.timeout)


def _settle_files(profile: Profile, paths: ProfilePaths) -> None:
    """Remove temporary files of killed commands, and record which project the profile belongs to."""
    for file in (profile.manifest, profile.lock):
        fs.sweep(*os.path.split(os.path.realpath(file)))
    if profile.project is None:
        return
    documents.save(paths.project, f"{os.path.realpath(profile.project)}\n")
    if os.path.ismount(profile.project):
        documents.save(paths.mounted, "")
    else:
        fs.remove(paths.mounted)
