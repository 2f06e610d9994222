"""Requests: what ``NAME[SPEC]`` means, and the hash that the lock keeps of a request."""

from __future__ import annotations

import hashlib
import json
import tomllib

import pytest
import tomli_w
from hypothesis import given

from d8_installer.errors import DocumentError
from d8_installer.model.digest import Digest
from d8_installer.model.manifest import Manifest
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName
from d8_installer.model.requirement import Request, Requirement
from d8_installer.model.value import replace
from d8_installer.model.version import Specifier
from tests.strategies import LINUX, MAC, WINDOWS, digests, manifest_text, requests, steady


def hash_by_the_book(request: Request) -> str:
    """docs/architecture.md, File formats: sha256 of the UTF-8 JSON, sorted keys, no spaces, defaults filled in."""
    by_key = {
        "version": request.version.text,
        "platforms": None if request.platforms is None else sorted(str(platform) for platform in request.platforms),
        "optional": request.optional,
        "name": request.name.short,
        "digest": request.digest and f"sha256:{request.digest.hex}",
        "binaries": dict(reversed(request.binaries)),
    }
    pairs = (f"{json.dumps(key)}:{_compact(by_key[key])}" for key in sorted(by_key))
    return "sha256:" + hashlib.sha256(("{" + ",".join(pairs) + "}").encode("utf-8")).hexdigest()


def _compact(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_compact(key)}:{_compact(value[key])}" for key in sorted(value)) + "}"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def test_the_hash_of_the_plainest_request_is_this_one() -> None:
    text = '{"binaries":{"a":"plugin"},"digest":null,"name":"a","optional":false,"platforms":null,"version":"*"}'
    assert Request.of(ImageName("a")).hash == Digest.of(text.encode())


@steady
@given(requests())
def test_the_hash_is_that_of_the_design(request: Request) -> None:
    assert str(request.hash) == hash_by_the_book(request)


@steady
@given(requests())
def test_the_hash_forgets_orders(request: Request) -> None:
    turned = replace(request, platforms=request.platforms and request.platforms[::-1])
    assert turned.hash == request.hash
    text = manifest_text(Manifest((request,)))
    keys = tomllib.loads(text)["images"][0]
    backwards = tomli_w.dumps({"schema": 1, "images": [dict(reversed(keys.items()))]})
    assert Manifest.parse(backwards.encode(), "d8.toml").requests[0].hash == request.hash


def others(request: Request, digest: Digest) -> list[Request]:
    """Requests that differ from *request* in one field each."""
    more = tuple(platform for platform in (LINUX, MAC) if platform not in (request.platforms or ()))
    return [
        replace(request, name=ImageName(request.name.short + "0")),
        replace(request, version=Specifier.parse(f"{request.version.text} ")),
        replace(request, binaries=(*request.binaries, ("zz", "plugin"))),
        replace(request, binaries=tuple((name, f"{member}2") for name, member in request.binaries)),
        replace(request, platforms=(WINDOWS,) if request.platforms is None else None),
        replace(request, platforms=(*(request.platforms or ()), *more, Platform("plan9", "386"))),
        replace(request, optional=not request.optional),
        replace(request, digest=None if request.digest == digest else digest),
    ]


@steady
@given(requests(), digests)
def test_the_hash_notices_every_field(request: Request, digest: Digest) -> None:
    hashes = {other.hash for other in others(request, digest)}
    assert len(hashes) == 8
    assert request.hash not in hashes


@pytest.mark.parametrize(("name", "binary"), [("deckhouse-cli", ("d8", "d8")), ("a", ("a", "plugin"))])
def test_the_command_line_means_the_defaults(name: str, binary: tuple[str, str]) -> None:
    request = Request.of(ImageName(name))
    assert (request.version.text, request.binaries, request.platforms) == ("*", (binary,), None)
    assert (request.optional, request.digest) == (False, None)
    assert Request.of(ImageName(name), ">=1").version.text == ">=1"


def test_the_command_line_refuses_a_bad_range() -> None:
    with pytest.raises(DocumentError, match="is not a version specifier"):
        Request.of(ImageName("a"), ">>1")


def test_a_requirement_says_who_wants_what() -> None:
    requirement = Requirement("d8-plug", Request.of(ImageName("a"), ">=1"))
    assert str(requirement) == "d8-plug wants a >=1"
