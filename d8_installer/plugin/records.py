"""The records of all hooks: what a plugin gives to d8-installer, and what it gets. Immutable, and cheap to import.

In this order: sources, destinations, manifests, platforms and credentials; verifiers and checks; events and the switch;
commands. Plugin authors import them from ``d8_installer.plugin``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.model.secrets import Secrets
from d8_installer.model.value import Struct, field, replace, repr_without

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.identity import Identity
    from d8_installer.model.platform import Platform
    from d8_installer.model.profile import ProfileKind
    from d8_installer.model.source import Destination, ManifestBytes, Source
    from d8_installer.plugin.run_self import ToolResult

Moment = Literal["doctor", "install"]
FindingLevel = Literal["ok", "warning", "error"]
EventKind = Literal["note", "warning", "transfer-begun", "transfer-done", "switched", "finished"]


# -- where images come from, which, and for what platform --------------------------------------------------------------


class Access(Struct, frozen=True):
    """How a scheme may reach the network, as the person configured it. Not every scheme needs all of it.

    ``identity`` returns who the person is to the endpoint, or None; it is for the endpoint alone. Ask it before each
    request, since a token may expire. After a 401 ``renewed`` takes the identity that was refused and returns another
    one, or None. ``token`` returns the bearer token of the identity, or None. ``token_from`` returns the name of the
    place that it came from, once it was asked for. ``client_cert`` and ``client_key`` are PEM files for the origin of
    the URL alone; the key may be in the first one. They count before a certificate of the identity. ``env`` holds the
    variables that count (HTTPS_PROXY, NO_PROXY, DOCKER_CONFIG, HOME …). ``forward_proxy`` is the URL of a proxy that
    counts before those. With ``roots``, which is PEM text, only these certificates and those of ``ca_file`` are
    trusted: the CA that a cluster publishes for its endpoint.

    One request is sent at most ``tries`` times, with at most ``max_wait`` seconds of waiting in total, and a server may
    be silent for ``stall_timeout`` seconds. At most ``connections`` are open at once. ``wait`` sleeps between two
    tries, and may raise to end them. With ``offline``, the network is forbidden; files may still be read.

    Text that is added to ``secrets`` is hidden wherever it would be shown. ``trace`` takes a line about each request,
    for ``--verbose``. Secrets are not in the repr.
    """

    token: Callable[[], str | None] | None = None
    identity: Callable[[], Identity | None] | None = None
    renewed: Callable[[Identity], Identity | None] = lambda refused: None  # noqa: ARG005 - most have no other
    token_from: Callable[[], str | None] = lambda: None
    ca_file: str | None = None
    roots: bytes | None = None
    client_cert: str | None = None
    client_key: str | None = None
    insecure: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    forward_proxy: str | None = None
    connections: int = 8
    tries: int = 4
    max_wait: float = 30.0
    stall_timeout: float = 30.0
    offline: bool = False
    wait: Callable[[float], object] | None = None
    secrets: Secrets = field(default_factory=Secrets)
    trace: Callable[[str], None] | None = None

    def __repr__(self) -> str:
        hidden = ("token", "identity", "renewed", "token_from", "env", "forward_proxy", "wait", "secrets", "trace")
        return repr_without(self, *hidden)

    def without_identity(self) -> Access:
        """Return the same access for another address, which must not learn who the person is."""
        return replace(
            self,
            token=None,
            identity=None,
            renewed=lambda refused: None,  # noqa: ARG005
            token_from=lambda: None,
        )


class SourceScheme(Struct, frozen=True):
    """A kind of place that images come from. ``name`` is the scheme of its URLs: the part before the colon.

    ``open`` gets the whole URL. It raises ConfigError for a URL that it cannot read, and need not connect yet.
    """

    name: str
    open: Callable[[str, Access], Source]


class DestinationScheme(Struct, frozen=True):
    """A kind of place that ``publish`` writes to. ``name`` and ``open`` are as in SourceScheme."""

    name: str
    open: Callable[[str, Access], Destination]


class ManifestsRequest(Struct, frozen=True):
    """The profile whose manifests are wanted: its kind, and for a project the project's directory."""

    kind: ProfileKind
    project: str | None = None


class ManifestText(Struct, frozen=True):
    """One more manifest of a profile. ``text`` is a ``d8.toml``.

    ``name`` is its requester, in the grammar of a distribution's name. ``file`` is what messages call the text.
    """

    name: str
    file: str
    text: str


class PlatformChoice(Struct, frozen=True):
    """The platform to install binaries for on this host. ``reason`` is shown to the person."""

    name: str
    platform: Platform
    reason: str = ""


class CredentialRequest(Struct, frozen=True, kw_only=True):
    """A request for who the person is to ``endpoint``, which is a URL. The options are None if they were not typed.

    ``env`` holds the variables of the process. It is not in the repr, since they may contain secrets.
    ``configured_file`` is the setting ``token_file``; it is None if the endpoint is not the one in the settings.
    ``refused`` is the identity that the endpoint refused with 401, or that has expired: it needs another one.
    ``cluster_identity`` returns who the kubeconfig's user is, or None; files are read and an exec plugin runs once in a
    command. With ``is_discovered``, that cluster named the endpoint, so that secrets for other places are not for it.
    ``kept_login`` returns the token that the person keeps for the endpoint with ``login``, or None.
    """

    endpoint: str
    env: Mapping[str, str] = field(default_factory=dict)
    token_file: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    configured_file: str | None = None
    refused: Identity | None = None
    cluster_identity: Callable[[], Identity | None] = lambda: None
    is_discovered: bool = False
    kept_login: Callable[[], Identity | None] = lambda: None

    def __repr__(self) -> str:
        return repr_without(self, "env", "cluster_identity", "kept_login")


class Credential(Struct, frozen=True):
    """A place that may know who the person is to the endpoint. ``name`` is what messages call it.

    ``token`` returns an Identity, or text: a bearer token; or None if the next place is to be asked. Places are asked
    by ``order`` and then by name. The one that answers is asked again if the endpoint refuses its identity with 401, or
    once the identity has expired. The order of ours is -102 (``--token-file``), -101 (D8_RPP_TOKEN), 50 (the setting
    ``token_file``), 60 (the kept login) and 100 (the kubeconfig). What it returns is never shown.
    """

    name: str
    token: Callable[[CredentialRequest], Identity | str | None]
    order: int = 0


# -- verifiers and checks ----------------------------------------------------------------------------------------------


class VerifySubject(Struct, frozen=True, kw_only=True):
    """An image that is about to be placed. Its digests are the lock's; its layer is not fetched yet.

    ``image`` is the repository path. ``index`` is None if the tag is a single ImageManifest. ``size`` is the compressed
    bytes of the layer. ``source`` is the name of the source in messages. ``manifest`` returns another manifest of this
    image from the same source, by tag or by digest; bytes asked for by digest are proven to have it. It raises what
    ``Source.manifest`` raises.
    """

    image: str
    tag: str
    index: Digest | None
    child: Digest
    layer: Digest
    size: int
    platform: Platform
    source: str
    manifest: Callable[[str], ManifestBytes]


class Verifier(Struct, frozen=True):
    """A check that may refuse an image: ``verify`` raises a D8Error (MismatchError, NotAllowedError) to do so."""

    name: str
    verify: Callable[[VerifySubject], None]


class Finding(Struct, frozen=True):
    """What a check found: one lowercase clause, and what to type next. An ``error`` stops an install."""

    level: FindingLevel
    message: str
    hint: str | None = None


class AskedSource(Struct, frozen=True, kw_only=True):
    """A source that ``doctor`` asked once. ``address`` may be shown. ``problem`` is None if the source answered.

    ``token_from`` is the name of the place that the identity came from, or None; ``identity_kind`` is what messages
    call that: ``token``, ``password`` or ``client certificate``. ``hint`` is what to type next.
    ``was_asked`` is False if the network is forbidden.
    """

    address: str
    token_from: str | None = None
    identity_kind: str = "token"
    problem: str | None = None
    hint: str | None = None
    was_asked: bool = True


class CheckContext(Struct, frozen=True, kw_only=True):
    """The facts that checks judge. Only ``env`` may contain secrets; it is not in the repr.

    The profile: ``endpoint`` is None if none is set or found yet, ``generation`` is None if nothing was ever placed.
    ``binaries`` are the names in ``bin``; those in ``missing`` have no file, or one of another size. ``changed`` (name,
    how) are binaries whose file was changed by another program. ``withheld`` are binaries that are kept out of ``bin``.
    ``shadowed`` has a text for each name in ``bin`` that another directory on PATH has as well.

    The plugins: ``not_enabled`` were found, ``absent`` are enabled and were not found, ``broken`` (name, why) failed.
    ``broken_manifests`` (name, why) are plugins that a sync leaves out.

    The sources: ``sources`` are those that were asked, in their order, for the moment "doctor" only.

    The home: ``home_runs_programs`` is False on a file system that is mounted noexec. ``not_writable`` are its
    directories that this user cannot write to, but should. ``scattered`` says which part of it is on another file
    system. ``stranger`` says who else owns it; with ``open_to_others``, others may write to it. ``bin_leads_to`` is
    where ``bin`` leads, if not to the active generation. ``bad_path_entry`` says why ``bin_directory`` cannot be on
    PATH, and ``path_hint`` is what to do to get it there, None if it is there. ``command`` is how to call
    d8-installer about this home, such as ``d8-installer --global``.

    ``laid_out`` is the directory in which the binaries are laid out for d8 as well, ``laid_out_wrong`` says how that
    differs from ``bin``; both for the moment "doctor" only.
    """

    moment: Moment
    home: str
    bin_directory: str
    is_on_path: bool
    home_runs_programs: bool
    endpoint: str | None
    platform: Platform
    profile: str
    generation: int | None = None
    binaries: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    not_enabled: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    broken_manifests: tuple[tuple[str, str], ...] = ()
    shadowed: tuple[str, ...] = ()
    sources: tuple[AskedSource, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    not_writable: tuple[str, ...] = ()
    scattered: str | None = None
    stranger: str | None = None
    open_to_others: bool = False
    bin_leads_to: str | None = None
    bad_path_entry: str | None = None
    path_hint: str | None = None
    command: str = "d8-installer"
    laid_out: str | None = None
    laid_out_wrong: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "env")


class Check(Struct, frozen=True):
    """A check: ``run`` returns a list of findings, which is empty if there is nothing to say.

    ``doctor`` runs the checks whose ``moments`` contain "doctor". Those with "install" run before anything new is
    placed.
    """

    name: str
    run: Callable[[CheckContext], list[Finding]]
    moments: tuple[Moment, ...] = ("doctor",)


# -- events and the switch ---------------------------------------------------------------------------------------------


class Event(Struct, frozen=True):
    """Something that happened: ``text`` is a line for people, ``facts`` the same for programs.

    The facts of transfer-begun and transfer-done are ``name`` and ``bytes`` (compressed); of switched ``profile``,
    ``generation`` and ``reason``; of finished ``error``, the message of the error that ended the command, or "".
    """

    kind: EventKind
    text: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


class EventReporter(Struct, frozen=True):
    """A receiver of events, one at a time, from any thread. One that raises is named once, and gets no more events."""

    name: str
    event: Callable[[Event], None]


class SwitchFacts(Struct, frozen=True, kw_only=True):
    """One switch of a profile, from generation ``before`` (None if there was none) to ``after``, and the reason.

    ``added``, ``changed`` and ``removed`` are the names of binaries, sorted. ``bin_directory`` is where they are.
    """

    profile: str
    before: int | None
    after: int
    reason: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    bin_directory: str


# -- commands ----------------------------------------------------------------------------------------------------------


class CommandContext(Struct, frozen=True, kw_only=True):
    """What a plugin's command gets.

    ``run`` runs another d8-installer command with the same home, and returns its result. ``note`` and ``warn`` write a
    line to stderr, unless ``-q`` silences it. stdout belongs to the command. ``env`` is not in the repr.
    """

    directory: str
    home: str
    bin_directory: str
    run: Callable[..., ToolResult]
    note: Callable[[str], None]
    warn: Callable[[str], None]
    env: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return repr_without(self, "env", "run", "note", "warn")


class Command(Struct, frozen=True):
    """A command of a plugin, typed as ``d8-installer NAME …``. d8-installer's own commands cannot be replaced.

    ``configure`` adds arguments. ``run`` returns the exit code, 0 to 255, and may raise any D8Error.
    """

    name: str
    summary: str
    run: Callable[[argparse.Namespace, CommandContext], int]
    configure: Callable[[argparse.ArgumentParser], None] = lambda parser: None  # noqa: ARG005 - most have none
