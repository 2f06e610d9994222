"""One request sent once: why a try came to nothing, in a person's words, and whether another may succeed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import TryAgainError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.registry.tls_faults import tls_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

    from d8_installer.errors import D8Error
    from d8_installer.model.secrets import Secrets
    from d8_installer.registry.origin import Origin

_ADDRESS_HINT = (
    "check the address (`d8-installer config get endpoint`, or --endpoint URL) and the network (HTTPS_PROXY, NO_PROXY)"
)


class FailedTryError(Exception):
    """One try came to nothing; ``error`` is what to say when there is no other."""

    def __init__(self, error: D8Error, *, is_passing: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.is_passing = is_passing


def send_once(
    http: httpx2.Client, request: httpx2.Request, origin: Origin, proxy: str | None, secrets: Secrets
) -> httpx2.Response:
    """Send *request* once and return its answer, the body unread; every transport failure is a FailedTryError.

    The library's messages quote what a server sent: *secrets* are hidden in them.
    """
    import httpx2

    try:
        return http.send(request, stream=True)
    except httpx2.ProxyError as error:
        raise _proxy_refused(secrets.hide(str(error)), origin, proxy or "") from error
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise _not_connected(error, origin, proxy) from error
    except httpx2.TimeoutException as error:
        late = TryAgainError(f"{origin} took the request and did not answer in time", hint="try again later")
        raise FailedTryError(late, is_passing=False) from error
    except httpx2.TransportError as error:
        raise _dropped(error, origin, secrets) from error


def _dropped(error: httpx2.TransportError, origin: Origin, secrets: Secrets) -> FailedTryError:
    # In TLS 1.3 a server says only after the handshake that it wants a certificate.
    if (fault := tls_fault(_causes(error), origin, str(origin))) is not None:
        return FailedTryError(fault, is_passing=False)
    other = "https:// (for a registry oci+https://)" if origin.scheme == "http" else "another port"
    dropped = TryAgainError(
        f"{origin} closed the connection without a valid answer{_said(secrets.hide(str(error)))}",
        hint=f"try again; if it stays, check the address: it may need {other}",
    )
    return FailedTryError(dropped, is_passing=True)


def _said(text: str) -> str:
    """Return what a library says of a broken answer, as the end of a clause; nothing where only itself is meant.

    It quotes the server's bytes as Python spells them (``illegal status line: bytearray(b'…')``), names its own states
    (``_SWITCH_UPGRADE``), and says again that the connection ended.
    """
    plain = re.sub(r"^\[Errno -?[0-9]+\] ", "", text.partition(": bytearray(")[0]).strip(" .")
    if "disconnected without" in plain or not plain:
        return ""
    return ": it is no HTTP/1.1" if "_" in plain else f": {plain[:1].lower()}{plain[1:100]}"


def _not_connected(error: httpx2.TransportError, origin: Origin, proxy: str | None) -> FailedTryError:
    where = f"{origin} through the proxy {shown(proxy)}" if proxy else str(origin)
    causes = list(_causes(error))
    if (fault := tls_fault(causes, origin, where)) is not None:
        return FailedTryError(fault, is_passing=False)
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    why = reasons[-1] if reasons else str(error) or "no answer in time"
    refused = UnreachableError(f"cannot connect to {where}: {why[:200]}", hint=_ADDRESS_HINT)
    # A time-out has already waited through the system's own repetitions.
    return FailedTryError(refused, is_passing=bool(reasons))


def _proxy_refused(why: str, origin: Origin, proxy: str) -> FailedTryError:
    refused = UnreachableError(
        f"the proxy {shown(proxy)} does not lead to {origin}: {why[:100]}",
        hint="check HTTPS_PROXY, and name the host in NO_PROXY if it needs no proxy",
    )
    return FailedTryError(refused, is_passing=False)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
