"""The token: it goes to its endpoint and nowhere else, and is in no output and no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import fault_server, redirected, status
from tests.matrix.machine import NAME, TO_NEW, TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Completed
    from tests.matrix.machine import Machine

BEARER = f"Bearer {TOKEN}"


@pytest.fixture
def trusted(machine: Machine) -> Machine:
    """The machine of somebody who has a token."""
    machine.env["D8_RPP_TOKEN"] = TOKEN
    return machine


def keeps_it(machine: Machine, *results: Completed) -> None:
    """Check that the token is in no output and no file, and that every request to the proxy had it."""
    assert TOKEN not in "".join(map(str, results))
    files = [path for path in machine.home.rglob("*") if path.is_file()]
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []
    assert {request.headers.get("authorization") for request in machine.proxy.seen()} == {BEARER}


def test_token_is_sent_to_the_endpoint_and_kept_nowhere(trusted: Machine) -> None:
    commands = (("-v", *TO_NEW), ("-v", "versions", NAME), ("-v", "list", "--outdated"), ("--json", "config"))
    keeps_it(trusted, *(trusted.succeeds(*words) for words in commands))


def test_token_from_a_file(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    keeps_it(machine, machine.succeeds("--token-file", str(tmp_path / "token"), "-v", *TO_NEW))


@pytest.mark.parametrize("code", [401, 403, 500])
def test_token_is_not_in_an_error(trusted: Machine, code: int) -> None:
    trusted.proxy.on("tags", status(code, f"you sent {BEARER}"), times=1 if code == 500 else None)
    keeps_it(trusted, trusted.run("-v", *TO_NEW))


def test_token_that_the_proxy_echoes_is_not_shown(trusted: Machine) -> None:
    trusted.proxy.on("tags", status(400, f"bad header: Authorization: {BEARER}"))
    keeps_it(trusted, trusted.refuses("-v", *TO_NEW, code=69, says="unexpected status 400"))


def test_token_does_not_follow_a_redirect(trusted: Machine) -> None:
    with fault_server(trusted.images) as elsewhere:
        trusted.proxy.on(None, redirected(f"{elsewhere.url}/v1/images/deckhouse-cli/tags"))
        trusted.refuses("-v", *TO_NEW, code=69, says="redirects .status 302")
        assert elsewhere.seen() == ()


def test_token_is_not_for_a_witness(trusted: Machine) -> None:
    with fault_server(trusted.images) as witness:
        keeps_it(trusted, trusted.succeeds("-v", *TO_NEW, "--witness", witness.url))
        assert witness.seen("index")
        assert not any("authorization" in request.headers for request in witness.seen())


def test_token_is_not_for_a_registry(trusted: Machine) -> None:
    with fault_server(trusted.images) as registry:
        endpoint = registry.url.replace("http:", "oci:")
        trusted.run("--endpoint", f"{endpoint}/deckhouse", "-v", "versions", NAME)
        assert registry.seen()
        assert not any("authorization" in request.headers for request in registry.seen())


@pytest.mark.parametrize("token", ["two words", "línea", "new\nline", "\x1b[31m"])
def test_token_that_is_none(machine: Machine, token: str) -> None:
    machine.env["D8_RPP_TOKEN"] = token
    done = machine.refuses(*TO_NEW, code=78, says="the token for .* is empty or has characters that no token has")
    assert token not in str(done)
    assert machine.proxy.seen() == ()


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_token_file_without_a_token(machine: Machine, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    machine.refuses("--token-file", str(file), *TO_NEW, code=78, says="the token file .* is missing or empty")
