"""What the fault server hears and says: one request, and its answer before it is sent. Records only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.model.source import Source

Resource = Literal["tags", "index", "child", "layer", "other"]
"""What was asked for: the tag list, a manifest by its tag, one by its digest, a layer, or something else."""


class Seen(Struct, frozen=True, kw_only=True):
    """A request that arrived; header names are in lower case."""

    resource: Resource
    method: str
    target: str
    headers: Mapping[str, str]


class Reply(Struct, frozen=True, kw_only=True):
    """An answer to *resource* before it is sent. Header names are in lower case, Content-Length is not among them.

    ``length`` is what Content-Length promises; None leaves it out, and the connection's end is the body's.
    ``stalls``: after the body nothing comes any more until the client goes away. ``drops``: no answer at all.
    """

    resource: Resource
    status: int
    headers: Mapping[str, str]
    body: bytes
    length: int | None
    stalls: bool = False
    drops: bool = False

    @classmethod
    def whole(cls, resource: Resource, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return an answer that promises just the bytes that it sends."""
        return cls(resource=resource, status=status, headers=headers, body=body, length=len(body))


Fault: TypeAlias = "Callable[[Reply], Reply]"


class Wire(Protocol):
    """A protocol that the fault server speaks: what a path asks for, and the right answer to it."""

    def resource(self, target: str) -> Resource:
        """Say what a request's target, path and query, asks for."""

    def reply(self, source: Source, request: Seen, *, ignores_platform: bool) -> Reply:
        """Return the right answer out of *source*; a proxy that *ignores_platform* takes linux/amd64 for every one."""
