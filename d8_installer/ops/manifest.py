"""``manifest init`` and ``manifest check``: the author's manifest, written and read as everybody else will read it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, DocumentError, UsageError
from d8_installer.model.lock import Lock
from d8_installer.model.manifest import with_request
from d8_installer.model.reference import is_never_a_plugins, split_requirement
from d8_installer.model.requirement import OWN_MANIFEST, Request
from d8_installer.model.resolution import Wanted
from d8_installer.model.value import Struct
from d8_installer.ops.manifest_contents import check_contents
from d8_installer.pipeline.relock import relock
from d8_installer.store import documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.manifest import Manifest
    from d8_installer.pipeline.session import Session


class ManifestResult(Struct, frozen=True):
    """A manifest: each image with its range, the version that was found for it (None: not asked), and its binaries."""

    file: str
    images: tuple[tuple[Request, str | None], ...]
    written: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        images = [
            {"image": str(request.name), "range": request.version.text, "version": version}
            | {"binaries": [binary for binary, _ in request.binaries]}
            for request, version in self.images
        ]
        return {"file": self.file, "written": self.written, "images": images}


def init(session: Session, requirements: Sequence[str], file: str) -> ManifestResult:
    """Write a new manifest for each ``NAME[SPEC]``; what is there already is not touched."""
    path = os.path.join(session.directory, file)
    if os.path.lexists(path):
        raise DiskError(f"{path} is there already", hint="edit it, or choose another file with --file")
    text = ""
    for requirement in requirements:
        name, spec = split_requirement(requirement)
        try:
            text = with_request(text, Request.of(name, spec))
        except DocumentError as error:
            raise UsageError(f"{requirement[:100]!r}: {error}", hint=error.hint) from error
    documents.save(path, text, begin=True)
    return ManifestResult(path, _unasked(documents.load_manifest(path).value), written=True)


def check(session: Session, file: str, *, resolve: bool) -> ManifestResult:
    """Read a plugin's manifest; *resolve*: also find a version of every image, and look into it for each platform.

    Raises DocumentError for what no reader would take, and for what no plugin gets; NotFoundError for a file that an
    image lacks; whatever resolving and fetching raise.
    """
    path = os.path.join(session.directory, file)
    if not os.path.isfile(path):
        raise DocumentError(
            "is missing", file=path, hint=f"make one: `d8-installer manifest init NAME --file {file}`", about_file=True
        )
    manifest = documents.load_manifest(path, of_plugin=True).value
    if not manifest.requests:
        raise DocumentError("asks for no image", file=path, key="images", hint="add one under [[images]]")
    for number, request in enumerate(manifest.requests):
        for binary, _ in request.binaries:
            if is_never_a_plugins(binary):
                hint = "give it another name: binaries = { other-name = … }"
                key = f"images[{number}].binaries"
                raise DocumentError(f"no plugin gets the name {binary!r}", file=path, key=key, hint=hint)
    if not resolve:
        return ManifestResult(path, _unasked(manifest))
    wanted = Wanted(requirements=manifest.requirements(OWN_MANIFEST), present=frozenset([OWN_MANIFEST]), locked=Lock())
    locked = relock(session, wanted).lock
    check_contents(session, locked)
    versions = {image.name: image.version for image in locked.images}
    return ManifestResult(path, tuple((request, versions.get(request.name)) for request in manifest.requests))


def _unasked(manifest: Manifest) -> tuple[tuple[Request, str | None], ...]:
    return tuple((request, None) for request in manifest.requests)
