"""The hooks that a plugin may implement: when each is called, in what order, what it returns, what it may raise.

A plugin implements a hook by a function of the same name, marked ``@hookimpl``; it may leave out arguments that it does
not need. Hooks that offer something return a list (never a generator) of records that have a ``name``. Each
implementation is called alone, so that what goes wrong in it has its plugin's name.
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

    When: once for each source that is opened, before any request; not for a scheme of ours. Order: does not matter;
    two plugins that offer one name are a ConfigError which names both. Returns: one record a scheme; ``open`` is called
    only for the scheme that was asked for. Raises: nothing; ``open`` may raise any D8Error.

    Example::

        from d8_installer.plugin import Access, SourceScheme, hookimpl
        from d8_installer.registry.oci_layout import LayoutSource

        def open_share(url: str, access: Access) -> LayoutSource:
            return LayoutSource("/net/images/" + url.removeprefix("share:"))

        @hookimpl
        def d8_sources() -> list[SourceScheme]:
            return [SourceScheme("share", open=open_share)]
    """
    raise NotImplementedError


@hookspec
def d8_destinations() -> list[DestinationScheme]:
    """Offer schemes of destinations: places that ``publish`` writes to.

    When: once for each destination that is opened; not for a scheme of ours. Order: does not matter; two of one name
    are a ConfigError which names both. Returns: one record a scheme. Raises: nothing; ``open`` may raise any D8Error.

    Example::

        from d8_installer.plugin import Access, DestinationScheme, hookimpl
        from d8_installer.registry.oci_layout import LayoutDestination

        def open_share(url: str, access: Access) -> LayoutDestination:
            return LayoutDestination("/net/images/" + url.removeprefix("share:"))

        @hookimpl
        def d8_destinations() -> list[DestinationScheme]:
            return [DestinationScheme("share", open=open_share)]
    """
    raise NotImplementedError


@hookspec
def d8_manifests(request: ManifestsRequest) -> list[ManifestText]:
    """Add manifests to a profile, beside the person's own and those that plugins ship as data.

    When: once a command that reads manifests (``install``, ``upgrade``, ``use``, ``lock``, ``sync``; not ``sync
    --frozen``, ``uninstall``). Order: by requester. Returns: one record a manifest; it is parsed as any other, and a
    broken one is named and left out, as is one whose requester another plugin has. Raises: any D8Error: that plugin's
    manifests are left out, the rest goes on, and the exit code tells. A profile with such a plugin has no quick sync.

    Example::

        from d8_installer.plugin import ManifestsRequest, ManifestText, hookimpl

        @hookimpl
        def d8_manifests(request: ManifestsRequest) -> list[ManifestText]:
            if request.kind != "user":
                return []
            text = 'schema = 1\\n[[images]]\\nname = "stronghold"\\n'
            return [ManifestText("our-company", "what everybody has", text)]
    """
    raise NotImplementedError


@hookspec
def d8_platforms(host: HostFacts) -> list[PlatformChoice]:
    """Choose another platform than the host's own, for instance one that it emulates.

    When: once a command that needs a platform; never under ``--platform``, which wins, and never for ``uninstall``.
    Order: does not matter; choices that differ are a ConfigError which names both. Returns: no record for the host's
    own platform, else one. Raises: any D8Error, which ends the command.

    Example::

        from d8_installer.model.platform import HostFacts, Platform
        from d8_installer.plugin import PlatformChoice, hookimpl

        @hookimpl
        def d8_platforms(host: HostFacts) -> list[PlatformChoice]:
            if (host.sys_platform, host.machine) != ("linux", "riscv64"):
                return []
            return [PlatformChoice("qemu", Platform("linux", "amd64"), "qemu-user runs amd64 here")]
    """
    raise NotImplementedError


@hookspec
def d8_credentials() -> list[Credential]:
    """Offer the endpoint's bearer token.

    When: at the first request to the endpoint, once a command; never for any other address. Order: by the records'
    ``order``, then by name: ``--token-file``, D8_RPP_TOKEN and the setting ``token_file`` first, plugins, then the
    kubeconfig; the first token counts. Returns: one record for each place where a token may be. Raises: ``token`` may
    raise any D8Error; of any other exception only the kind is shown, since its text might hold the token.

    Example::

        from d8_installer.plugin import Credential, CredentialRequest, hookimpl

        def from_the_vault(request: CredentialRequest) -> str | None:
            return request.env.get("VAULT_TOKEN") if request.endpoint.startswith("https://") else None

        @hookimpl
        def d8_credentials() -> list[Credential]:
            return [Credential("vault", token=from_the_vault)]
    """
    raise NotImplementedError


@hookspec
def d8_verifiers() -> list[Verifier]:
    """Offer verifiers: they may refuse an image, by whatever they know beyond its digests.

    When: before anything is fetched, once for each image that is about to be placed new, or with another layer than
    the active generation has. Order: by name; every verifier sees every image. Returns: one record a verifier.
    Raises: ``verify`` raises a D8Error (MismatchError, NotAllowedError) to refuse; any other exception refuses too.
    The plugin must name itself in entry point group ``d8_installer.verifiers``: if it cannot be loaded, nothing new is
    placed (exit 78).

    Example::

        from d8_installer.errors import NotAllowedError
        from d8_installer.plugin import Verifier, VerifySubject, hookimpl

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
    """Offer checks of the house: for ``doctor``, and before anything new is placed.

    When: all that have the moment "doctor" in ``doctor``; all that have "install" before anything is fetched. Order: by
    name. Returns: one record a check. Raises: ``run`` should not; a check that fails is an error finding of ``doctor``,
    and a warning before an install. An error finding ends an install with its message.

    Example::

        from d8_installer.plugin import Check, CheckContext, Finding, hookimpl

        def look_for_proxy(context: CheckContext) -> list[Finding]:
            if context.env.get("HTTPS_PROXY"):
                return []
            return [Finding("warning", "no proxy is set", hint="export HTTPS_PROXY=http://proxy.example:3128")]

        @hookimpl
        def d8_checks() -> list[Check]:
            return [Check("company-proxy", run=look_for_proxy, moments=("doctor", "install"))]
    """
    raise NotImplementedError


@hookspec
def d8_reporters() -> list[EventReporter]:
    """Offer reporters: they hear what a command does, as it happens.

    When: once a command that loads plugins, before the first event. Order: by name. Returns: one record a reporter;
    ``event`` may be called from any thread, one call at a time. Raises: ``event`` should not; one that does is named in
    a warning and not called again.

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

    When: only if the command that was typed is none of ours. Order: does not matter; two of one name are a ConfigError
    which names both. Returns: one record a command. Raises: ``run`` may raise any D8Error.

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
    """Look at a switch before it happens, and perhaps stop it.

    When: everything is fetched and verified, nothing is changed yet; not when binaries are only taken away, which
    no plugin can stop. Order: by the plugins' names. Returns: nothing. Raises: a D8Error stops the switch, any other
    exception too: manifest, lock and binaries are as they were.

    Example::

        from d8_installer.errors import NotAllowedError
        from d8_installer.plugin import SwitchFacts, hookimpl

        @hookimpl
        def d8_before_switch(switch: SwitchFacts) -> None:
            if "kubectl" in switch.removed:
                raise NotAllowedError("kubectl must stay", hint="keep its image in d8.toml")
    """
    raise NotImplementedError


@hookspec
def d8_after_switch(switch: SwitchFacts) -> None:
    """Do something once other binaries are in place, such as writing completions.

    When: after each switch, also when binaries were only taken away, and after ``rollback``. Order: by the plugins'
    names. Returns: nothing. Raises: an exception is a warning and no more, since the switch has happened.

    Example::

        from d8_installer.plugin import SwitchFacts, hookimpl

        @hookimpl
        def d8_after_switch(switch: SwitchFacts) -> None:
            with open("/dev/null", "a") as log:
                log.write(f"{switch.profile}: {switch.before} -> {switch.after}\\n")
    """
    raise NotImplementedError
