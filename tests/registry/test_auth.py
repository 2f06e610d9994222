"""Challenges, credentials files, helpers and token services; and that no secret goes astray."""

from __future__ import annotations

import base64
import json
import re
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import D8Error, NotAllowedError, TryAgainError, UnreachableError
from d8_installer.registry.auth import Challenge, RegistryAuth, parse_challenges
from d8_installer.registry.client import Client, ClientOptions
from d8_installer.registry.origin import Origin
from d8_installer.registry.retry import RetryPolicy
from tests.registry.servers import Answer, Received, Running, serving
from tests.strategies import built

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SCOPE = "repository:root/deckhouse-cli:pull"
SECRET = "hunter2-hunter2"

# -- challenges ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        ("basic", [Challenge("basic", {})]),
        (
            'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "registry.example",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'Negotiate, BASIC Realm = "a \\"b\\", c" , Bearer realm=plain',
            [
                Challenge("negotiate", {}),
                Challenge("basic", {"realm": 'a "b", c'}),
                Challenge("bearer", {"realm": "plain"}),
            ],
        ),
        ("NTLM TlRMTVNTUAAB==, Basic realm=x", [Challenge("ntlm", {}), Challenge("basic", {"realm": "x"})]),
        ('Bearer realm="never closed', [Challenge("bearer", {})]),
        ('="x"', []),
        ("", []),
    ],
)
def test_challenges(header: str, challenges: list[Challenge]) -> None:
    assert list(parse_challenges(header)) == challenges


@given(st.text(max_size=200) | st.text(alphabet='Bb =",\\\t ;/', max_size=60))
def test_any_header_is_read(header: str) -> None:
    for challenge in parse_challenges(header):
        assert re.fullmatch(r"[!-~]+", challenge.scheme)


TOKENS = st.from_regex(r"\A[a-z0-9!#$%&'*+.^_`|~-]{1,9}\Z")


@given(
    st.lists(
        built(
            Challenge, TOKENS, st.dictionaries(TOKENS, st.text(st.characters(codec="latin-1"), max_size=9), max_size=3)
        ),
        max_size=3,
    )
)
def test_what_is_written_is_parsed(challenges: list[Challenge]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(
        f"{one.scheme} {', '.join(f'{name}={quoted(value)}' for name, value in one.parameters.items())}"
        for one in challenges
    )
    assert list(parse_challenges(header)) == challenges


def test_parsing_takes_linear_time() -> None:
    assert parse_challenges("a" * 200_000 + "=" * 200_000) == ()
    assert len(parse_challenges('Bearer x="' + "\\" * 200_001)) == 1
    assert len(parse_challenges("a " * 100_000)) >= 1


# -- tokens ----------------------------------------------------------------------------------------------


def auth(user: str = "me", password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@contextmanager
def authenticating(tmp_path: Path, document: object, registry: str = "http://127.0.0.1:1") -> Iterator[RegistryAuth]:
    (tmp_path / "config.json").write_text(json.dumps(document))
    client = Client(ClientOptions(insecure=True, retry=RetryPolicy(tries=1)))
    try:
        yield RegistryAuth(client, Origin.parse(registry), "r.example", {"DOCKER_CONFIG": str(tmp_path)})
    finally:
        client.close()


def challenge(server: Running, extra: str = "") -> str:
    return f'Bearer realm="{server.url}/token?x=1",service="s v"{extra}'


LOGGED_IN = {"auths": {"r.example": auth()}}


def test_a_token_is_fetched_with_the_password_and_kept(tmp_path: Path) -> None:
    with serving(lambda _: Answer.json({"token": "t1"})) as server, authenticating(tmp_path, LOGGED_IN) as who:
        assert who.header(SCOPE) is None
        assert who.answer(challenge(server), SCOPE, None) == "Bearer t1"
        assert who.header(SCOPE) == "Bearer t1"
        assert who.header(SCOPE + ",push") is None
        assert who.answer(challenge(server), SCOPE, None) == "Bearer t1"
        assert len(server.received) == 1
        asked = server.received[0]
    assert parse_qs(urlsplit(asked.path).query) == {"x": ["1"], "service": ["s v"], "scope": [SCOPE]}
    assert asked.headers["authorization"] == f"Basic {auth()['auth']}"
    assert "t1" not in repr(who)


def test_without_credentials_the_token_is_asked_for_anonymously(tmp_path: Path) -> None:
    with serving(lambda _: Answer.json({"access_token": "t"})) as server, authenticating(tmp_path, {}) as who:
        assert who.answer(challenge(server), SCOPE, None) == "Bearer t"
        assert "authorization" not in server.received[0].headers


@pytest.mark.parametrize(
    ("challenged", "own", "asked"),
    [
        ("repository:x:pull", "repository:x:pull,push", ["repository:x:pull,push"]),
        ("repository:x:push", "repository:x:pull", ["repository:x:push,pull"]),
        ("repository:x:pull repository:y:pull", "repository:x:pull", ["repository:x:pull", "repository:y:pull"]),
        ("registry:catalog:*", "repository:x:pull", ["registry:catalog:*", "repository:x:pull"]),
        ("repository:h:5/x:pull,push,", "repository:x:pull", ["repository:h:5/x:pull,push", "repository:x:pull"]),
        ("what is this", "repository:x:pull", ["repository:x:pull"]),
        ("", "repository:x:pull", ["repository:x:pull"]),
    ],
)
@pytest.mark.parametrize("identity", [False, True])
def test_a_token_is_asked_for_all_that_is_wanted(
    tmp_path: Path, challenged: str, own: str, asked: list[str], identity: bool
) -> None:
    """Quay challenges a push with ``pull`` alone. A query repeats ``scope``, a form joins them by spaces."""
    entry = {"auths": {"r.example": {"identitytoken": "i"}}} if identity else {}
    with serving(lambda _: Answer.json({"token": "t"})) as server, authenticating(tmp_path, entry) as who:
        who.answer(challenge(server, f',scope="{challenged}"'), own, None)
        sent = server.received[0]
    if identity:
        assert parse_qs(sent.body.decode())["scope"] == [" ".join(asked)]
    else:
        assert parse_qs(urlsplit(sent.path).query)["scope"] == asked


@pytest.mark.parametrize("life", [0, -1, None, "60", True, float("nan"), float("inf"), 1e300])
def test_a_token_without_a_sensible_life_is_used_until_it_is_refused(tmp_path: Path, life: object) -> None:
    with serving(lambda _: Answer.json({"token": "t", "expires_in": life})) as server:
        with authenticating(tmp_path, {}) as who:
            who.answer(challenge(server), SCOPE, None)
            assert who.header(SCOPE) == "Bearer t"
        assert len(server.received) == 1


def test_a_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    tokens = iter(["t1", "t2"])
    with serving(lambda _: Answer.json({"token": next(tokens), "expires_in": 1e-9})) as server:
        with authenticating(tmp_path, {}) as who:
            assert who.answer(challenge(server), SCOPE, None) == "Bearer t1"
            got = time.monotonic()
            while time.monotonic() == got:  # Windows's clock ticks 64 times a second
                pass
            assert who.header(SCOPE) == "Bearer t2"
        assert server.paths[0] == server.paths[1]


@pytest.mark.parametrize(
    "header",
    [
        'Basic realm="x", Bearer realm="{url}/token",service="s"',
        "Negotiate, bearer service=s, Realm={url}/token",
        'Bearer realm="{url}/token#part",service="s",error="invalid_token",error_description="it, \\"ended\\""',
    ],
)
def test_the_bearer_challenge_is_found_among_others(tmp_path: Path, header: str) -> None:
    with serving(lambda _: Answer.json({"access_token": "t"})) as server, authenticating(tmp_path, {}) as who:
        assert who.answer(header.format(url=server.url), SCOPE, None) == "Bearer t"
        assert urlsplit(server.paths[0])[2:4] == ("/token", f"service=s&scope={quote_plus(SCOPE)}")


@pytest.mark.parametrize("setting", [{"credsStore": "nowhere"}, {"auths": {"r.example": {"auth": "%"}}}])
def test_what_is_broken_is_named_once_a_login_was_wanted(tmp_path: Path, setting: dict[str, object]) -> None:
    with serving(lambda _: Answer.json({"token": "t"})) as server, authenticating(tmp_path, setting) as who:
        assert who.answer(challenge(server), SCOPE, None) == "Bearer t"
        with pytest.raises(NotAllowedError, match=r"no credentials .*config\.json"):
            who.answer(challenge(server), SCOPE, "Bearer t")


def test_an_identity_token_is_exchanged(tmp_path: Path) -> None:
    entry = {"auths": {"r.example": {"identitytoken": SECRET}}}
    with serving(lambda _: Answer.json({"access_token": "t"})) as server, authenticating(tmp_path, entry) as who:
        assert who.answer(challenge(server), SCOPE, None) == "Bearer t"
        asked = server.received[0]
    assert (asked.method, SECRET in asked.path) == ("POST", False)
    form = parse_qs(asked.body.decode())
    assert (form["grant_type"], form["refresh_token"], form["scope"]) == (["refresh_token"], [SECRET], [SCOPE])


def test_a_refused_token_is_replaced_once(tmp_path: Path) -> None:
    tokens = iter(["t1", "t2", "t2"])
    with serving(lambda _: Answer.json({"token": next(tokens)})) as server, authenticating(tmp_path, {}) as who:
        first = who.answer(challenge(server), SCOPE, None)
        second = who.answer(challenge(server), SCOPE, first)
        assert (first, second) == ("Bearer t1", "Bearer t2")
        assert who.answer(challenge(server), SCOPE, first) == second
        with pytest.raises(NotAllowedError):
            who.answer(challenge(server), SCOPE, second)


def test_basic_needs_a_password(tmp_path: Path) -> None:
    with authenticating(tmp_path, LOGGED_IN) as who:
        value = who.answer('Basic realm="x"', SCOPE, None)
        assert value == f"Basic {auth()['auth']}"
        with pytest.raises(NotAllowedError, match=r"r\.example") as caught:
            who.answer('Basic realm="x"', SCOPE, value)
        assert "docker login r.example" in (caught.value.hint or "")
    with authenticating(tmp_path, {}) as who, pytest.raises(NotAllowedError):
        who.answer('Basic realm="x"', SCOPE, None)


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("https://r.example", "http://auth.example/token"),
        ("http://127.0.0.1:1", "http://auth.example/token"),
        ("https://r.example", "http://127.0.0.1:1/token"),
    ],
)
def test_a_realm_that_is_not_private_gets_nothing(tmp_path: Path, registry: str, realm: str) -> None:
    with authenticating(tmp_path, LOGGED_IN, registry) as who, pytest.raises(NotAllowedError, match="not https"):
        who.answer(f'Bearer realm="{realm}"', SCOPE, None)


def test_a_https_realm_may_be_another_host(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with serving(lambda _: Answer.json({"token": "t"}), context) as server:
        with authenticating(tmp_path, LOGGED_IN, "https://localhost") as who:
            assert who.answer(challenge(server), SCOPE, None) == "Bearer t"
        assert server.received[0].headers["authorization"] == f"Basic {auth()['auth']}"


@pytest.mark.parametrize("header", ["", "Digest realm=x", "Bearer service=x", 'Bearer realm="file:///etc/passwd"'])
def test_a_challenge_that_cannot_be_answered(tmp_path: Path, header: str) -> None:
    with authenticating(tmp_path, {}) as who, pytest.raises((NotAllowedError, UnreachableError)) as caught:
        who.answer(header, SCOPE, None)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(401), NotAllowedError),
        (Answer(403), NotAllowedError),
        (Answer(503), TryAgainError),
        (Answer(302, headers={"Location": "/x"}), UnreachableError),
        (Answer(200, b"<html>"), UnreachableError),
        (Answer.json([]), UnreachableError),
        (Answer.json({"token": "two words"}), UnreachableError),
        (Answer.json({"token": ""}), UnreachableError),
    ],
)
def test_a_token_service_that_gives_none(tmp_path: Path, answer: Answer, kind: type[D8Error]) -> None:
    def reply(_: Received) -> Answer:
        return answer

    to: Callable[[Received], Answer] = reply
    with serving(to) as server, authenticating(tmp_path, LOGGED_IN) as who, pytest.raises(kind) as caught:
        who.answer(challenge(server), SCOPE, None)
    assert caught.value.hint
    assert "two words" not in str(caught.value)
