"""Whose certificate is at fault when TLS fails, and the client's own certificate, which one origin alone sees."""

from __future__ import annotations

import datetime
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
import trustme

from d8_installer.errors import ConfigError, D8Error, NotAllowedError, UnreachableError
from d8_installer.model.value import replace
from d8_installer.registry.client import ClientOptions
from d8_installer.registry.origin import Origin
from d8_installer.registry.tls import ClientCertificate
from tests.registry.clients import Waits, connected
from tests.registry.servers import Answer, Received, Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CAP = 1 << 20
DAY = datetime.timedelta(days=1)


class Trust(NamedTuple):
    authority: trustme.CA
    ca: str
    certificate: str
    key: str
    other: str
    """A certificate and its key, in one file, of an authority that no server knows."""


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    ours, stranger = authority.issue_cert("me@example.com"), trustme.CA().issue_cert("me@example.com")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    ours.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    ours.private_key_pem.write_to_path(folder / "key.pem")
    stranger.private_key_and_cert_chain_pem.write_to_path(folder / "other.pem")
    return Trust(authority, *(str(folder / f"{name}.pem") for name in ("ca", "cert", "key", "other")))


@contextmanager
def demanding(trust: Trust, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Iterator[Running]:
    """Serve to those alone who show a certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    trust.authority.configure_trust(context)
    trust.authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with serving(lambda _: Answer(body=b"good"), context) as server:
        yield server


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_wanted_certificate_is_named_and_can_be_given(trust: Trust, version: ssl.TLSVersion) -> None:
    with demanding(trust, version) as server:
        options = ClientOptions(ca_file=trust.ca)
        own = Origin.parse(server.url)
        known = replace(options, certificate=ClientCertificate(own, trust.certificate, trust.key))
        with connected(known) as client:
            assert client.get(server.url, {}, CAP).body == b"good"
        foreign = replace(options, certificate=ClientCertificate(own, trust.other))
        for refused in (options, foreign):
            waits = Waits()
            with connected(replace(refused, wait=waits)) as client, pytest.raises(D8Error) as caught:
                client.get(server.url, {}, CAP)
            assert "--client-cert" in (caught.value.hint or ""), caught.value
            assert waits == []


def test_another_origin_does_not_see_the_certificate(trust: Trust) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    trust.authority.configure_trust(context)
    trust.authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with demanding(trust) as server, serving(lambda _: Answer(body=b"anyone"), context) as other:
        certificate = ClientCertificate(Origin.parse(server.url), trust.other)
        with connected(ClientOptions(ca_file=trust.ca, certificate=certificate)) as client:
            # This authority is unknown to both servers: one that saw the certificate would end the handshake.
            assert client.get(other.url, {}, CAP).body == b"anyone"
            with pytest.raises(NotAllowedError):
                client.get(server.url, {}, CAP)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_certificate_that_cannot_be_read_is_named(trust: Trust, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "mine.pem"
    if content is not None:
        path.write_text(content)
    certificate = ClientCertificate(Origin("https", "127.0.0.1", 1), str(path))
    with connected(ClientOptions(certificate=certificate)) as client, pytest.raises(ConfigError, match=r"mine\.pem"):
        client.get("https://127.0.0.1:1/", {}, CAP)
    mismatched = replace(certificate, cert_file=trust.other, key_file=trust.key)
    with connected(ClientOptions(certificate=mismatched)) as client, pytest.raises(ConfigError, match=r"key\.pem"):
        client.get("https://127.0.0.1:1/", {}, CAP)


def test_a_key_with_a_password_does_not_ask_for_it(trust: Trust, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    with open(trust.key, "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "key.pem").write_bytes(sealed)
    certificate = ClientCertificate(Origin("https", "127.0.0.1", 1), trust.certificate, str(tmp_path / "key.pem"))
    refused = pytest.raises(ConfigError, match=r"key\.pem")
    with connected(ClientOptions(certificate=certificate)) as client, refused as caught:
        client.get("https://127.0.0.1:1/", {}, CAP)
    assert "without a password" in (caught.value.hint or "")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize(
    ("names", "days", "says", "hint"),
    [
        (["127.0.0.1"], (-9, -1), "expired", "renewed"),
        (["127.0.0.1"], (1, 9), "not yet valid", "clock"),
        (["other.example"], (-1, 9), "not valid for '127.0.0.1'", "issued for 127.0.0.1"),
    ],
)
def test_the_ca_is_not_blamed_for_another_fault(
    trust: Trust, names: list[str], days: tuple[int, int], says: str, hint: str
) -> None:
    begin, end = (now() + day * DAY for day in days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.authority.issue_cert(*names, not_before=begin, not_after=end).configure_cert(context)
    refused = pytest.raises(UnreachableError, match=says)
    options = ClientOptions(ca_file=trust.ca)
    with serving(lambda _: Answer(), context) as server, connected(options) as client, refused as caught:
        client.get(server.url, {}, CAP)
    assert hint in (caught.value.hint or "")
    assert "--ca-file" not in (caught.value.hint or "")


def test_the_other_scheme_is_the_hint_where_that_may_help(trust: Trust) -> None:
    def plain(_: Received) -> Answer:
        return Answer()

    with serving(plain) as server, connected(ClientOptions(ca_file=trust.ca)) as client:
        with pytest.raises(UnreachableError) as caught:
            client.get(server.url.replace("http:", "https:"), {}, CAP)
        assert "oci+http://" in (caught.value.hint or "")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(plain, context) as server, connected(ClientOptions()) as client:
        with pytest.raises(D8Error) as dropped:
            client.get(server.url.replace("https:", "http:"), {}, CAP)
        assert "oci+https://" in (dropped.value.hint or "")
