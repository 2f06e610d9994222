"""Which addresses a host's name has, and whether one of them is inside: this machine, or a service beside it.

Asks the system's resolver. Opens no connection.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, TypeAlias

from d8_installer.errors import NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Iterable

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
# Where clouds hand out a machine's own credentials, besides 169.254.169.254, which is link-local:
# Alibaba, Azure, Oracle, AWS and Google over IPv6.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)


def addresses(host: str, port: int, timeout: float | None) -> list[str]:
    """Return the addresses of *host* in the system's order; itself if it is one.

    OSError where it has none (socket.gaierror), TimeoutError after *timeout* seconds: the resolver itself has no
    limit that a caller can set, so a thread waits for it.
    """
    if _is_literal(host):
        return [host]
    found: list[str] = []
    failed: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    # A name of this form lets the command end although the thread still waits.
    thread = threading.Thread(target=ask, name="d8-resolve", daemon=True)
    thread.start()
    thread.join(timeout)
    if failed:
        raise failed[0] if isinstance(failed[0], OSError) else OSError(0, "not a host's name")
    if not found:
        raise TimeoutError(0, f"the name is not resolved after {timeout or 0:.0f} s")
    return found


def inside(address: str) -> str | None:
    """Return what an address of this machine or its link is, in words; None for an address elsewhere.

    Loopback, link-local, unspecified and multicast addresses, those of this machine's own interfaces and the metadata
    services of clouds are inside, also where an IPv6 address only wraps one (RFC 4291, 6052, 3056). Private networks
    (RFC 1918, 4193) are elsewhere: companies keep registries there.
    """
    wrapped = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if wrapped.is_loopback or wrapped.is_unspecified or (wrapped.version == 4 and wrapped in _THIS_NETWORK):
        return "this machine"
    if wrapped.is_link_local:
        return "a link-local address"
    if wrapped.is_multicast:
        return "a multicast address"
    if wrapped in _METADATA:
        return "a cloud's metadata service"
    return "this machine" if _is_own(wrapped) else None


def is_inside(host: str, port: int, timeout: float) -> bool:
    """Whether every address of *host* is inside; a name that has none is not."""
    try:
        return all(map(inside, addresses(host, port, timeout)))
    except OSError:
        return False


def refuse_any(host: str, port: int, found: Iterable[str]) -> None:
    """Raise NotAllowedError if one of the addresses of *host* is inside, whoever has the others."""
    for address in found:
        if (what := inside(address)) is not None:
            raise NotAllowedError(
                f"{host}:{port} was not asked: {address} is {what}, and the registry that names it is elsewhere",
                hint="check the registry's address, and what it names as its token service or redirects to",
            )


def refuse_inside(host: str, port: int, timeout: float) -> None:
    """As ``refuse_any``, for what a forward proxy connects to; names that only the proxy resolves are let through."""
    try:
        found = addresses(host, port, timeout)
    except OSError:
        return
    refuse_any(host, port, found)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_own(address: Address) -> bool:
    """Whether an interface of this machine has *address*: then it is what the system would send from. Sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ipaddress.ip_address(str(probe.getsockname()[0]).partition("%")[0]) == address
    except OSError:
        return False
