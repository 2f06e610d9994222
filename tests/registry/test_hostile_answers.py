"""Answers that no server should give: each is a named error in bounded time, of a proxy and of a registry."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import D8Error
from d8_installer.registry.client import ClientOptions
from d8_installer.registry.endpoint import Endpoint
from d8_installer.registry.oci_registry import Registry, RegistrySource
from d8_installer.registry.retry import RetryPolicy
from d8_installer.registry.rpp import RppSource
from tests.command import SOON
from tests.registry.clients import connected
from tests.registry.test_head import saying

if TYPE_CHECKING:
    from d8_installer.model.source import Source

IMAGE = "deckhouse-cli/plugins/tool"
GOOD = b"HTTP/1.1 200 OK\r\n"
BODY = b'{"tags":["v1"]}'
OPTIONS = ClientOptions(read_timeout=0.3, retry=RetryPolicy(tries=2, max_wait=1))
ANSWERS = {
    "a length of 23 digits": GOOD + b"content-length: " + b"9" * 23 + b"\r\n\r\n" + BODY,
    "a length of 5000 digits": GOOD + b"content-length: " + b"9" * 5000 + b"\r\n\r\n" + BODY,
    "a length above 2**63": GOOD + b"content-length: 9223372036854775808\r\n\r\n" + BODY,
    "a negative length": GOOD + b"content-length: -5\r\n\r\n" + BODY,
    "two lengths": GOOD + b"content-length: 15\r\ncontent-length: 3\r\n\r\n" + BODY,
    "a chunk of no size": GOOD + b"transfer-encoding: chunked\r\n\r\nzz\r\n" + BODY,
    "a chunk of 30 digits": GOOD + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n" + BODY,
    "an unknown coding": GOOD + b"transfer-encoding: gzip, chunked\r\n\r\nf\r\n" + BODY + b"\r\n0\r\n\r\n",
    "gzip in spite of identity": GOOD + b"content-encoding: gzip\r\ncontent-length: 15\r\n\r\n" + BODY,
    "HTTP/0.9": BODY,
    "another protocol": b"SSH-2.0-OpenSSH\r\n",
    "noise": b"\x00\xff" * 100,
    "a flood of headers": GOOD + b"".join(b"x-%d: y\r\n" % number for number in range(20_000)) + b"\r\n" + BODY,
    "a header of 300 kB": GOOD + b"x: " + b"y" * 300_000 + b"\r\n\r\n" + BODY,
    "deep arrays": GOOD + b"content-length: 200000\r\n\r\n" + b"[" * 200_000,
    "deep objects": GOOD + b"content-length: 600000\r\n\r\n" + b'{"a":' * 120_000,
    "a number of 10000 digits": GOOD + b"content-length: 10011\r\n\r\n" + b'{"tags":[' + b"9" * 10_000 + b"]}",
    "a year to wait": b"HTTP/1.1 429 X\r\nretry-after: 31536000\r\ncontent-length: 0\r\n\r\n",
    "a wait of 5000 digits": b"HTTP/1.1 503 X\r\nretry-after: " + b"9" * 5000 + b"\r\ncontent-length: 0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 X\r\n\r\n",
    "status 099": b"HTTP/1.1 099 X\r\n\r\n",
    "a body of nothing": b"HTTP/1.1 204 X\r\ncontent-length: 15\r\n\r\n" + BODY,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_answer_is_a_named_error(name: str) -> None:
    with saying(ANSWERS[name], pause=0) as host, connected(OPTIONS) as client:
        sources: list[Source] = [
            RppSource(Endpoint.parse(f"http://{host}"), client),
            RegistrySource(Registry(f"oci://{host}/root", client, {})),
        ]
        for source in sources:
            begin = time.monotonic()
            with pytest.raises(D8Error) as raised:
                source.tags(IMAGE)
            assert raised.value.hint
            assert time.monotonic() - begin < SOON
