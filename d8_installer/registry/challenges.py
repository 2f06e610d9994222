"""``WWW-Authenticate``: the ways to authenticate that a registry offers. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

_TCHAR = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_SCHEME = re.compile(rf"[\s,]*+({_TCHAR})(?!\s*+=)", re.ASCII)
_TOKEN68 = re.compile(r" ++[A-Za-z0-9._~+/-]++=*+\s*+(?=,|\Z)", re.ASCII)
# A value without quotes may be no more than a token, but registries send bare URLs.
_BARE = r'[^\s",]++'
_PARAMETER = re.compile(rf'[\s,]*+({_TCHAR})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|({_BARE}))', re.ASCII | re.DOTALL)


class Challenge(Struct, frozen=True):
    """One way to authenticate: ``scheme`` and the names of ``parameters`` in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read ``WWW-Authenticate`` (RFC 9110 §11.6.1), several joined by commas; stops at what is malformed."""
    challenges, at = [], 0
    while match := _SCHEME.match(header, at):
        parameters: dict[str, str] = {}
        at = match.end()
        if blob := _TOKEN68.match(header, at):
            at = blob.end()
        while pair := _PARAMETER.match(header, at):
            quoted = pair[2]
            value = pair[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            parameters.setdefault(pair[1].lower(), value)
            at = pair.end()
        challenges.append(Challenge(match[1].lower(), parameters))
    return tuple(challenges)
