"""What plugin authors import: ``from d8_installer.plugin import hookimpl, Check, Finding``.

The names are imported on use: the house's quick commands pass through this package and must stay light. The house's
own side (``schemes``, ``loading``, ``hooks``, ``discovery`` …) is not a part of what is promised here.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.plugin.check_records import AskedSource, Check, CheckContext, Finding, Verifier, VerifySubject
    from d8_installer.plugin.command_records import Command, CommandContext
    from d8_installer.plugin.event_records import Event, EventReporter, SwitchFacts
    from d8_installer.plugin.hookspec import hookimpl
    from d8_installer.plugin.source_records import (
        Access,
        Credential,
        CredentialRequest,
        DestinationScheme,
        ManifestsRequest,
        ManifestText,
        PlatformChoice,
        SourceScheme,
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

_MODULES = {
    "command_records": ("Command", "CommandContext"),
    "hookspec": ("hookimpl",),
    "check_records": ("AskedSource", "Check", "CheckContext", "Finding", "Verifier", "VerifySubject"),
    "source_records": (
        *("Access", "Credential", "CredentialRequest", "DestinationScheme", "ManifestsRequest", "ManifestText"),
        *("PlatformChoice", "SourceScheme"),
    ),
    "event_records": ("Event", "EventReporter", "SwitchFacts"),
}


def __getattr__(name: str) -> object:
    """Import the module that has *name*."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
