"""Which servers the client trusts, and through which forward proxies it goes."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import ConfigError, D8Error, NotAllowedError, UnreachableError
from d8_installer.model.identity import Identity
from d8_installer.registry.client import Client, ClientOptions, OriginIdentity
from d8_installer.registry.origin import Origin, proxy_for
from tests.registry.clients import Waits, closed_port, connected
from tests.registry.servers import Answer, Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CAP = 1 << 20

# -- TLS -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@contextmanager
def serving_tls(authority: trustme.CA, *names: str) -> Iterator[Running]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",))).configure_cert(context)
    with serving(lambda _: Answer(body=b"good"), context) as server:
        yield server


def test_a_ca_file_is_trusted(authority: trustme.CA, ca_file: str) -> None:
    with serving_tls(authority) as server, connected(ClientOptions(ca_file=ca_file)) as client:
        assert client.get(server.url, {}, CAP).body == b"good"


def test_the_environments_ca_file_is_trusted(authority: trustme.CA, ca_file: str) -> None:
    options = ClientOptions(env={"SSL_CERT_FILE": ca_file})
    with serving_tls(authority) as server, connected(options) as client:
        assert client.get(server.url, {}, CAP).body == b"good"


def test_an_unknown_ca_is_unreachable_at_once(authority: trustme.CA, client: Client, waits: Waits) -> None:
    with serving_tls(authority) as server, pytest.raises(UnreachableError, match="certificate") as caught:
        client.get(server.url, {}, CAP)
    assert "--ca-file" in (caught.value.hint or "")
    assert waits == []


def test_a_certificate_for_another_name_is_not_trusted(authority: trustme.CA, ca_file: str) -> None:
    options = ClientOptions(ca_file=ca_file)
    untrusted = pytest.raises(UnreachableError, match="certificate")
    with serving_tls(authority, "other.example") as server, connected(options) as client, untrusted:
        client.get(server.url, {}, CAP)


def test_insecure_trusts_everyone(authority: trustme.CA) -> None:
    with serving_tls(authority, "other.example") as server, connected(ClientOptions(insecure=True)) as client:
        assert client.get(server.url, {}, CAP).body == b"good"


def test_https_to_a_plain_server_is_unreachable(client: Client, waits: Waits) -> None:
    with serving(lambda _: Answer()) as server, pytest.raises(UnreachableError, match="TLS"):
        client.get(server.url.replace("http:", "https:"), {}, CAP)
    assert waits == []


def test_a_ca_file_and_insecure_exclude_each_other(ca_file: str) -> None:
    with pytest.raises(ConfigError):
        ClientOptions(ca_file=ca_file, insecure=True)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_file_without_certificates_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with connected(ClientOptions(ca_file=str(path))) as client, pytest.raises(ConfigError, match=r"ca\.pem"):
        client.get("https://127.0.0.1:1/", {}, CAP)


def test_plain_http_makes_no_tls_context(tmp_path: Path) -> None:
    options = ClientOptions(ca_file=str(tmp_path / "would be read by a TLS context"))
    with serving(lambda _: Answer(body=b"good")) as server, connected(options) as client:
        assert client.get(server.url, {}, CAP).body == b"good"


# -- forward proxies -------------------------------------------------------------------------------------

HTTPS = Origin("https", "mirror.example", 443)


@pytest.mark.parametrize(
    ("env", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "p:1", "HTTPS_PROXY": "http://other:1"}, "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a, mirror.example"}, None),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": ".example"}, None),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "*.example"}, None),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "mirror.example:443"}, None),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "mirror.example:444"}, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "or.example,,10.0.0.0/8"}, "http://p:1"),
    ],
)
def test_the_environment_names_the_proxy(env: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(HTTPS, env) == proxy


def test_no_proxy_may_be_a_network() -> None:
    env = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}
    assert proxy_for(Origin.parse("https://10.1.2.3:4219"), env) is None
    assert proxy_for(Origin.parse("https://11.1.2.3:4219"), env) == "http://p:1"


@pytest.mark.parametrize("proxy", ["socks5://p:1", "http://", "http://p:x"])
def test_a_proxy_that_we_cannot_speak_to_is_refused(proxy: str) -> None:
    with pytest.raises(ConfigError):
        proxy_for(HTTPS, {"HTTPS_PROXY": proxy})


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_proxy_setting_is_read_or_refused(proxy: str, no_proxy: str) -> None:
    with suppress(D8Error):
        proxy_for(HTTPS, {"HTTPS_PROXY": proxy, "NO_PROXY": no_proxy})


def test_this_machine_is_never_proxied(waits: Waits) -> None:
    env = {name: f"http://127.0.0.1:{closed_port()}" for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    with serving(lambda _: Answer(body=b"good")) as server, connected(ClientOptions(env=env)) as client:
        assert client.get(server.url, {}, CAP).body == b"good"


def test_a_proxy_that_refuses_is_named_without_its_password() -> None:
    with serving(lambda _: Answer(403)) as proxy:
        env = {"HTTPS_PROXY": f"http://user:hunter2@{proxy.host}"}
        with connected(ClientOptions(env=env)) as client, pytest.raises(UnreachableError) as caught:
            client.get("https://mirror.example/", {}, CAP)
        assert proxy.host in str(caught.value)
        assert "hunter2" not in f"{caught.value} {caught.value.hint}"
        assert (proxy.received[0].method, proxy.received[0].path) == ("CONNECT", "mirror.example:443")


def test_https_goes_through_a_proxys_tunnel(authority: trustme.CA, ca_file: str) -> None:
    with serving_tls(authority, "mirror.example") as server, tunnelling(server.host) as proxy:
        options = ClientOptions(ca_file=ca_file, env={"HTTPS_PROXY": proxy})
        with connected(options) as client:
            assert client.get("https://mirror.example/", {}, CAP).body == b"good"


@contextmanager
def tunnelling(to: str) -> Iterator[str]:
    """A proxy that leads its one visitor to *to*, wherever it wants to go."""
    listener = socket.create_server(("127.0.0.1", 0))
    host, _, port = to.rpartition(":")

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as visitor:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += visitor.recv(1)
            visitor.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=pump, args=(server, visitor))
                back.start()
                pump(visitor, server)
                back.join()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        thread.join(20)


def test_any_certificate_of_the_chain_may_be_the_only_root() -> None:
    """As for Go: a kubeconfig may hold an intermediate CA, or the server's own certificate."""
    root = trustme.CA()
    below = root.create_child_ca()
    issued = below.issue_cert("127.0.0.1")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(server)
    chain = [part.bytes() for part in issued.cert_chain_pems]
    with serving(lambda _: Answer(200, b"{}"), server) as running:
        for roots in (root.cert_pem.bytes(), below.cert_pem.bytes(), chain[0], b"# a comment\n" + b"\n".join(chain)):
            with connected(ClientOptions(roots=roots)) as client:
                assert client.get(running.url, {}, 99).status == 200
        with connected(ClientOptions(roots=trustme.CA().cert_pem.bytes())) as client, pytest.raises(UnreachableError):
            client.get(running.url, {}, 99)


@pytest.mark.parametrize("has_memory_files", [True, False])
def test_a_key_in_memory_reaches_the_server_and_no_disk(
    has_memory_files: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    client = authority.issue_cert("client.example", common_name="me")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not has_memory_files:
        monkeypatch.delattr("os.memfd_create", raising=False)
    whole = b"".join(part.bytes() for part in client.cert_chain_pems)
    key = client.private_key_pem.bytes()
    with serving(lambda _: Answer(200, b"{}"), server) as running:
        me = Identity(certificate=whole, key=key)
        origin = Origin.parse(running.url)
        options = ClientOptions(roots=authority.cert_pem.bytes())
        with connected(options, OriginIdentity(origin, lambda: me)) as known:
            assert known.get(running.url, {}, 99).status == 200
            assert key.decode() not in repr(known) + repr(me) + repr(options)
        elsewhere = OriginIdentity(Origin("https", "elsewhere.example", 443), lambda: me)
        with connected(options, elsewhere) as stranger, pytest.raises(NotAllowedError):
            stranger.get(running.url, {}, 99)
    assert list(tmp_path.iterdir()) == []
