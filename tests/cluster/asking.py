"""Any client that asks a server of these tests: not the tool's own."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.cluster import Certificate

TAGS = "/v1/images/deckhouse-cli/plugins/alpha/tags"


def get(url: str, ca: str, token: str = "", method: str = "GET", proxy: str = "") -> tuple[int, str]:
    """Ask, and return the status and the body."""
    return ask(url, ssl.create_default_context(cadata=ca), token, method, proxy)


def get_as(url: str, ca: str, certificate: Certificate, directory: str) -> tuple[int, str]:
    """Ask with a client certificate, which ``ssl`` only reads from a file."""
    context = ssl.create_default_context(cadata=ca)
    path = f"{directory}/client.pem"
    with open(path, "w", encoding="ascii") as file:
        file.write(certificate.cert + certificate.key)
    context.load_cert_chain(path)
    return ask(url, context)


def ask(url: str, context: ssl.SSLContext, token: str = "", method: str = "GET", proxy: str = "") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 - the tests' own servers
    ways = urllib.request.ProxyHandler({"https": proxy} if proxy else {})
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), ways)
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
