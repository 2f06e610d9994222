"""The hooks that a plugin may implement: when each is called, in which order, what it returns, what it may raise.

A plugin implements a hook by a function of the same name, marked ``@hookimpl``. The function may omit arguments that it
does not need. Hooks that offer something return a list (never a generator) of records that have a ``name``. Each
implementation is called alone, so that an error can name its plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from d8_installer.model.platform import HostFacts
    from d8_installer.plugin.records import (
        Check,
        Command,
        Credential,
        DestinationScheme,
        EventReporter,
        ManifestsRequest,
        ManifestText,
        PlatformChoice,
        SourceScheme,
        SwitchFacts,
        Verifier,
    )

PROJECT = "d8_installer"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def d8_sources() -> list[SourceScheme]:
    """Offer schemes of sources: places that images come from.

    When: once for each source that is opened, before any request; not for a scheme of ours.
    Order: does not matter. If two plugins offer the same name, a ConfigError names both.
    Returns: one record for each scheme; ``open`` is called only for the scheme that is used. Our own schemes cannot be
    replaced.
    Raises: nothing; ``open`` may raise any D8Error, and need not connect. After an AbsentSourceError (its disk is not
    mounted, for example) the next of several sources is used.

    Example::

        from d8_installer.plugin import Access, Source, SourceScheme, hookimpl, open_source

        def open_share(url: str, access: Access) -> Source:
            return open_source("oci-layout:/net/images/" + url.removeprefix("share:"), access)

        @hookimpl
        def d8_sources() -> list[SourceScheme]:
            return [SourceScheme("share", open=open_share)]
    """
    raise NotImplementedError


@hookspec
def d8_destinations() -> list[DestinationScheme]:
    """Offer schemes of destinations: places that ``publish`` writes to.

    When: once for each destination that is opened; not for a scheme of ours.
    Order: does not matter. If two plugins offer the same name, a ConfigError names both.
    Returns: one record for each scheme.
    Raises: nothing; ``open`` may raise any D8Error.

    Example::

        from d8_installer.plugin import Access, Destination, DestinationScheme, hookimpl, open_destination

        def open_share(url: str, access: Access) -> Destination:
            return open_destination("oci-layout:/net/images/" + url.removeprefix("share:"), access)

        @hookimpl
        def d8_destinations() -> list[DestinationScheme]:
            return [DestinationScheme("share", open=open_share)]
    """
    raise NotImplementedError


@hookspec
def d8_manifests(request: ManifestsRequest) -> list[ManifestText]:
    """Add manifests to a profile, beside the person's own and those that plugins ship as data.

    When: once per command that reads manifests (``install``, ``upgrade``, ``use``, ``lock``, ``sync``; not ``sync
    --frozen``, not ``uninstall``).
    Order: by requester.
    Returns: one record for each manifest. It is parsed like any other manifest. A broken one is named and left out, and
    so is a second one of the same requester. Then ``--prune`` removes nothing.
    Raises: any D8Error. Then the manifests of that plugin are left out, the command goes on, and its exit code says so.
    A profile with such a plugin has no quick sync.

    Example::

        from d8_installer.plugin import ManifestsRequest, ManifestText, hookimpl

        @hookimpl
        def d8_manifests(request: ManifestsRequest) -> list[ManifestText]:
            if request.kind != "user":
                return []
            text = 'schema = 1\\n[[images]]\\nname = "stronghold"\\n'
            return [ManifestText("our-company", "the company's tools", text)]
    """
    raise NotImplementedError


@hookspec
def d8_platforms(host: HostFacts) -> list[PlatformChoice]:
    """Choose another platform than the host's own, for instance one that the host emulates.

    When: once per command that needs a platform; not with ``--platform``, which wins, and not for ``uninstall``.
    Order: does not matter. If choices differ, a ConfigError names both plugins.
    Returns: no record for the host's own platform, else one.
    Raises: any D8Error, which ends the command.

    Example::

        from d8_installer.plugin import HostFacts, Platform, PlatformChoice, hookimpl

        @hookimpl
        def d8_platforms(host: HostFacts) -> list[PlatformChoice]:
            if (host.sys_platform, host.machine) != ("linux", "riscv64"):
                return []
            return [PlatformChoice("qemu", Platform("linux", "amd64"), "qemu-user runs amd64 here")]
    """
    raise NotImplementedError


@hookspec
def d8_credentials() -> list[Credential]:
    """Say who the person is to the endpoint: a bearer token, a client certificate.

    When: at the first request to the endpoint; never for another address. The place that answered is asked again when
    its identity has expired, and once when the endpoint refuses it with 401.
    Order: by the records' ``order``, then by name: ``--token-file`` (-102), D8_RPP_TOKEN (-101), plugins (0 unless they
    say otherwise), the setting ``token_file`` (50), what ``login`` keeps (60), and the kubeconfig (100). The first
    answer counts.
    Returns: one record for each place that may have an identity.
    Raises: ``token`` may raise any D8Error. Of any other exception only the class is shown, since its text might
    contain the token.

    Example::

        from d8_installer.plugin import Credential, CredentialRequest, Identity, hookimpl

        def from_vault(request: CredentialRequest) -> Identity | None:
            token = request.env.get("VAULT_TOKEN") if request.endpoint.startswith("https://") else None
            return None if token is None else Identity(token=token)

        @hookimpl
        def d8_credentials() -> list[Credential]:
            return [Credential("vault", token=from_vault)]
    """
    raise NotImplementedError


@hookspec
def d8_verifiers() -> list[Verifier]:
    """Offer verifiers, which may refuse an image for reasons beyond its digests.

    When: before anything is fetched, once for each image that is about to be placed for the first time, or with another
    layer than the active generation has; also for ``run`` and ``sync --to``.
    Order: by name; every verifier gets every image.
    Returns: one record for each verifier.
    Raises: ``verify`` raises a D8Error (MismatchError, NotAllowedError) to refuse. Any other exception refuses too. The
    plugin must name itself in the entry point group ``d8_installer.verifiers``: if it cannot be loaded, nothing new is
    placed (exit code 78).

    Example::

        from d8_installer.plugin import NotAllowedError, Verifier, VerifySubject, hookimpl

        def refuse_unsigned(subject: VerifySubject) -> None:
            signature = subject.manifest(f"{subject.index or subject.child}".replace(":", "-") + ".sig")
            if b"our-company" not in signature.raw:
                raise NotAllowedError(f"{subject.tag} is not signed by us", hint="ask the platform team")

        @hookimpl
        def d8_verifiers() -> list[Verifier]:
            return [Verifier("our-company", verify=refuse_unsigned)]
    """
    raise NotImplementedError


@hookspec
def d8_checks() -> list[Check]:
    """Offer checks, for ``doctor`` and before anything new is placed.

    When: those with the moment "doctor" in ``doctor``; those with "install" before anything is fetched.
    Order: by name.
    Returns: one record for each check.
    Raises: ``run`` should not raise. If it does, that is an error of ``doctor``, and a warning before an install. A
    finding with the level "error" stops an install with its message.

    Example::

        from d8_installer.plugin import Check, CheckContext, Finding, hookimpl

        def check_proxy(context: CheckContext) -> list[Finding]:
            if context.env.get("HTTPS_PROXY"):
                return []
            return [Finding("warning", "no proxy is set", hint="export HTTPS_PROXY=http://proxy.example:3128")]

        @hookimpl
        def d8_checks() -> list[Check]:
            return [Check("company-proxy", run=check_proxy, moments=("doctor", "install"))]
    """
    raise NotImplementedError


@hookspec
def d8_reporters() -> list[EventReporter]:
    """Offer reporters, which get what a command does as events.

    When: once per command that loads plugins, before the first event.
    Order: by name.
    Returns: one record for each reporter. ``event`` may be called from any thread, one call at a time.
    Raises: ``event`` should not raise. If it does, a warning names the reporter, and it gets no more events.

    Example::

        import json
        import sys

        from d8_installer.plugin import Event, EventReporter, hookimpl

        def to_stderr(event: Event) -> None:
            sys.stderr.write(json.dumps({"kind": event.kind, **event.facts}) + "\\n")

        @hookimpl
        def d8_reporters() -> list[EventReporter]:
            return [EventReporter("json-lines", event=to_stderr)]
    """
    raise NotImplementedError


@hookspec
def d8_commands() -> list[Command]:
    """Add commands to d8-installer.

    When: only if the typed command is not one of ours, which cannot be replaced.
    Order: does not matter. If two plugins offer the same name, a ConfigError names both.
    Returns: one record for each command.
    Raises: ``run`` may raise any D8Error.

    Example::

        import argparse

        from d8_installer.plugin import Command, CommandContext, hookimpl

        def greet(arguments: argparse.Namespace, context: CommandContext) -> int:
            context.note(f"the binaries are in {context.bin_directory}")
            return 0

        @hookimpl
        def d8_commands() -> list[Command]:
            return [Command("greet", "say where the binaries are", run=greet)]
    """
    raise NotImplementedError


@hookspec
def d8_before_switch(switch: SwitchFacts) -> None:
    """Inspect a switch before it happens, and stop it if need be.

    When: after everything is fetched and verified, and before anything is changed; not when binaries are only removed,
    which no plugin can stop.
    Order: by the plugins' names.
    Returns: nothing.
    Raises: a D8Error or any other exception stops the switch. Manifest, lock and binaries stay as they were.

    Example::

        from d8_installer.plugin import NotAllowedError, SwitchFacts, hookimpl

        @hookimpl
        def d8_before_switch(switch: SwitchFacts) -> None:
            if "kubectl" in switch.removed:
                raise NotAllowedError("kubectl must stay", hint="keep its image in d8.toml")
    """
    raise NotImplementedError


@hookspec
def d8_after_switch(switch: SwitchFacts) -> None:
    """Act on a switch that has happened, for instance by writing completions.

    When: after each switch, also when binaries were only removed, and after ``rollback``.
    Order: by the plugins' names.
    Returns: nothing.
    Raises: an exception is only a warning, since the switch has happened.

    Example::

        from d8_installer.plugin import SwitchFacts, hookimpl

        @hookimpl
        def d8_after_switch(switch: SwitchFacts) -> None:
            with open("/dev/null", "a") as log:
                log.write(f"{switch.profile}: {switch.before} -> {switch.after}\\n")
    """
    raise NotImplementedError
