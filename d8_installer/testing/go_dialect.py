"""What exists only to compare this project with Deckhouse's Go programs: their dialect of the RPP protocol.

``GoDialect`` answers as the registry-packages-proxy does. It is written from rpp.md §2 and §18 and shares no code with
the proxy of this project, so that the two can be compared; ``fault_server(source, wire=GoDialect())`` runs it, with
*source* as the registry behind it. The functions after it are the client's dialect: where the Go client reads, accepts
or says something else than we do, they state the difference, on top of the product's own code for what is the same.
"""

from __future__ import annotations

import binascii
import json
import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from d8_installer.errors import ConfigError, D8Error, DocumentError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.source import LayerRequest
from d8_installer.model.value import Struct
from d8_installer.registry.endpoint import Endpoint
from d8_installer.registry.rpp_errors import judge_status
from d8_installer.registry.rpp_routes import Route
from d8_installer.registry.tls import check_tls_options
from d8_installer.testing.replies import Reply, Resource, Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.model.source import ManifestBytes, Source
    from d8_installer.registry.rpp_wire import ProxyCall

_TREE = "/v1/images/"
_IMAGE = re.compile(r"deckhouse-cli(?:/plugins/[^/]+)?")
_TEXT = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}
_DEFAULT = ("linux", "amd64")
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"


class _Asked(Struct, frozen=True):
    resource: Resource
    image: str
    ref: str = ""


class _Answer(Exception):  # noqa: N818 - it is an answer, which ends the work on a request at once
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class GoDialect(Struct, frozen=True):
    """A Wire (``testing.replies``). *go* is the version that the proxy was built with: 1.26 redirects differently."""

    go: tuple[int, int] = (1, 25)

    def resource(self, target: str) -> Resource:
        """Return the resource that the target names."""
        asked = _parse(unquote(target.partition("?")[0]))
        return "other" if asked is None else asked.resource

    def reply(self, source: Source, request: Seen, *, ignores_platform: bool) -> Reply:
        """Answer as the Go program does; one that *ignores_platform* does not read the query."""
        path, _, query = request.target.partition("?")
        clean = _clean(path)
        if clean != path:
            return self._redirect(request, f"{clean}?{query}" if query else clean)
        try:
            return _answer(source, request, "" if ignores_platform else query)
        except _Answer as answer:
            return _reply(request, answer.status, _TEXT, f"{answer.text}\n".encode())

    def _redirect(self, request: Seen, to: str) -> Reply:
        code, word = (307, "Temporary Redirect") if self.go >= (1, 26) else (301, "Moved Permanently")
        headers = {"content-type": "text/html; charset=utf-8", "location": to}
        return _reply(request, code, headers, f'<a href="{to}">{word}</a>.\n\n'.encode())


def _clean(path: str) -> str:
    if path == _TREE.rstrip("/"):
        return _TREE
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _parse(path: str) -> _Asked | None:
    if not path.startswith(_TREE):
        return None
    rest = path.removeprefix(_TREE).strip("/")
    if rest.endswith("/tags"):
        return _Asked("tags", rest.removesuffix("/tags"))
    for word in ("images", "manifests"):
        image, found, ref = rest.rpartition(f"/{word}/")
        if found and image and ref and "/" not in ref:
            resource: Resource = "layer" if word == "images" else "child" if _is_digest(ref) else "index"
            return _Asked(resource, image, ref)
    return None


def _answer(source: Source, request: Seen, query: str) -> Reply:
    asked = _parse(unquote(request.target.partition("?")[0]))
    if asked is None or not _IMAGE.fullmatch(asked.image):
        raise _Answer(404, "404 page not found")
    if request.method not in (("GET", "HEAD") if asked.resource == "layer" else ("GET",)):
        raise _Answer(405, "method not allowed")
    if asked.resource == "tags":
        return _tags(source, request, asked)
    if asked.resource == "layer":
        return _layer(source, request, asked, _platform(query))
    try:
        found = _manifest(source, asked.image, asked.ref)
    except D8Error as error:
        raise _failed(error, "manifest not found", "failed to read manifest") from error
    return _reply(request, 200, {"content-type": found.media_type or _IMAGE_TYPE}, found.raw)


def _tags(source: Source, request: Seen, asked: _Asked) -> Reply:
    try:
        tags = list(source.tags(asked.image))
    except D8Error as error:
        raise _failed(error, "image not found", "failed to list tags") from error
    body = json.dumps({"name": asked.image, "tags": tags}, separators=(",", ":")).encode()
    return _reply(request, 200, {"content-type": "application/json"}, body)


def _layer(source: Source, request: Seen, asked: _Asked, platform: tuple[str, str] | None) -> Reply:
    try:
        top = _manifest(source, asked.image, asked.ref)
        digest = _child(top, platform, absent=None) if platform and _is_index(top) else top.digest
        if digest is None:
            raise _Answer(404, "version not found")
    except D8Error as error:
        raise _failed(error, "version not found", "failed to resolve version") from error
    try:
        body = _last_layer(source, asked.image, digest)
    except (D8Error, LookupError, TypeError, ValueError) as error:
        raise _failed(error, "package not found", "failed to fetch package") from error
    name = f"{asked.image.rpartition('/')[2]}-{asked.ref}.tar.gz"
    headers = {
        "content-type": "application/x-gzip",
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "public, max-age=31536000",
        "etag": f'"{digest}"',
        "docker-content-digest": str(digest),
    }
    return _reply(request, 200, headers, body)


def _last_layer(source: Source, image: str, digest: Digest) -> bytes:
    """Return the last layer of an image; an index is followed to linux/amd64, whatever was requested."""
    manifest = _manifest(source, image, str(digest))
    while _is_index(manifest):
        child = _child(manifest, _DEFAULT, absent=_DEFAULT)
        if child is None:
            raise LookupError("no child for linux/amd64")
        manifest = _manifest(source, image, str(child))
    last = json.loads(manifest.raw)["layers"][-1]
    layer, size = Digest.parse(last["digest"]), int(last["size"])
    try:
        with source.layer(
            LayerRequest(
                image=image,
                tag="",
                platform=None,
                index=None,
                child=manifest.digest,
                layer=layer,
                size=size,
                by_digest=True,
            )
        ) as chunks:
            return b"".join(chunks)
    except NotFoundError as error:
        raise LookupError("a missing blob says nothing about a version") from error


def _manifest(source: Source, image: str, ref: str) -> ManifestBytes:
    """Ask the registry, which receives whatever is in the path, and answers 404 to what cannot exist."""
    try:
        return source.manifest(image, str(Digest.parse(ref)) if _is_digest(ref) else ref)
    except DocumentError as error:
        raise NotFoundError(f"{image}: {ref[:100]!r}: {error}") from error


def _child(index: ManifestBytes, platform: tuple[str, str], *, absent: tuple[str, str] | None) -> Digest | None:
    """Return the first child for *platform*; a child without a platform counts as *absent*."""
    document = json.loads(index.raw)
    for entry in document.get("manifests") or []:
        offered = entry.get("platform")
        found = absent if offered is None else (offered.get("os", ""), offered.get("architecture", ""))
        if found == platform:
            return Digest.parse(entry["digest"])
    return None


def _is_index(manifest: ManifestBytes) -> bool:
    return manifest.media_type in _INDEXES


def _is_digest(ref: str) -> bool:
    return ref.startswith("sha256:") or "@" in ref


def _platform(query: str) -> tuple[str, str] | None:
    value = parse_qs(query).get("platform", [""])[0]
    if not value:
        return None
    system, _, architecture = value.partition("-")
    if not (system and architecture) or "-" in architecture:
        raise _Answer(400, "invalid platform")
    return system, architecture


def _failed(error: Exception, missing: str, failed: str) -> _Answer:
    return _Answer(404, missing) if isinstance(error, NotFoundError) else _Answer(502, failed)


def _reply(request: Seen, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    return Reply.whole(request.resource, status, headers, body)


# --- the Go client ---------------------------------------------------------------------------------------------


def parse_endpoint(url: str) -> Endpoint:
    """Read an endpoint as the Go client does (rpp.md §4.2): https only; user, query and fragment pass. ConfigError."""
    endpoint = Endpoint.split(url)
    if not endpoint.tls:
        raise ConfigError("the Go client speaks https only")
    return endpoint


def parse_old_path(path: str) -> Route | None:
    """Read a decoded path as a proxy of generation G1 does (rpp.md §2.7): layers lie below ``tags``; else None."""
    if not path.startswith(_TREE):
        return None
    image, found, tail = path.removeprefix(_TREE).strip("/").rpartition("/tags")
    if not found or not image:
        return None
    ref = tail.removeprefix("/")
    if not tail:
        return Route("tags", image)
    return Route("image", image, ref) if tail.startswith("/") and ref and "/" not in ref else None


def raise_for_status(call: ProxyCall, status: int, body: bytes) -> None:
    """Return on 2xx; else raise the error in the protocol's own words (rpp.md §4.3), which the Go client prints."""
    verdict = judge_status(call, status, body)
    if verdict is not None:
        raise verdict.error(call)


def check_trust(
    *, insecure: bool = False, ca_data: str | None = None, ca_file: str | None = None, custom_transport: bool = False
) -> None:
    """Refuse trust options as the Go client's constructor does (rpp.md §4.2): ConfigError.

    *ca_data* is PEM text; empty data and an empty *ca_file* count as not given.
    """
    check_tls_options(insecure=insecure, ca_file=ca_file or ca_data)
    if custom_transport or (ca_data and ca_file):
        raise ConfigError("unsupported client configuration")
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", ca_data or "")
    if ca_data and not any(map(_is_certificate, blocks)):
        raise ConfigError("invalid CA bundle")


def _is_certificate(block: str) -> bool:
    try:
        # A certificate is a DER SEQUENCE; whether it is a good one is for the TLS library to say.
        return binascii.a2b_base64("".join(block.split()), strict_mode=True)[:1] == b"\x30"
    except binascii.Error:
        return False
