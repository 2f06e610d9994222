"""What the client asks is what the proxy reads; what answers mean; what an endpoint may be."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.errors import (
    ConfigError,
    D8Error,
    DocumentError,
    MismatchError,
    NotAllowedError,
    NotFoundError,
    TryAgainError,
    UnreachableError,
)
from d8_installer.model.digest import Digest
from d8_installer.model.oci import MAX_MANIFEST_BYTES
from d8_installer.model.platform import Platform
from d8_installer.model.reference import CLI_IMAGE, PLUGIN_ROOT, is_image_name
from d8_installer.model.source import LayerRequest
from d8_installer.registry import rpp_errors, rpp_routes, rpp_wire
from d8_installer.registry.endpoint import Endpoint
from d8_installer.registry.tls import check_tls_options
from d8_installer.testing import go_dialect
from tests.reaching import reached, reaches, spoilt
from tests.strategies import built

NAMES = st.from_regex(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", fullmatch=True).filter(is_image_name)
IMAGES = st.just(CLI_IMAGE) | (NAMES | st.sampled_from(["images", "manifests", "tags"])).map(PLUGIN_ROOT.__add__)
# a reference spelled `tags` can be asked for, and no proxy can ever see it as one (rpp.md §2.1)
TAGS = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True).filter(lambda tag: tag != "tags")
DIGESTS = st.binary(max_size=9).map(lambda data: str(Digest.of(data)))
PLATFORMS = built(Platform, *[st.from_regex(r"[a-z0-9]{1,32}", fullmatch=True)] * 2)

LAYER = LayerRequest(
    image=CLI_IMAGE,
    tag="v1.0.0",
    platform=Platform("linux", "amd64"),
    index=Digest.of(b"index"),
    child=Digest.of(b"child"),
    layer=Digest.of(b"layer"),
    size=5,
)


# --- requests ---


@settings(deadline=None)
@given(IMAGES)
def test_the_proxy_reads_a_tags_request_as_it_was_meant(image: str) -> None:
    assert rpp_routes.parse_path(rpp_wire.tags_request(image).target) == rpp_routes.Route("tags", image)


@settings(deadline=None)
@given(IMAGES, TAGS | DIGESTS)
def test_the_proxy_reads_a_manifest_request_as_it_was_meant(image: str, ref: str) -> None:
    assert rpp_routes.parse_path(rpp_wire.manifest_request(image, ref).target) == rpp_routes.Route(
        "manifest", image, ref
    )


@settings(deadline=None)
@given(IMAGES, TAGS, PLATFORMS | st.none())
def test_the_proxy_reads_a_layer_request_as_it_was_meant(image: str, tag: str, platform: Platform | None) -> None:
    path, _, query = rpp_wire.layer_request(image, tag, platform).target.partition("?")
    assert rpp_routes.parse_path(path) == rpp_routes.Route("image", image, tag)
    assert rpp_routes.parse_platform_query(query) == platform


@settings(deadline=None)
@given(IMAGES, TAGS)
def test_no_request_lets_a_server_compress(image: str, tag: str) -> None:
    for request in (
        rpp_wire.tags_request(image),
        rpp_wire.manifest_request(image, tag),
        rpp_wire.layer_request(image, tag, None),
    ):
        assert ("Accept-Encoding", "identity") in request.headers


def test_each_request_accepts_what_it_asks_for() -> None:
    assert dict(rpp_wire.tags_request(CLI_IMAGE).headers)["Accept"] == "application/json"
    accepted = dict(rpp_wire.manifest_request(CLI_IMAGE, "v1").headers)["Accept"].split(",")
    assert [kind.split(".")[1] for kind in accepted] == ["oci", "oci", "docker", "docker"]
    assert "Accept" not in dict(rpp_wire.layer_request(CLI_IMAGE, "v1", None).headers)


@pytest.mark.parametrize("image", ["", "other", "deckhouse-cli/plugins", "deckhouse-cli/plugins/FOO", "/deckhouse-cli"])
def test_a_bad_image_is_never_asked_for(image: str) -> None:
    with pytest.raises(DocumentError, match="invalid image reference"):
        rpp_wire.tags_request(image)


@pytest.mark.parametrize("tag", ["", "a/b", "v1?x", "v1#x", "..", "v1+meta", "v1\n", "%2e", "sha256:" + "0" * 64])
def test_a_bad_tag_is_never_asked_for(tag: str) -> None:
    with pytest.raises(DocumentError, match="invalid image reference"):
        rpp_wire.layer_request(CLI_IMAGE, tag, None)


# --- paths ---


@settings(deadline=None)
@given(st.text(alphabet="/tagsimefc1%.-", max_size=40) | st.text(max_size=40))
def test_any_path_is_a_route_or_none(rest: str) -> None:
    for parse_path in (rpp_routes.parse_path, go_dialect.parse_old_path):
        route = parse_path("/v1/images/" + rest)
        if route is not None:
            assert route.image
            assert "/" not in route.ref
            assert (route.action == "tags") == (route.ref == "")


@settings(deadline=None)
@given(IMAGES, TAGS)
def test_an_old_proxy_reads_downloads_below_tags(image: str, tag: str) -> None:
    assert go_dialect.parse_old_path(f"/v1/images/{image}/tags/{tag}") == rpp_routes.Route("image", image, tag)
    assert go_dialect.parse_old_path(f"/v1/images/{image}/images/{tag}") is None or image.endswith("/tags")


@pytest.mark.parametrize(
    ("query", "platform"),
    [
        ("", None),
        ("platform=", None),
        ("platform", None),
        ("platform=&platform=linux-arm", None),
        ("x=1&platform=linux-arm", Platform("linux", "arm")),
        ("platform=linux%2Darm", Platform("linux", "arm")),
        ("pl%61tform=linux-arm", Platform("linux", "arm")),
        ("platform=%zz&platform=linux-arm", Platform("linux", "arm")),
        ("platform=a-b;c&platform=linux-arm", Platform("linux", "arm")),
        ("platform=linux-%", None),
        ("platform=Linux-AMD64", Platform("Linux", "AMD64")),
        ("platform=a+b-c", Platform("a b", "c")),
    ],
)
def test_a_query_is_read_as_go_reads_it(query: str, platform: Platform | None) -> None:
    assert rpp_routes.parse_platform_query(query) == platform


@pytest.mark.parametrize("value", ["linux", "-", "-arm", "linux-", "linux--arm", "linux-arm-v7", "linux/amd64", "+"])
def test_what_is_not_two_parts_is_invalid(value: str) -> None:
    with pytest.raises(rpp_routes.InvalidPlatform):
        rpp_routes.parse_platform_query(f"platform={value}")


# --- responses ---


@reaches("tags", "no tags", "refused")
@settings(deadline=None)
@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
    | spoilt([b'{"name": "x", "tags": ["v1.0.0", "latest"]}', b'{"tags": []}'])
)
def test_any_body_is_tags_or_a_mismatch(body: bytes) -> None:
    try:
        tags = rpp_wire.parse_tags(body)
    except MismatchError:
        reached("refused")
        return
    reached("tags" if tags else "no tags")
    assert all(isinstance(tag, str) for tag in tags)


@settings(deadline=None)
@given(st.lists(st.text()))
def test_only_the_first_json_value_counts(tags: list[str]) -> None:
    body = json.dumps({"name": "x", "other": [1], "tags": tags}).encode("utf-8", "surrogatepass")
    assert rpp_wire.parse_tags(b"\n " + body + b"\n{{{") == tuple(tags)


@pytest.mark.parametrize("body", [b"null", b"{}", b'{"tags":null}', b'{"tags":[]} <html>'])
def test_no_tags_is_empty(body: bytes) -> None:
    assert rpp_wire.parse_tags(body) == ()


@pytest.mark.parametrize("body", [b'{"Tags":["v1"]}', b'{"TAGS":["v1"]}', b'{"tags":["v0"],"Tags":["v1"]}'])
def test_go_does_not_look_at_the_case_of_a_member(body: bytes) -> None:
    assert rpp_wire.parse_tags(body) == ("v1",)


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b'{"tags":{}}', b'{"tags":[1]}', b"<html>", b"[" * 100_000])
def test_another_shape_is_a_mismatch(body: bytes) -> None:
    with pytest.raises(MismatchError, match="decode tags"):
        rpp_wire.parse_tags(body)


def test_a_manifest_is_taken_up_to_its_cap() -> None:
    whole = b" " * MAX_MANIFEST_BYTES
    taken = rpp_wire.parse_manifest_body(whole, "application/json; charset=utf-8")
    assert (taken.raw, taken.media_type) == (whole, "application/json")
    with pytest.raises(MismatchError, match="decode manifest"):
        rpp_wire.parse_manifest_body(whole + b" ", "")


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [
        (401, NotAllowedError, 77),
        (403, NotAllowedError, 77),
        (404, NotFoundError, 69),
        (408, TryAgainError, 75),
        (429, TryAgainError, 75),
        (500, TryAgainError, 75),
        (502, TryAgainError, 75),
        (301, UnreachableError, 69),
        (304, UnreachableError, 69),
        (400, UnreachableError, 69),
        (405, UnreachableError, 69),
    ],
)
def test_a_status_is_somebodys_fault(status: int, kind: type[D8Error], exit_code: int) -> None:
    with pytest.raises(kind) as caught:
        go_dialect.raise_for_status(rpp_wire.tags_request(CLI_IMAGE), status, b"")
    assert type(caught.value) is kind
    assert caught.value.exit_code == exit_code
    assert caught.value.hint


@settings(deadline=None)
@given(st.integers(100, 599), st.binary(max_size=600))
def test_a_message_is_one_short_clean_line(status: int, body: bytes) -> None:
    request = rpp_wire.layer_request(CLI_IMAGE, "v1", Platform("linux", "arm"))
    try:
        go_dialect.raise_for_status(request, status, body)
    except D8Error as error:
        assert error.message.startswith("GET /v1/images/deckhouse-cli/images/v1: ")
        assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in error.message)
        assert len(error.message) < 400
        assert (status in (401, 403, 404)) == (error.message.count(": ") == 1 and "status" not in error.message)
    else:
        assert 200 <= status < 300


@pytest.mark.parametrize(
    ("request_", "status", "body", "hint"),
    [
        (rpp_wire.tags_request(CLI_IMAGE), 401, b"", "D8_RPP_TOKEN"),
        (rpp_wire.tags_request(CLI_IMAGE), 403, b"", "d8:registry-packages-proxy:cli-download"),
        (rpp_wire.layer_request(PLUGIN_ROOT + "foo", "v1", None), 404, b"", "d8-installer versions foo"),
        (
            rpp_wire.manifest_request(PLUGIN_ROOT + "foo", "v1"),
            404,
            b"manifest not found\n",
            "d8-installer versions foo",
        ),
        (rpp_wire.manifest_request(PLUGIN_ROOT + "foo", "v1"), 404, b"404 page not found\n", "no manifest route"),
        (rpp_wire.tags_request(PLUGIN_ROOT + "foo"), 404, b"", "check the image's name"),
    ],
)
def test_a_hint_says_what_to_type(request_: rpp_wire.ProxyCall, status: int, body: bytes, hint: str) -> None:
    with pytest.raises(D8Error) as caught:
        go_dialect.raise_for_status(request_, status, body)
    assert hint in str(caught.value.hint)


def test_only_the_proxys_own_words_show_the_manifest_route() -> None:
    assert rpp_errors.has_manifest_route(b"manifest not found\n")
    assert not rpp_errors.has_manifest_route(b"404 page not found\n")
    assert not rpp_errors.has_manifest_route(b"<html>404</html>")


@pytest.mark.parametrize("etag", [None, "", f'"{LAYER.child}"', f'W/"{LAYER.index}"', str(LAYER.index), '"a"b"'])
def test_an_etag_that_says_nothing_ends_nothing(etag: str | None) -> None:
    rpp_wire.judge_etag(etag, LAYER)


@pytest.mark.parametrize(
    ("etag", "reason"),
    [(f'"{LAYER.index}"', "ignores platform=linux-amd64"), (f'"{LAYER.layer}"', "the tag moved"), ('"5f-3"', "moved")],
)
def test_a_strong_etag_of_other_bytes_ends_the_transfer(etag: str, reason: str) -> None:
    with pytest.raises(MismatchError, match=reason):
        rpp_wire.judge_etag(etag, LAYER)


# --- endpoint and trust ---


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://rpp.example.com", "https://rpp.example.com"),
        ("https://rpp.example.com:8443/", "https://rpp.example.com:8443"),
        ("https://rpp.example.com/prefix//", "https://rpp.example.com/prefix"),
        ("https://[fd00::1]:4219", "https://[fd00::1]:4219"),
        ("http://127.0.0.1:5080/", "http://127.0.0.1:5080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:5080", "http://[::1]:5080"),
        ("http://localhost:5080", "http://localhost:5080"),
    ],
)
def test_a_good_endpoint_keeps_its_prefix_and_loses_its_slash(url: str, base: str) -> None:
    endpoint = Endpoint.parse(url)
    assert endpoint.url(rpp_wire.tags_request(CLI_IMAGE)) == f"{base}/v1/images/deckhouse-cli/tags"
    assert endpoint.tls == url.startswith("https:")


@pytest.mark.parametrize(
    "url",
    [
        *("", "rpp.example.com", "https://", "https:///x", "ftp://host", "http://master:4219", "http://127.1.example"),
        *(
            "http://10.0.0.1",
            "https://u:p@host",
            "https://@host",
            "https://host?x=1",
            "https://host#x",
            "https://host?",
        ),
        *(
            "https://host:port",
            "https://host:99999",
            "https://ho st",
            "https://host\n",
            "https://[::1",
            "https:\\\\host",
        ),
        *("https://host/%zz", "https://host/a%2", "https://ho%zzst/", "https://host/%"),
    ],
)
def test_a_bad_endpoint_is_refused_with_a_hint(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Endpoint.parse(url)
    assert "--endpoint" in str(caught.value.hint)


def test_a_refused_endpoint_does_not_show_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        Endpoint.parse("https://user:secret@host")
    assert "secret" not in str(caught.value)


def test_go_lets_through_what_breaks_later() -> None:
    for url in ("https://u@host", "https://host?x=1", "https://host#x"):
        assert go_dialect.parse_endpoint(url).tls
    with pytest.raises(ConfigError):
        go_dialect.parse_endpoint("http://127.0.0.1")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_an_endpoint_or_refused(text: str) -> None:
    try:
        endpoint = Endpoint.parse(text)
    except ConfigError:
        return
    assert endpoint.host
    assert not endpoint.base.endswith("/")


PEM = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(bytes([0x30, 1, 2, 3])).decode()}\n-----END CERTIFICATE-----\n"


def test_trust_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="unsupported client configuration"):
        go_dialect.check_trust(insecure=True, ca_data=PEM)
    with pytest.raises(ConfigError, match="unsupported client configuration") as caught:
        check_tls_options(insecure=True, ca_file="ca.pem")
    assert "--ca-file" in str(caught.value.hint)
    check_tls_options(insecure=True, ca_file="")
    with pytest.raises(ConfigError, match="unsupported client configuration"):
        go_dialect.check_trust(ca_data=PEM, ca_file="ca.pem")
    with pytest.raises(ConfigError, match="unsupported client configuration"):
        go_dialect.check_trust(custom_transport=True)


@pytest.mark.parametrize("data", ["pem", PEM.replace("MAE", "!!!"), PEM.replace("MAE", "AAE"), PEM.split("\n")[0]])
def test_a_bundle_without_a_certificate_is_refused(data: str) -> None:
    with pytest.raises(ConfigError, match="invalid CA bundle"):
        go_dialect.check_trust(ca_data=data)


def test_one_good_certificate_is_enough_and_nothing_is_nothing() -> None:
    go_dialect.check_trust(ca_data="# my CA\n" + PEM + "rubbish")
    go_dialect.check_trust(ca_data="", ca_file="", insecure=True)
    go_dialect.check_trust(ca_file="ca.pem")
