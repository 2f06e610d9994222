"""A registry on loopback with the habits of hosted ones: Quay, ECR, Harbor, and registries with an object store.

It follows the distribution-spec and distribution's token.md. Each habit is switched on by itself: a challenge that
names ``pull`` alone, redirects to a store that accepts signed links and no credentials, uploads to that store, tokens
that expire during an upload, tags that cannot be changed. Everything is kept in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from d8_installer.model.value import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Habits", "Hosted", "HostedAnswer", "HostedRequest", "hosted_registry"]

USER, PASSWORD = "robot", "hosted-secret"
_ROUTE = re.compile(r"/v2/(.+)/(tags/list|manifests/[^/]+|blobs/uploads/[^/]*|blobs/[^/]+)")


class Habits(Struct, frozen=True, kw_only=True):
    """The habits of one registry.

    - ``challenge``: the actions that its challenges name, whatever a request needs
    - ``public``: anyone may read
    - ``redirect``: the status of the redirects of tags, manifests and blobs to the store; None for no redirects
    - ``store_refuses_head``: the store's links are signed for GET only
    - ``store_takes_uploads``: uploads go to the store
    - ``tokens_end_with_a_post``: a token that began an upload is not valid for its end
    - ``immutable``: the status and error code of a PUT to a tag that exists; None if tags may change
    - ``upload_location``: False if an upload is named by Docker-Upload-UUID alone, without Location
    """

    challenge: str = "pull"
    public: bool = False
    redirect: int | None = None
    store_refuses_head: bool = False
    store_takes_uploads: bool = False
    tokens_end_with_a_post: bool = False
    immutable: tuple[int, str] | None = None
    upload_location: bool = True


class HostedRequest(Struct, frozen=True, kw_only=True):
    """A request that arrived at ``server``, which is ``registry`` or ``store``. Header names are in lower case."""

    server: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class HostedAnswer(Struct, frozen=True):
    """An answer of the registry or its store."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Hosted(Struct, kw_only=True):
    """A running registry: its ``host``, and all requests to it and its ``store`` in order. Safe for threads.

    ``begun`` is the number of uploads that were started.
    """

    habits: Habits
    host: str = ""
    store: str = ""
    asked: list[HostedRequest] = field(default_factory=list)
    begun: int = 0
    _content: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    _tokens: dict[str, frozenset[str]] = field(default_factory=dict)
    _signatures: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """The URL for ``open_source`` and ``open_destination``."""
        return f"oci://{self.host}/root"

    def seen(self, method: str, part: str = "") -> list[HostedRequest]:
        """Return the requests of *method* with *part* in their target."""
        return [one for one in self.asked if one.method == method and part in one.target]

    def answer(self, asked: HostedRequest) -> HostedAnswer:
        """Record a request and answer it."""
        with self._lock:
            self.asked.append(asked)
            if asked.server == "store":
                return self._stored(asked)
            url = urlsplit(asked.target)
            return self._token(asked, parse_qs(url.query)) if url.path == "/token" else self._api(asked, url.path)

    # -- tokens --

    def _token(self, asked: HostedRequest, query: Mapping[str, list[str]]) -> HostedAnswer:
        """Grant the requested scopes; for a repository that does not exist only if ``push`` is requested."""
        known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        given = asked.headers.get("authorization")
        if given not in (None, known):
            return _error(401, "UNAUTHORIZED")
        granted: set[str] = set()
        for scope in query.get("scope", []):
            resource, _, actions = scope.rpartition(":")
            wanted = set(actions.split(",")) if given else {"pull"} if self.habits.public else set()
            if "push" in wanted or any(name == resource.partition(":")[2] for name, _ in self._content):
                granted |= {f"{resource}:{action}" for action in wanted}
        token = secrets.token_urlsafe(16)
        self._tokens[token] = frozenset(granted)
        return _json(200, {"token": token, "expires_in": 300})

    def _may(self, asked: HostedRequest, name: str, action: str) -> bool:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return f"repository:{name}:{action}" in self._tokens.get(token, ())

    def _challenge(self, name: str) -> HostedAnswer:
        scope = f"repository:{name}:{self.habits.challenge}"
        header = f'Bearer realm="http://{self.host}/token",service="{self.host}",scope="{scope}"'
        return _error(401, "UNAUTHORIZED", {"www-authenticate": header})

    # -- the registry's interface --

    def _api(self, asked: HostedRequest, path: str) -> HostedAnswer:
        match = _ROUTE.fullmatch(path)
        if match is None:
            return _error(404, "UNSUPPORTED")
        name, what = match[1], match[2]
        if not self._may(asked, name, "pull" if asked.method in ("GET", "HEAD") else "push"):
            return self._challenge(name)
        if what.startswith("blobs/uploads/"):
            return self._upload(asked, name)
        if asked.method == "PUT":
            return self._put_manifest(asked, name, what.partition("/")[2])
        return self._get(name, what.rpartition("/")[2] if what != "tags/list" else what)

    def _get(self, name: str, key: str) -> HostedAnswer:
        found = self._tags(name) if key == "tags/list" else self._content.get((name, key))
        if found is None:
            return _error(404, "MANIFEST_UNKNOWN")
        if self.habits.redirect is not None:
            link = self._link(f"/{name}/{key}", "GET")
            return HostedAnswer(self.habits.redirect, headers={"location": link})
        media_type, body = found
        return HostedAnswer(200, body, {"content-type": media_type, "docker-content-digest": _digest(body)})

    def _tags(self, name: str) -> tuple[str, bytes] | None:
        keys = [key for repository, key in self._content if repository == name]
        names = sorted(key for key in keys if ":" not in key)
        return ("application/json", json.dumps({"name": name, "tags": names}).encode()) if keys else None

    def _upload(self, asked: HostedRequest, name: str) -> HostedAnswer:
        if asked.method == "PUT":
            return self._finish(asked, name)
        upload = secrets.token_hex(8)
        self.begun += 1
        if self.habits.tokens_end_with_a_post:
            self._tokens.clear()
        headers = {"docker-upload-uuid": upload}
        if self.habits.store_takes_uploads:
            headers["location"] = self._link(f"/{name}/uploads/{upload}", "PUT")
        elif self.habits.upload_location:
            headers["location"] = f"/v2/{name}/blobs/uploads/{upload}?_state={secrets.token_urlsafe(9)}"
        return HostedAnswer(202, headers=headers)

    def _finish(self, asked: HostedRequest, name: str) -> HostedAnswer:
        digest = parse_qs(urlsplit(asked.target).query).get("digest", [""])[0]
        if _digest(asked.body) != digest:
            return _error(400, "DIGEST_INVALID")
        self._content[name, digest] = ("application/octet-stream", asked.body)
        return HostedAnswer(201, headers={"location": f"/v2/{name}/blobs/{digest}"})

    def _put_manifest(self, asked: HostedRequest, name: str, ref: str) -> HostedAnswer:
        if self.habits.immutable and ":" not in ref and (name, ref) in self._content:
            status, code = self.habits.immutable
            return _error(status, code)
        media_type = asked.headers.get("content-type", "")
        for key in (ref, _digest(asked.body)):
            self._content[name, key] = (media_type, asked.body)
        return HostedAnswer(201, headers={"docker-content-digest": _digest(asked.body)})

    # -- the store --

    def _link(self, path: str, method: str) -> str:
        signature = f"{method}-{secrets.token_urlsafe(9)}"
        self._signatures.add(signature)
        return f"http://{self.store}{path}?X-Amz-Signature={signature}"

    def _stored(self, asked: HostedRequest) -> HostedAnswer:
        """Answer as S3 does: a link is for one method, and Authorization beside the signature is an error."""
        url = urlsplit(asked.target)
        signature = parse_qs(url.query).get("X-Amz-Signature", [""])[0]
        method = asked.method if self.habits.store_refuses_head else asked.method.replace("HEAD", "GET")
        if "authorization" in asked.headers:
            return HostedAnswer(400, b"<Error><Code>InvalidArgument</Code></Error>")
        if signature not in self._signatures or not signature.startswith(method):
            return HostedAnswer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        if asked.method == "PUT":
            return self._finish(asked, url.path[1:].partition("/uploads/")[0])
        listed = url.path.endswith("/tags/list")
        name, _, key = url.path[1:].removesuffix("/tags/list").rpartition("/")
        found = self._tags(f"{name}/{key}") if listed else self._content.get((name, key))
        return HostedAnswer(404) if found is None else HostedAnswer(200, found[1], {"content-type": found[0]})


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _json(status: int, document: object, headers: Mapping[str, str] | None = None) -> HostedAnswer:
    return HostedAnswer(status, json.dumps(document).encode(), {"content-type": "application/json", **(headers or {})})


def _error(status: int, code: str, headers: Mapping[str, str] | None = None) -> HostedAnswer:
    return _json(status, {"errors": [{"code": code, "message": "as the registry says"}]}, headers)


@contextmanager
def hosted_registry(habits: Habits) -> Iterator[Hosted]:
    """Run a registry with these *habits*, and its store, on free ports of 127.0.0.1 while the context lasts."""
    running = Hosted(habits=habits)
    with ExitStack() as stack:
        running.host = stack.enter_context(_listening("registry", running.answer))
        running.store = stack.enter_context(_listening("store", running.answer))
        yield running


@contextmanager
def _listening(name: str, answer: Callable[[HostedRequest], HostedAnswer]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {key.lower(): value for key, value in self.headers.items()}
            answered = answer(
                HostedRequest(server=name, method=self.command, target=self.path, headers=headers, body=body)
            )
            self.send_response_only(answered.status)
            for key, value in {**answered.headers, "content-length": str(len(answered.body))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else answered.body)

        do_GET = do_HEAD = do_POST = do_PUT = respond  # noqa: N815 - http.server names them

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the overridden method's name
            """Log nothing: ``Hosted.asked`` has the requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
