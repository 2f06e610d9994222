"""The Session: the wired parts that a verb works with. Everything ambient (environment, clock, host) enters here."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, DocumentError
from d8_installer.model.document import Document
from d8_installer.model.lock import Lock
from d8_installer.model.manifest import Manifest
from d8_installer.model.platform import Platform, typed_platform
from d8_installer.model.secrets import Secrets
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.host import host_facts
from d8_installer.pipeline.ownership import refuse_foreign, refuse_leading_out
from d8_installer.pipeline.profile_access import Place, ProfileAccess, alone, prepare_home
from d8_installer.pipeline.timeouts import typed_patience, with_others
from d8_installer.store import documents, fs, home_state
from d8_installer.store.generations import ProfileStore
from d8_installer.store.store import Store
from d8_installer.store.switch import switch_for_this_system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from d8_installer.model.config import Config
    from d8_installer.model.digest import Digest
    from d8_installer.model.generation import Generation
    from d8_installer.model.profile import Profile, ProfileKind
    from d8_installer.model.source import Destination, Source
    from d8_installer.pipeline.credentials import Token
    from d8_installer.pipeline.reporter import Reporter
    from d8_installer.plugin.calling import Hooks, Loaded
    from d8_installer.plugin.records import Access
    from d8_installer.store.flock import WaitPolicy
    from d8_installer.store.paths import Home, ProfilePaths

    LoadLock = Callable[[str], Document[Lock] | None]

_OFF = frozenset(["", "0", "false", "no", "off"])

DEFAULT_CONNECTIONS = 8
"""Connections to a source that are open at once."""


class Options(Struct, frozen=True):
    """What the command line says to every verb; None where it says nothing."""

    home: str | None = None
    endpoint: str | None = None
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    token_file: str | None = None
    insecure: bool = False
    offline: bool = False
    platform: str | None = None
    profile: ProfileKind | None = None
    connections: int = DEFAULT_CONNECTIONS
    accept_moved: tuple[str, ...] = ()
    witness: str | None = None
    plugins: bool = True
    kubeconfig: str | None = None
    context: str | None = None
    exclude_newer: str | None = None


class Workspace(Struct, frozen=True, kw_only=True):
    """One profile with its manifest and lock as they were read; the texts are empty where there is no file."""

    profile: Profile
    generations: ProfileStore
    manifest_text: str
    manifest: Manifest
    lock_text: str
    lock: Lock | None

    @property
    def locked(self) -> Lock:
        """The lock, or an empty one."""
        return self.lock if self.lock is not None else Lock()


@dataclass
class Session:
    """The parts, wired once for one command. Use as a context manager: it closes the source."""

    options: Options
    environ: Mapping[str, str]
    clock: Callable[[], datetime]
    reporter: Reporter
    directory: str
    secrets: Secrets = field(default_factory=Secrets, repr=False)
    """What is hidden wherever text is shown; whoever learns a secret adds it."""
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._open.close()
        if "hooks" in vars(self):
            from d8_installer.pipeline.events import tell_end

            tell_end(self.reporter, error)

    @cached_property
    def home(self) -> Home:
        """The home; root at work in another person's home is a NotAllowedError."""
        return self._choice.find_home()

    @property
    def _choice(self) -> ProfileAccess:
        return ProfileAccess(self.options.home, self.options.profile, self.environ, self.directory)

    @property
    def has_own_files(self) -> bool:
        """Whether the home holds its own manifest, and nothing of a person's counts: it was chosen, or the system's."""
        return self._choice.has_own_files

    @property
    def is_global(self) -> bool:
        """Whether this is about the system's profile, which is everybody's to read and an administrator's to write."""
        return self.options.profile == "system"

    @cached_property
    def config_file(self) -> str:
        """The path of ``config.toml``; the system's lies in its home, so that nothing of a person's counts there."""
        return self._choice.find_config(lambda: self.home)

    @cached_property
    def config(self) -> Config:
        """The person's settings."""
        return documents.load_config(self.config_file).value

    def forget_config(self) -> None:
        """Read the settings anew at the next use: this command has changed them."""
        vars(self).pop("config", None)

    @cached_property
    def platform(self) -> Platform:
        """The platform to install for: ``--platform``, else this host's."""
        if self.options.platform is not None:
            return typed_platform(self.options.platform)
        return self.host_platform

    @cached_property
    def host_platform(self) -> Platform:
        """The platform of the running host, unless a plugin chooses another."""
        if self.has_plugins:
            from d8_installer.pipeline.platforms import chosen_platform

            return chosen_platform(self.hooks, host_facts())
        return Platform.of_host(host_facts())

    @property
    def has_plugins(self) -> bool:
        """Whether any plugin's hooks may have to be asked."""
        return self.options.plugins and bool(self.config.plugins)

    def settle_platform(self, workspace: Workspace) -> None:
        """Stay with the active generation's platform, so that no plugin has to be asked to take something away."""
        active = None
        if self.config.plugins and self.options.platform is None:
            with contextlib.suppress(DocumentError):  # a damaged record is mended on the way
                active = workspace.generations.active()
        if active is not None:
            self.platform = self.host_platform = active.platform

    @cached_property
    def plugins(self) -> Loaded:
        """The enabled plugins, imported; what is wrong with one is in it, and nothing is said of it."""
        from d8_installer.plugin.calling import Loaded

        if not self.has_plugins:
            return Loaded()
        from d8_installer.plugin.installed import distributions_with_hooks
        from d8_installer.plugin.loading import isolate_sys_path, load

        isolate_sys_path(self.directory)
        return load(self.config.plugins, distributions_with_hooks(), home_state.load_known_plugins(self.home))

    @cached_property
    def hooks(self) -> Hooks:
        """All hooks, those of the enabled plugins and ours; an unusable plugin is warned of, and not asked."""
        from d8_installer.pipeline.events import with_reporters
        from d8_installer.plugin.calling import Hooks

        for unusable in self.plugins.unusable:
            self.reporter.warn(f"the plugin {unusable.name} is left out: {unusable.why}")
        hooks = Hooks(self.plugins)
        self.reporter = with_reporters(self.reporter, hooks)
        return hooks

    @cached_property
    def store(self) -> Store:
        """The home's store."""
        return Store(self.home, self._with_others)

    @cached_property
    def endpoint(self) -> str:
        """The first source's URL, which the token is for."""
        return self.endpoints[0]

    @cached_property
    def named_sources(self) -> tuple[str, ...]:
        """The sources' URLs, in their order: only the one that was named, else the settings'; there may be none."""
        typed = self.options.endpoint or self.environ.get("D8_RPP_ENDPOINT")
        chosen = (typed,) if typed else (self.config.endpoint, *self.config.sources)
        return tuple(dict.fromkeys(url for url in chosen if url))

    @cached_property
    def endpoints(self) -> tuple[str, ...]:
        """As ``named_sources``; none at all is a ConfigError."""
        if not self.named_sources:
            raise ConfigError(
                "no endpoint is set, so there is no place to get images from",
                hint="type `d8-installer config set endpoint https://registry-packages-proxy.example.com`",
            )
        return self.named_sources

    @cached_property
    def source(self) -> Source:
        """The source, or all of them as one; opened at first use and closed with the session."""
        if len(self.endpoints) == 1:
            return self.open_source(self.endpoint)
        from d8_installer.registry.fallback import Candidate, FallbackSource

        say = self.reporter.detail if self.is_offline else self.reporter.warn
        return FallbackSource([Candidate(url, self.open_source) for url in self.endpoints], say, self.reporter.warn)

    def open_source(self, url: str, access: Access | None = None) -> Source:
        """Open the source at *url*, to be closed with the session. The token is for the endpoint alone."""
        from d8_installer.plugin.schemes import open_source

        access = access or self.access
        access = access if url == self.endpoint else replace(access, token=None, token_from=lambda: None)
        return self._open.enter_context(contextlib.closing(open_source(url, access, self._offering(url))))

    def open_destination(self, url: str) -> Destination:
        """Open the destination at *url*, to be closed with the session."""
        from d8_installer.plugin.schemes import open_destination, scheme_of_destination

        scheme_of_destination(url)
        opened = open_destination(url, self.access, self._offering(url))
        return self._open.enter_context(contextlib.closing(opened))

    def _offering(self, url: str) -> Mapping[str, object]:
        """Return the plugins that may have the scheme of *url*: none for ours, which none can take."""
        from d8_installer.plugin.schemes import FIRST_PARTY, scheme_of

        return {} if scheme_of(url) in FIRST_PARTY else self.hooks.loaded.objects

    @cached_property
    def token(self) -> Token:
        """The endpoint's bearer token, which is asked for at the first request that needs it."""
        from d8_installer.pipeline.credentials import Token
        from d8_installer.plugin.records import CredentialRequest

        options = self.options
        return Token(
            lambda: self.hooks,
            lambda: CredentialRequest(
                endpoint=self.endpoint,
                env=self.environ,
                token_file=options.token_file,
                kubeconfig=options.kubeconfig,
                context=options.context,
                configured_file=self._configured_token_file,
            ),
        )

    @cached_property
    def access(self) -> Access:
        """How sources and destinations are reached."""
        from d8_installer.pipeline.credentials import certificate_files
        from d8_installer.plugin.records import Access

        certificate, key = certificate_files(
            (self.options.client_cert, self.options.client_key),
            (self.environ.get("D8_RPP_CLIENT_CERT"), self.environ.get("D8_RPP_CLIENT_KEY")),
            (self.config.client_cert, self.config.client_key),
        )
        return Access(
            token=self.token,
            token_from=lambda: self.token.origin,
            ca_file=self.options.ca_file or self.environ.get("D8_RPP_CA_FILE") or self.config.ca_file,
            client_cert=certificate,
            client_key=key,
            insecure=self.options.insecure,
            env=self.environ,
            connections=self.options.connections,
            max_wait=self.patience,
            stall_timeout=self.patience,
            offline=self.is_offline,
            secrets=self.secrets,
            trace=self.reporter.detail,
        )

    @property
    def _configured_token_file(self) -> str | None:
        """The setting ``token_file``; it is for the endpoint of the settings, not for another one that was typed."""
        return self.config.token_file if self.config.endpoint in {None, self.endpoint} else None

    @cached_property
    def patience(self) -> float:
        """Seconds that a source may stay silent, and that pauses between tries may add up to: D8_PATIENCE, or 30."""
        return typed_patience(self.environ.get("D8_PATIENCE", ""))

    @property
    def is_offline(self) -> bool:
        """Whether the network is forbidden, by ``--offline`` or D8_OFFLINE."""
        return self.options.offline or self.environ.get("D8_OFFLINE", "").lower() not in _OFF

    # -- profiles --------------------------------------------------------------------------------------------

    def profile(self, *, default: ProfileKind | None = None) -> Profile:
        """Return the profile that the command means: the one asked for, *default*, else the project's or the user's."""
        return self._choice.find_profile(lambda: self.home, self.options.profile or default)

    def place(self, profile: Profile) -> Place:
        """Return where *profile* is, to write there."""
        return Place(self._choice, self.home, profile, self._with_others)

    def generations(self, profile: Profile) -> ProfileStore:
        """Return the generations of *profile*."""
        return ProfileStore(self.home.profile(profile.directory), switch_for_this_system(), self.store)

    def active(self, profile: Profile) -> Generation | None:
        """Return the active generation of *profile*; readers need no lock."""
        return self.generations(profile).active()

    def read(self, profile: Profile, *, frozen: bool = False, load: LoadLock = documents.load_lock) -> Workspace:
        """Read the profile's manifest and lock as they are now, the lock by *load*; *frozen*: only the lock."""
        refuse_leading_out(profile)
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

    def changing(
        self, profile: Profile, *, dry_run: bool, frozen: bool = False, load: LoadLock = documents.load_lock
    ) -> contextlib.AbstractContextManager[Workspace]:
        """As ``writing``; but *dry_run* only reads, so that it needs no right to write, and waits for nobody."""
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
        """Hold the profile alone while the context lasts: one command writes, another waits for it.

        Without *reading* neither manifest nor lock is read: for what needs neither, and mends both.
        """
        with self.place(profile).writing():
            blank = Workspace(
                profile=profile,
                generations=self.generations(profile),
                manifest_text="",
                manifest=Manifest(),
                lock_text="",
                lock=None,
            )
            yield self.read(profile, frozen=frozen, load=load) if reading else blank

    def alone(self, paths: ProfilePaths) -> contextlib.AbstractContextManager[None]:
        """Hold one profile's (or run's) own lock in a home that is ready."""
        return alone(self._choice, self.home, paths, self._with_others)

    def switching(self) -> contextlib.AbstractContextManager[None]:
        """Hold the home's lock for making and activating a generation; whoever collects garbage holds it, too."""
        return fs.exclusive(self.home.switching, self._with_others)

    def prepare_home(self) -> None:
        """Make the home ready to be written to; a directory that is somebody else's is a ConfigError."""
        prepare_home(self._choice, self.home, self._with_others)

    def remember_tags(self, tops: Mapping[tuple[str, str], Digest]) -> None:
        """Add what was resolved to ``tags.json``."""
        home_state.remember_tags(self.home, tops, self._with_others.for_moments())

    @cached_property
    def _with_others(self) -> WaitPolicy:
        """How long another process that is at work in the home is waited for."""
        return with_others(self.reporter.note, self.patience)

    def refuse_foreign(self, place: str) -> None:
        """Refuse root to write in somebody's home: it leaves files that this person cannot change (rpp.md §16, 9).

        And refuse others to write in the system's.
        """
        refuse_foreign(place, system=self.is_global)
