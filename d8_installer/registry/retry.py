"""When a failed request is sent again: the policy, the count of tries, and ``Retry-After``. The client waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def full_jitter(upper: float) -> float:
    """Return a random number of seconds from 0 to *upper*, so that a thousand clients do not come back at once."""
    import random

    return random.SystemRandom().uniform(0, upper)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, or None (RFC 9110 §10.2.3: a number, or an HTTP date).

    A date is measured from the answer's own ``Date``, or from *now* (seconds since the epoch) if there is none: a wrong
    clock on this machine must not turn a second into an hour. Header names are in lower case.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = _epoch(text)
    if until is None:
        return None
    sent = _epoch(headers.get("date", ""))
    return max(0.0, until - (now if sent is None else sent))


def _epoch(date: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How often and how long to try: at most *tries* requests, with at most *max_wait* seconds of waiting in total.

    The n-th wait is ``jitter(min(ceiling, base * 2**n))`` seconds, or as long as the server asks for.
    """

    tries: int = 4
    base: float = 0.5
    ceiling: float = 8.0
    max_wait: float = 30.0
    jitter: Callable[[float], float] = full_jitter


class Attempts(Struct):
    """The number of tries of one request, which starts with the first one, and the seconds waited so far."""

    policy: RetryPolicy
    made: int = 1
    waited: float = 0.0

    def next_delay(self, asked: float | None = None) -> float | None:
        """Return the seconds to wait before one more try, and count it; None to give up.

        *asked* is what the server asks for. If that is more than what is left of *max_wait*, give up at once: an
        earlier try would only be refused again.
        """
        policy = self.policy
        upper = min(policy.ceiling, policy.base * 2 ** (self.made - 1))
        delay = policy.jitter(upper) if asked is None else asked
        if self.made >= policy.tries or self.waited + delay > policy.max_wait:
            return None
        self.made += 1
        self.waited += delay
        return delay
