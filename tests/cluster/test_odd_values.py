"""Odd values in a kubeconfig that reach the network: each is used, or named in an error, and never a traceback."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from d8_installer.errors import D8Error
from tests.cluster.cluster import encoded
from tests.cluster.reading import reading, who
from tests.registry.servers import Answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ODD = [
    *("", " ", ".x", "x.", "..", "a..b", "*", "*.x", "-", "a b", "ü" * 80, "a" * 64, "x" * 300, "xn--", "\u212a"),
    *("a\nb", "a\x1bb", "a\tb", "\u202ex", "127.0.0.1", "::1", "[::1", "http://[::1", "http://", "http:///x"),
    *("https://:1", "http://h:99999", "http://h:abc", "http://u:p@127.0.0.1:1", "https://127.0.0.1:0", "https://a b"),
    *("https://127.0.0.1:1/ü", "https://127.0.0.1:1/%zz", "socks5://127.0.0.1:1", "file:///etc/passwd"),
]
KEYS = ["server", "tls-server-name", "proxy-url", "certificate-authority"]
KEYS += [
    "token",
    "tokenFile",
    "username",
    "password",
    "client-certificate",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
]
OF_CLUSTERS = frozenset(KEYS[:4])


@pytest.fixture(scope="module")
def api() -> Iterator[dict[str, str]]:
    """The cluster entry of a server that knows everybody."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    known = Answer(200, json.dumps({"status": {"userInfo": {"username": "somebody"}}}).encode())
    with serving(lambda _: known, context) as running:
        ca = authority.cert_pem.bytes().decode()
        yield {"server": running.url, "certificate-authority-data": encoded(ca)}


def kubeconfig(api: dict[str, str], key: str, odd: str) -> dict[str, Any]:
    cluster: dict[str, Any] = dict(api)
    user: dict[str, Any] = {"token": "t"}
    if key in OF_CLUSTERS:
        cluster[key] = odd
        if key == "certificate-authority":
            del cluster["certificate-authority-data"]
    elif key.startswith("as"):
        user |= {"as": "x"} | {key: {"as-groups": [odd], "as-user-extra": {odd: [odd]}}.get(key, odd)}
    elif key == "client-certificate":
        user |= {key: odd, "client-key": odd}
    else:
        user = {key: odd}
    return {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": cluster}],
        "users": [{"name": "a", "user": user}],
    }


@pytest.mark.parametrize("key", KEYS)
def test_an_odd_value_is_used_or_named(key: str, api: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "config"
    for odd in ODD:
        file.write_text(json.dumps(kubeconfig(api, key, odd)))
        with reading(file, env={"D8_PATIENCE": "1"}) as access:
            try:
                assert who(access) == "somebody"
            except D8Error as error:
                assert f"{error.message} {error.hint}".isprintable(), error.message
