"""Discovery: which addresses a cluster names for its registry-packages-proxy (rpp.md §4.5, §18.6, §18.7).

The objects are asked in a fixed order, and the first one that names an address ends the search. Which of its addresses
is used, their certificates decide (``pipeline/endpoint_choice.py``). All that a cluster answers is untrusted.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from d8_installer.errors import ConfigError, D8Error, DocumentError, NotAllowedError, NotFoundError, UnreachableError
from d8_installer.model.rights import (
    LIST_PODS,
    NAMESPACE,
    PROXY,
    PROXY_CONFIG,
    READ_CONFIG,
    READ_HTTP_ROUTE,
    READ_INGRESS,
    Right,
    grant_any,
    user_of,
)
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
NamedBy = Literal["ConfigMap", "Ingress", "HTTPRoute", "Pod"]

PROXY_PORT = 4219
"""The port of kube-rbac-proxy, which every pod listens on (rpp.md §1)."""
MAX_ADDRESSES = 16
"""The most addresses of one object that are tried; a cluster has one or three masters."""
EXPLICIT = "name the endpoint with --endpoint https://registry-packages-proxy.example.com"
"""What helps if no cluster can say where the proxy is."""

_MAX_CA = 256 << 10
_PLACE = r"(?:[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?"
_CONFIG = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{PROXY_CONFIG}"
_INGRESS = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses/{PROXY}"
_HTTP_ROUTE = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/{PROXY}"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


class NamedEndpoint(Struct, frozen=True):
    """An address that an object of the cluster names. ``ca`` is the PEM text that its certificate is verified with.

    Without ``ca`` the roots of the system count, and those of ``--ca-file``.
    """

    url: str
    named_by: NamedBy
    ca: str | None = None


class Discovered(Struct, frozen=True):
    """The addresses in the order of preference, and what each object that was asked said, a line each."""

    endpoints: tuple[NamedEndpoint, ...]
    asked: tuple[str, ...]


class _Reader(Protocol):
    """The part of ``cluster.api.Api`` that discovery needs."""

    def get(self, path: str) -> object: ...

    def items(self, path: str, query: Sequence[tuple[str, str]]) -> list[object]: ...


class _Answer(Struct, frozen=True):
    """The addresses that one object names, and what it said in words."""

    endpoints: tuple[NamedEndpoint, ...]
    said: str


def _say_nothing(_line: str) -> None:
    """Say nothing."""


def discover(api: _Reader, say: Callable[[str], object] = _say_nothing) -> Discovered:
    """Return the addresses that the cluster names; *say* gets what each object said, as soon as it is known.

    Raise the error of the object that ends the search (rpp.md §4.5), or an UnreachableError if none names an address.
    """
    asked: list[str] = []
    denied: list[Right] = []
    for name, ask in _OBJECTS:
        try:
            answer = ask(api)
        except _DeniedError as error:
            denied.append(error.right)
            if error.ends_all:
                raise _not_allowed(error, denied) from error.refusal
            answer = _Answer((), f"not allowed (status {_status(error.refusal)})")
        asked.append(f"{name}: {answer.said}")
        say(asked[-1])
        if answer.endpoints:
            return Discovered(tuple(dict.fromkeys(answer.endpoints))[:MAX_ADDRESSES], tuple(asked))
    raise UnreachableError(
        f"the cluster names no registry-packages-proxy ({'; '.join(asked)})",
        hint=f"see `kubectl -n {NAMESPACE} get pods -l app={PROXY}`, or {EXPLICIT}",
        code="no-endpoint-found",
    )


class _DeniedError(Exception):
    """The API refuses to show an object. If ``ends_all``, the next objects are not asked."""

    def __init__(self, right: Right, refusal: NotAllowedError, *, ends_all: bool) -> None:
        super().__init__(right.text)
        self.right = right
        self.refusal = refusal
        self.ends_all = ends_all


def _not_allowed(error: _DeniedError, denied: Sequence[Right]) -> NotAllowedError:
    """Return the error of the last of the *denied* rights. A 401 is about the person's token, and keeps its hint."""
    if _status(error.refusal) == 401:
        return error.refusal.within(f"cannot {error.right.text}")
    user = user_of(error.refusal.message)
    missing = [right for right in denied if right is error.right or right is READ_CONFIG]
    return NotAllowedError(
        f"{user or 'this user'} may not {' nor '.join(right.text for right in missing)}, so the endpoint is not found "
        "(status 403)",
        hint=f"{grant_any(missing, user)}; or {EXPLICIT}",
        code="endpoint-forbidden",
    )


def _status(error: NotAllowedError) -> int:
    """Return the status of a refusal by the API."""
    return getattr(error, "status", 0)


# -- the objects, in the order in which they are asked -------------------------------------------------------


def _config_map(api: _Reader) -> _Answer:
    """Ask the ConfigMap. Without the right to read it the search goes on: many clusters have none (rpp.md §18.6)."""
    try:
        data = _table(_read(lambda: api.get(_CONFIG), READ_CONFIG, ends_all=False), "data")
    except NotFoundError:
        return _Answer((), "not there")
    ca = _text(data.get("ca.crt"))[:_MAX_CA] or None
    found = [NamedEndpoint(f"https://{place}", "ConfigMap", ca) for place in _places(_text(data.get("endpoints")))]
    public = _text(data.get("publicEndpoint"))
    if re.fullmatch(f"https://{_PLACE}/?", public, re.ASCII | re.IGNORECASE):
        found.append(NamedEndpoint(public.rstrip("/"), "ConfigMap"))
    elif public:
        raise _malformed(f"ConfigMap {NAMESPACE}/{PROXY_CONFIG}", "data.publicEndpoint", "is no https address")
    return _Answer(tuple(found), _said([one.url for one in found], "names no address yet"))


def _ingress(api: _Reader) -> _Answer:
    """Ask the Ingress: the first rule with a host, which may have a port. Any error but a missing Ingress ends all."""
    try:
        document = _read(lambda: api.get(_INGRESS), READ_INGRESS)
    except NotFoundError:
        return _Answer((), "not there")
    hosts = (_text(_as_table(rule).get("host")) for rule in _list(_table(document, "spec"), "rules"))
    host = next((host for host in hosts if host), "")
    return _of_host(host, "Ingress")


def _http_route(api: _Reader) -> _Answer:
    """Ask the HTTPRoute: its first host name. Neither its absence nor that of its kind or of the right ends all."""
    try:
        document = _read(lambda: api.get(_HTTP_ROUTE), READ_HTTP_ROUTE, ends_all=False)
    except NotFoundError:
        return _Answer((), "not there")
    names = _list(_table(document, "spec"), "hostnames")
    return _of_host(_text(names[0]) if names else "", "HTTPRoute")


def _pods(api: _Reader) -> _Answer:
    """Ask for the pods. Those count that run, are ready, have an address and are not being deleted (rpp.md §4.5)."""
    found = _read(lambda: api.items(_PODS, [("labelSelector", f"app={PROXY}")]), LIST_PODS)
    pods = [_as_table(pod) for pod in found]
    addresses = [address for pod in pods if (address := _ready_address(pod))]
    endpoints = tuple(NamedEndpoint(f"https://{address}:{PROXY_PORT}", "Pod") for address in addresses)
    return _Answer(endpoints, _said([one.url for one in endpoints], _none_ready(len(pods))))


_OBJECTS: tuple[tuple[str, Callable[[_Reader], _Answer]], ...] = (
    (f"ConfigMap {NAMESPACE}/{PROXY_CONFIG}", _config_map),
    (f"Ingress {NAMESPACE}/{PROXY}", _ingress),
    (f"HTTPRoute {NAMESPACE}/{PROXY}", _http_route),
    (f"pods app={PROXY} in {NAMESPACE}", _pods),
)


def _read(ask: Callable[[], T], right: Right, *, ends_all: bool = True) -> T:
    """Return the answer; an error says what could not be read. *ends_all*: a refusal ends the search.

    An identity that cannot be had, and a faulty kubeconfig, are about no object: their errors stay as they are.
    """
    try:
        return ask()
    except (NotFoundError, ConfigError):
        raise
    except NotAllowedError as error:
        if not getattr(error, "status", 0):
            raise
        raise _DeniedError(right, error, ends_all=ends_all) from error
    except D8Error as error:
        hint = error.hint or ""
        hint = hint if "--endpoint" in hint else f"{hint}; or {EXPLICIT}".removeprefix("; or ")
        raise error.within(f"cannot {right.text}", hint=hint) from error


# -- what the objects hold -----------------------------------------------------------------------------------


def _of_host(host: str, kind: Literal["Ingress", "HTTPRoute"]) -> _Answer:
    """Return the endpoint of a host name. A pattern such as ``*.example.com`` leads nowhere."""
    if not host or host.startswith("*"):
        return _Answer((), f"names no host{f' but {host[:100]!r}' if host else ''}")
    if not _is_place(host):
        raise _malformed(f"{kind} {NAMESPACE}/{PROXY}", "spec", f"{host[:100]!r} is no host")
    url = f"https://{host.lower()}"
    return _Answer((NamedEndpoint(url, kind),), url)


def _places(text: str) -> Iterator[str]:
    """Yield the places in the ConfigMap's ``endpoints``, a JSON list; empty texts are skipped (rpp.md §18.6)."""
    where = f"ConfigMap {NAMESPACE}/{PROXY_CONFIG}"
    try:
        places = json.loads(text) if text else []
    except (ValueError, RecursionError):
        raise _malformed(where, "data.endpoints", "is no JSON list") from None
    if places is None:
        return
    if not isinstance(places, list) or not all(isinstance(place, str) for place in places):
        raise _malformed(where, "data.endpoints", "is no JSON list of texts")
    for place in filter(None, places[: 4 * MAX_ADDRESSES]):
        bracketed = _with_brackets(place)
        if not _is_place(bracketed):
            raise _malformed(where, "data.endpoints", f"{place[:100]!r} is no host and port")
        yield bracketed.lower()


def _with_brackets(place: str) -> str:
    """Return ``fd00::1:4219`` as ``[fd00::1]:4219``: the cluster's template joins address and port with a colon."""
    address, _, port = place.rpartition(":")
    return f"[{address}]:{port}" if ":" in address and "[" not in place and _is_ipv6(address) else place


def _ready_address(pod: dict[str, object]) -> str | None:
    status = _as_table(pod.get("status"))
    address = _text(status.get("podIP"))
    conditions = [_as_table(one) for one in _list(status, "conditions")]
    is_ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    is_leaving = _as_table(pod.get("metadata")).get("deletionTimestamp") is not None
    if status.get("phase") != "Running" or not is_ready or is_leaving:
        return None
    host = f"[{address}]" if _is_ipv6(address) else address
    return host.lower() if _is_place(host) else None


def _none_ready(count: int) -> str:
    return "there are none" if count == 0 else f"none of {count} is ready"


def _is_place(text: str) -> bool:
    """Whether *text* is a host or address with an optional port, and nothing that leads elsewhere."""
    port = re.search(r":([0-9]{1,5})\Z", text)
    return re.fullmatch(_PLACE, text, re.ASCII | re.IGNORECASE) is not None and (not port or 0 < int(port[1]) < 65536)


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address

    try:
        return "%" not in text and bool(IPv6Address(text))
    except ValueError:
        return False


def _said(urls: list[str], nothing: str) -> str:
    return ", ".join(urls[:MAX_ADDRESSES]) or nothing


def _malformed(where: str, key: str, why: str) -> DocumentError:
    return DocumentError(
        why,
        file=where,
        key=key,
        hint=f"have the cluster's administrator correct it, or {EXPLICIT}",
        code="bad-cluster-data",
    )


def _as_table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _table(document: object, key: str) -> dict[str, object]:
    return _as_table(_as_table(document).get(key))


def _list(table: dict[str, object], key: str) -> list[object]:
    value = table.get(key)
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
