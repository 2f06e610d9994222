"""Answers of what is no proxy or registry: each is named in a person's words, with a hint that helps."""

from __future__ import annotations

import json

import pytest

from d8_installer.errors import ConfigError, MismatchError, NotAllowedError, TryAgainError, UnreachableError
from d8_installer.plugin.records import Access
from d8_installer.plugin.schemes import open_destination
from d8_installer.registry.client import Client, ClientOptions
from d8_installer.registry.retry import RetryPolicy
from d8_installer.registry.rpp_errors import raise_for_status
from d8_installer.registry.rpp_wire import parse_tags, tags_request
from d8_installer.store.inflate import UnknownFormatError, inflate
from tests.registry.registries import asking
from tests.registry.servers import Answer, Received, serving

REQUEST = tags_request("deckhouse-cli/plugins/a")
PAGE = b"\n<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"


@pytest.mark.parametrize(
    ("status", "body", "says", "hints"),
    [
        (302, b"<html>302 Found</html>", "tags: it redirects (status 302)", "this may be a login page"),
        (307, b"", "tags: it redirects (status 307)", "this may be a login page"),
        (400, PAGE, "tags: it speaks https (status 400)", "with https://"),
        (400, b"Client sent an HTTP request to an HTTPS server.\n", "tags: it speaks https (status 400)", "https://"),
        (410, b"<!DOCTYPE html><html>gone</html>", "tags: unexpected status 410", "config get endpoint"),
        (418, b"short and stout", "tags: unexpected status 418: short and stout", "config get endpoint"),
    ],
)
def test_a_status_that_no_proxy_gives_says_what_answers(status: int, body: bytes, says: str, hints: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        raise_for_status(REQUEST, status, body)

    message, hint = caught.value.message, caught.value.hint or ""
    assert says in message
    assert hints in hint
    assert "<" not in message + hint
    assert ("redirect" in hint) == (300 <= status < 400)


@pytest.mark.parametrize(
    ("body", "called"),
    [
        (b"", "empty"),
        (b" <html>Sign in</html>", "a web page"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"tags":[' + b"9" * 6000 + b"]}", "not JSON"),
    ],
)
def test_a_tag_list_that_is_none_is_named_without_the_parsers_words(body: bytes, called: str) -> None:
    with pytest.raises(MismatchError, match=f"decode tags: the answer is {called}$"):
        parse_tags(body)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "a valid answer"),
        (b"HTTP/2 200\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", "illegal header line"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "it is not HTTP/1.1"),
    ],
)
def test_a_broken_answer_is_named_without_the_librarys_spelling(raw: bytes, says: str) -> None:
    client = Client(ClientOptions(retry=RetryPolicy(tries=1)))
    try:
        with serving(lambda _: Answer(raw=raw)) as server, pytest.raises(TryAgainError) as caught:
            client.get(server.url, {}, 100)
    finally:
        client.close()

    assert caught.value.message.endswith(says)
    assert not any(word in caught.value.message for word in ("bytearray", "_SWITCH", "Errno", "Server disconnected"))


@pytest.mark.parametrize(
    ("status", "says", "hints"),
    [(401, "wants a login", "log in there"), (403, "refuses the link", "same command again")],
)
def test_the_target_of_a_redirect_that_refuses_is_named(status: int, says: str, hints: str) -> None:
    def refuse(received: Received) -> Answer:
        return Answer(status, json.dumps({"errors": [{"code": "DENIED"}]}).encode())

    with serving(refuse) as target:

        def lead(received: Received) -> Answer:
            return Answer(307, b"", {"location": f"http://{target.host}{received.path}"})

        with asking(lead) as (_, registry), pytest.raises(NotAllowedError) as caught:
            call = registry.call("GET", "deckhouse-cli", "manifests/v1")
            with registry.exchange(call) as stream:
                registry.check(call, stream, 200)

    assert f"redirects to {target.host}, which {says}" in caught.value.message
    assert hints in (caught.value.hint or "")


@pytest.mark.parametrize("url", ["https://registry.example.com/r", "bundle:x.bundle", "reg"])
def test_a_place_that_nobody_publishes_to_is_not_offered_as_one(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_destination(url, Access())

    assert caught.value.hint == "write oci-layout:DIR for a directory, or oci://HOST/ROOT for a registry"


@pytest.mark.parametrize("end", ["", "/", "/plugins", "/plugins/hello"])
def test_an_address_with_the_path_of_an_image_is_refused(end: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_destination(f"oci://127.0.0.1:1/deckhouse/deckhouse-cli{end}", Access())

    assert "goes on with /deckhouse-cli" in caught.value.message
    assert caught.value.hint == "write oci://127.0.0.1:1/deckhouse"
    assert open_destination("oci://127.0.0.1:1/my-deckhouse-cli", Access())


@pytest.mark.parametrize(("start", "name"), [(b"BZh91AY", "bzip2"), (b"\xfd7zXZ\x00\x00", "xz")])
def test_a_compression_that_registries_do_not_have_is_named(start: bytes, name: str) -> None:
    with pytest.raises(UnknownFormatError, match=f"it is compressed with {name}") as caught:
        list(inflate(iter([start + bytes(600)]), 1 << 20))

    assert "gzip, zstd" in (caught.value.hint or "")
