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
from d8_installer.plugin import Credential, CredentialRequest
from d8_installer.testing.faults import fault_server
from d8_installer.testing.hooks import CredentialContract
from d8_installer.testing.memory import MemorySource
from tests import images
from tests.command import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    return {"exec": entry | {"env": [{"name": "EXTRA", "value": "extra"}], "installHint": "type install-it"}}


def asked(file: Path | None, **more: str | None) -> str | None:
    """Ask for the token with ``--kubeconfig``."""
    typed = None if file is None else str(file)
    return CREDENTIAL.token(CredentialRequest(endpoint=ENDPOINT, env=dict(os.environ), kubeconfig=typed, **more))


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
        if request.param == "typed":
            return CredentialRequest(endpoint=ENDPOINT, kubeconfig=str(place))
        if request.param == "variable":
            return CredentialRequest(endpoint=ENDPOINT, env={"KUBECONFIG": f"/no/such{os.pathsep}{place}"})
        return CredentialRequest(endpoint=ENDPOINT, env={"HOME": str(tmp_path)})


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
        assert asked(file) == SECRET, user
    for user in ({}, {"client-certificate-data": "x", "client-key-data": "x"}, {"username": "u", "password": "p"}):
        file.write_text(config(user))
        assert asked(file) is None, user


def test_the_context_is_the_one_that_was_typed_or_the_current_one(file: Path) -> None:
    document = json.loads(config({"token": "one"}))
    other = json.loads(config({"token": "two"}, context="there"))
    for key in ("contexts", "users"):
        document[key] += other[key]
    file.write_text(json.dumps(document))
    assert (asked(file), asked(file, context="there")) == ("one", "two")
    with pytest.raises(ConfigError, match="no context 'nowhere'"):
        asked(file, context="nowhere")
    file.write_text(json.dumps(document | {"current-context": None}))
    assert asked(file) is None


def test_of_several_files_the_first_that_has_it_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(config({"token": "first"}, current="there"))
    second.write_text(config({"token": "second"}, context="there"))
    names = os.pathsep.join(map(str, (tmp_path / "none", first, second)))
    assert CREDENTIAL.token(CredentialRequest(endpoint=ENDPOINT, env={"KUBECONFIG": names})) == "second"


def test_without_the_extra_only_who_asked_for_it_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(config({"token": SECRET}))
    monkeypatch.setitem(sys.modules, "lightkube.config.kubeconfig", None)
    with pytest.raises(ConfigError) as caught:
        asked(file)
    assert "'lightkube>=" in (caught.value.hint or "")
    assert CREDENTIAL.token(CredentialRequest(endpoint=ENDPOINT, env={"KUBECONFIG": str(file)})) is None


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
