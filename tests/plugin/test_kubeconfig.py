"""The token of a kubeconfig: whatever kubectl would take for a bearer token, and nothing of it in a message."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from d8_hooks import kubeconfig
from d8_installer.errors import ConfigError
from d8_installer.pipeline.cluster_access import ClusterAccess
from d8_installer.plugin import Credential, CredentialRequest, Identity
from d8_installer.testing.faults import fault_server
from d8_installer.testing.hooks import CredentialContract
from d8_installer.testing.memory import MemorySource
from tests import images
from tests.cluster.reading import access
from tests.command import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from d8_installer.pipeline.cluster_access import ClusterAccess

SECRET = "eyJ.secret-of-this-test"
ENDPOINT = "https://proxy.example"
(CREDENTIAL,) = kubeconfig.d8_credentials()


def config(user: Mapping[str, object], *, current: str | None = "here", context: str = "here") -> str:
    """A kubeconfig (JSON is YAML) with one context and its user."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": current,
            "clusters": [{"name": "c", "cluster": {"server": "https://api.example"}}],
            "contexts": [{"name": context, "context": {"cluster": "c", "user": f"user of {context}"}}],
            "users": [{"name": f"user of {context}", "user": user}],
        }
    )


def execing(tmp_path: Path, code: str) -> dict[str, object]:
    """A user whose token comes from a program."""
    program = tmp_path / "login.py"
    program.write_text("import json, os, sys\n" + textwrap.dedent(code))
    args = [str(program), "word"]
    entry = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": args}
    entry["interactiveMode"] = "Never"
    return {"exec": entry | {"env": [{"name": "EXTRA", "value": "extra"}], "installHint": "type install-it"}}


def asked(file: Path, context: str | None = None) -> Identity | None:
    """Ask who the kubeconfig's user is."""
    return answer(access(file, context=context, env=os.environ))


def answer(cluster: ClusterAccess) -> Identity | None:
    """Return what the credential says of the user of *cluster*."""
    found = CREDENTIAL.token(CredentialRequest(endpoint=ENDPOINT, cluster_identity=cluster.identity))
    assert not isinstance(found, str)
    return found


def token(file: Path, context: str | None = None) -> str | None:
    """Return the token of the kubeconfig's user."""
    found = asked(file, context)
    return None if found is None else found.token


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kube" / "config"


@pytest.fixture(autouse=True)
def directory(file: Path) -> None:
    file.parent.mkdir()


class TestKubeconfig(CredentialContract):
    @pytest.fixture
    def credential(self) -> Credential:
        return CREDENTIAL

    @pytest.fixture(params=["typed", "variable", "home"])
    def request_for_token(self, request: pytest.FixtureRequest, tmp_path: Path) -> CredentialRequest:
        place = tmp_path / ".kube/config"
        place.parent.mkdir()
        place.write_text(config({"token": SECRET}))
        named = {"KUBECONFIG": f"/no/such{os.pathsep}{place}"}
        environ = {"typed": {}, "variable": named, "home": {"HOME": str(tmp_path)}}[request.param]
        cluster = access(place if request.param == "typed" else None, env=environ)
        return CredentialRequest(endpoint=ENDPOINT, cluster_identity=cluster.identity)


def test_each_kind_of_user(file: Path, tmp_path: Path) -> None:
    (file.parent / "token").write_text(f"{SECRET}\n")
    program = execing(
        tmp_path,
        f"""
        info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
        assert (sys.argv[1:], os.environ["EXTRA"], info["spec"]["interactive"]) == (["word"], "extra", False)
        print(json.dumps({{"apiVersion": info["apiVersion"], "kind": info["kind"], "status": {{"token": "{SECRET}"}}}}))
        """,
    )
    for user in ({"token": SECRET}, {"tokenFile": "token"}, {"tokenFile": str(file.parent / "token")}, program):
        file.write_text(config(user))
        assert token(file) == SECRET, user
    file.write_text(config({}))
    assert asked(file) is None
    file.write_text(config({"client-certificate-data": "eA==", "client-key-data": "eQ=="}))
    assert (found := asked(file)) and (found.kind, found.certificate, found.key) == ("client certificate", b"x", b"y")
    file.write_text(config({"username": "u", "password": "p"}))
    assert (found := asked(file)) and (found.kind, found.username, found.password) == ("password", "u", "p")


def test_the_context_is_the_one_that_was_typed_or_the_current_one(file: Path) -> None:
    document = json.loads(config({"token": "one"}))
    other = json.loads(config({"token": "two"}, context="there"))
    for key in ("contexts", "users"):
        document[key] += other[key]
    file.write_text(json.dumps(document))
    assert (token(file), token(file, context="there")) == ("one", "two")
    with pytest.raises(ConfigError, match="no context 'nowhere'"):
        asked(file, context="nowhere")
    file.write_text(json.dumps(document | {"current-context": None}))
    assert answer(access(env={"KUBECONFIG": str(file)})) is None
    with pytest.raises(ConfigError, match="no current-context"):
        asked(file)


def test_of_several_files_the_first_that_has_it_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(config({"token": "first"}, current="there"))
    second.write_text(config({"token": "second"}, context="there"))
    names = os.pathsep.join(map(str, (tmp_path / "none", first, second)))
    assert (found := answer(access(env={"KUBECONFIG": names}))) and found.token == "second"


BAD = {
    "no file": None,
    "no YAML": f"users: [token: {SECRET}",
    "no kubeconfig": f"[{SECRET}]",
    "of another shape": json.dumps({"clusters": SECRET, "contexts": 7}),
    "no text": f"\x00{SECRET}",
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_named_and_not_quoted(file: Path, what: str) -> None:
    text = BAD[what]
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match="kubeconfig") as caught:
        asked(file)
    assert str(file) in str(caught.value)
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


@pytest.mark.parametrize(
    "code",
    [
        f"print('{SECRET}')",
        f"print(json.dumps({{'status': {{'token': '{SECRET}'}}}}))",
        f"print('{SECRET}'); sys.exit(3)",
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'status': {'token': 7}}))",
        "",
    ],
)
def test_an_exec_plugin_that_fails_is_named_and_not_quoted(file: Path, tmp_path: Path, code: str) -> None:
    file.write_text(config(execing(tmp_path, code)))
    with pytest.raises(ConfigError, match="exec plugin") as caught:
        asked(file)
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


def test_an_exec_plugin_that_is_not_there_has_its_own_hint(file: Path) -> None:
    entry = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./no-such", "installHint": "type install-it"}
    entry["interactiveMode"] = "Never"
    file.write_text(config({"exec": entry}))
    with pytest.raises(ConfigError, match="no-such") as caught:
        asked(file)
    assert caught.value.hint == "type install-it"


@pytest.mark.parametrize("content", [None, ""])
def test_a_token_file_without_a_token_is_named(file: Path, content: str | None) -> None:
    if content is not None:
        (file.parent / "token").write_text(content)
    file.write_text(config({"tokenFile": "token"}))
    with pytest.raises(ConfigError, match="token file"):
        asked(file)


def test_the_command_sends_it_last_of_all_and_says_nothing_of_it(file: Path, tmp_path: Path) -> None:
    source = MemorySource()
    source.add_image("deckhouse-cli/plugins/hello", "v1.0.0", images.layer_of({"plugin": images.script("x")}))
    file.write_text(config({"token": SECRET}))
    home = tmp_path / "home"
    home.mkdir()
    with fault_server(source) as server:
        words = ("--endpoint", server.url, "-v", "versions", "hello")
        done = [
            run(*words, "--kubeconfig", str(file), home=str(home)),
            run(*words, home=str(home), env={"KUBECONFIG": str(file)}),
            run(*words, home=str(home), env={"KUBECONFIG": str(file), "D8_RPP_TOKEN": "mine"}),
            run(*words, home=str(home)),
        ]
        assert [one.code for one in done] == [0] * 4
        assert SECRET not in "".join(map(str, done))
        sent = [request.headers.get("authorization") for request in server.seen()]
    assert sent == [f"Bearer {SECRET}", f"Bearer {SECRET}", "Bearer mine", None]
