"""The records of all hooks: what a plugin gives to d8-installer, and what it is given. Frozen values, cheap to import.

In this order: sources, destinations, manifests, platforms and credentials; verifiers and checks; events and the switch;
commands. Plugin authors import them from ``d8_installer.plugin``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.model.secrets import Secrets
from d8_installer.model.value import Struct, field, repr_without

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.platform import Platform
    from d8_installer.model.profile import ProfileKind
    from d8_installer.model.source import Destination, ManifestBytes, Source
    from d8_installer.plugin.run_self import ToolResult

Moment = Literal["doctor", "install"]
FindingLevel = Literal["ok", "warning", "error"]
EventKind = Literal["note", "warning", "transfer-begun", "transfer-done", "switched", "finished"]


# -- where images come from, which, and for what platform --------------------------------------------------------------


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
    max_wait: float = 30.0
    stall_timeout: float = 30.0
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

    kind: ProfileKind
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


# -- verifiers and checks ----------------------------------------------------------------------------------------------


class VerifySubject(Struct, frozen=True, kw_only=True):
    """An image that is about to be placed. Its layer is not fetched yet; its digests are the lock's.

    ``image`` is the repository path, ``index`` None for a tag that is a single ImageManifest, ``size`` the layer's
    compressed bytes, ``source`` what a person calls the source. ``manifest`` reads another manifest of this image
    from the same source, by tag or by digest (then the bytes are proven to have it); it raises what
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
    """Somebody who may refuse an image: ``verify`` raises a D8Error (MismatchError, NotAllowedError) to do so."""

    name: str
    verify: Callable[[VerifySubject], None]


class Finding(Struct, frozen=True):
    """What a check found: one lowercase clause, and what to type next. An ``error`` ends an install."""

    level: FindingLevel
    message: str
    hint: str | None = None


class AskedSource(Struct, frozen=True, kw_only=True):
    """A source that ``doctor`` asked once: ``address`` may be shown; ``problem`` is None if it answered.

    ``token_from`` names where the token that it got comes from, or is None. ``hint`` is what to type next.
    ``was_asked`` is False where the network is forbidden.
    """

    address: str
    token_from: str | None = None
    problem: str | None = None
    hint: str | None = None
    was_asked: bool = True


class CheckContext(Struct, frozen=True, kw_only=True):
    """The house as it is when checks run. Facts only; nothing in it is a secret, and ``env`` is not in the repr.

    ``endpoint`` is None where none is set; ``generation`` None where nothing was ever placed; ``binaries`` are the
    names in ``bin``, ``missing`` those whose file is gone or has another size. ``home_runs_programs`` is
    False on a file system mounted noexec. Plugins: ``not_enabled`` are found, ``absent`` enabled and not found,
    ``broken`` (name, why). ``withheld`` are binaries that are kept out of ``bin``; ``broken_manifests`` (name, why) are
    plugins that a sync leaves out. ``shadowed`` tells of each name in ``bin`` that another file on PATH has.
    ``sources`` are the sources that were asked, in their order: at "doctor" only.
    ``changed`` (name, how) are binaries whose file something else changed. Of the home:
    ``not_writable`` are the directories in it that this user cannot write to and should, ``scattered`` says what of it
    lies elsewhere, ``stranger`` who else owns it; others may write to it if it is ``open_to_others``.
    ``bin_leads_to`` is what ``bin`` leads to where that is not the active generation; ``bad_path_entry`` says why
    ``bin_directory`` cannot be on PATH, ``path_hint`` what to type so that it is.
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

    def __repr__(self) -> str:
        return repr_without(self, "env")


class Check(Struct, frozen=True):
    """Something that can be looked at: ``run`` returns its findings, a list; none means that there is nothing to say.

    ``moments``: ``doctor`` runs all that have "doctor"; those that have "install" run before anything new is placed.
    """

    name: str
    run: Callable[[CheckContext], list[Finding]]
    moments: tuple[Moment, ...] = ("doctor",)


# -- events and the switch ---------------------------------------------------------------------------------------------


class Event(Struct, frozen=True):
    """Something that happened: ``text`` is a line for people, ``facts`` the same for programs.

    transfer-begun, transfer-done: ``name``, ``bytes`` (compressed). switched: ``profile``, ``generation``, ``reason``.
    finished: ``error``, the message of what ended the command, or "".
    """

    kind: EventKind
    text: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


class EventReporter(Struct, frozen=True):
    """Somebody who hears events, one at a time, from any thread. One that raises is named once and dropped."""

    name: str
    event: Callable[[Event], None]


class SwitchFacts(Struct, frozen=True, kw_only=True):
    """One switch of a profile: from generation ``before`` (None: there was none) to ``after``, and why.

    ``added``, ``changed`` and ``removed`` are names of binaries, sorted; ``bin_directory`` is where they are.
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
    """What a plugin's command is given.

    ``run`` runs another command of this very tool with the same home and returns how it ended; ``note`` and ``warn``
    write a line to stderr, as the person's ``-q`` says. stdout is the command's own. ``env`` is not in the repr.
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
    """A command of a plugin: ``d8-installer NAME …``; a name that d8-installer has itself is never looked for.

    ``configure`` adds arguments; ``run`` returns the exit code, 0 to 255, and may raise any D8Error.
    """

    name: str
    summary: str
    run: Callable[[argparse.Namespace, CommandContext], int]
    configure: Callable[[argparse.ArgumentParser], None] = lambda parser: None  # noqa: ARG005 - most have none
