"""The interfaces to the outside: where images come from (Source), and where ``publish`` writes (Destination)."""

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
    """A manifest exactly as the source sent it: not parsed, and not compared with any digest."""

    raw: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        """The digest of the bytes that arrived."""
        return Digest.of(self.raw)

    def require(self, digest: Digest) -> ManifestBytes:
        """Return these bytes if they have *digest*, else raise a MismatchError."""
        if self.digest != digest:
            raise MismatchError(f"{digest} was asked for, and {self.digest} came", code="wrong-bytes")
        return self


Provenance = tuple[str, ...]
"""How a layer is reached: repository path, index and platform (empty for a single ImageManifest), child, size."""


class LayerRequest(Struct, frozen=True, kw_only=True):
    """All that a source may need to find one layer: RPP asks by tag and platform, other sources by digest.

    ``image`` is the repository path (``deckhouse-cli/plugins/<name>``). ``platform`` and ``index`` are None for a tag
    that is a single ImageManifest. ``size`` is the number of compressed bytes. ``by_digest``: the tag is known to mean
    other bytes now, so a source that finds layers by tag asks by the digest of the child instead.
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
        """The digest that the tag was locked as: that of the index, or of a single ImageManifest."""
        return self.child if self.index is None or self.platform is None else self.index

    @property
    def provenance(self) -> Provenance:
        """The claim that image, index, platform and child lead to the layer, as plain text."""
        leads = self.index is not None and self.platform is not None
        index, platform = (str(self.index), str(self.platform)) if leads else ("", "")
        return (self.image, index, platform, str(self.child), str(self.size))


class Body(Protocol):
    """A layer in transfer: untrusted chunks, and what the sender announced about them."""

    @property
    def size(self) -> int | None:
        """The number of bytes that is announced, or None."""

    @property
    def path(self) -> str | None:
        """The file that holds these bytes, if the source is local and the file may be sent as it is; else None."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes as stored (compressed), in chunks of at most about 256 KiB."""


class Source(Protocol):
    """A source of images. Every method may be called from several threads at once.

    Methods raise NotFoundError (no such image, tag or digest), NotAllowedError (401, 403), UnreachableError,
    TryAgainError or MismatchError. What they return is not verified; the caller does that.
    """

    @property
    def name(self) -> str:
        """The name of the source for people, without secrets."""

    def tags(self, image: str) -> Sequence[str]:
        """Return every tag of *image*, unfiltered, in the source's order."""

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest that *ref* (a tag or ``sha256:…``) names, byte for byte, at most 1 MiB."""

    def layer(self, request: LayerRequest) -> AbstractContextManager[Body]:
        """Open one layer for reading. Leaving the context ends the transfer."""

    def close(self) -> None:
        """Release connections. The source is not used afterwards."""


@runtime_checkable
class Rest(Body, Protocol):
    """A Body whose transfer can be resumed: the place where its bytes begin, and the sender's name of them."""

    @property
    def start(self) -> int:
        """The offset of the first byte in the layer: the requested one, or 0 if the sender begins again."""

    @property
    def etag(self) -> str | None:
        """The sender's ``ETag``, to be sent back when the transfer is resumed, or None."""


@runtime_checkable
class Resumable(Protocol):
    """A source that can resume a layer of which the beginning was kept."""

    def layer_from(self, request: LayerRequest, start: int, etag: str | None) -> AbstractContextManager[Body]:
        """Open a layer at byte *start*, as ``Source.layer`` does. The body is a Rest if its transfer can be resumed.

        If the sender cannot resume, or its ``ETag`` is no longer *etag* (that of the kept bytes), the body begins at 0.
        """


@runtime_checkable
class Tagged(Protocol):
    """A body that has the ``ETag`` of its sender."""

    @property
    def etag(self) -> str | None:
        """The sender's ``ETag``, or None. RPP's is the digest of the build to which the layer belongs."""


@runtime_checkable
class Traced(Protocol):
    """A body that knows how its sender found it, if a tag may lead to other bytes than the locked ones."""

    @property
    def by_tag(self) -> bool:
        """Whether only the tag led to these bytes, so that asking by digest may lead to others."""

    @property
    def detour(self) -> D8Error | None:
        """Why the sender was asked by digest and not by tag: the fault of what the tag leads to, or None."""


@runtime_checkable
class CarriesLock(Protocol):
    """A source that contains the lock for which it was made, as a bundle does."""

    def lock_text(self) -> bytes:
        """Return the bytes of the ``d8.lock`` that came with the images, untrusted like all the rest."""


@runtime_checkable
class CarriesManifest(Protocol):
    """A source that contains the manifest of the profile from which it was made, as a bundle does."""

    def manifest_text(self) -> bytes | None:
        """Return the bytes of that ``d8.toml``, untrusted like all the rest, or None if there was none."""


@runtime_checkable
class TagsAtHand(Protocol):
    """A local source that says at once, without blocking for long, what a tag means now."""

    def current(self, image: str, tag: str) -> Digest | None:
        """Return the digest that *tag* names, or None. Raises what ``Source.tags`` raises."""


@runtime_checkable
class AllByDigest(Protocol):
    """A source that finds everything by its digest, whatever its tags mean now.

    Its ``manifest`` takes the digests of indexes, too.
    """

    def layer_size(self, request: LayerRequest) -> int | None:
        """Return the number of compressed bytes of a layer that the source has, without sending it, or None.

        Raises what ``Source.layer`` raises.
        """


class Destination(Protocol):
    """A place to which ``publish`` writes: blobs first, then manifests, the tag last.

    Methods raise NotAllowedError, UnreachableError, TryAgainError or DiskError.
    """

    @property
    def name(self) -> str:
        """The name of the destination for people, without secrets."""

    def tag_digest(self, image: str, tag: str) -> Digest | None:
        """Return the digest of the manifest that *tag* names there now, or None."""

    def has_blob(self, image: str, digest: Digest) -> bool:
        """Whether the destination already has the blob."""

    def put_blob(self, image: str, digest: Digest, size: int, open_blob: Callable[[], BinaryIO]) -> None:
        """Write a blob of *size* bytes; *open_blob* returns a new stream for each attempt."""

    def put_manifest(self, image: str, ref: str, manifest: ManifestBytes) -> None:
        """Write a manifest under *ref*, a tag or its own digest."""

    def close(self) -> None:
        """Release connections. The destination is not used afterwards."""
