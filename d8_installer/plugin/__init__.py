"""What plugin authors import: ``from d8_installer.plugin import hookimpl, Check, Finding``.

The names are imported on use: the house's quick commands pass through this package and must stay light. The house's
own side (``manager``, ``loading``, ``hooks``, ``discovery`` …) is not a part of what is promised here.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.plugin.commands import Command, CommandContext
    from d8_installer.plugin.hookspec import hookimpl
    from d8_installer.plugin.judging import AskedSource, Check, CheckContext, Finding, Verifier, VerifySubject
    from d8_installer.plugin.types import (
        Access,
        Credential,
        CredentialRequest,
        DestinationScheme,
        ManifestsRequest,
        ManifestText,
        PlatformChoice,
        SourceScheme,
    )
    from d8_installer.plugin.watching import Event, EventReporter, SwitchFacts

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

_MODULES = {
    "commands": ("Command", "CommandContext"),
    "hookspec": ("hookimpl",),
    "judging": ("AskedSource", "Check", "CheckContext", "Finding", "Verifier", "VerifySubject"),
    "types": (
        *("Access", "Credential", "CredentialRequest", "DestinationScheme", "ManifestsRequest", "ManifestText"),
        *("PlatformChoice", "SourceScheme"),
    ),
    "watching": ("Event", "EventReporter", "SwitchFacts"),
}


def __getattr__(name: str) -> object:
    """Import the module that has *name*."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
