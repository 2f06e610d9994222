"""A published version of an image as its source has it: builds, sizes and contract. Nothing of it is trusted later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import NotFoundError
from d8_installer.model.contract_lookup import contract_in
from d8_installer.model.lock import ANY_PLATFORM
from d8_installer.model.oci import ImageIndex, ImageManifest, parse_manifest
from d8_installer.model.value import Struct
from d8_installer.model.version import Version
from d8_installer.pipeline.pool import workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.contract import Contract
    from d8_installer.model.digest import Digest
    from d8_installer.model.reference import ImageName
    from d8_installer.model.version import Specifier
    from d8_installer.pipeline.session import Session


class PlatformBuild(Struct, frozen=True, kw_only=True):
    """One platform's build: ``platform`` as a lock names it, and the bytes of its layer as they are sent."""

    platform: str
    child: Digest
    layer: Digest
    size: int

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {
            "platform": self.platform,
            "child": str(self.child),
            "layer": str(self.layer),
            "size": self.size,
        }


class PublishedVersion(Struct, frozen=True, kw_only=True):
    """What the tag means at the source now."""

    top: Digest
    builds: tuple[PlatformBuild, ...]
    contract: Contract | None


def newest_allowed(name: ImageName, tags: Sequence[str], specifier: Specifier) -> str:
    """Return the newest tag in the range; a range has no pre-releases unless it names one. Else NotFoundError."""
    if specifier.exact_tag is not None and specifier.exact_tag in tags:
        return specifier.exact_tag
    allowed = [version for tag in tags if (version := Version.try_parse(tag)) and specifier.allows(version)]
    if not allowed:
        what = "no stable version" if str(specifier) == "*" else f"no version {specifier}"
        raise NotFoundError(
            f"{name} has {what}",
            hint=f"see `d8-installer versions {name}` for what is published",
            code="no-such-version",
        )
    return max(allowed, key=lambda version: version.preference_key).text


def published_version(session: Session, name: ImageName, tag: str) -> PublishedVersion:
    """Ask the source for a version; a contract that cannot be read is a DocumentError that names the image."""
    from d8_installer.errors import DocumentError

    source = session.source
    answer = source.manifest(name.path, tag)
    top = parse_manifest(answer.raw)
    children = {}
    if isinstance(top, ImageIndex):
        wanted = {platform: top.child_for(platform) for platform in top.platforms}
        digests = {str(platform): child.digest for platform, child in wanted.items() if child is not None}
        distinct = list(dict.fromkeys(digests.values()))
        with workers(min(session.scope.options.connections, len(distinct) or 1)) as pool:
            raws = list(pool.map(lambda digest: source.manifest(name.path, str(digest)).require(digest).raw, distinct))
        children = {digest: parse_manifest(raw) for digest, raw in zip(distinct, raws, strict=True)}
    else:
        digests, children = {ANY_PLATFORM: answer.digest}, {answer.digest: top}
    builds = [_build(platform, digest, children[digest]) for platform, digest in sorted(digests.items())]
    try:
        contract = contract_in(top, children, name.short, tag)
    except DocumentError as error:
        hint = f"ask the publisher of {name} for a repaired contract; `d8-installer versions {name}` has other versions"
        raise error.within(f"{name} {tag}", hint=error.hint or hint) from error
    return PublishedVersion(
        top=answer.digest, builds=tuple(build for build in builds if build is not None), contract=contract
    )


def _build(platform: str, digest: Digest, document: ImageIndex | ImageManifest) -> PlatformBuild | None:
    """Return the build of a platform, or None for one without a layer, which nobody can install."""
    if not isinstance(document, ImageManifest) or not document.layers:
        return None
    layer = document.layers[-1]
    return PlatformBuild(platform=platform, child=digest, layer=layer.digest, size=layer.size)
