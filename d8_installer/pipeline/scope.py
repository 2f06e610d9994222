"""Scope: what a command was given, and what follows from that alone. Everything ambient enters the tool here.

It was given its options, the environment, a clock and the working directory. The home, the settings and the facts of
the host follow from these; each is read at first use and kept.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

from d8_installer.model.platform import HostFacts, Platform, typed_platform
from d8_installer.model.secrets import Secrets
from d8_installer.model.value import Struct, field, replace, repr_without
from d8_installer.pipeline.profile_choice import ProfileChoice
from d8_installer.pipeline.timeouts import network_timeout
from d8_installer.store import documents
from d8_installer.store.paths import logins_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from d8_installer.model.config import Config
    from d8_installer.model.profile import ProfileKind
    from d8_installer.store.paths import Home

_OFF = frozenset(["", "0", "false", "no", "off"])

DEFAULT_CONNECTIONS = 8
"""The number of connections to a source that are open at once."""


class Options(Struct, frozen=True, kw_only=True):
    """The options that every verb understands; None where the command line says nothing.

    ``begins_project``: if there is no project here, the working directory becomes one.
    """

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
    layout: str | None = None
    plugins_dir: str | None = None
    facts: str | None = None
    skip_cluster_checks: bool = False
    begins_project: bool = False


class Scope(Struct, frozen=True, kw_only=True, dict=True):
    """What one command was given.

    ``program`` returns the path of this d8-installer, if it is a file. ``secrets`` is hidden wherever text is shown;
    code that learns a secret adds it.
    """

    options: Options
    environ: Mapping[str, str]
    clock: Callable[[], datetime]
    directory: str
    program: Callable[[], str | None] = lambda: None
    secrets: Secrets = field(default_factory=Secrets)

    def __repr__(self) -> str:
        return repr_without(self, "environ", "secrets")

    def with_options(self, **changes: object) -> Scope:
        """Return the scope of the same command with other options."""
        return replace(self, options=replace(self.options, **changes))

    @property
    def is_global(self) -> bool:
        """Whether the command is about the system's profile, which everyone reads and an administrator writes."""
        return self.options.profile == "system"

    @cached_property
    def choice(self) -> ProfileChoice:
        """Which home and profile the command line means."""
        typed = self.options
        return ProfileChoice(
            home=typed.home,
            kind=typed.profile,
            environ=self.environ,
            directory=self.directory,
            begins_project=typed.begins_project,
        )

    @property
    def has_own_files(self) -> bool:
        """Whether the home holds its own manifest, because it was chosen by hand or is the system's."""
        return self.choice.has_own_files

    @cached_property
    def home(self) -> Home:
        """The home; a ConfigError where a newer tool wrote it."""
        return self.choice.find_home()

    @cached_property
    def config_file(self) -> str:
        """The path of ``config.toml``."""
        return self.choice.find_config(self.home)

    @cached_property
    def logins_file(self) -> str:
        """The path of the person's logins. They are the person's with ``--global`` too, as a kubeconfig is."""
        return logins_file(self.home, self.choice.chosen_home, self.environ)

    @cached_property
    def config(self) -> Config:
        """The settings."""
        return documents.load_config(self.config_file).value

    @property
    def chosen_platform(self) -> Platform | None:
        """The platform that ``--platform`` names, or None."""
        return None if self.options.platform is None else typed_platform(self.options.platform)

    @cached_property
    def timeout(self) -> float:
        """The network timeout in seconds: D8_PATIENCE, or 30.

        A source may be silent for that long, and the pauses between the tries of a request add up to no more.
        """
        return network_timeout(self.environ.get("D8_PATIENCE", ""))

    @property
    def is_offline(self) -> bool:
        """Whether ``--offline`` or D8_OFFLINE forbids the network."""
        return self.options.offline or self.environ.get("D8_OFFLINE", "").lower() not in _OFF


def host_facts() -> HostFacts:
    """Return the facts of the running host on which the platform depends."""
    import platform as host

    return HostFacts(sys.platform, host.machine(), 64 if sys.maxsize > 1 << 32 else 32, host.version())
