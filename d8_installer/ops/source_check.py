"""Asks a source whether it still has, byte for byte, what a lock says. Downloads no layer and writes nothing.

A source that finds all by digest is asked for index, child and layer by digest. Of another (RPP) the tag must still
mean the same index, each child is asked for by digest, and the transfer of each layer is ended after its headers,
by which ETag and Content-Length are judged; what they do not say is not proven.
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
    """A build of which the source does not say enough: nothing is wrong with it, and nothing shows that it is right."""

    image: str
    version: str
    platform: str
    why: str

    def __str__(self) -> str:
        return f"{self.image} {self.version} for {self.platform} is not proven: {self.why}"


class Proof(Struct, frozen=True, kw_only=True):
    """What *source* showed: how many builds it has just as locked, which it is silent on, what is wrong with others."""

    source: str
    builds: int
    errors: tuple[D8Error, ...] = ()
    unproven: tuple[Unproven, ...] = ()

    def as_text(self) -> str:
        """Return one line for people, where nothing is wrong."""
        if not self.unproven:
            every = "the" if self.builds == 1 else "all"
            return f"{self.source} has {every} {counted(self.builds, 'build')} as locked"
        return f"{self.source} shows {self.builds} of {self.builds + len(self.unproven)} builds as locked"


def prove(session: Session, lock: Lock) -> Proof:
    """Compare every image and build of *lock* with the session's source, ``connections`` at once.

    Of several sources the first that has an image or a build whole is believed about it, as when it is fetched.
    MismatchErrors and NotFoundErrors, naming image, version and platform, are collected, those first; others end it.
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
    silent = tuple(one for one in found if isinstance(one, Unproven))
    return Proof(source=source.name, builds=len(builds) - len(found), errors=tuple(errors), unproven=silent)


Top = ImageIndex | ImageManifest
Wrong = MismatchError | NotFoundError


def _top(source: Source, image: LockedImage) -> Top | Wrong:
    """Return what the tag was locked as, parsed, or what is wrong with it."""
    what = f"{image.name} {image.version}"

    def shown(one: Source) -> Top:
        return _manifest(one, image, str(image.top) if isinstance(one, AllByDigest) else image.version, image.top)

    try:
        return _first(source, shown)
    except NotFoundError as error:
        platforms = ", ".join(key for key, _ in image.platforms)
        return NotFoundError(f"{what} ({platforms}): {image.top} is gone: {error}", hint=error.hint or _HINT)
    except MismatchError as error:
        return MismatchError(f"{what}: {error}", hint=error.hint or _HINT)


def _build(source: Source, image: LockedImage, key: str, top: Top) -> Wrong | Unproven | None:
    """Return what is wrong with one platform's build, or not proven of it, or None."""
    pin = dict(image.platforms)[key]
    what = f"{image.name} {image.version} for {key}"
    request = image.layer_request(platform_of(key))

    def shown(one: Source) -> str | None:
        manifest = top if isinstance(top, ImageManifest) else _child(one, image, _promised(top, key, pin))
        _compare_layer(manifest, pin)
        size, silence = _layer(one, request)
        if size not in (None, pin.size):
            raise MismatchError(f"the layer {pin.layer} has {size} bytes, and {pin.size} are locked", hint=_HINT)
        return silence

    try:
        silence = _first(source, shown)
    except NotFoundError as error:
        return NotFoundError(f"{what} is gone: {error}", hint=error.hint or _HINT)
    except MismatchError as error:
        return MismatchError(f"{what}: {error}", hint=error.hint or _HINT)
    return Unproven(image=str(image.name), version=image.version, platform=key, why=silence) if silence else None


def _first(source: Source, ask: Callable[[Source], T]) -> T:
    return source.first(ask) if isinstance(source, FallbackSource) else ask(source)


def _manifest(source: Source, image: LockedImage, ref: str, locked: Digest) -> Top:
    answer = source.manifest(image.name.path, ref)
    if answer.digest != locked:
        means = "is now" if ref == image.version else "arrived as"
        raise MismatchError(f"{ref} {means} {answer.digest}, and {locked} is locked", hint=_HINT)
    return parse_manifest(answer.raw)


def _promised(index: ImageIndex, key: str, pin: Pin) -> Digest:
    platform = platform_of(key)
    child = None if platform is None else index.child_for(platform)
    if child is None or child.digest != pin.child:
        says = "no build" if child is None else str(child.digest)
        raise MismatchError(f"the locked index names {says}, and {pin.child} is locked", hint=_HINT)
    return child.digest


def _child(source: Source, image: LockedImage, digest: Digest) -> ImageManifest:
    child = _manifest(source, image, str(digest), digest)
    if not isinstance(child, ImageManifest):
        raise MismatchError(f"{digest} is an index, not a build", hint=_HINT)
    return child


def _compare_layer(manifest: ImageManifest, pin: Pin) -> None:
    layer = manifest.layers[-1] if manifest.layers else None
    if layer is None or (layer.digest, layer.size) != (pin.layer, pin.size):
        says = "no layer" if layer is None else f"the layer {layer.digest} of {layer.size} bytes"
        raise MismatchError(f"the locked build has {says}, and {pin.layer} of {pin.size} is locked", hint=_HINT)


def _layer(source: Source, request: LayerRequest) -> tuple[int | None, str]:
    """Return the layer's bytes as the source says them, and what it does not say though its proof needs it."""
    if isinstance(source, AllByDigest):
        size = source.layer_size(request)
        return size, "" if size is not None else f"{source.name} does not say how many bytes the layer has"
    with source.layer(request) as body:
        if isinstance(body, Traced) and body.detour is not None:
            raise body.detour
        named = isinstance(body, Tagged) and judge_etag(body.etag, request)
        missing = [] if named else ["which build it sends (no strong ETag)"]
        missing += [] if body.size is not None else ["how many bytes it sends (no Content-Length)"]
        return body.size, f"{source.name} does not say {' and '.join(missing)}" if missing else ""
