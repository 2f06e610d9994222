"""What plugin authors import, and the only public part of this package: ``from d8_installer.plugin import hookimpl``.

The names are imported on use: quick commands pass through this package and must start fast.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
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

__all__ = [
    "Access",
    "AskedSource",
    "Check",
    "CheckContext",
    "Command",
    "CommandContext",
    "Credential",
    "CredentialRequest",
    "DestinationScheme",
    "Event",
    "EventReporter",
    "Finding",
    "ManifestText",
    "ManifestsRequest",
    "PlatformChoice",
    "SourceScheme",
    "SwitchFacts",
    "Verifier",
    "VerifySubject",
    "hookimpl",
]


def __getattr__(name: str) -> object:
    """Return the public *name*, and import its module if need be."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "hookspec" if name == "hookimpl" else "records"
    return getattr(import_module(f"{__name__}.{module}"), name)
