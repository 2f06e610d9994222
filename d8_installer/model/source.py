"""The seams: where images come from (Source) and where ``publish`` writes (Destination). Protocols only."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from d8_installer.errors import MismatchError
from d8_installer.model.digest import Digest
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from d8_installer.errors import D8Error
    from d8_installer.model.platform import Platform


class ManifestBytes(Struct, frozen=True):
    """A manifest exactly as the source stores it; not parsed, not yet compared with any digest."""

    raw: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        """The sha256 of the bytes that arrived."""
        return Digest.of(self.raw)

    def require(self, digest: Digest) -> ManifestBytes:
        """Return these bytes if they have *digest*, else raise a MismatchError."""
        if self.digest != digest:
            raise MismatchError(f"{digest} was asked for, and {self.digest} came")
        return self


Provenance = tuple[str, ...]
"""What leads to a layer: repository path, index and platform (empty for a single ImageManifest), child, size."""


class LayerRequest(Struct, frozen=True, kw_only=True):
    """Everything any source may need to find one layer: RPP asks by tag and platform, the others by digest.

    ``image`` is the repository path (``deckhouse-cli/plugins/<name>``), ``platform`` None for a tag that is a
    single ImageManifest, ``index`` None likewise, ``size`` the compressed bytes. ``by_digest``: the tag is known to
    lead elsewhere, so that a source that finds layers by tag asks by the digest of the child instead.
    """

    image: str
    tag: str
    platform: Platform | None
    index: Digest | None
    child: Digest
    layer: Digest
    size: int
    by_digest: bool = False

    @property
    def top(self) -> Digest:
        """What the tag was locked as: the index, or the child where the tag is a single ImageManifest."""
        return self.child if self.index is None or self.platform is None else self.index

    @property
    def provenance(self) -> Provenance:
        """The claim that *layer* is what its image, index, platform and child lead to, as plain text."""
        leads = self.index is not None and self.platform is not None
        index, platform = (str(self.index), str(self.platform)) if leads else ("", "")
        return (self.image, index, platform, str(self.child), str(self.size))


class Body(Protocol):
    """A layer on its way: untrusted chunks, and what the sender said of them beforehand."""

    @property
    def size(self) -> int | None:
        """The number of bytes announced, or None."""

    @property
    def path(self) -> str | None:
        """The file these bytes lie in, when the source is local and its holder may send it as it is; else None."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes as stored (compressed), in chunks of at most some 256 KiB."""


class Source(Protocol):
    """A place that images come from. Every method may be called from several threads at once.

    Methods raise NotFoundError (no such image, tag or digest), NotAllowedError (401, 403), UnreachableError,
    TryAgainError or MismatchError. Nothing they return is verified: that is the caller's part.
    """

    @property
    def name(self) -> str:
        """The source as a person names it; never holds a secret."""

    def tags(self, image: str) -> Sequence[str]:
        """Return every tag of *image*, unfiltered, in the source's order."""

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest that *ref* (a tag or ``sha256:…``) names, bytes verbatim, at most 1 MiB."""

    def layer(self, request: LayerRequest) -> AbstractContextManager[Body]:
        """Open one layer for reading; leaving the context ends the transfer."""

    def close(self) -> None:
        """Release connections. The source is not used afterwards."""


@runtime_checkable
class Rest(Body, Protocol):
    """A Body of a source that can go on with a layer: where these bytes begin, and which file the sender says it is."""

    @property
    def start(self) -> int:
        """The first byte's place in the layer: the one asked for, or 0 where the sender begins anew."""

    @property
    def etag(self) -> str | None:
        """What the sender calls these bytes, to be handed back when it goes on; None where it says nothing."""


@runtime_checkable
class Resumable(Protocol):
    """What a source with ranges can do besides: go on with a layer of which the beginning was kept."""

    def layer_from(self, request: LayerRequest, start: int, etag: str | None) -> AbstractContextManager[Body]:
        """Open a layer at byte *start*, as ``Source.layer``; the body is a Rest if its transfer can be gone on with.

        Where the sender cannot go on, or *etag* (of the kept bytes) is not its any more, the body begins at 0.
        """


@runtime_checkable
class Tagged(Protocol):
    """What a body can do besides: tell what its sender calls the bytes."""

    @property
    def etag(self) -> str | None:
        """The sender's ``ETag``; RPP's is the digest of the build that the layer is of. None where it says nothing."""


@runtime_checkable
class Traced(Protocol):
    """What a body can do besides: tell how its sender found it, where a tag may lead to other bytes than the locked."""

    @property
    def by_tag(self) -> bool:
        """Whether the tag alone led here, so that asking by digest may lead to other bytes."""

    @property
    def detour(self) -> D8Error | None:
        """What was wrong with what the tag leads to, so that the sender was asked by digest; None where it led here."""


@runtime_checkable
class CarriesLock(Protocol):
    """What a bundle can do besides: give the lock that it was made for."""

    def lock_text(self) -> bytes:
        """Return the bytes of the ``d8.lock`` that came with the images; untrusted as everything else."""


@runtime_checkable
class CarriesManifest(Protocol):
    """What a bundle can do besides: give the manifest of the profile that it was made from."""

    def manifest_text(self) -> bytes | None:
        """Return the bytes of that ``d8.toml``, untrusted as everything else; None where there was none."""


@runtime_checkable
class TagsAtHand(Protocol):
    """What a local source can do besides: say at once, without blocking for long, what a tag means now."""

    def current(self, image: str, tag: str) -> Digest | None:
        """Return the digest that *tag* names, or None; raises what ``Source.tags`` raises."""


@runtime_checkable
class AllByDigest(Protocol):
    """What a source can do besides: find everything by its digest, whatever its tags mean now.

    ``Source.manifest`` then takes the digests of indexes too.
    """

    def layer_size(self, request: LayerRequest) -> int | None:
        """Return the compressed bytes of the layer that is there, without sending it, or None if it is not said.

        Raises what ``Source.layer`` raises.
        """


class Destination(Protocol):
    """A place that ``publish`` writes to: blobs first, then manifests, the tag last.

    Methods raise NotAllowedError, UnreachableError, TryAgainError or DiskError.
    """

    @property
    def name(self) -> str:
        """The destination as a person names it; never holds a secret."""

    def tag_digest(self, image: str, tag: str) -> Digest | None:
        """Return the digest of the manifest that *tag* names there now, or None."""

    def has_blob(self, image: str, digest: Digest) -> bool:
        """Whether the blob is there already."""

    def put_blob(self, image: str, digest: Digest, size: int, open_blob: Callable[[], BinaryIO]) -> None:
        """Write a blob of *size* bytes; *open_blob* gives a fresh stream each time, so that a try can be repeated."""

    def put_manifest(self, image: str, ref: str, manifest: ManifestBytes) -> None:
        """Write a manifest under *ref*, a tag or its own digest."""

    def close(self) -> None:
        """Release connections. The destination is not used afterwards."""
