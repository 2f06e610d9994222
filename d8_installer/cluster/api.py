"""The Kubernetes API: documents asked for by path, whose answers are hostile until they are checked.

A transport sends the requests and limits their time; here their size, their number and their form are limited. An
object's name and the right that it needs are for the caller to say: ``error.within(hint=…)``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from d8_installer.errors import D8Error, NotAllowedError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

DOCUMENT_LIMIT = 1 << 20
LIST_LIMIT = 16 << 20
_MAX_PAGES = 1000
_SHOWN = 300
_PASSING = frozenset([408, 410, 425, 429])


class ApiReply(Struct, frozen=True):
    """An answer: its status, its body, and the server's own time if it says one."""

    status: int
    body: bytes
    date: datetime | None = None


class ApiTransport(Protocol):
    """Sends requests to one API server. ``name`` is its address as it may be shown."""

    @property
    def name(self) -> str:
        """Return the address."""

    def send(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes | None, limit: int
    ) -> ApiReply:
        """Return the answer, whatever its status. No answer, or a longer one, is an ApiError with status 0."""


class ApiError(D8Error):
    """The API's refusal: ``status`` of HTTP, 0 if there was no answer, and ``reason`` in Kubernetes' words."""

    status = 0
    reason = ""

    def as_json(self) -> dict[str, object]:
        """Return the error as an entry of ``errors`` in the JSON output; its kind is that of the other errors."""
        return super().as_json() | {"kind": type(self).__name__.removesuffix("Error").removeprefix("Api")}


class ApiNotAllowedError(ApiError, NotAllowedError):
    """401 or 403: the API does not know the user, or does not let it do this."""

    code = "api-not-allowed"


class ApiNotFoundError(ApiError, NotFoundError):
    """404: there is no such object, or no such kind of objects."""

    code = "api-not-found"


class ApiTryAgainError(ApiError, TryAgainError):
    """The API fails for the moment."""

    code = "api-try-again"


class ApiUnreachableError(ApiError, UnreachableError):
    """Nothing answers at the address, or what answers is not a Kubernetes API."""

    code = "api-unreachable"


class Api:
    """One API server, asked as one user."""

    def __init__(self, transport: ApiTransport) -> None:
        self._transport = transport
        self.name = transport.name
        self.server_time: datetime | None = None
        """The time in the last answer, None if it had none."""

    def get(self, path: str, query: Sequence[tuple[str, str]] = (), *, limit: int = DOCUMENT_LIMIT) -> object:
        """Return the document at *path*; an ApiError if there is none, or more than *limit* bytes of it."""
        return self._document("GET", path, query, None, limit)

    def post(self, path: str, document: object, *, limit: int = DOCUMENT_LIMIT) -> object:
        """Send *document* to *path* and return the answer's document."""
        return self._document("POST", path, (), json.dumps(document).encode(), limit)

    def items(self, path: str, query: Sequence[tuple[str, str]] = (), *, limit: int = LIST_LIMIT) -> list[object]:
        """Return the items of a list, all pages of it; *limit* counts for all of them together."""
        found: list[object] = []
        marker = ""
        for _ in range(_MAX_PAGES):
            page = [*query, *([("continue", marker)] if marker else [])]
            body = self._answer("GET", path, page, None, limit)
            limit -= len(body)
            document = self._parsed("GET", path, body)
            items, metadata = document.get("items"), document.get("metadata")
            found += items if isinstance(items, list) else []
            following = metadata.get("continue") if isinstance(metadata, dict) else None
            if not isinstance(following, str) or not following:
                return found
            if following == marker:
                break
            marker = following
        raise self._no_api("GET", path, "a list without an end")

    def _document(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes | None, limit: int
    ) -> dict[str, object]:
        return self._parsed(method, path, self._answer(method, path, query, body, limit))

    def _answer(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes | None, limit: int
    ) -> bytes:
        reply = self._transport.send(method, path, query, body, max(limit, 0))
        self.server_time = reply.date or self.server_time
        if 200 <= reply.status < 300:
            return reply.body
        raise self._refusal(method, path, reply)

    def _parsed(self, method: str, path: str, body: bytes) -> dict[str, object]:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise self._no_api(method, path, "something that is not a JSON object")
        return document

    def _no_api(self, method: str, path: str, what: str) -> ApiError:
        return ApiUnreachableError(
            f"{self.name} answers {method} {path} with {what}",
            hint="check `server` in the kubeconfig: it may lead to something else than a Kubernetes API",
        )

    def _refusal(self, method: str, path: str, reply: ApiReply) -> ApiError:
        said, reason = _status(reply.body)
        status = reply.status
        kind, hint = _meaning(status)
        error = kind(f"{self.name} answers {method} {path} with {status}{f': {said}' if said else ''}", hint=hint)
        error.status, error.reason = status, reason
        return error


def _meaning(status: int) -> tuple[type[ApiError], str]:
    if status == 401:
        return ApiNotAllowedError, (
            "the API does not know this user: its token may have expired, so log in again; or the API server cannot "
            "check it: `kubectl auth whoami`"
        )
    if status == 403:
        return ApiNotAllowedError, "ask an administrator for this right: `kubectl auth can-i --list` shows yours"
    if status == 404:
        return ApiNotFoundError, "check that this is the cluster that you mean: `kubectl config current-context`"
    if status >= 500 or status in _PASSING:
        return ApiTryAgainError, "try again; if that does not help, see `kubectl get --raw /readyz?verbose`"
    return ApiUnreachableError, "check `server` in the kubeconfig: a Kubernetes API answers 200 here"


def _status(body: bytes) -> tuple[str, str]:
    """Return message and reason of a Status document, on one line; empty if the body is not a Status."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(document, dict) or document.get("kind") != "Status":
        return "", ""
    message, reason = document.get("message"), document.get("reason")
    return _plain(message) if isinstance(message, str) else "", _plain(reason) if isinstance(reason, str) else ""


def _plain(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text[: 4 * _SHOWN]).split())[:_SHOWN]
