"""The only HTTP client: connections, timeouts and retries.

httpx2 is imported at the first request, since that costs 80 ms (``http_library``): here and in ``network``, ``stream``,
``tls`` and ``transport_errors``, which turns failures of the transport into D8Errors. What a status means to a protocol
does not belong here (``rpp_errors``, ``oci_errors``), nor do digests.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from d8_installer.errors import ConfigError, TryAgainError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.model.secrets import Secrets
from d8_installer.model.value import Struct, field, repr_without
from d8_installer.registry.http_status import is_passing
from d8_installer.registry.origin import Origin, proxy_for
from d8_installer.registry.retry import Attempts, RetryPolicy, retry_after
from d8_installer.registry.stream import ERROR_BODY, HeadLimit, Stream
from d8_installer.registry.tls import check_tls_options, no_trust, present, trust
from d8_installer.registry.transport_errors import FailedTryError, send_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    import httpx2

    from d8_installer.registry.tls import ClientCertificate

Content: TypeAlias = "bytes | Iterable[bytes] | None"
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0


class BearerToken(Struct, frozen=True):
    """A token and the one origin that may see it. A callable is called for every request, and may return None."""

    origin: Origin
    value: str | Callable[[], str | None]

    def __repr__(self) -> str:
        return repr_without(self, "value")

    def header(self) -> str | None:
        """Return the value of ``Authorization``, or None. An unusable token is a ConfigError that hides it."""
        value = self.value if isinstance(self.value, str) else self.value()
        if value is None:
            return None
        token = value.strip()
        if not is_token(token):
            raise ConfigError(
                f"the token for {self.origin} is empty or has characters that no token has",
                hint="check the token file, or D8_RPP_TOKEN: one line, the token alone",
            )
        return f"Bearer {token}"


def is_token(text: str) -> bool:
    """Whether *text* can be sent as a bearer token: visible ASCII characters, at least one."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


class ClientOptions(Struct, frozen=True, kw_only=True):
    """Everything that is decided before the first request. Times are in seconds.

    ``env`` holds HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR, if they are to be used. ``wait`` sleeps between
    tries, and may raise to end them. Every secret that is sent is added to ``secrets``. ``trace`` is called with a line
    for each request: method, address, status and time, and no secret.
    """

    ca_file: str | None = None
    insecure: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    connections: int = 8
    connect_timeout: float = CONNECT_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    certificate: ClientCertificate | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    wait: Callable[[float], object] | None = None
    secrets: Secrets = field(default_factory=Secrets)
    trace: Callable[[str], None] | None = None

    def __repr__(self) -> str:
        return repr_without(self, "env", "wait", "secrets", "trace")

    def __post_init__(self) -> None:
        check_tls_options(insecure=self.insecure, ca_file=self.ca_file)


class _Route(NamedTuple):
    """A kind of connection. If ``outside`` is set, none may lead into this machine or its link (``network.inside``)."""

    tls: bool
    proxy: str | None
    outside: bool
    certificate: ClientCertificate | None


class Response(Struct, frozen=True):
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """HTTP/1.1 over reused connections, safe for threads; never follows a redirect and never decodes a body.

    Plain http to another machine is a ConfigError. 429, 5xx and connections that are refused, or dropped before an
    answer, are tried again as ``options.retry`` says. After the last try a status is returned as it is, and a failure
    is raised: UnreachableError (no connection, certificate) or TryAgainError (dropped, timed out).
    """

    def __init__(self, options: ClientOptions | None = None, token: BearerToken | None = None) -> None:
        self._options = options or ClientOptions()
        self._token = token
        self._routes: dict[_Route, httpx2.Client] = {}
        self._head = HeadLimit()
        self.secrets = self._options.secrets
        """What is hidden in every answer. A caller that sends a secret outside an Authorization header adds it here."""
        self._lock = threading.Lock()
        self._wait = threading.Event().wait if self._options.wait is None else self._options.wait

    @property
    def read_timeout(self) -> float:
        """Seconds that a server may stay silent."""
        return self._options.read_timeout

    def get(self, url: str, headers: Mapping[str, str], cap: int, *, outside: bool = False) -> Response:
        """Return the answer to a GET. A cut body is fetched again; more than *cap* bytes are a MismatchError."""
        attempts = self.attempts()
        while True:
            with self.open("GET", url, headers, None, outside=outside) as stream:
                try:
                    return Response(stream.status, stream.headers, stream.read(cap))
                except TryAgainError:
                    self.wait_or_raise(attempts)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], content: Content = None, *, outside: bool = False
    ) -> Response:
        """Return the answer to any other method.

        Iterable content cannot be restarted, so it is sent only once: a lost connection is then a TryAgainError, and
        the caller repeats the whole with ``attempts``.
        """
        with self.open(method, url, headers, content, outside=outside) as stream:
            return Response(stream.status, stream.headers, stream.read(ERROR_BODY))

    def stream(self, url: str, headers: Mapping[str, str]) -> AbstractContextManager[Stream]:
        """Open a GET to read its body in chunks; leaving the context ends the transfer."""
        return self.open("GET", url, headers, None)

    @contextmanager
    def open(
        self, method: str, url: str, headers: Mapping[str, str], content: Content, *, outside: bool = False
    ) -> Iterator[Stream]:
        """Send any request and open its answer, whatever its status; leaving the context ends the transfer.

        *outside*: the address was named by another machine, so one inside (``network.inside``) is a NotAllowedError.
        """
        origin = self._admit(url)
        call = f"{method} {shown(url)}"
        sent = dict(headers)
        if self._token is not None and self._token.origin == origin:
            authorization = self._token.header()
            if authorization is not None:
                sent["Authorization"] = authorization
        self.secrets.add_authorization(sent.get("Authorization", ""))
        proxy = proxy_for(origin, self._options.env)
        if outside and proxy is not None:
            from d8_installer.registry.network import refuse_inside

            refuse_inside(origin.host, origin.port, self._options.connect_timeout)
        certificate = self._options.certificate
        if certificate is not None and certificate.origin != origin:
            certificate = None
        http = self._route(_Route(origin.scheme == "https", proxy, outside and proxy is None, certificate))

        def once() -> httpx2.Response:
            with self._head.of(self._options.read_timeout):
                request = http.build_request(method, url, headers=sent, content=content)
                return self._traced(call, lambda: send_once(http, request, origin, proxy, self.secrets))

        raw = self._persist(once, repeatable=content is None or isinstance(content, bytes))
        try:
            yield Stream(raw, call, self._options.read_timeout, self.secrets)
        finally:
            raw.close()
            if raw.status_code == 101:  # the library leaves the connection open for the other protocol
                raw.extensions["network_stream"].close()

    def attempts(self) -> Attempts:
        """Return a fresh count of tries, for work that is repeated as a whole."""
        return Attempts(self._options.retry)

    def wait(self, seconds: float) -> None:
        """Wait between two tries; an interrupt ends it."""
        self._wait(seconds)

    def wait_or_raise(self, attempts: Attempts) -> None:
        """Wait for one more try; if there is none left, raise the exception that is being handled."""
        delay = attempts.next_delay()
        if delay is None:
            raise  # noqa: PLE0704 - called while the failure is handled
        self.wait(delay)

    def is_elsewhere(self, origin: Origin) -> bool:
        """Whether *origin* is not inside (``network.inside``); an address that it names must not be inside either."""
        from d8_installer.registry.network import is_inside

        return not (origin.is_loopback or is_inside(origin.host, origin.port, self._options.connect_timeout))

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
                f"plain http is allowed to this machine only, not to {origin}", hint=f"write https://{origin}"
            )
        if self._options.offline:
            raise UnreachableError(
                f"{origin} was not asked: this run is offline", hint="leave out --offline (D8_OFFLINE)"
            )
        return origin

    def _traced(self, call: str, send: Callable[[], httpx2.Response]) -> httpx2.Response:
        """Send one request and report it to ``trace``; the time ends with the head of the answer."""
        if self._options.trace is None:
            return send()
        begun = time.monotonic()
        try:
            raw = send()
        except FailedTryError as failed:
            self._options.trace(f"{call}: {failed.error.message} ({time.monotonic() - begun:.2f} s)")
            raise
        self._options.trace(f"{call}: {raw.status_code} ({time.monotonic() - begun:.2f} s)")
        return raw

    def _persist(self, once: Callable[[], httpx2.Response], *, repeatable: bool) -> httpx2.Response:
        attempts = self.attempts()
        while True:
            try:
                raw = once()
            except FailedTryError as failed:
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

    def _route(self, route: _Route) -> httpx2.Client:
        """Return the connections of one kind; made at first use, since a TLS context costs 30 to 60 ms."""
        with self._lock:
            if route not in self._routes:
                self._routes[route] = _connections(self._options, route, self._head)
            return self._routes[route]


def _connections(options: ClientOptions, route: _Route, head: HeadLimit) -> httpx2.Client:
    from d8_installer.registry import http_library

    http_library.load()
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    from d8_installer import __version__
    from d8_installer.registry.network import Network

    context = no_trust()
    if route.tls:
        context = trust(ca_file=options.ca_file, insecure=options.insecure, env=options.env)
    if route.certificate is not None:
        present(context, route.certificate)
    transport = httpx2.HTTPTransport(
        verify=context,
        trust_env=False,
        proxy=route.proxy,
        limits=httpx2.Limits(
            max_connections=options.connections, max_keepalive_connections=options.connections, keepalive_expiry=30
        ),
    )
    # httpcore2's pools take it as a parameter, which httpx2 does not pass on.
    transport._pool._network_backend = Network(head, outside=route.outside)
    return httpx2.Client(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        # Answers must not depend on earlier ones.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        # A compressing ingress would break every digest.
        headers={"Accept-Encoding": "identity", "User-Agent": f"d8-installer/{__version__}"},
        # Waiting for a free connection is not a fault: the other requests may take an hour.
        timeout=httpx2.Timeout(options.read_timeout, connect=options.connect_timeout, pool=None),
    )
