"""Requirements to Resolution to Lock: decides every version and every digest, and does no I/O.

``resolve`` and ``pin`` are generators: they yield what they need to know (a round of Needs, to be answered at once
and in any order), are sent the Answers, and return their result. Whoever drives them owns network and threads.
"""

from d8_installer.resolve.absent_manifest import seen_from_here
from d8_installer.resolve.choose import resolve
from d8_installer.resolve.explain import explain
from d8_installer.resolve.left_out import without
from d8_installer.resolve.pin import pin, pin_what_can_be
from d8_installer.resolve.stale import staleness

__all__ = ["explain", "pin", "pin_what_can_be", "resolve", "seen_from_here", "staleness", "without"]
