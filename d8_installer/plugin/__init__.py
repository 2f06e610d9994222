"""The only module that plugin authors import, and the only public part of this package.

It has ``hookimpl``, the records of the hooks, and the errors and values that hooks raise, get and return. Each name is
imported on use, because quick commands pass through this package and must start fast.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.errors import (
        AbsentSourceError,
        ConfigError,
        D8Error,
        DiskError,
        DocumentError,
        MismatchError,
        NotAllowedError,
        NotFoundError,
        TryAgainError,
        UnreachableError,
        UsageError,
    )
    from d8_installer.model.digest import Digest
    from d8_installer.model.identity import Identity
    from d8_installer.model.platform import HostFacts, Platform
    from d8_installer.model.secrets import Secrets
    from d8_installer.model.source import Body, Destination, LayerRequest, ManifestBytes, Source
    from d8_installer.plugin.hookspec import hookimpl
    from d8_installer.plugin.records import (
        Access,
        AskedSource,
        Check,
        CheckContext,
        Command,
        CommandContext,
        Credential,
        CredentialRequest,
        DestinationScheme,
        Event,
        EventReporter,
        Finding,
        ManifestsRequest,
        ManifestText,
        PlatformChoice,
        SourceScheme,
        SwitchFacts,
        Verifier,
        VerifySubject,
    )
    from d8_installer.plugin.run_self import ToolFailure, ToolResult
    from d8_installer.plugin.schemes import open_destination, open_source

__all__ = [
    "AbsentSourceError",
    "Access",
    "AskedSource",
    "Body",
    "Check",
    "CheckContext",
    "Command",
    "CommandContext",
    "ConfigError",
    "Credential",
    "CredentialRequest",
    "D8Error",
    "Destination",
    "DestinationScheme",
    "Digest",
    "DiskError",
    "DocumentError",
    "Event",
    "EventReporter",
    "Finding",
    "HostFacts",
    "Identity",
    "LayerRequest",
    "ManifestBytes",
    "ManifestText",
    "ManifestsRequest",
    "MismatchError",
    "NotAllowedError",
    "NotFoundError",
    "Platform",
    "PlatformChoice",
    "Secrets",
    "Source",
    "SourceScheme",
    "SwitchFacts",
    "ToolFailure",
    "ToolResult",
    "TryAgainError",
    "UnreachableError",
    "UsageError",
    "Verifier",
    "VerifySubject",
    "hookimpl",
    "open_destination",
    "open_source",
]

_ELSEWHERE = {
    "Digest": "d8_installer.model.digest",
    "HostFacts": "d8_installer.model.platform",
    "Identity": "d8_installer.model.identity",
    "Platform": "d8_installer.model.platform",
    "Secrets": "d8_installer.model.secrets",
    "Body": "d8_installer.model.source",
    "Destination": "d8_installer.model.source",
    "LayerRequest": "d8_installer.model.source",
    "ManifestBytes": "d8_installer.model.source",
    "Source": "d8_installer.model.source",
    "ToolFailure": "d8_installer.plugin.run_self",
    "ToolResult": "d8_installer.plugin.run_self",
    "hookimpl": "d8_installer.plugin.hookspec",
    "open_destination": "d8_installer.plugin.schemes",
    "open_source": "d8_installer.plugin.schemes",
}
"""The module of each public name that is neither an error nor a record."""


def __getattr__(name: str) -> object:
    """Return the public *name* from its module, which is imported now."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    default = "d8_installer.errors" if name.endswith("Error") else "d8_installer.plugin.records"
    return getattr(import_module(_ELSEWHERE.get(name, default)), name)
