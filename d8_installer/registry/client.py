"""The only HTTP client: connections, timeouts and retries.

httpx2 is imported at the first request, since that costs 80 ms: here and in ``network``, ``stream``,
``tls`` and ``transport_errors``, which turns failures of the transport into D8Errors. What a status means to a protocol
does not belong here (``rpp_errors``, ``oci_errors``), nor do digests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from d8_installer.errors import ConfigError, TryAgainError
from d8_installer.model.address import shown
from d8_installer.model.secrets import Secrets
from d8_installer.model.value import Struct, field, repr_without
from d8_installer.registry.http_status import is_passing
from d8_installer.registry.origin import Origin, proxy_for
from d8_installer.registry.retry import Attempts, RetryPolicy, retry_after
from d8_installer.registry.stream import ERROR_BODY, HeadLimit, Stream
from d8_installer.registry.tls import CertificateData, check_tls_options, no_trust, present, trust
from d8_installer.registry.transport_errors import FailedTryError, not_asked, send_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import httpx2

    from d8_installer.model.identity import Identity
    from d8_installer.registry.tls import ClientCertificate

Content: TypeAlias = "bytes | Iterable[bytes] | None"
Headers: TypeAlias = "Mapping[str, str] | Sequence[tuple[str, str]]"
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0


class OriginIdentity(Struct, frozen=True):
    """Who we are to one origin; no other one may know.

    ``current`` is called for every request, and may return None. After a 401 ``renewed`` is called once with the
    identity that was refused, and the request is sent again if it returns another one.
    """

    origin: Origin
    current: Callable[[], Identity | None]
    renewed: Callable[[Identity], Identity | None] = lambda refused: None  # noqa: ARG005 - most have no other

    def __repr__(self) -> str:
        return repr_without(self, "current", "renewed")


def authorization(identity: Identity, origin: Origin) -> str | None:
    """Return the value of ``Authorization``, None for a certificate alone. An unusable token is a ConfigError."""
    if identity.token is not None:
        token = identity.token.strip()
        if not is_token(token):
            raise ConfigError(
                f"the token for {origin} is empty or has characters that no token has",
                hint=f"check {identity.place or 'the token file, or D8_RPP_TOKEN'}: one line, the token alone",
                code="bad-token",
            )
        return f"Bearer {token}"
    if identity.username is None:
        return None
    from base64 import b64encode

    both = f"{identity.username}:{identity.password or ''}"
    return f"Basic {b64encode(both.encode()).decode()}"


def is_token(text: str) -> bool:
    """Whether *text* can be sent as a bearer token: visible ASCII characters, at least one."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


class ClientOptions(Struct, frozen=True, kw_only=True):
    """Everything that is decided before the first request. Times are in seconds.

    ``env`` holds HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR, if they are to be used. ``wait`` sleeps between
    tries, and may raise to end them. Every secret that is sent is added to ``secrets``. ``trace`` is called with a line
    for each request: method, address, status, time, and where the token is from; it holds no secret.

    With ``roots``, which is PEM text, only these certificates and those of ``ca_file`` are trusted. ``server_name`` is
    the name that a server's certificate must be for, in place of the host. ``forward_proxy`` is a URL that counts
    before those in ``env``.
    """

    ca_file: str | None = None
    roots: bytes | None = None
    server_name: str | None = None
    forward_proxy: str | None = None
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
        return repr_without(self, "roots", "forward_proxy", "env", "wait", "secrets", "trace")

    def __post_init__(self) -> None:
        check_tls_options(insecure=self.insecure, ca_file=self.ca_file)


class _Route(NamedTuple):
    """A kind of connection. If ``outside`` is set, none may lead into this machine or its link (``network.inside``)."""

    tls: bool
    proxy: str | None
    outside: bool
    certificate: ClientCertificate | CertificateData | None


class _Call(NamedTuple):
    """A request, before it is known who sends it."""

    method: str
    url: str
    headers: Headers
    content: Content
    origin: Origin
    outside: bool


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

    def __init__(self, options: ClientOptions | None = None, identity: OriginIdentity | None = None) -> None:
        self._options = options or ClientOptions()
        self._identity = identity
        self.presented: Identity | None = None
        """Who we last were to the identity's origin; None if it was not asked, or there is no identity."""
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
        self, method: str, url: str, headers: Headers, content: Content, *, outside: bool = False
    ) -> Iterator[Stream]:
        """Send any request and open its answer, whatever its status; leaving the context ends the transfer.

        *outside*: the address was named by another machine, so one inside (``network.inside``) is a NotAllowedError.
        """
        call = _Call(method, url, headers, content, self._admit(url), outside)
        raw = self._answer(call)
        try:
            yield Stream(raw, f"{method} {shown(url)}", self._options.read_timeout, self.secrets)
        finally:
            raw.close()
            if raw.status_code == 101:  # the library leaves the connection open for the other protocol
                raw.extensions["network_stream"].close()

    def _answer(self, call: _Call) -> httpx2.Response:
        """Return the answer to *call*, which is sent again as somebody else if the origin refuses our identity."""
        known = self._identity if self._identity is not None and self._identity.origin == call.origin else None
        with self._head.paused():
            identity = known.current() if known is not None else None
        raw = self._send(call, identity)
        if known is not None:
            self.presented = identity
        if raw.status_code != 401 or known is None or identity is None or not _is_repeatable(call.content):
            return raw
        with self._head.paused():
            other = known.renewed(identity)
        if other is None:
            return raw
        raw.close()
        self.presented = other
        return self._send(call, other)

    def _send(self, call: _Call, identity: Identity | None) -> httpx2.Response:
        origin, outside = call.origin, call.outside
        proxy = self._options.forward_proxy or proxy_for(origin, self._options.env)
        if outside and proxy is not None:
            from d8_installer.registry.network import refuse_inside

            refuse_inside(origin.host, origin.port, self._options.connect_timeout)
        certificate = self._certificate(origin, identity)
        http = self._route(_Route(origin.scheme == "https", proxy, outside and proxy is None, certificate))
        headers = self._headers(call, identity)
        named = {"sni_hostname": self._options.server_name} if self._options.server_name else {}

        def once() -> httpx2.Response:
            with self._head.of(self._options.read_timeout):
                request = http.build_request(
                    call.method, call.url, headers=headers, content=call.content, extensions=named
                )
                send = lambda: send_once(http, request, origin, proxy, self.secrets)  # noqa: E731 - as short as it is
                return self._traced(f"{call.method} {shown(call.url)}", _as_whom(identity, headers), send)

        return self._persist(once, repeatable=_is_repeatable(call.content))

    def _headers(self, call: _Call, identity: Identity | None) -> list[tuple[bytes, bytes]]:
        given = call.headers.items() if isinstance(call.headers, Mapping) else call.headers
        headers = list(given)
        if identity is not None and (value := authorization(identity, call.origin)) is not None:
            headers = [one for one in headers if one[0].lower() != "authorization"] + [("Authorization", value)]
        for name, value in headers:
            if name.lower() == "authorization":
                self.secrets.add_authorization(value)
        return [(name.encode(), value.encode()) for name, value in headers]

    def _certificate(self, origin: Origin, identity: Identity | None) -> ClientCertificate | CertificateData | None:
        """Return the certificate for *origin*: the files that a person named, else that of the identity."""
        files = self._options.certificate
        if files is not None and files.origin == origin:
            return files
        if identity is None or identity.certificate is None:
            return None
        return CertificateData(identity.certificate, identity.key or b"", identity.place)

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Limit all that this thread sends and reads in this context to *seconds*, the bodies of answers too."""
        return self._head.all_within(seconds)

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
                f"plain http is allowed to this machine only, not to {origin}",
                hint=f"write https://{origin}",
                code="plain-http",
            )
        if self._options.offline:
            raise not_asked(origin)
        return origin

    def tell(self, text: str) -> None:
        """Report *text*, which holds no secret, to ``trace``."""
        if self._options.trace is not None:
            self._options.trace(text)

    def _traced(self, call: str, whom: str, send: Callable[[], httpx2.Response]) -> httpx2.Response:
        """Send one request and report it to ``trace``, with *whom* it was sent as. The time ends with the head."""
        if self._options.trace is None:
            return send()
        begun = time.monotonic()
        try:
            raw = send()
        except FailedTryError as failed:
            self.tell(f"{call}: {failed.error.message} ({time.monotonic() - begun:.2f} s{whom})")
            raise
        self.tell(f"{call}: {raw.status_code} ({time.monotonic() - begun:.2f} s{whom})")
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


def _as_whom(identity: Identity | None, headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Say for ``trace`` who a request is sent as, without any secret."""
    if identity is not None:
        return f", {identity.kind} from {identity.place}" if identity.place else f", with a {identity.kind}"
    return ", with credentials" if any(name.lower() == b"authorization" for name, _ in headers) else ""


def _is_repeatable(content: Content) -> bool:
    return content is None or isinstance(content, bytes)


def _connections(options: ClientOptions, route: _Route, head: HeadLimit) -> httpx2.Client:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    from d8_installer import __version__
    from d8_installer.registry.network import Network

    context = no_trust()
    if route.tls:
        context = trust(ca_file=options.ca_file, insecure=options.insecure, env=options.env, roots=options.roots)
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
