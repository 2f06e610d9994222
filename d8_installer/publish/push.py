"""Pushing a built image to a Destination, in an order that never shows half of it: blobs, children, the tag.

A published tag is never given other bytes, unless the caller asks for it. ``image`` builds the image; a Destination of
``registry`` writes.
"""

from __future__ import annotations

import io
import tempfile
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from d8_installer.errors import DiskError, NotAllowedError
from d8_installer.model.digest import Digest
from d8_installer.model.value import Struct
from d8_installer.model.value import replace as with_fields
from d8_installer.publish.image import BuiltChild, BuiltImage, ImageOptions, build_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from d8_installer.model.contract import Contract
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName
    from d8_installer.model.source import Destination

Blob = tuple[Digest, int, "Callable[[], BinaryIO]"]


class PublishedChild(Struct, frozen=True, kw_only=True):
    """One platform of a published image; ``size`` is the layer's compressed size in bytes."""

    platform: Platform
    child: Digest
    layer: Digest
    size: int


class Published(Struct, frozen=True, kw_only=True):
    """The image as the destination has it now; ``changed`` is False if the destination had it before.

    In a ``dry_run`` it is what the destination would have.

    ``contract`` is the one that its index carries, None if it has none.
    """

    destination: str
    image: str
    tag: str
    index: Digest
    children: tuple[PublishedChild, ...]
    changed: bool
    contract: Contract | None = None
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the value of the envelope's result."""
        return {
            "destination": self.destination,
            "image": self.image,
            "tag": self.tag,
            "index": str(self.index),
            "changed": self.changed,
            "dry_run": self.dry_run,
            "platforms": {
                str(child.platform): {"child": str(child.child), "layer": str(child.layer), "size": child.size}
                for child in self.children
            },
            "contract": None if self.contract is None else self.contract.as_json(),
        }


def publish(
    builds: Sequence[tuple[Platform, str]], image: ImageName, tag: str, destination: Destination, options: ImageOptions
) -> Published:
    """Build the image and push it. Raises the errors of ``build_image`` and ``push``."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="d8-publish-")
    except OSError as error:
        raise DiskError(f"cannot make a temporary directory: {error.strerror}", hint="set TMPDIR") from error
    with folder as path:
        built = build_image(builds, image, tag, path, options)
        published = push(built, destination, image, tag, options)
    return with_fields(published, contract=options.contract)


def push(built: BuiltImage, destination: Destination, image: ImageName, tag: str, options: ImageOptions) -> Published:
    """Write the image under *tag*: blobs, then the children by digest, then the index.

    A tag that has these bytes already is left alone. A tag with other bytes is a NotAllowedError, unless the *options*
    say ``replace``. With ``dry_run``, nothing is written.
    Raises the errors of the destination.
    """
    index = built.index.digest
    present = destination.tag_digest(image.path, tag)
    if present not in (None, index) and not options.replace:
        raise NotAllowedError(
            f"{image}:{tag} is already published in {destination.name} with other bytes ({present})",
            hint="publish a new version; --replace changes it for everyone who has not locked it",
            code="already-published",
        )
    if present != index and not options.dry_run:
        _write(built, destination, image.path, tag)
    children = tuple(
        PublishedChild(
            platform=child.platform, child=child.manifest.digest, layer=child.layer.digest, size=child.layer.size
        )
        for child in built.children
    )
    return Published(
        destination=destination.name,
        image=image.path,
        tag=tag,
        index=index,
        children=children,
        changed=present != index,
        dry_run=options.dry_run,
    )


def _write(built: BuiltImage, destination: Destination, path: str, tag: str) -> None:
    for child in built.children:
        for digest, size, open_blob in _blobs(child):
            if not destination.has_blob(path, digest):
                destination.put_blob(path, digest, size, open_blob)
    for child in built.children:
        destination.put_manifest(path, str(child.manifest.digest), child.manifest)
    destination.put_manifest(path, tag, built.index)


def _blobs(child: BuiltChild) -> Iterator[Blob]:
    yield child.layer.digest, child.layer.size, partial(_open, child.layer.path)
    yield Digest.of(child.config), len(child.config), partial(io.BytesIO, child.config)


def _open(path: str) -> BinaryIO:
    return open(path, "rb")
