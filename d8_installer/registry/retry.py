"""When a failed request is sent again: the policy, the count, and ``Retry-After``. Values only; the client waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def full_jitter(upper: float) -> float:
    """Return a random number of seconds from 0 to *upper*, so that a thousand clients do not return at once."""
    import random

    return random.SystemRandom().uniform(0, upper)


def is_passing(status: int) -> bool:
    """Whether the same request may succeed later: 429 and every 5xx."""
    return status == 429 or 500 <= status <= 599


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, or None (RFC 9110 §10.2.3: a number, or an HTTP date).

    A date is measured from the answer's own ``Date``, and from *now* (seconds since the epoch) without one:
    a wrong clock here must not turn a second into an hour. Header names are in lower case.
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
    """How often and how long: at most *tries* requests, waiting at most *max_wait* seconds in total.

    The n-th wait is ``jitter(min(ceiling, base * 2**n))`` seconds, or what the server asked for.
    """

    tries: int = 4
    base: float = 0.5
    ceiling: float = 8.0
    max_wait: float = 30.0
    jitter: Callable[[float], float] = full_jitter


class Attempts(Struct):
    """The count of one request's tries; begins with the first one made."""

    policy: RetryPolicy
    made: int = 1
    waited: float = 0.0

    def next_delay(self, asked: float | None = None) -> float | None:
        """Return the seconds to wait before one more try, and count it; None when it is time to give up.

        *asked* is what the server wants. More than what is left of *max_wait* ends it at once: to come
        back earlier than told would only be refused again.
        """
        policy = self.policy
        upper = min(policy.ceiling, policy.base * 2 ** (self.made - 1))
        delay = policy.jitter(upper) if asked is None else asked
        if self.made >= policy.tries or self.waited + delay > policy.max_wait:
            return None
        self.made += 1
        self.waited += delay
        return delay
