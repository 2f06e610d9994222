"""Who a kubeconfig's user is, to the real API server and to the proxy's front, for each way to say it."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from d8_installer.cluster.api import ApiError
from d8_installer.cluster.service_account import in_cluster_context
from d8_installer.errors import ConfigError, NotAllowedError, TryAgainError, UnreachableError
from d8_installer.model.identity import Identity
from d8_installer.model.identity_facts import facts_of
from tests.cluster.cluster import write_kubeconfig
from tests.cluster.connect_proxy import connect_proxy
from tests.cluster.faults import dripping, hanging, lying, lying_front, only, relay, unchanged
from tests.cluster.objects import kubeconfig
from tests.cluster.reading import Listener, reading, who
from tests.cluster.rights import CLI_DOWNLOAD
from tests.registry.servers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

NAME = "api.cluster.example"
ACCOUNT = "system:serviceaccount:people:me"


@pytest.fixture
def token(cluster: Cluster) -> str:
    return cluster.service_account("me")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kube/config"


# -- each way to say who one is --------------------------------------------------------------------------------


def test_a_token(cluster: Cluster, token: str, file: Path) -> None:
    with reading(cluster.kubeconfig_for(file, token=token)) as access:
        assert who(access) == ACCOUNT
        facts = access.facts_of_identity()
    assert facts is not None and (facts.kind, facts.subject) == ("token of a service account", ACCOUNT)
    assert facts.expires is not None and 3000 < facts.expires.timestamp() - time.time() < 3700


def test_a_token_file_is_read_again(cluster: Cluster, token: str, file: Path) -> None:
    other = cluster.service_account("other")
    cluster.kubeconfig(file, {"tokenFile": "me.token"})
    place = file.parent / "me.token"
    place.write_text(f"{token}\n")
    with reading(file) as access:
        assert who(access) == ACCOUNT
        place.write_text("junk")
        assert who(access) == ACCOUNT, "it is read again only after a refusal"
    with reading(file) as access:
        assert access.identity() == Identity(token="junk", place=f"the kubeconfig {file} (user 'person')")
        place.write_text(other)
        assert who(access) == "system:serviceaccount:people:other"


def test_a_token_file_counts_before_a_token(cluster: Cluster, token: str, file: Path) -> None:
    cluster.kubeconfig(file, {"tokenFile": "me.token", "token": cluster.service_account("other")})
    with reading(file) as access:
        assert who(access).endswith(":other"), "there is no file"
    (file.parent / "me.token").write_text(token)
    with reading(file) as access:
        assert who(access) == ACCOUNT


@pytest.mark.parametrize("as_files", [False, True])
def test_a_client_certificate(as_files: bool, cluster: Cluster, file: Path) -> None:
    known = cluster.client_certificate("someone", "people")
    user = known.as_user
    if as_files:
        file.parent.mkdir()
        (file.parent / "me.crt").write_text(known.cert)
        (file.parent / "me.key").write_text(known.key)
        user = {"client-certificate": "me.crt", "client-key": "me.key"}
    with reading(cluster.kubeconfig(file, user)) as access:
        assert who(access) == "someone"
        facts = access.facts_of_identity()
    assert facts is not None and (facts.kind, facts.subject) == ("client certificate", "someone")
    assert facts.expires is not None and not facts.has_expired(datetime.now(UTC))


def test_a_certificate_with_another_key_is_refused_without_a_word_of_the_key(cluster: Cluster, file: Path) -> None:
    known, other = cluster.client_certificate("someone"), cluster.client_certificate("other")
    user = known.as_user | {"client-key-data": other.as_user["client-key-data"]}
    with (
        reading(cluster.kubeconfig(file, user)) as access,
        pytest.raises(ConfigError, match="cannot be used") as caught,
    ):
        who(access)
    assert not [line for line in other.key.splitlines()[1:-1] if line in str(caught.value)]
    alone = cluster.kubeconfig(file, {"client-certificate-data": "eA=="})
    with reading(alone) as access, pytest.raises(ConfigError, match="without a key"):
        who(access)


def test_a_password_is_sent_as_basic_authentication(cluster: Cluster, file: Path) -> None:
    with lying(cluster, lambda _: Answer(401)) as api:
        cluster.kubeconfig(file, {"username": "joe", "password": "of joe: ü"}, server=api.url)
        with reading(file) as access, pytest.raises(NotAllowedError, match="does not accept the password"):
            who(access)
        assert api.received[0].headers["authorization"] == "Basic am9lOm9mIGpvZTogw7w="


def test_nobody(cluster: Cluster, file: Path) -> None:
    with reading(cluster.kubeconfig(file, {})) as access:
        assert access.identity() is None
        with pytest.raises(NotAllowedError, match="system:anonymous"):
            who(access)


def test_whom_the_cluster_does_not_know_gets_no_right_but_is_told_to_log_in(
    deckhouse: Deckhouse, tmp_path: Path
) -> None:
    deckhouse.announce()
    deckhouse.publish("alpha", "v1.0.0")
    person = deckhouse.person(tmp_path / "home")
    person.ok("install", "alpha")  # the endpoint is kept
    deckhouse.cluster.kubeconfig(person.kubeconfig, {})
    assert "--token-file FILE" in person.fails(77, "versions", "alpha").err
    token = tmp_path / "token"
    token.write_text(person.token)
    person.ok("--token-file", str(token), "versions", "alpha")
    person.run("doctor", "--fix")
    for words in (["versions", "alpha"], ["doctor"]):
        said = person.run(*words)
        assert "--user=system:anonymous" not in said.err + said.out
    assert "log in" in person.fails(77, "versions", "alpha").err


def test_impersonation_is_for_the_api_alone(deckhouse: Deckhouse, token: str, file: Path, tmp_path: Path) -> None:
    cluster = deckhouse.cluster
    person = deckhouse.person(tmp_path / "home")
    user = {"token": cluster.admin.token, "as": "somebody", "as-groups": ["a", "b"], "as-user-extra": {"Why": ["c"]}}
    with lying(cluster, unchanged) as api, reading(cluster.kubeconfig(file, user, server=api.url)) as access:
        assert who(access) == "somebody"
        assert api.received[0].headers["impersonate-extra-why"] == "c"
    cluster.kubeconfig(person.kubeconfig, {"token": person.token, "as": "somebody"})
    deckhouse.publish("alpha", "v1.0.0")
    person.ok("--endpoint", f"https://{deckhouse.front.address}", "--insecure-skip-tls-verify", "versions", "alpha")


def test_each_token_file_is_read_again_after_a_401(deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    person = deckhouse.person(tmp_path / "home")
    file = tmp_path / "the-token"
    of_kubeconfig = person.kubeconfig.parent / "me.token"
    deckhouse.cluster.kubeconfig(person.kubeconfig, {"tokenFile": "me.token"})
    person.allowed.add(of_kubeconfig)

    def renew(received: Any) -> None:
        if received.headers["authorization"] == "Bearer old-token":
            for place in (file, of_kubeconfig):
                place.write_text(person.token)

    with lying_front(deckhouse.front, renew) as front:
        words = ("--endpoint", front.url, "--insecure-skip-tls-verify", "-v", "versions", "alpha")
        for more in (("--token-file", str(file)), ()):
            file.write_text("old-token")
            of_kubeconfig.write_text("old-token")
            done = person.ok(*words, *more)
            assert "identity for the endpoint again" in done.err
            assert "old-token" not in done.err


# -- each way to the API ---------------------------------------------------------------------------------------


def test_a_name_for_the_certificate(cluster: Cluster, token: str, file: Path) -> None:
    with relay(cluster.port, host="127.0.0.2") as elsewhere:
        server = f"https://127.0.0.2:{elsewhere.port}"
        cluster.kubeconfig_for(file, token=token, server=server, tls_server_name=NAME)
        with reading(file) as access:
            assert who(access) == ACCOUNT
        for name in (None, "no-such-name"):
            cluster.kubeconfig_for(file, token=token, server=server, tls_server_name=name)
            with reading(file) as access, pytest.raises(UnreachableError, match="not trusted") as caught:
                who(access)
            assert "kubeconfig" in str(caught.value.hint)


def test_a_proxy(cluster: Cluster, token: str, file: Path) -> None:
    with connect_proxy({"api.example": cluster.port}) as proxy:
        changes: dict[str, Any] = {"server": "https://api.example", "tls_server_name": NAME}
        cluster.kubeconfig_for(file, token=token, proxy_url=proxy.url, **changes)
        with reading(file) as access:
            assert who(access) == ACCOUNT
        assert proxy.asked == ["api.example:443"]
        cluster.kubeconfig_for(file, token=token, **changes)
        with reading(file, env=proxy.variables) as access:
            assert who(access) == ACCOUNT


def test_a_socks_proxy_is_named(cluster: Cluster, token: str, file: Path) -> None:
    cluster.kubeconfig_for(file, token=token, proxy_url="socks5://me:secret@127.0.0.1:1")
    with reading(file) as access, pytest.raises(ConfigError, match="not the address of an http") as caught:
        access.api()
    assert "secret" not in str(caught.value)


def test_only_the_kubeconfigs_ca_is_trusted(cluster: Cluster, token: str, file: Path, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_text(cluster.ca_pem)
    other = trustme.CA().cert_pem.bytes().decode()
    cluster.kubeconfig_for(file, token=token, certificate_authority_data=None, certificate_authority="ca.pem")
    (file.parent / "ca.pem").write_text(f"a comment\n{cluster.ca_pem}")
    with reading(file) as access:
        assert who(access) == ACCOUNT
    (file.parent / "ca.pem").write_text(other)
    with reading(file, env={"SSL_CERT_FILE": str(roots)}) as access, pytest.raises(UnreachableError, match="trusted"):
        who(access)
    (file.parent / "ca.pem").write_text("nothing")
    with reading(file) as access, pytest.raises(ConfigError, match="CA"):
        who(access)
    cluster.kubeconfig_for(file, token=token, certificate_authority_data=None)
    with reading(file, env={"SSL_CERT_FILE": str(roots)}) as access:
        assert who(access) == ACCOUNT, "without a CA the system's roots count"


def test_nothing_is_verified_if_the_kubeconfig_or_the_option_says_so(cluster: Cluster, token: str, file: Path) -> None:
    changes: dict[str, Any] = {"certificate_authority_data": None, "insecure_skip_tls_verify": True}
    cluster.kubeconfig_for(file, token=token, **changes)
    with reading(file) as access:
        assert who(access) == ACCOUNT
    other = write_kubeconfig(file, kubeconfig(cluster.cluster_entry(tls_server_name="none"), {"token": token}))
    with reading(other, insecure=True) as access:
        assert who(access) == ACCOUNT


def test_the_kubeconfigs_insecure_flag_is_not_for_the_proxy(deckhouse: Deckhouse, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"certificate_authority_data": None, "insecure_skip_tls_verify": True}
    person = deckhouse.person(tmp_path / "home", **changes)
    before = deckhouse.front.asked
    done = person.fails(69, "--endpoint", f"https://{deckhouse.front.address}", "versions", "alpha")
    assert "is not trusted" in done.err and deckhouse.front.asked == before


def test_ipv6_and_a_path_prefix(cluster: Cluster, token: str, file: Path) -> None:
    with relay(cluster.port, host="::1") as six:
        cluster.kubeconfig_for(file, token=token, server=f"https://[::1]:{six.port}", tls_server_name=NAME)
        with reading(file) as access:
            assert who(access) == ACCOUNT
    with lying(cluster, unchanged, prefix="/k8s/clusters/c-1") as gateway:
        cluster.kubeconfig_for(file, token=token, server=f"{gateway.url}/")
        with reading(file) as access:
            assert who(access) == ACCOUNT


def test_a_pod(cluster: Cluster, token: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token)
    (tmp_path / "ca.crt").write_text(cluster.ca_pem)
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(cluster.port)}
    context = in_cluster_context(env, str(tmp_path))
    assert context is not None and context.is_in_cluster
    with reading(env=env) as access:
        access.__dict__["context"] = context
        assert who(access) == ACCOUNT
        assert access.identity() == Identity(token=token, place="the service account of this pod")
    six = in_cluster_context(env | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, str(tmp_path))
    assert six is not None and six.server == f"https://[fd00::1]:{cluster.port}"
    assert in_cluster_context({}, str(tmp_path)) is None
    assert in_cluster_context(env, str(tmp_path / "none")) is None


# -- what goes wrong ---------------------------------------------------------------------------------------------


def test_an_expired_token_says_when(deckhouse: Deckhouse, token: str, file: Path, tmp_path: Path) -> None:
    cluster = deckhouse.cluster
    old = cluster.token_until("me", time.time() - 90)
    with reading(cluster.kubeconfig_for(file, token=old)) as access, pytest.raises(ApiError) as caught:
        who(access)
    assert caught.value.status == 401 and "it has expired: 20" in caught.value.message
    assert old not in caught.value.message
    person = deckhouse.person(tmp_path / "home")
    cluster.kubeconfig_for(person.kubeconfig, token=old)
    person.secrets.append(old)
    words = ("--endpoint", f"https://{deckhouse.front.address}", "--insecure-skip-tls-verify", "versions", "alpha")
    done = person.fails(77, *words)
    assert "refuses the token from the kubeconfig" in done.err and "it has expired: 20" in done.err
    assert "may have expired" not in done.err


def test_an_expired_id_token_is_renewed_by_kubectl(deckhouse: Deckhouse, tmp_path: Path) -> None:
    person = deckhouse.person(tmp_path / "home")
    words = ("--endpoint", f"https://{deckhouse.front.address}", "--insecure-skip-tls-verify", "versions", "alpha")
    deckhouse.publish("alpha", "v1.0.0")
    config = {"idp-issuer-url": "https://dex.example", "client-id": "kubernetes", "refresh-token": "refresh-secret"}
    person.secrets.append("refresh-secret")
    for id_token, hint in ((person.token, None), (deckhouse.cluster.token_until(person.account, 10), "renews it")):
        user = {"auth-provider": {"name": "oidc", "config": config | {"id-token": id_token}}}
        deckhouse.cluster.kubeconfig(person.kubeconfig, user)
        person.secrets.append(id_token)
        if hint is None:
            person.ok(*words)
        else:
            done = person.fails(77, *words)
            assert "has expired: 1970-01-01 00:00:10 UTC" in done.err and hint in done.err
            assert person.fails(77, "versions", "alpha").err == done.err, "and nobody is asked for a right"
    del config["refresh-token"]
    deckhouse.cluster.kubeconfig(person.kubeconfig, {"auth-provider": {"name": "oidc", "config": config}})
    assert "the id-token of the kubeconfig" in person.fails(77, *words).err


def test_an_unknown_context_is_an_error(deckhouse: Deckhouse, tmp_path: Path) -> None:
    person = deckhouse.person(tmp_path / "home")
    words = ("--endpoint", f"https://{deckhouse.front.address}", "--insecure-skip-tls-verify", "versions", "alpha")
    done = person.fails(78, "--context", "no\x1bsuch", *words)
    assert "there is no context 'no\\x1bsuch' in the kubeconfig" in done.err
    assert "--context NAME: 'test'" in done.err


def test_who_chose_endpoint_and_token_reads_no_kubeconfig(deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    person = deckhouse.person(tmp_path / "home")
    person.kubeconfig.write_text("[broken")
    words = ("--endpoint", f"https://{deckhouse.front.address}", "--insecure-skip-tls-verify", "versions", "alpha")
    person.ok(*words, D8_RPP_TOKEN=person.token)
    assert f"{person.kubeconfig}:2" in person.fails(78, *words).err


def test_a_kubeconfig_that_others_can_read_is_a_warning(cluster: Cluster, token: str, file: Path) -> None:
    cluster.kubeconfig_for(file, token=token)
    for mode, warned in ((0o644, True), (0o640, True), (0o600, False)):
        file.chmod(mode)
        listener = Listener()
        with reading(file, listener=listener) as access:
            assert who(access) == ACCOUNT
            _ = access.context
        assert [text for text in listener.said if "chmod" in text] == (
            [f"others can read the kubeconfig {file}, which holds a secret: chmod 600 {file}"] if warned else []
        )
    cluster.kubeconfig(file, {"tokenFile": "elsewhere"}).chmod(0o644)
    listener = Listener()
    with reading(file, listener=listener) as access:
        _ = access.context
    assert listener.said == []


def certified(person: Operator, deckhouse: Deckhouse) -> None:
    """Let the person have a client certificate and no token."""
    known = deckhouse.cluster.client_certificate(f"user-{person.account}")
    deckhouse.cluster.grant_user(f"user-{person.account}", CLI_DOWNLOAD)
    deckhouse.cluster.kubeconfig_for(person.kubeconfig, certificate=known)
    person.secrets.append(known.key)


def test_a_certificate_is_shown_to_a_proxy_that_takes_it(deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    person = deckhouse.person(tmp_path / "home")
    certified(person, deckhouse)
    direct = deckhouse.another_front(client_ca=True)
    words = ("--insecure-skip-tls-verify", "-v", "install", "alpha")
    done = person.ok("--endpoint", f"https://{direct.address}", *words)
    assert "a client certificate from the kubeconfig" in done.err
    assert person.says("alpha").startswith("alpha v1.0.0")


def test_a_proxy_that_takes_no_certificate_is_explained(deckhouse: Deckhouse, tmp_path: Path) -> None:
    person = deckhouse.person(tmp_path / "home")
    certified(person, deckhouse)
    words = ("--endpoint", f"https://{deckhouse.front.address}", "--insecure-skip-tls-verify", "versions", "alpha")
    done = person.fails(77, *words)
    assert "does not accept the client certificate from the kubeconfig" in done.err
    assert "port 4219" in done.err and "with a token" in done.err


# -- an API that misbehaves ------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["hang", "drip", "drop"])
def test_a_connection_that_hangs_ends_in_time(behaviour: str, cluster: Cluster, token: str, file: Path) -> None:
    with relay(cluster.port, behaviour) as bad:
        cluster.kubeconfig_for(file, token=token, server=f"https://127.0.0.1:{bad.port}", tls_server_name=NAME)
        begun = time.monotonic()
        with reading(file, env={"D8_PATIENCE": "1"}) as access, pytest.raises(ApiError) as caught:
            who(access)
    assert caught.value.status == 0 and caught.value.exit_code in (69, 75)
    assert time.monotonic() - begun < 20
    assert "the Kubernetes API does not answer" in caught.value.message
    assert "_ssl" not in caught.value.message, "no file of the library"


def slowly(over: threading.Event) -> Answer:
    """Return a list of 10 MB at 40 KB a second: no read of it takes long, and the whole would take minutes."""

    def pieces() -> Iterator[bytes]:
        while not over.wait(0.1):
            yield b" " * 4096

    return Answer(200, headers={"Content-Length": str(10 << 20)}, pieces=pieces())


@pytest.mark.parametrize("how", ["drips", "hangs", "is slow"])
def test_a_request_ends_in_time(
    how: str, cluster: Cluster, token: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d8_installer.pipeline.cluster_access.REQUEST_LIMIT", 2.0)
    over = threading.Event()
    answers = {
        "drips": lambda _: dripping(b" " * 10_000, over),
        "hangs": hanging(over),
        "is slow": lambda _: slowly(over),
    }
    with lying(cluster, answers[how]) as api:
        cluster.kubeconfig_for(file, token=token, server=api.url)
        begun = time.monotonic()
        with reading(file) as access, pytest.raises(TryAgainError, match="does not answer"):
            access.api().items("/list")
        assert time.monotonic() - begun < 15
        over.set()


WRONG_ANSWERS = {
    "a page": Answer(200, b"<html>log in</html>"),
    "a list": Answer(200, b"[]"),
    "too much": Answer(200, b"{" + b" " * (2 << 20)),
    "deep": Answer(200, b'{"a":' * 100_000),
    "a redirect": Answer(302, b"", {"Location": "https://elsewhere.example/"}),
    "teapot": Answer(418, b"\x1b[31mred\x07"),
}


@pytest.mark.parametrize("what", WRONG_ANSWERS)
def test_what_is_no_api_is_named(what: str, cluster: Cluster, token: str, file: Path) -> None:
    with lying(cluster, lambda _: WRONG_ANSWERS[what]) as api:
        cluster.kubeconfig_for(file, token=token, server=api.url)
        with reading(file) as access, pytest.raises(UnreachableError) as caught:
            access.api().get("/version")
    assert caught.value.message.isprintable()
    assert token not in caught.value.message


def test_the_words_of_a_refusal_are_kept_on_one_line(cluster: Cluster, file: Path) -> None:
    token = cluster.service_account("me", [])
    with reading(cluster.kubeconfig_for(file, token=token)) as access, pytest.raises(NotAllowedError) as caught:
        access.api().get("/api/v1/namespaces/d8-system/configmaps/x")
    assert isinstance(caught.value, ApiError)
    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
    assert f'User "{ACCOUNT}" cannot get resource "configmaps"' in caught.value.message
    said = {"kind": "Status", "reason": "Forbidden", "message": f"\x1b[2J{token}\n" + "x" * 9000}
    with lying(cluster, lambda _: Answer(403, json.dumps(said).encode())) as api:
        cluster.kubeconfig_for(file, token=token, server=api.url)
        with reading(file) as access, pytest.raises(NotAllowedError) as caught:
            access.api().get("/version")
    assert caught.value.message.isprintable() and len(caught.value.message) < 600
    assert token not in caught.value.message


def test_a_list_is_read_page_by_page_up_to_its_limit(cluster: Cluster, token: str, file: Path) -> None:
    pages = {
        "": {"items": [1, 2], "metadata": {"continue": "a&b"}},
        "a&b": {"items": [3], "metadata": {"continue": "c"}},
        "c": {"items": [4], "metadata": {}},
        "loop": {"items": [], "metadata": {"continue": "loop"}},
    }

    def answer(received: Any) -> Answer:
        from urllib.parse import parse_qs, urlsplit

        (marker,) = parse_qs(urlsplit(received.path).query).get("continue", [""])
        return Answer(200, json.dumps(pages[marker]).encode())

    with lying(cluster, answer) as api:
        cluster.kubeconfig_for(file, token=token, server=api.url)
        with reading(file) as access:
            assert access.api().items("/x") == [1, 2, 3, 4]
            with pytest.raises(UnreachableError):
                access.api().items("/x", limit=60)
            pages["c"] = pages["loop"]
            with pytest.raises(UnreachableError, match="without an end"):
                access.api().items("/x")


def test_a_token_never_follows_a_redirect(cluster: Cluster, token: str, file: Path) -> None:
    with lying(cluster, unchanged) as other:
        away = Answer(307, b"", {"Location": f"{other.url}/version"})
        with lying(cluster, only("/version", lambda: away)) as api:
            cluster.kubeconfig_for(file, token=token, server=api.url)
            with reading(file) as access, pytest.raises(UnreachableError):
                access.api().get("/version")
        assert other.received == []


def test_the_key_of_caches_follows_address_ca_and_user(cluster: Cluster, token: str, file: Path) -> None:
    keys = set()
    for changes in ({}, {"server": "https://other"}, {"certificate_authority_data": None}):
        with reading(cluster.kubeconfig_for(file, token=token, **changes)) as access:
            keys.add(access.key)
    document = json.loads(file.read_text())
    document["users"][0]["name"] = document["contexts"][0]["context"]["user"] = "another"
    with reading(write_kubeconfig(file, document)) as access:
        keys.add(access.key)
    assert len(keys) == 4
    with reading(cluster.kubeconfig_for(file, token="another-token")) as access:
        assert access.key in keys, "a new token of the same user is no new user"


def test_what_is_no_jwt_has_no_claims() -> None:
    for text in ("a.b.c", "a.bnVsbA.c", "a." + "A" * 70_000 + ".c", "é.é.é", "..", "a.eyJleHAiOjFlOTk5fQ.c"):
        facts = facts_of(Identity(token=text))
        assert (facts.kind, facts.expires) == ("token", None), text
    for pem in (b"", b"-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----", os.urandom(64)):
        assert facts_of(Identity(certificate=pem)).expires is None
