"""Exec plugins of a kubeconfig, against the real API server: they are run, asked and limited as kubectl does it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from d8_installer.cluster import exec_plugin
from d8_installer.cluster.context import ClusterContext, ClusterUser, ExecPlugin
from d8_installer.errors import ConfigError, D8Error, TryAgainError
from tests import command, measured
from tests.cluster.cluster import write_kubeconfig
from tests.cluster.objects import kubeconfig
from tests.cluster.processes import until
from tests.cluster.reading import reading, who
from tests.command import PROGRAM

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.deckhouse import Deckhouse

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
ANSWER = """
import json, os, sys, time
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
asked = {"info": info, "args": sys.argv[2:], "tty": sys.stdin.isatty(), "env": dict(os.environ)}
with open(sys.argv[1], "a") as log:
    log.write(json.dumps(asked) + "\\n")
def answer(**status):
    print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


class Plugin:
    """A program of a kubeconfig, and what it was asked; ``number`` in its code is how often it was started before."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.log = directory / "asked"
        self.program = directory / "login"

    def answers(self, code: str) -> Plugin:
        """Let it run this code, which may call ``answer``."""
        count = "number = len(open(sys.argv[1]).readlines()) - 1\n"
        self.program.write_text(f"#!{sys.executable}\n{ANSWER}{count}{textwrap.dedent(code)}\n")
        self.program.chmod(0o755)
        return self

    def user(self, version: str = V1, **more: Any) -> dict[str, Any]:
        """Return the user entry of the kubeconfig."""
        default = {"interactiveMode": "Never"} if version == V1 else {}
        entry = {"apiVersion": version, "command": str(self.program), "args": [str(self.log), "word"]}
        return {"exec": entry | default | more}

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path / "plugin")


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_a_token_of_a_plugin(version: str, cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    token = cluster.service_account("exec")
    plugin.answers(f"answer(token={token!r})")
    file = cluster.kubeconfig(
        tmp_path / "config", plugin.user(version, env=[{"name": "EXTRA", "value": "of the user"}])
    )
    with reading(file, env={"D8_RPP_TOKEN": "ours", "INHERITED": "yes"}) as access:
        assert who(access) == who(access) == "system:serviceaccount:people:exec"
    (asked,) = plugin.asked
    assert asked["args"] == ["word"] and not asked["tty"]
    assert asked["info"] == {"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": False}}
    assert (asked["env"]["EXTRA"], asked["env"]["INHERITED"]) == ("of the user", "yes")
    assert "D8_RPP_TOKEN" not in asked["env"]


def test_a_plugin_is_told_of_the_cluster_if_it_wants_that(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    token = cluster.service_account("exec")
    plugin.answers(f"answer(token={token!r})")
    extensions = [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "here"}}]
    entry = cluster.cluster_entry(extensions=extensions, tls_server_name="api.cluster.example")
    file = write_kubeconfig(tmp_path / "config", kubeconfig(entry, plugin.user(provideClusterInfo=True)))
    with reading(file) as access:
        who(access)
    told = plugin.asked[0]["info"]["spec"]["cluster"]
    assert told.pop("certificate-authority-data") == entry["certificate-authority-data"]
    assert told == {"server": cluster.server, "tls-server-name": "api.cluster.example", "config": {"audience": "here"}}


def test_a_client_certificate_of_a_plugin(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    known = cluster.client_certificate("someone", "people")
    plugin.answers(f"answer(clientCertificateData={known.cert!r}, clientKeyData={known.key!r})")
    with reading(cluster.kubeconfig(tmp_path / "config", plugin.user())) as access:
        assert who(access) == "someone"
    assert [one for one in os.listdir(tmp_path) if one.startswith("d8-")] == []


def test_a_static_token_counts_before_a_plugin(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    token = cluster.service_account("static")
    plugin.answers("sys.exit(1)")
    with reading(cluster.kubeconfig(tmp_path / "config", {"token": token, **plugin.user()})) as access:
        assert who(access).endswith(":static")
    assert plugin.asked == []


def test_an_expired_token_is_asked_for_again_before_the_next_request(
    cluster: Cluster, plugin: Plugin, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    times = [(now + timedelta(minutes=1)).isoformat(), (now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")]
    tokens = [cluster.service_account("early"), cluster.service_account("late")]
    plugin.answers(f"answer(token={tokens!r}[number], expirationTimestamp={times!r}[number])")
    clock = [now]
    file = cluster.kubeconfig(tmp_path / "config", plugin.user())
    with reading(file, clock=lambda: clock[0]) as access:
        assert [who(access), who(access)] == ["system:serviceaccount:people:early"] * 2
        clock[0] += timedelta(minutes=2)
        assert [who(access), who(access)] == ["system:serviceaccount:people:late"] * 2
    assert len(plugin.asked) == 2


def test_a_plugin_is_asked_again_once_after_a_401(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    token = cluster.service_account("exec")
    plugin.answers(f"answer(token=['junk', {token!r}, 'unused'][number])")
    with reading(cluster.kubeconfig(tmp_path / "config", plugin.user())) as access:
        assert who(access).endswith(":exec")
    assert len(plugin.asked) == 2
    again = Plugin(tmp_path / "again").answers("answer(token='junk')")
    with reading(cluster.kubeconfig(tmp_path / "config", again.user())) as access:
        for _ in range(2):
            with pytest.raises(D8Error, match="does not accept the token"):
                who(access)
    assert len(again.asked) == 2


def test_the_time_that_a_plugin_takes_is_not_that_of_the_request(
    cluster: Cluster, plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d8_installer.pipeline.cluster_access.REQUEST_LIMIT", 1.0)
    token = cluster.service_account("exec")
    plugin.answers(f"time.sleep(1.2); answer(token=['junk', {token!r}][number])")
    with reading(cluster.kubeconfig(tmp_path / "config", plugin.user())) as access:
        assert who(access).endswith(":exec")


def test_the_command_asks_it_once_for_all_servers(deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    person = deckhouse.person(tmp_path / "home")
    plugin = Plugin(tmp_path / "plugin").answers(f"answer(token={person.token!r})")
    deckhouse.cluster.kubeconfig(person.kubeconfig, plugin.user())
    ca = tmp_path / "ca.pem"
    ca.write_text(deckhouse.front.ca_pem)
    done = person.ok("-v", "--endpoint", f"https://{deckhouse.front.address}", "--ca-file", str(ca), "install", "alpha")
    assert f"a token from the kubeconfig {person.kubeconfig} (user 'person')" in done.err
    assert person.says("alpha").startswith("alpha v1.0.0")
    assert len(plugin.asked) == 1


# -- without a server ----------------------------------------------------------------------------------------


def run(plugin: Plugin, *, terminal: bool = False, time_limit: float = 30, **more: Any) -> Any:
    """Run it; *more* are fields of the kubeconfig's entry."""
    entry = ExecPlugin(api_version=V1, command=str(plugin.program), args=(str(plugin.log),), **more)
    context = ClusterContext(name="c", cluster="c", user=ClusterUser(plugin=entry), server="https://127.0.0.1:1")
    return exec_plugin.run_plugin(
        entry, context, os.environ, has_terminal=lambda: terminal, at_end=lambda stop: None, time_limit=time_limit
    )


WRONG = {
    "no JSON": "print('secret-text')",
    "a list": "print('[]')",
    "no status": "print(json.dumps({'apiVersion': info['apiVersion'], 'kind': 'ExecCredential', 'x': 'secret-text'}))",
    "no kind": "print(json.dumps({'apiVersion': info['apiVersion'], 'status': {'token': 'secret-text'}}))",
    "another version": "print(json.dumps({'apiVersion': 'x/v2', 'kind': 'ExecCredential', 'status': {'token': 't'}}))",
    "a number": "answer(token=7)",
    "nothing": "answer()",
    "a certificate alone": "answer(token='secret-text', clientCertificateData='x')",
    "a bad time": "answer(token='secret-text', expirationTimestamp='tomorrow')",
    "deep nesting": "print('[' * 100000)",
    "a failure": "print('secret-text'); sys.exit(3)",
    "no end": "print('secret-text' * 10 ** 6)",
}


@pytest.mark.parametrize("what", WRONG)
def test_bad_output_is_named_and_not_quoted(what: str, plugin: Plugin) -> None:
    plugin.answers(WRONG[what])
    with pytest.raises(ConfigError) as caught:
        run(plugin)
    assert str(plugin.program) in caught.value.message
    assert "secret-text" not in f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"


def test_a_missing_plugin_has_its_own_hint(plugin: Plugin) -> None:
    with pytest.raises(ConfigError, match="cannot be run") as caught:
        run(plugin, install_hint="type install-it")
    assert caught.value.hint == "type install-it"


def test_a_plugin_that_hangs_is_ended_with_its_children(plugin: Plugin, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    plugin.answers(
        f"import subprocess; subprocess.Popen(['sh', '-c', 'echo $$ > {pid}; exec sleep 600']); time.sleep(600)"
    )
    begun = time.monotonic()
    with pytest.raises(TryAgainError, match="more than 2 s"):
        run(plugin, time_limit=2)
    assert time.monotonic() - begun < 20
    stat = Path("/proc") / pid.read_text().strip() / "stat"
    until("the child has ended", lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.parametrize(("mode", "terminal", "interactive"), [("Never", True, False), ("IfAvailable", False, False)])
def test_a_plugin_asks_nothing_unless_it_may(mode: Any, terminal: bool, interactive: bool, plugin: Plugin) -> None:
    plugin.answers("answer(token='t')")
    run(plugin, terminal=terminal, mode=mode)
    assert plugin.asked[0]["info"]["spec"] == {"interactive": interactive}
    assert not plugin.asked[0]["tty"]


def test_a_plugin_that_must_ask_needs_a_terminal(plugin: Plugin) -> None:
    plugin.answers("answer(token='t')")
    with pytest.raises(ConfigError, match="stdin is not a terminal"):
        run(plugin, mode="Always")
    assert plugin.asked == []


@pytest.mark.parametrize("mode", ["IfAvailable", "Always"])
def test_a_plugin_asks_on_the_terminal(mode: str, deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    person = deckhouse.person(tmp_path / "home")
    plugin = Plugin(tmp_path / "plugin")
    plugin.answers(
        f"assert input() == 'the password'; print('welcome', file=sys.stderr); answer(token={person.token!r})"
    )
    deckhouse.cluster.kubeconfig(person.kubeconfig, plugin.user(interactiveMode=mode))
    words = ["--endpoint", f"https://{deckhouse.front.address}", "--insecure-skip-tls-verify", "versions", "alpha"]
    ours, theirs = pty.openpty()
    os.write(ours, b"the password\n")
    done = subprocess.run(
        [PROGRAM, *words], stdin=theirs, env=command.environment(str(person.home)), capture_output=True, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done
    assert b"welcome" in done.stderr and b"v1.0.0" in done.stdout
    assert plugin.asked[0]["tty"] and plugin.asked[0]["info"]["spec"]["interactive"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_plugin_ends_with_the_command(
    number: signal.Signals, code: int, deckhouse: Deckhouse, tmp_path: Path
) -> None:
    person = deckhouse.person(tmp_path / "home")
    plugin = Plugin(tmp_path / "plugin").answers("time.sleep(600)")
    pid = tmp_path / "pid"
    plugin.program.write_text(f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600\n")
    deckhouse.cluster.kubeconfig(person.kubeconfig, plugin.user())
    words = ["--endpoint", f"https://{deckhouse.front.address}", "--insecure-skip-tls-verify", "install", "alpha"]
    # Not measured: the measurement has a SIGTERM handler of its own, which the tool leaves alone.
    env = {**command.environment(str(person.home)), measured.VARIABLE: ""}
    with subprocess.Popen([PROGRAM, *words], env=env, stderr=subprocess.PIPE) as run:
        until("the plugin runs", pid.exists)
        run.send_signal(number)
        said = run.communicate(timeout=30)[1]
    assert run.returncode == code, said
    stat = Path("/proc") / pid.read_text().strip() / "stat"
    until("the plugin has ended", lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z")
