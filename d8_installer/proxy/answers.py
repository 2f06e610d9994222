"""The proxy's answers as values: statuses, headers and bodies of rpp.md §2 and §2.3. No I/O.

Headers are pairs of bytes, as in ASGI. ``app`` sends the answers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from d8_installer.errors import ConfigError, D8Error, NotFoundError
from d8_installer.model.oci import OCI_MANIFEST
from d8_installer.model.value import Struct, replace
from d8_installer.registry.rpp_routes import MANIFEST_NOT_FOUND_BODY, NOT_FOUND_BODY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.model.digest import Digest
    from d8_installer.model.source import ManifestBytes

Headers = tuple[tuple[bytes, bytes], ...]
Stage = Literal["tags", "resolve", "package", "manifest"]


class Answer(Struct, frozen=True, kw_only=True):
    """A complete answer; ``headers`` include Content-Length. ``problem`` is for the log, never for the client."""

    status: int
    headers: Headers
    body: bytes
    problem: str = ""


def error(status: int, body: str) -> Answer:
    """Return an error as Go's http.Error writes it; *body* ends with its newline."""
    raw = body.encode()
    headers = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-length", str(len(raw)).encode()),
    )
    return Answer(status=status, headers=headers, body=raw)


NOT_FOUND = error(404, NOT_FOUND_BODY)
METHOD_NOT_ALLOWED = error(405, "method not allowed\n")
INVALID_PLATFORM = error(400, "invalid platform\n")
NO_REGISTRY = error(500, "registry config unavailable\n")
INTERNAL_ERROR = error(500, "internal error\n")
UNAUTHORIZED = error(401, "Unauthorized\n")
FORBIDDEN = error(403, "Forbidden (user=denied, verb=get, resource=deployments, subresource=cli-binary)\n")
HEALTHY = Answer(
    status=200, headers=((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"2")), body=b"ok"
)

_MISSING: Mapping[Stage, Answer] = {
    "tags": error(404, "image not found\n"),
    "resolve": error(404, "version not found\n"),
    "package": error(404, "package not found\n"),
    "manifest": error(404, MANIFEST_NOT_FOUND_BODY),
}
_FAILED: Mapping[Stage, Answer] = {
    "tags": error(502, "failed to list tags\n"),
    "resolve": error(502, "failed to resolve version\n"),
    "package": error(502, "failed to fetch package\n"),
    "manifest": error(502, "failed to read manifest\n"),
}


def failure(step: Stage, error: D8Error) -> Answer:
    """Return the client's answer to a source's error: 404 for NotFoundError, 500 without configuration, else 502."""
    if isinstance(error, ConfigError):
        return replace(NO_REGISTRY, problem=error.message)
    return replace((_MISSING if isinstance(error, NotFoundError) else _FAILED)[step], problem=error.message)


def layer_failure(error: D8Error) -> Answer:
    """Return the client's answer to an error of the layer: always 502, also for a missing blob (rpp.md §2.3)."""
    return replace(_FAILED["package"], problem=error.message)


# Go's encoding/json escapes these characters, so that no browser takes the answer for HTML.
_GO_JSON = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def tags(image: str, found: Sequence[str]) -> Answer:
    """Return R1: compact JSON as Go writes it, without a newline; 500 if a tag is not text."""
    document = json.dumps({"name": image, "tags": list(found)}, ensure_ascii=False, separators=(",", ":"))
    try:
        body = document.translate(_GO_JSON).encode()
    except UnicodeEncodeError:
        return INTERNAL_ERROR
    return Answer(status=200, headers=_content("application/json", len(body)), body=body)


def manifest(found: ManifestBytes) -> Answer:
    """Return R3: the bytes verbatim under their own media type."""
    # A layout's index.json can have any text there. One that cannot be a header counts as empty.
    is_header = found.media_type.isascii() and found.media_type.isprintable() and not found.media_type.startswith(" ")
    media_type = found.media_type if found.media_type and is_header else OCI_MANIFEST
    return Answer(status=200, headers=_content(media_type, len(found.raw)), body=found.raw)


def layer_headers(image: str, version: str, digest: Digest, size: int) -> Headers:
    """Return R2's headers: the manifest's digest, the layer's size, always the type x-gzip (rpp.md §2.5)."""
    filename = f"{image.rpartition('/')[2]}-{version}.tar.gz"
    return (
        *_content("application/x-gzip", size),
        (b"content-disposition", f'attachment; filename="{filename}"'.encode()),
        (b"cache-control", b"public, max-age=31536000"),
        (b"etag", f'"{digest}"'.encode()),
        (b"docker-content-digest", str(digest).encode()),
    )


def redirect(target: str) -> Answer:
    """Redirect a non-canonical path to its clean form, as the Go mux in front does (rpp.md §2.1)."""
    return Answer(status=301, headers=((b"location", target.encode()), (b"content-length", b"0")), body=b"")


def _content(media_type: str, size: int) -> Headers:
    return (b"content-type", media_type.encode()), (b"content-length", str(size).encode())
