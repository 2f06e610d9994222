"""The records that hooks return, and what they are given. Frozen values; importing this costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.model.source import Destination, Source


@dataclass(frozen=True, slots=True)
class Access:
    """How a scheme may reach the network: what a person chose, whatever the scheme makes of it.

    ``token`` is asked for the endpoint's bearer token, and is for the endpoint alone. ``env`` holds the variables
    that count (HTTPS_PROXY, NO_PROXY, DOCKER_CONFIG, HOME …). ``tries`` and ``patience`` (seconds of waiting, in
    total) bound the repetitions of one request, ``connections`` those open at once. ``wait`` sleeps between
    tries and may raise to end them. ``offline`` forbids the network: files still may be read. Secrets are not
    in the repr.
    """

    token: Callable[[], str] | None = field(default=None, repr=False)
    ca_file: str | None = None
    insecure: bool = False
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    connections: int = 8
    tries: int = 4
    patience: float = 30.0
    offline: bool = False
    wait: Callable[[float], object] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SourceScheme:
    """A kind of place that images come from; ``name`` is what its URLs begin with, before the colon.

    ``open`` gets the whole URL. It raises ConfigError for a URL that it cannot read and need not connect.
    """

    name: str
    open: Callable[[str, Access], Source]


@dataclass(frozen=True, slots=True)
class DestinationScheme:
    """A kind of place that ``publish`` writes to; as SourceScheme."""

    name: str
    open: Callable[[str, Access], Destination]
