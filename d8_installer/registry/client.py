"""The only HTTP client, and the only module beside ``stream`` that knows httpx2 (imported late: it costs 100 ms).

Lives here: connections, trust, timeouts, retries, and the translation of transport failures into D8Errors.
Does not live here: what a status means to a protocol (``wire``, ``distribution``), and digests.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from d8_installer.errors import ConfigError, D8Error, TryAgainError, UnreachableError
from d8_installer.registry.origin import Origin, proxy_for, without_query
from d8_installer.registry.retry import Attempts, RetryPolicy, is_passing, retry_after
from d8_installer.registry.stream import ERROR_BODY, Stream
from d8_installer.registry.wire import check_tls_options

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    import httpx2

Content: TypeAlias = "bytes | Iterable[bytes] | None"
_TOKEN = re.compile(r"[!-~]+", re.ASCII)
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
_ADDRESS_HINT = (
    "check the address (`d8-installer config get endpoint`, or --endpoint URL) and the network (HTTPS_PROXY, NO_PROXY)"
)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token and the one origin that may see it; a callable is asked again for every request, and may say None."""

    origin: Origin
    value: str | Callable[[], str | None] = field(repr=False)

    def header(self) -> str | None:
        """Return the value of ``Authorization``, or None; what cannot be sent is a ConfigError that hides it."""
        value = self.value if isinstance(self.value, str) else self.value()
        if value is None:
            return None
        token = value.strip()
        if not _TOKEN.fullmatch(token):
            raise ConfigError(
                f"the token for {self.origin} is empty or has characters that no token has",
                hint="check the token file, or D8_RPP_TOKEN: one line, the token alone",
            )
        return f"Bearer {token}"


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Everything that is decided before the first request. Times are in seconds.

    ``env`` holds HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR, if they are to count; ``wait``
    sleeps between tries, and may raise to end them.
    """

    ca_file: str | None = None
    insecure: bool = False
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    offline: bool = False
    connections: int = 8
    connect_timeout: float = CONNECT_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    wait: Callable[[float], object] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_tls_options(insecure=self.insecure, ca_file=self.ca_file)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """HTTP/1.1 over reused connections, for many threads; never follows a redirect or decodes a body.

    Plain http goes to this machine only (ConfigError). 429, 5xx and connections that are refused or dropped
    before an answer are tried again as ``options.retry`` says; then a status is returned as it is, and a
    failure raised: UnreachableError (no connection, certificate), TryAgainError (dropped, timed out).
    """

    def __init__(self, options: ClientOptions | None = None, token: BearerToken | None = None) -> None:
        self._options = options or ClientOptions()
        self._token = token
        self._routes: dict[tuple[bool, str | None], httpx2.Client] = {}
        self._lock = threading.Lock()
        self._wait = threading.Event().wait if self._options.wait is None else self._options.wait

    def get(self, url: str, headers: Mapping[str, str], cap: int) -> Response:
        """Return the answer to a GET, its body at most *cap* bytes (else MismatchError); a cut one is fetched anew."""
        attempts = self.attempts()
        while True:
            with self.stream(url, headers) as stream:
                try:
                    return Response(stream.status, stream.headers, stream.read(cap))
                except TryAgainError:
                    self.wait_or_raise(attempts)

    def send(self, method: str, url: str, headers: Mapping[str, str], content: Content = None) -> Response:
        """Return the answer to any other method.

        An iterable content is sent once only (it cannot be begun anew): then a lost connection is a
        TryAgainError, and ``attempts`` is how the caller repeats the whole.
        """
        with self.open(method, url, headers, content) as stream:
            return Response(stream.status, stream.headers, stream.read(ERROR_BODY))

    def stream(self, url: str, headers: Mapping[str, str]) -> AbstractContextManager[Stream]:
        """Open a GET for reading its body in chunks; leaving the context ends the transfer."""
        return self.open("GET", url, headers, None)

    @contextmanager
    def open(self, method: str, url: str, headers: Mapping[str, str], content: Content) -> Iterator[Stream]:
        """Send any request and open its answer, whatever its status; leaving the context ends the transfer."""
        origin = self._admit(url)
        call = f"{method} {without_query(url)}"
        sent = dict(headers)
        if self._token is not None and self._token.origin == origin:
            authorization = self._token.header()
            if authorization is not None:
                sent["Authorization"] = authorization
        proxy = proxy_for(origin, self._options.env)
        http = self._route(tls=origin.scheme == "https", proxy=proxy)

        def once() -> httpx2.Response:
            return _once(http, http.build_request(method, url, headers=sent, content=content), origin, proxy)

        raw = self._persist(once, repeatable=content is None or isinstance(content, bytes))
        try:
            yield Stream(raw, call, self._options.read_timeout)
        finally:
            raw.close()

    def attempts(self) -> Attempts:
        """Return a fresh count of tries, for what is repeated as a whole."""
        return Attempts(self._options.retry)

    def wait(self, seconds: float) -> None:
        """Wait between two tries; an interrupt ends it."""
        self._wait(seconds)

    def wait_or_raise(self, attempts: Attempts) -> None:
        """Wait for one more try, or let the exception go on that is being handled when there are no more."""
        delay = attempts.next_delay()
        if delay is None:
            raise  # noqa: PLE0704 - called while the failure is handled
        self.wait(delay)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            routes, self._routes = list(self._routes.values()), {}
        for route in routes:
            route.close()

    def _admit(self, url: str) -> Origin:
        origin = Origin.parse(url)
        if not origin.is_private:
            raise ConfigError(
                f"plain http is spoken to this machine only, not to {origin}", hint=f"write https://{origin}"
            )
        if self._options.offline:
            raise UnreachableError(
                f"{origin} was not asked: this run is offline", hint="leave out --offline (D8_OFFLINE)"
            )
        return origin

    def _persist(self, once: Callable[[], httpx2.Response], *, repeatable: bool) -> httpx2.Response:
        attempts = self.attempts()
        while True:
            try:
                raw = once()
            except _FailedTryError as failed:
                delay = attempts.next_delay() if repeatable and failed.is_passing else None
                if delay is None:
                    raise failed.error from failed.__cause__
            else:
                again = repeatable and is_passing(raw.status_code)
                delay = attempts.next_delay(retry_after(raw.headers, time.time())) if again else None
                if delay is None:
                    return raw
                raw.close()
            self.wait(delay)

    def _route(self, *, tls: bool, proxy: str | None) -> httpx2.Client:
        """Return the connections of one kind, made on first use: a TLS context costs 30 to 60 ms."""
        with self._lock:
            route = self._routes.get((tls, proxy))
            if route is None:
                route = _connections(self._options, tls=tls, proxy=proxy)
                self._routes[tls, proxy] = route
            return route


class _FailedTryError(Exception):
    """One try came to nothing; ``error`` is what to say when there is no other."""

    def __init__(self, error: D8Error, *, is_passing: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.is_passing = is_passing


def _once(http: httpx2.Client, request: httpx2.Request, origin: Origin, proxy: str | None) -> httpx2.Response:
    import httpx2

    try:
        return http.send(request, stream=True)
    except httpx2.ProxyError as error:
        raise _proxy_refused(error, origin, proxy) from error
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise _not_connected(error, origin, proxy) from error
    except httpx2.TimeoutException as error:
        late = TryAgainError(f"{origin} took the request and did not answer in time", hint="try again later")
        raise _FailedTryError(late, is_passing=False) from error
    except httpx2.TransportError as error:
        dropped = TryAgainError(
            f"{origin} closed the connection without a valid answer: {str(error)[:100]}",
            hint="try again; if it stays, check the address (http or https, port)",
        )
        raise _FailedTryError(dropped, is_passing=True) from error


def _not_connected(error: httpx2.TransportError, origin: Origin, proxy: str | None) -> _FailedTryError:
    import ssl

    where = f"{origin} through the proxy {_place(proxy)}" if proxy else str(origin)
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = getattr(cause, "verify_message", "") or str(cause)
            untrusted = UnreachableError(
                f"the certificate of {where} is not trusted: {why[:200]}",
                hint="give its CA with --ca-file FILE (D8_RPP_CA_FILE)",
            )
            return _FailedTryError(untrusted, is_passing=False)
        if isinstance(cause, ssl.SSLError):
            no_tls = UnreachableError(f"no TLS with {where}: {str(cause)[:200]}", hint=_ADDRESS_HINT)
            return _FailedTryError(no_tls, is_passing=False)
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    why = reasons[-1] if reasons else str(error) or "no answer in time"
    refused = UnreachableError(f"cannot connect to {where}: {why[:200]}", hint=_ADDRESS_HINT)
    # A time-out has already waited through the system's own repetitions.
    return _FailedTryError(refused, is_passing=bool(reasons))


def _proxy_refused(error: httpx2.ProxyError, origin: Origin, proxy: str | None) -> _FailedTryError:
    refused = UnreachableError(
        f"the proxy {_place(proxy)} does not lead to {origin}: {str(error)[:100]}",
        hint="check HTTPS_PROXY, and name the host in NO_PROXY if it needs no proxy",
    )
    return _FailedTryError(refused, is_passing=False)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _place(proxy: str | None) -> str:
    """Name a proxy without the password that its URL may hold."""
    return (proxy or "").rpartition("@")[2].rpartition("://")[2]


def _connections(options: ClientOptions, *, tls: bool, proxy: str | None) -> httpx2.Client:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    from d8_installer import __version__

    return httpx2.Client(
        verify=_trust(options) if tls else _no_trust(),
        trust_env=False,
        proxy=proxy,
        follow_redirects=False,
        # Answers must not depend on earlier ones.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        # A compressing ingress would break every digest.
        headers={"Accept-Encoding": "identity", "User-Agent": f"d8-installer/{__version__}"},
        limits=httpx2.Limits(
            max_connections=options.connections, max_keepalive_connections=options.connections, keepalive_expiry=30
        ),
        # Waiting for a free connection is no fault: the others may be fetching for an hour.
        timeout=httpx2.Timeout(options.read_timeout, connect=options.connect_timeout, pool=None),
    )


def _no_trust() -> ssl.SSLContext:
    """Return a context that loads no roots: for --insecure, and for plain http, which never uses it."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _trust(options: ClientOptions) -> ssl.SSLContext:
    import ssl

    import httpx2

    if options.insecure:
        return _no_trust()
    cafile, capath = options.env.get("SSL_CERT_FILE"), options.env.get("SSL_CERT_DIR")
    try:
        if cafile or capath:
            context = ssl.create_default_context(cafile=cafile or None, capath=capath or None)
        else:
            context = httpx2.create_ssl_context(trust_env=False)
        if options.ca_file:
            context.load_verify_locations(options.ca_file)
    except OSError as error:  # ssl.SSLError is one
        named = options.ca_file or cafile or capath
        raise ConfigError(
            f"no certificates can be read from {named!r}: {error.strerror or error}",
            hint="give a file of PEM blocks with --ca-file FILE",
        ) from error
    return context
