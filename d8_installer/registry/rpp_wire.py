"""The registry-packages-proxy protocol as the client speaks it, without any I/O: requests and good answers.

Values become requests and answers become values (rpp.md §2, §4). Paths are read in ``rpp_routes``, and bad answers are
``rpp_errors``'s. Nothing here opens, reads, sleeps or logs, and nothing here decides what to install.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from d8_installer.errors import DocumentError, MismatchError
from d8_installer.model.oci import DOCKER_LIST, DOCKER_MANIFEST, MAX_MANIFEST_BYTES, OCI_INDEX, OCI_MANIFEST
from d8_installer.model.plurals import sized
from d8_installer.model.reference import CLI_IMAGE, is_allowed_image, is_image_name, is_manifest_ref, is_tag
from d8_installer.model.source import ManifestBytes
from d8_installer.model.value import Struct
from d8_installer.registry.go_json import member
from d8_installer.registry.rpp_routes import PREFIX

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest
    from d8_installer.model.platform import Platform
    from d8_installer.model.source import LayerRequest

MANIFEST_ACCEPT = ",".join([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])

MAX_TAGS_BYTES = 4 << 20
"""The most bytes of a tag list that are read (rpp.md §4.2, Caps)."""

ADDRESS_HINT = "`d8-installer config get endpoint`, or --endpoint URL"
OTHER_SOURCES = "a source that still has the locked bytes (a mirror, a bundle)"

# --- requests -------------------------------------------------------------------------------------------------


class ProxyCall(Struct, frozen=True):
    """One GET or HEAD below an endpoint: ``target`` is the percent-encoded path and query."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    @property
    def path(self) -> str:
        """The target without its query, as error messages show it."""
        return self.target.partition("?")[0]


def tags_request(image: str) -> ProxyCall:
    """Ask for every tag of *image* (R1); DocumentError if the image is outside the grammar (rpp.md §4.1)."""
    return _call(image, "tags", accept="application/json")


def manifest_request(image: str, ref: str) -> ProxyCall:
    """Ask for the manifest of *ref*, a tag or digest (R3); DocumentError if either is outside the grammar."""
    if not is_manifest_ref(ref):
        raise _invalid_reference(image, ref)
    return _call(image, f"manifests/{quote(ref, safe=':')}", accept=MANIFEST_ACCEPT)


def layer_request(image: str, ref: str | Digest, platform: Platform | None) -> ProxyCall:
    """Ask for the last layer of *ref* on *platform* (R2, no Accept); DocumentError if outside the grammar.

    *ref* is a tag, or the Digest of a child: the proxy hands either to the registry (rpp.md §18.1).
    """
    if isinstance(ref, str) and not is_tag(ref):
        raise _invalid_reference(image, ref)
    query = "" if platform is None else f"?platform={quote(str(platform), safe='')}"
    return _call(image, f"images/{quote(str(ref), safe=':')}{query}", accept=None)


def _call(image: str, tail: str, accept: str | None) -> ProxyCall:
    if not is_allowed_image(image) or not is_image_name(image.rpartition("/")[2]):
        raise _invalid_reference(image, None)
    # identity: a compressing ingress would break every digest
    headers = (("Accept-Encoding", "identity"),)
    return ProxyCall("GET", f"{PREFIX}{image}/{tail}", headers if accept is None else (("Accept", accept), *headers))


def _invalid_reference(image: str, ref: str | None) -> DocumentError:
    return DocumentError(
        "invalid image reference",
        key=repr(image if ref is None else f"{image}:{ref}")[:200],
        hint=f"an image is {CLI_IMAGE} or {CLI_IMAGE}/plugins/NAME, a tag up to 128 of letters, digits and . _ -",
        code="bad-name",
    )


# --- answers --------------------------------------------------------------------------------------------------


def parse_tags(body: bytes) -> tuple[str, ...]:
    """Read the body of R1: ``tags`` in its first JSON value; null or absent is empty (rpp.md §4.2).

    Unknown members and whatever follows the first value are ignored. Anything else is a MismatchError.
    The caller caps the body at MAX_TAGS_BYTES.
    """
    try:
        document, _ = json.JSONDecoder().raw_decode(body.decode(errors="replace").lstrip(" \t\r\n"))
    except (ValueError, RecursionError) as error:
        raise _not_this_proxy(f"decode tags: the answer is {_describe(body)}") from error
    if document is None:
        return ()
    if not isinstance(document, dict):
        raise _not_this_proxy("decode tags: the answer is JSON, but not an object")
    tags = member(document, "tags")
    if tags is None:
        return ()
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise _not_this_proxy("decode tags: tags must be a list of texts")
    return tuple(tags)


def parse_manifest_body(body: bytes, media_type: str) -> ManifestBytes:
    """Take the body of R3 as it is; more than MAX_MANIFEST_BYTES is a MismatchError (rpp.md §4.2, Caps).

    The caller reads at most one byte more than the cap, so that a longer body is noticed.
    """
    if len(body) > MAX_MANIFEST_BYTES:
        raise MismatchError(f"decode manifest: it has more than {sized(MAX_MANIFEST_BYTES)}", code="not-a-manifest")
    return ManifestBytes(body, media_type.partition(";")[0].strip())


def judge_etag(etag: str | None, request: LayerRequest) -> bool:
    """Return whether *etag* names ``request.child``; one that names another manifest is a MismatchError.

    Only a strong ETag counts. An absent, weak or malformed one proves nothing, and the body's hash decides.
    """
    named = _named(etag)
    if named in (None, str(request.child)):
        return named is not None
    what = f"{request.image}:{request.tag}"
    if ignores_platform(etag, request):
        raise MismatchError(
            f"{what}: the proxy ignores platform={request.platform} and serves its default one; it is too old",
            hint="use a proxy of Deckhouse 1.77 or newer, or another source such as oci://",
            code="old-proxy",
        )
    raise MismatchError(
        f"{what}: the tag moved: the proxy serves {str(named)[:100]!r}, expected {request.child}",
        hint=f"use {OTHER_SOURCES}, or take the new bytes: `d8-installer lock --accept-moved {what}`",
        code="moved-tag",
    )


def ignores_platform(etag: str | None, request: LayerRequest) -> bool:
    """Whether a strong *etag* names the index of *request*: then the proxy ignored the platform."""
    return request.platform is not None and request.index is not None and _named(etag) == str(request.index)


def _named(etag: str | None) -> str | None:
    """Return the text between the quotes of a strong ETag, or None."""
    text = "" if etag is None else etag.strip()
    is_strong = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]
    return text[1:-1] if is_strong else None


def is_page(body: bytes) -> bool:
    """Whether a body looks like a web page."""
    return body.lstrip()[:1] == b"<"


def _describe(body: bytes) -> str:
    """Describe a body that is not JSON."""
    return "empty" if not body.strip() else "a web page" if is_page(body) else "not JSON"


def _not_this_proxy(message: str) -> MismatchError:
    return MismatchError(
        message,
        hint=f"check that it is a registry-packages-proxy and not a login page: {ADDRESS_HINT}",
        code="not-a-manifest",
    )
