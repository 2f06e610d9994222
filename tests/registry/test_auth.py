"""Challenges, credentials files, helpers and token services; and that no secret goes astray."""

from __future__ import annotations

import base64
import json
import re
import ssl
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import ConfigError, D8Error, NotAllowedError, TryAgainError, UnreachableError
from d8_installer.registry.auth import RegistryAuth
from d8_installer.registry.challenges import Challenge, parse_challenges
from d8_installer.registry.client import Client, ClientOptions
from d8_installer.registry.credentials import Credentials
from d8_installer.registry.keychain import Keychain
from d8_installer.registry.origin import Origin
from d8_installer.registry.retry import RetryPolicy
from tests.registry.servers import Answer, Received, Running, serving

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
        st.builds(
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


# -- credentials files -----------------------------------------------------------------------------------


def auth(user: str = "me", password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def keychain(tmp_path: Path, document: object) -> Keychain:
    (tmp_path / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return Keychain({"DOCKER_CONFIG": str(tmp_path), "PATH": str(tmp_path)})


@pytest.mark.parametrize(
    "key", ["registry.example:5000", "https://registry.example:5000", "https://registry.example:5000/v1/"]
)
def test_keys_as_docker_writes_them(tmp_path: Path, key: str) -> None:
    keys = keychain(tmp_path, {"auths": {key: auth()}})
    assert keys.find("registry.example:5000", "a/b") == Credentials("me", SECRET)
    for other in ("registry.example", "registry.example:5001", "evil.registry.example:5000", "registry.example:50"):
        assert keys.find(other, "a/b") is None


def test_the_longest_key_wins_as_podman_has_it(tmp_path: Path) -> None:
    auths = {
        "r.example": auth("host"),
        "r.example/a": auth("a"),
        "r.example/a/b": auth("ab"),
        "r.example/a/bc": auth("no"),
    }
    keys = keychain(tmp_path, {"auths": auths})
    assert [keys.find("r.example", repo) for repo in ("a/b", "a/bcd", "x")] == [
        Credentials("ab", SECRET),
        Credentials("a", SECRET),
        Credentials("host", SECRET),
    ]


def test_home_and_podmans_file_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers" / "auth.json").write_text(json.dumps({"auths": {"r.example": auth("podman")}}))
    keys = Keychain({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)})
    assert keys.find("r.example", "a") == Credentials("podman", SECRET)
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": {"r.example": auth("docker")}}))
    assert keys.find("r.example", "a") == Credentials("docker", SECRET)
    assert Keychain({}).find("r.example", "a") is None


def test_an_identity_token_is_one(tmp_path: Path) -> None:
    entry = {**auth("<token>", ""), "identitytoken": SECRET}
    found = keychain(tmp_path, {"auths": {"r.example": entry}}).find("r.example", "a")
    assert found is not None
    assert found.identity_token == SECRET


@pytest.mark.parametrize(
    "document", ["[]", "{", "", f'{{"auths": {{"r.example": {{"auth": "{SECRET}!"}}}}}}', '{"credsStore": "../evil"}']
)
def test_a_broken_file_is_named_and_not_shown(tmp_path: Path, document: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.json") as caught:
        keychain(tmp_path, document).find("r.example", "a")
    assert SECRET not in f"{caught.value!r} {caught.value.hint}"


JSONS = st.recursive(
    st.none() | st.booleans() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["auths", "r.example", "auth", "identitytoken", "credHelpers", "username", "password"]),
        inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(JSONS)
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    with suppress(D8Error):
        keychain(tmp_path_factory.mktemp("docker"), json.dumps(document)).find("r.example", "a")


def helper(tmp_path: Path, script: str) -> None:
    program = tmp_path / "docker-credential-toy"
    program.write_text(f"#!/bin/sh\nread host\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("setting", [{"credsStore": "toy"}, {"credHelpers": {"r.example": "toy"}}])
def test_a_helper_is_asked(tmp_path: Path, setting: dict[str, object]) -> None:
    helper(tmp_path, 'echo "{\\"Username\\": \\"$1@$host\\", \\"Secret\\": \\"s\\"}"')
    assert keychain(tmp_path, setting).find("r.example", "a") == Credentials("get@r.example", "s")


def test_a_helpers_token_is_an_identity_token(tmp_path: Path) -> None:
    helper(tmp_path, """echo '{"Username": "<token>", "Secret": "s"}'""")
    assert keychain(tmp_path, {"credsStore": "toy"}).find("r.example", "a") == Credentials("", "", "s")


def test_a_helper_that_knows_nothing_leaves_it_to_the_file(tmp_path: Path) -> None:
    helper(tmp_path, "echo credentials not found in native keychain; exit 1")
    keys = keychain(tmp_path, {"credsStore": "toy", "auths": {"r.example": auth()}})
    assert keys.find("r.example", "a") == Credentials("me", SECRET)
    assert keys.find("other.example", "a") is None


@pytest.mark.parametrize("script", [f"echo {SECRET}", f"echo {SECRET}; exit 3", "echo '[]'", "kill $$"])
def test_a_helper_that_fails_is_named_and_its_words_are_not(tmp_path: Path, script: str) -> None:
    helper(tmp_path, script)
    with pytest.raises(ConfigError, match="docker-credential-toy") as caught:
        keychain(tmp_path, {"credsStore": "toy"}).find("r.example", "a")
    assert SECRET not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"


def test_a_helper_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="docker-credential-toy is not on PATH"):
        keychain(tmp_path, {"credsStore": "toy"}).find("r.example", "a")


def test_credentials_do_not_show() -> None:
    assert SECRET not in repr(Credentials("me", SECRET, SECRET))


# -- tokens ----------------------------------------------------------------------------------------------


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


def test_the_challenges_scope_is_asked_for(tmp_path: Path) -> None:
    with serving(lambda _: Answer.json({"token": "t"})) as server, authenticating(tmp_path, {}) as who:
        who.answer(challenge(server, ',scope="repository:x:pull"'), SCOPE, None)
        assert parse_qs(urlsplit(server.paths[0]).query)["scope"] == ["repository:x:pull"]


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
        with authenticating(tmp_path, LOGGED_IN, "https://r.example") as who:
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
