"""The records of the fault server: a request, its answer before it is sent, and the protocol between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.model.source import Source

Resource = Literal["tags", "index", "child", "layer", "other"]
"""What a request names: the tag list, a manifest by tag, a manifest by digest, a layer, or something else."""


class Seen(Struct, frozen=True, kw_only=True):
    """A request that arrived; header names are in lower case."""

    resource: Resource
    method: str
    target: str
    headers: Mapping[str, str]


class Reply(Struct, frozen=True, kw_only=True):
    """An answer before it is sent. Header names are in lower case; Content-Length is not among them.

    ``length`` is announced in Content-Length; None omits the header, and the body ends with the connection. With
    ``stalls`` nothing follows the body until the client disconnects; with ``drops`` there is no answer at all.
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
        """Return an answer that announces exactly the bytes of *body*."""
        return cls(resource=resource, status=status, headers=headers, body=body, length=len(body))


Fault: TypeAlias = "Callable[[Reply], Reply]"


class Wire(Protocol):
    """A protocol of the fault server: the resource that a path names, and the right answer to a request."""

    def resource(self, target: str) -> Resource:
        """Return the resource that a request's target, its path and query, names."""

    def reply(self, source: Source, request: Seen, *, ignores_platform: bool) -> Reply:
        """Return the right answer from *source*; with *ignores_platform* every platform is linux/amd64."""
