"""The running host, as far as a choice depends on it."""

from __future__ import annotations

import sys

from d8_installer.model.platform import HostFacts


def host_facts() -> HostFacts:
    """Return the facts of the running host."""
    import platform as host

    return HostFacts(sys.platform, host.machine(), 64 if sys.maxsize > 1 << 32 else 32, host.version())
