"""Compares a lock with a source: does the source still have exactly what is pinned? No layer is downloaded.

A source that finds everything by digest is asked for index, child and layer by digest. At any other source (RPP), the
tag must still mean the locked index, and each child is asked for by digest. The transfer of each layer ends after its
headers: ETag and Content-Length are compared, and what they do not tell is not proven.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.model.lock import platform_of
from d8_installer.model.oci import ImageIndex, ImageManifest, parse_manifest
from d8_installer.model.plurals import counted
from d8_installer.model.source import AllByDigest, Tagged, Traced
from d8_installer.model.value import Struct
from d8_installer.pipeline.pool import workers
from d8_installer.registry.fallback import FallbackSource
from d8_installer.registry.rpp_wire import judge_etag

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.errors import D8Error
    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import Lock, LockedImage, Pin
    from d8_installer.model.source import LayerRequest, Source
    from d8_installer.pipeline.session import Session

T = TypeVar("T")
_HINT = "find out who changed it; another source, such as a mirror, may still have the locked bytes"


class Unproven(Struct, frozen=True, kw_only=True):
    """A build that the source does not tell enough about: nothing about it is wrong, and nothing proves it right."""

    image: str
    version: str
    platform: str
    why: str

    def __str__(self) -> str:
        return f"{self.image} {self.version} for {self.platform} is not proven: {self.why}"


class SourceComparison(Struct, frozen=True, kw_only=True):
    """The comparison with a source: how many builds are proven as locked, which are not proven, and which are wrong."""

    source: str
    proven: int
    errors: tuple[D8Error, ...] = ()
    unproven: tuple[Unproven, ...] = ()

    def as_text(self) -> str:
        """Return one line for people, if nothing is wrong."""
        if not self.unproven:
            every = "the" if self.proven == 1 else "all"
            return f"{self.source} has {every} {counted(self.proven, 'build')} as locked"
        return f"{self.source} proves {self.proven} of {self.proven + len(self.unproven)} builds as locked"


def compare_with_source(session: Session, lock: Lock) -> SourceComparison:
    """Compare every image and build of *lock* with the session's source, ``connections`` at once.

    Of several sources, the first that has an image or a build counts, as when it is fetched. MismatchErrors and
    NotFoundErrors are collected, in this order; each names image, version and platform. Any other error is raised.
    """
    source = session.source
    errors: list[D8Error] = []
    with workers(session.scope.options.connections) as pool:
        tops = [(image, pool.submit(partial(_top, source, image))) for image in lock.images]
        builds = []
        for image, asked in tops:
            top = asked.result()
            if isinstance(top, (MismatchError, NotFoundError)):
                errors.append(top)
            else:
                builds += [pool.submit(partial(_build, source, image, key, top)) for key, _ in image.platforms]
        found = [one for build in builds if (one := build.result()) is not None]
    errors += [one for one in found if not isinstance(one, Unproven)]
    errors.sort(key=lambda error: isinstance(error, NotFoundError))
    return SourceComparison(
        source=source.name,
        proven=len(builds) - len(found),
        errors=tuple(errors),
        unproven=tuple(one for one in found if isinstance(one, Unproven)),
    )


_Top = ImageIndex | ImageManifest
_Wrong = MismatchError | NotFoundError


class _LayerFacts(Struct, frozen=True):
    """What a source tells about a layer: its bytes, and what it does not tell though the proof needs it, or ""."""

    size: int | None
    silence: str


def _top(source: Source, image: LockedImage) -> _Top | _Wrong:
    """Return the parsed manifest or index that the tag was locked as, or what is wrong with it."""
    what = f"{image.name} {image.version}"

    def ask(one: Source) -> _Top:
        return _manifest(one, image, str(image.top) if isinstance(one, AllByDigest) else image.version, image.top)

    try:
        return _ask_first(source, ask)
    except NotFoundError as error:
        platforms = ", ".join(key for key, _ in image.platforms)
        return NotFoundError(
            f"{what} ({platforms}): {image.top} is gone: {error}", hint=error.hint or _HINT, code="locked-bytes-gone"
        )
    except MismatchError as error:
        return MismatchError(f"{what}: {error}", hint=error.hint or _HINT, code="lock-contradicted")


def _build(source: Source, image: LockedImage, key: str, top: _Top) -> _Wrong | Unproven | None:
    """Return what is wrong with one platform's build, or what is not proven about it, or None."""
    pin = dict(image.platforms)[key]
    what = f"{image.name} {image.version} for {key}"
    request = image.layer_request(platform_of(key))

    def ask(one: Source) -> str:
        manifest = top if isinstance(top, ImageManifest) else _child(one, image, _locked_child(top, key, pin))
        _compare_layer(manifest, pin)
        layer = _layer(one, request)
        if layer.size not in (None, pin.size):
            raise MismatchError(
                f"the layer {pin.layer} has {layer.size} bytes, and {pin.size} are locked",
                hint=_HINT,
                code="lock-contradicted",
            )
        return layer.silence

    try:
        silence = _ask_first(source, ask)
    except NotFoundError as error:
        return NotFoundError(f"{what} is gone: {error}", hint=error.hint or _HINT, code="locked-bytes-gone")
    except MismatchError as error:
        return MismatchError(f"{what}: {error}", hint=error.hint or _HINT, code="lock-contradicted")
    return Unproven(image=str(image.name), version=image.version, platform=key, why=silence) if silence else None


def _ask_first(source: Source, ask: Callable[[Source], T]) -> T:
    """Ask the source, or of several the first that has it."""
    return source.first(ask) if isinstance(source, FallbackSource) else ask(source)


def _manifest(source: Source, image: LockedImage, ref: str, locked: Digest) -> _Top:
    answer = source.manifest(image.name.path, ref)
    if answer.digest != locked:
        means = "is now" if ref == image.version else "arrived as"
        raise MismatchError(
            f"{ref} {means} {answer.digest}, and {locked} is locked", hint=_HINT, code="lock-contradicted"
        )
    return parse_manifest(answer.raw)


def _locked_child(index: ImageIndex, key: str, pin: Pin) -> Digest:
    platform = platform_of(key)
    child = None if platform is None else index.child_for(platform)
    if child is None or child.digest != pin.child:
        says = "no build" if child is None else str(child.digest)
        raise MismatchError(
            f"the locked index names {says}, and {pin.child} is locked", hint=_HINT, code="lock-contradicted"
        )
    return child.digest


def _child(source: Source, image: LockedImage, digest: Digest) -> ImageManifest:
    child = _manifest(source, image, str(digest), digest)
    if not isinstance(child, ImageManifest):
        raise MismatchError(f"{digest} is an index, not a build", hint=_HINT, code="lock-contradicted")
    return child


def _compare_layer(manifest: ImageManifest, pin: Pin) -> None:
    layer = manifest.layers[-1] if manifest.layers else None
    if layer is None or (layer.digest, layer.size) != (pin.layer, pin.size):
        says = "no layer" if layer is None else f"the layer {layer.digest} of {layer.size} bytes"
        raise MismatchError(
            f"the locked build has {says}, and {pin.layer} of {pin.size} is locked",
            hint=_HINT,
            code="lock-contradicted",
        )


def _layer(source: Source, request: LayerRequest) -> _LayerFacts:
    if isinstance(source, AllByDigest):
        size = source.layer_size(request)
        silence = f"{source.name} does not say how many bytes the layer has" if size is None else ""
        return _LayerFacts(size, silence)
    with source.layer(request) as body:
        if isinstance(body, Traced) and body.detour is not None:
            raise body.detour
        has_etag = isinstance(body, Tagged) and judge_etag(body.etag, request)
        missing = [] if has_etag else ["which build it sends (no strong ETag)"]
        missing += [] if body.size is not None else ["how many bytes it sends (no Content-Length)"]
        silence = f"{source.name} does not say {' and '.join(missing)}" if missing else ""
        return _LayerFacts(body.size, silence)
