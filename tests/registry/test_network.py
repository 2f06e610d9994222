"""A registry elsewhere leads nowhere inside: not into this machine, its link, or a cloud's metadata service."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from d8_installer.errors import D8Error, NotAllowedError
from d8_installer.model.value import replace
from d8_installer.registry import network
from d8_installer.registry.auth import RegistryAuth
from d8_installer.registry.client import ClientOptions
from d8_installer.registry.origin import Origin
from d8_installer.registry.retry import RetryPolicy
from tests.registry.clients import connected
from tests.registry.servers import Answer, Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SCOPE = "repository:root/deckhouse-cli:pull"
OPTIONS = ClientOptions(insecure=True, retry=RetryPolicy(tries=1), connect_timeout=5)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("127.0.0.1", "this machine"),
        ("127.255.0.9", "this machine"),
        ("0.0.0.0", "this machine"),  # noqa: S104 - an address to be refused
        ("0.1.2.3", "this machine"),
        ("::1", "this machine"),
        ("::", "this machine"),
        ("::ffff:127.0.0.1", "this machine"),
        ("64:ff9b::7f00:1", "this machine"),
        ("2002:7f00:1::", "this machine"),
        ("169.254.169.254", "a link-local address"),
        ("::ffff:169.254.169.254", "a link-local address"),
        ("64:ff9b::a9fe:a9fe", "a link-local address"),
        ("fe80::1%lo", "a link-local address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("100.100.100.200", "a cloud's metadata service"),
        ("168.63.129.16", "a cloud's metadata service"),
        ("fd00:ec2::254", "a cloud's metadata service"),
        ("10.255.255.254", None),
        ("192.168.255.254", None),
        ("fd00::1", None),
        ("203.0.113.1", None),
        ("2001:db8::1", None),
    ],
)
def test_what_is_inside(address: str, what: str | None) -> None:
    assert network.inside(address) == what


def test_an_address_of_an_own_interface_is_inside() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))
        except OSError:
            pytest.skip("this machine has no route, and so no address besides loopback")
        own = str(probe.getsockname()[0])
    assert ipaddress.ip_address(own)
    assert network.inside(own) == "this machine"


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
def test_other_spellings_of_this_machine_are_resolved(name: str) -> None:
    assert set(network.addresses(name, 1, 5)) <= {"127.0.0.1", "::1"}
    assert network.is_inside(name, 1, 5)


def test_a_name_without_an_address() -> None:
    with pytest.raises(OSError, match=r".*"):
        network.addresses("a..b", 1, 5)
    assert not network.is_inside("a..b", 1, 5)


@contextmanager
def service() -> Iterator[Running]:
    """A token service inside this machine, over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with serving(lambda _: Answer.json({"token": "t0ken"}), context) as server:
        yield server


REALMS = ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"]


@contextmanager
def answering(registry: str, **env: str) -> Iterator[RegistryAuth]:
    """Who we are to *registry*, which is not asked here."""
    with connected(replace(OPTIONS, env=env, insecure=not env)) as client:
        yield RegistryAuth(client, Origin.parse(registry), "registry", {})


@pytest.mark.parametrize("host", REALMS)
@pytest.mark.parametrize("registry", ["https://203.0.113.1", "https://registry.invalid"])
def test_a_realm_inside_is_not_asked(host: str, registry: str) -> None:
    with service() as server, answering(registry) as auth:
        realm = f"https://{host}:{server.host.rpartition(':')[2]}/token"
        with pytest.raises(NotAllowedError, match=r"was not asked: .* is this machine"):
            auth.answer(f'Bearer realm="{realm}"', SCOPE, None)
        assert server.connections == 0


@pytest.mark.parametrize("registry", ["http://127.0.0.1:1", "https://localhost", "https://127.1"])
def test_a_registry_inside_may_have_its_realm_there(registry: str) -> None:
    with service() as server, answering(registry) as auth:
        assert auth.answer(f'Bearer realm="{server.url}/token"', SCOPE, None) == "Bearer t0ken"


def test_the_proxy_is_not_asked_for_it_either() -> None:
    with (
        serving(lambda _: Answer(status=502)) as proxy,
        answering("https://registry.invalid", HTTPS_PROXY=proxy.url) as auth,
    ):
        with pytest.raises(NotAllowedError, match="link-local"):
            auth.answer('Bearer realm="https://169.254.169.254/token"', SCOPE, None)
        assert proxy.connections == 0
        with pytest.raises(D8Error, match="proxy"):
            auth.answer('Bearer realm="https://auth.invalid/token"', SCOPE, None)
        assert proxy.connections == 1
