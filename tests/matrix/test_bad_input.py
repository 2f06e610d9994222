"""Bad input from the endpoint: none, unreachable, untrusted, or one that answers with something else than images."""

from __future__ import annotations

import socket
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trustme

from d8_installer.testing.faults import (
    Fault,
    Resource,
    captive_portal,
    compressed,
    dropped,
    fault_server,
    header,
    longer,
    redirected,
    replaced,
    status,
    tags,
    unmeasured,
    without_route,
)
from tests.matrix.layers import HOST, MEBIBYTE
from tests.matrix.machine import NEW, OLD, TO_NEW

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from tests.matrix.machine import Machine

RESOURCES: tuple[Resource, ...] = ("tags", "index", "child", "layer")


# --- where is it? ---------------------------------------------------------------------------------------------


def test_no_endpoint(machine: Machine) -> None:
    machine.env["D8_RPP_ENDPOINT"] = ""
    done = machine.refuses(*TO_NEW, code=78, says="no endpoint is set")
    assert "d8-installer config set endpoint" in done.err


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that is taken, so that nobody else gets it, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_endpoint_down(machine: Machine, closed_port: int) -> None:
    machine.env["D8_RPP_ENDPOINT"] = f"http://127.0.0.1:{closed_port}"
    machine.refuses(*TO_NEW, code=69, says=f"cannot connect to 127.0.0.1:{closed_port}: [Cc]onnection refused")


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:5080",
        "http://proxy.example",
        "http://127.0.0.1.example",
        "http://user@127.0.0.1",
        "ftp://proxy.example",
        "proxy.example",
        "https://",
        "https://proxy.example/?x=1",
    ],
)
def test_endpoint_that_may_not_be_one(machine: Machine, url: str) -> None:
    machine.refuses("--endpoint", url, *TO_NEW, code=78, says=r"is not an endpoint|has no scheme|no source is known")
    if "ftp:" not in url:  # a plugin may bring that scheme
        machine.refuses("config", "set", "endpoint", url, code=2, says="endpoint cannot be")
    assert machine.proxy.seen() == ()


def test_a_password_in_the_endpoint_is_not_shown(machine: Machine) -> None:
    url = "https://user:hunter2@proxy.example"
    for command in (("--endpoint", url, *TO_NEW), ("--endpoint", url, "-v", "versions", "stronghold")):
        assert "hunter2" not in str(machine.refuses(*command, code=78, says="must not hold a user"))
    assert "hunter2" not in str(machine.refuses("config", "set", "endpoint", url, code=2, says="must not hold a user"))


# --- is it the right one? -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The CA that the proxy's certificate is from."""
    return trustme.CA()


@pytest.fixture
def secure(machine: Machine, authority: trustme.CA) -> Iterator[Machine]:
    """The machine, with a proxy that speaks TLS."""
    import ssl

    context: ssl.SSLContext = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with fault_server(machine.images, context) as proxy:
        machine.proxy = proxy
        yield machine


def pem(authority: trustme.CA, directory: Path) -> str:
    path = directory / "ca.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return str(path)


def test_unknown_certificate(secure: Machine) -> None:
    done = secure.refuses(*TO_NEW, code=69, says="the certificate of .* is not trusted")
    assert "--ca-file" in done.err


def test_wrong_ca(secure: Machine, tmp_path: Path) -> None:
    wrong = pem(trustme.CA(), tmp_path)
    secure.refuses("--ca-file", wrong, *TO_NEW, code=69, says="the certificate of .* is not trusted")
    assert secure.proxy.seen() == ()


def test_ca_file_without_a_certificate(secure: Machine, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    secure.refuses("--ca-file", str(tmp_path / "ca.pem"), *TO_NEW, code=78, says="no certificates can be read")
    secure.refuses("--ca-file", str(tmp_path / "none.pem"), *TO_NEW, code=78, says="no certificates can be read")


def test_ca_file_and_no_verification_contradict_each_other(secure: Machine, authority: trustme.CA) -> None:
    flags = ("--ca-file", pem(authority, secure.home), "--insecure-skip-tls-verify")
    secure.refuses(*flags, *TO_NEW, code=78, says="unsupported client configuration")


def test_certificate_of_another_host(secure: Machine, authority: trustme.CA) -> None:
    url = secure.proxy.url.replace("127.0.0.1", "localhost")
    secure.refuses("--endpoint", url, "--ca-file", pem(authority, secure.home), *TO_NEW, code=69, says="is not trusted")


def test_right_ca_or_no_verification_work(secure: Machine, authority: trustme.CA) -> None:
    secure.succeeds("--insecure-skip-tls-verify", "versions", "stronghold")
    secure.env["D8_RPP_CA_FILE"] = pem(authority, secure.home)
    secure.succeeds(*TO_NEW)
    assert secure.say() == f"{NEW} {HOST} !\n"


def test_plain_http_where_tls_is_spoken_and_the_reverse(machine: Machine, secure: Machine) -> None:
    url = secure.proxy.url.replace("https:", "http:")
    secure.refuses("--endpoint", url, *TO_NEW, code=75, says="closed the connection without a valid answer")
    with fault_server(secure.images) as plain:
        url = plain.url.replace("http:", "https:")
        secure.refuses("--endpoint", url, *TO_NEW, code=69, says="no TLS with")


# --- does it want to? -----------------------------------------------------------------------------------------

STATUSES = {400: 69, 401: 77, 403: 77, 404: 69, 405: 69, 410: 69, 429: 75, 500: 75, 502: 75}


@pytest.mark.parametrize(
    ("code", "resource"),
    [
        *((code, resource) for code in (404, 500) for resource in RESOURCES),
        *((401, "tags"), (401, "layer"), (403, "index"), (403, "child")),
        *((400, "tags"), (405, "index"), (410, "child"), (429, "index"), (429, "layer"), (502, "tags"), (502, "layer")),
    ],
)
def test_status(machine: Machine, code: int, resource: Resource) -> None:
    machine.proxy.on(resource, status(code))
    says = "status|no image|has no version|no longer has|has no manifests|without a manifest"
    machine.refuses(*TO_NEW, code=STATUSES[code], says=says)
    requests = machine.proxy.seen(resource)
    passing = STATUSES[code] == 75
    most = max(Counter(request.target for request in requests).values())
    assert most == (4 if passing else 1)


@pytest.mark.parametrize(
    ("resource", "wrong"),
    [("tags", status(429, retry_after="0")), ("index", status(503)), ("child", dropped()), ("layer", status(502))],
    ids=["tags", "index", "child", "layer"],
)
def test_a_passing_fault_is_not_even_noticed(machine: Machine, resource: Resource, wrong: Fault) -> None:
    machine.proxy.on(resource, wrong, times=1)
    machine.succeeds(*TO_NEW)
    assert machine.say() == f"{NEW} {HOST} !\n"


@pytest.mark.parametrize("resource", ["tags", "layer"])
def test_too_many_requests_with_a_short_wait_is_repeated(machine: Machine, resource: Resource) -> None:
    machine.proxy.on(resource, status(429, retry_after="0"))
    machine.refuses(*TO_NEW, code=75, says="unexpected status 429")
    assert len(machine.proxy.seen(resource)) == 4


@pytest.mark.parametrize("asked", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_too_many_requests_with_a_long_wait_ends_at_once(machine: Machine, asked: str) -> None:
    machine.proxy.on("layer", status(429, retry_after=asked))
    machine.refuses(*TO_NEW, code=75, says="unexpected status 429")
    assert len(machine.proxy.seen("layer")) == 1


def test_dropped_connections(machine: Machine) -> None:
    machine.proxy.on("tags", dropped())
    machine.refuses(*TO_NEW, code=75, says="closed the connection without a valid answer")


def test_the_body_of_an_error_cannot_steer_the_terminal(machine: Machine) -> None:
    machine.proxy.on("tags", status(400, "\x1b[2J\nerror: all is well\r\nhint: \x9b31m" + "x" * 10_000))
    done = machine.refuses(*TO_NEW, code=69, says="unexpected status 400")
    assert not set("\x1b\x9b\r") & set(done.err)
    assert len(done.err) < 1000


# --- is it one at all? ----------------------------------------------------------------------------------------


def test_proxy_without_the_manifest_route(machine: Machine) -> None:
    machine.proxy.on("index", without_route())
    machine.proxy.on("child", without_route())
    done = machine.refuses(*TO_NEW, code=69, says="has no manifests: it is too old")
    assert "1.77" in done.err


def test_something_else_answers(machine: Machine) -> None:
    machine.proxy.on(None, without_route())
    machine.refuses(*TO_NEW, code=69, says="is not a registry-packages-proxy")


@pytest.mark.parametrize("resource", RESOURCES)
def test_captive_portal(machine: Machine, resource: Resource) -> None:
    machine.proxy.on(resource, captive_portal())
    machine.refuses(*TO_NEW, code=76, says="decode tags|not JSON|arrived as|expected|promised")


@pytest.mark.parametrize(("code", "resource"), [(302, "tags"), (301, "index"), (308, "child"), (307, "layer")])
def test_redirect_is_refused(machine: Machine, code: int, resource: Resource) -> None:
    with fault_server(machine.images) as elsewhere:
        machine.proxy.on(resource, redirected(f"{elsewhere.url}/v1/images/deckhouse-cli/tags", code))
        machine.refuses(*TO_NEW, code=69, says=rf"redirects \(status {code}\)")
        assert elsewhere.seen() == ()


@pytest.mark.parametrize("resource", ["index", "layer"])
def test_compressing_ingress(machine: Machine, resource: Resource) -> None:
    machine.proxy.on(resource, compressed())
    machine.refuses(*TO_NEW, code=76, says="the answer was compressed in transit")
    assert {request.headers["accept-encoding"] for request in machine.proxy.seen()} == {"identity"}


# --- the list of tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [{}, "v1.4.2", [None]], ids=repr)
def test_tags_that_are_none(machine: Machine, names: object) -> None:
    machine.proxy.on("tags", tags(names))
    machine.refuses(*TO_NEW, code=76, says="decode tags")


@pytest.mark.parametrize("body", [b"", b"[" * 200_000, b'{"tags":["v1'], ids=["none", "deep", "cut"])
def test_tags_that_are_no_answer(machine: Machine, body: bytes) -> None:
    machine.proxy.on("tags", replaced(body))
    machine.refuses(*TO_NEW, code=76, says="decode tags")


@pytest.mark.parametrize("names", [None, [], ["latest", "sha256-0123.sig", "v1.4.2+build", "../v1.4.2", "v9\x1b[2J"]])
def test_no_tag_that_will_do(machine: Machine, names: object) -> None:
    machine.proxy.on("tags", tags(names))
    machine.refuses(*TO_NEW, code=69, says="stronghold has no published version: ")


@pytest.mark.parametrize("measured", [True, False])
def test_endless_tags(machine: Machine, measured: bool) -> None:
    machine.proxy.on("tags", *(() if measured else (unmeasured(),)), longer(5 * MEBIBYTE))
    machine.refuses(*TO_NEW, code=76, says="longer than 4194304 bytes")


@pytest.mark.parametrize(("resource", "measured"), [("index", True), ("child", False)])
def test_endless_manifest(machine: Machine, resource: Resource, measured: bool) -> None:
    machine.proxy.on(resource, *(() if measured else (unmeasured(),)), longer(2 * MEBIBYTE))
    machine.refuses(*TO_NEW, code=76, says="longer than 1048576 bytes")


def test_strange_headers_do_not_matter(machine: Machine) -> None:
    machine.proxy.on(None, header("content-type", "text/plain"), header("set-cookie", "id=1"), header("age", "1" * 999))
    machine.succeeds(*TO_NEW)
    assert not any("cookie" in request.headers for request in machine.proxy.seen())
    assert machine.say() != f"{OLD} {HOST} !\n"
