"""From requirements to a resolution to a lock: decides every version and every digest, without I/O.

``resolve`` and ``pin`` are generators: they yield a round of questions (Needs), are sent the Answers, and return their
result. The caller that drives them owns the network and the threads.
"""

from d8_installer.resolve.absent_manifest import seen_from_here
from d8_installer.resolve.choose import resolve
from d8_installer.resolve.explain import explain
from d8_installer.resolve.pin import pin, pin_what_can_be
from d8_installer.resolve.stale import staleness

__all__ = ["explain", "pin", "pin_what_can_be", "resolve", "seen_from_here", "staleness"]
