"""The records of hooks that say where images come from, which, and for what platform. Frozen values, cheap to import.

Those that judge are in ``judging``, those that watch in ``watching``, commands in ``commands``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.secrets import Secrets
from d8_installer.model.value import Struct, field, repr_without

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.model.platform import Platform
    from d8_installer.model.profile import Kind
    from d8_installer.model.source import Destination, Source


class Access(Struct, frozen=True):
    """How a scheme may reach the network: what a person chose, whatever the scheme makes of it.

    ``client_cert`` and ``client_key`` are PEM files for the place's own origin alone; the key may be in the first one.
    ``token`` is asked for the endpoint's bearer token, is for the endpoint alone, and may say None. ``token_from``
    names the place that it came from, after it was asked. ``env`` holds the variables that count (HTTPS_PROXY,
    NO_PROXY, DOCKER_CONFIG, HOME …). ``tries`` and ``patience`` (seconds of waiting, in total) bound the repetitions
    of one request, ``connections`` those open at once. ``stall`` is how many seconds a sender may stay silent.
    ``wait`` sleeps between tries and may raise to end them. ``offline`` forbids the network: files still may be read.
    What is added to ``secrets`` is hidden wherever text is shown. ``trace`` gets a line for each request, for
    ``--verbose``. Secrets are not in the repr.
    """

    token: Callable[[], str | None] | None = None
    token_from: Callable[[], str | None] = lambda: None
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    insecure: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    connections: int = 8
    tries: int = 4
    patience: float = 30.0
    stall: float = 30.0
    offline: bool = False
    wait: Callable[[float], object] | None = None
    secrets: Secrets = field(default_factory=Secrets)
    trace: Callable[[str], None] | None = None

    def __repr__(self) -> str:
        return repr_without(self, "token", "token_from", "env", "wait", "secrets", "trace")


class SourceScheme(Struct, frozen=True):
    """A kind of place that images come from; ``name`` is what its URLs begin with, before the colon.

    ``open`` gets the whole URL. It raises ConfigError for a URL that it cannot read and need not connect.
    """

    name: str
    open: Callable[[str, Access], Source]


class DestinationScheme(Struct, frozen=True):
    """A kind of place that ``publish`` writes to; as SourceScheme."""

    name: str
    open: Callable[[str, Access], Destination]


class ManifestsRequest(Struct, frozen=True):
    """Whose manifests are wanted: the profile's kind, and the project's directory where it is a project's."""

    kind: Kind
    project: str | None = None


class ManifestText(Struct, frozen=True):
    """One more manifest of a profile, as text: ``d8.toml`` as a person would write it.

    ``name`` is its requester, in the grammar of a distribution's name; ``file`` is what messages call the text.
    """

    name: str
    file: str
    text: str


class PlatformChoice(Struct, frozen=True):
    """The platform that this host's binaries shall be for; ``reason`` is what a person is told."""

    name: str
    platform: Platform
    reason: str = ""


class CredentialRequest(Struct, frozen=True, kw_only=True):
    """What a bearer token is wanted for: ``endpoint`` is its URL. The rest is what a person typed, None where nothing.

    ``env`` holds the process's variables; it is not in the repr, since secrets are among them. ``configured_file`` is
    the setting ``token_file``; it is None where the endpoint is not the one of the settings.
    """

    endpoint: str
    env: Mapping[str, str] = field(default_factory=dict)
    token_file: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    configured_file: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "env")


class Credential(Struct, frozen=True):
    """A place that may hold the endpoint's bearer token; ``name`` is what messages call it.

    ``token`` returns the token, or None. Then the next place is asked, by ``order`` and then by name. Ours are at -102
    (``--token-file``), -101 (D8_RPP_TOKEN), -100 (the setting ``token_file``) and 100 (the kubeconfig). Each is asked
    once per command. The token is never shown.
    """

    name: str
    token: Callable[[CredentialRequest], str | None]
    order: int = 0
