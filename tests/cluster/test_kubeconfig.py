"""Kubeconfigs are read and merged as kubectl reads them; a bad one is named by file and key, and not quoted."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from d8_installer.cluster.kubeconfig import MAX_BYTES, load
from d8_installer.errors import ConfigError
from tests.cluster.reading import access

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from d8_installer.cluster.context import ClusterContext, Pem
    from tests.cluster.tools import Tools

SECRET = "eyJ.secret-of-this-test"
PEM = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n"
DATA = base64.b64encode(PEM.encode()).decode()
ONE = (
    """
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: c, cluster: {server: "https://a:6443/", certificate-authority-data: "DATA"}}
contexts:
- {name: one, context: {cluster: c, user: u, namespace: ns}}
users:
- {name: u, user: {token: abc}}
"""
).replace("DATA", DATA)
OTHER = """
current-context: two
clusters:
- {name: c, cluster: {server: "https://b:6443", proxy-url: "http://p:1", tls-server-name: x}}
- {name: d, cluster: {server: "https://[::1]:6443/k8s/clusters/c-1", insecure-skip-tls-verify: yes}}
contexts:
- {name: one, context: {cluster: d, user: v}}
- {name: two, context: {cluster: d, user: v}}
- {name: mixed, context: {cluster: c, user: v}}
users:
- {name: u, user: {token: def}}
- {name: v, user: {username: joe, password: pass}}
"""


def entry(cluster: str = "server: https://x", user: str = "token: t", more: str = "") -> str:
    """Return a kubeconfig with one context, whose cluster and user hold this."""
    return (
        "current-context: here\ncontexts: [{name: here, context: {cluster: c, user: u}}]\n"
        f"clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n{more}"
    )


EXEC = "exec: {apiVersion: client.authentication.k8s.io/%s, command: login, args: [a, '1'], %s}"
JSON = '{"current-context": "j", "contexts": [{"name": "j", "context": {"cluster": "c", "user": "u"}}]}'
# Name -> files, and the context that is typed. The files are named `0`, `1`, … in KUBECONFIG.
CASES: dict[str, tuple[list[str | None], str | None]] = {
    "one file": ([ONE], None),
    "the first file wins": ([ONE, OTHER], None),
    "the other order": ([OTHER, ONE], None),
    "a context of the second file": ([ONE, OTHER], "two"),
    "a context with parts of both": ([ONE, OTHER], "mixed"),
    "a missing file first": ([None, ONE], None),
    "an empty file first": (["", ONE], None),
    "files that say nothing": (["# only a comment\n", "null", "---\n", "{}", "\n", ONE], None),
    "a file of two documents": ([ONE + "\n---\ncurrent-context: other\n"], None),
    "current-context null": ([ONE.replace("current-context: one", "current-context: null"), OTHER], None),
    "a list that is null": ([OTHER.replace("users:", "users: null\nothers:"), ONE], "one"),
    "unknown keys": ([entry("server: https://x, unknown: 7", "token: t, other: {}", "preferences: {a: true}")], None),
    "keys in another case": ([entry("Server: https://x, server: https://y", "Token: t")], None),
    "a key twice": ([entry("server: https://x, server: https://y", "token: s, token: t")], None),
    "aliases": ([f"x: &t {{token: aliased}}\n{entry(user='<<: *t')}"], None),
    "a date as a name": ([entry().replace("here", "2026-01-01")], None),
    "booleans of YAML 1.1": ([entry("server: https://x, insecure-skip-tls-verify: on")], None),
    "a plugin of v1": ([entry(user=EXEC % ("v1", "interactiveMode: Never, provideClusterInfo: true"))], None),
    "a plugin of v1beta1": ([entry(user=EXEC % ("v1beta1", "env: [{name: A, value: b}], installHint: get it"))], None),
    "JSON": ([JSON, ONE], None),
    "certificates": ([entry(user=f"client-certificate-data: {DATA}, client-key-data: {DATA}")], None),
    "a number as a token": ([entry(user="token: 1234")], None),
    "a number as the server": ([entry("server: 1")], None),
    "text as a flag": ([entry("server: https://x, insecure-skip-tls-verify: 'true'")], None),
    "not base64": ([entry("server: https://x, certificate-authority-data: '!!'")], None),
    "another kind": (["kind: Pod\n" + entry()], None),
    "another version": (["apiVersion: v2\n" + entry()], None),
    "a list": (["[a]"], None),
    "no YAML": (["- - -: :"], None),
    "clusters is a number": ([entry().replace("clusters: [", "clusters: 7\nx: [")], None),
    "current-context is a number": (["current-context: 7"], None),
    "the same name twice": ([entry() + "contexts: [{name: a, context: {}}, {name: a, context: {}}]\n"], None),
    "an unknown context": ([ONE, OTHER], "three"),
    "an unknown cluster": ([entry().replace("cluster: c,", "cluster: z,")], None),
    "arguments that are numbers": ([entry(user=(EXEC % ("v1beta1", "")).replace("'1'", "1"))], None),
}  # fmt: skip


def written(tmp_path: Path, files: list[str | None]) -> dict[str, str]:
    """Write the files; return the environment that names them."""
    paths = [tmp_path / str(number) for number in range(len(files))]
    for path, text in zip(paths, files, strict=True):
        if text is not None:
            path.write_text(text)
    return {"KUBECONFIG": os.pathsep.join(map(str, paths)), "HOME": str(tmp_path)}


def viewed(tools: Tools, env: Mapping[str, str], context: str | None) -> dict[str, Any] | None:
    """Return what kubectl says of the context, None if it refuses the files."""
    command = [tools.kubectl, "config", "view", "--raw", "--flatten", "--minify", "-o", "json"]
    done = subprocess.run(
        [*command, *(["--context", context] if context else [])], env=env, capture_output=True, check=False
    )
    if done.returncode:
        return None
    document = json.loads(done.stdout)
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    cluster["server"] = cluster["server"].rstrip("/")
    plugin = user.pop("exec", None)
    if plugin is not None:
        plugin = {key: value for key, value in plugin.items() if value}
        plugin.setdefault("interactiveMode", "IfAvailable")
    return {"context": document["current-context"], "cluster": cluster, "user": user, "exec": plugin}


def ours(context: ClusterContext) -> dict[str, Any]:
    """Return the same of what we read."""
    user = context.user
    cluster = {
        "server": context.server,
        "certificate-authority-data": in_base64(context.ca),
        "insecure-skip-tls-verify": context.is_insecure,
        "tls-server-name": context.server_name,
        "proxy-url": context.proxy,
    }
    who = {
        "token": user.token,
        "tokenFile": user.token_file,
        "username": user.username,
        "password": user.password,
        "client-certificate-data": in_base64(user.certificate),
        "client-key-data": in_base64(user.key),
    }
    plugin = None
    if user.plugin is not None:
        plugin = {
            "apiVersion": user.plugin.api_version,
            "command": user.plugin.command,
            "args": list(user.plugin.args),
            "env": [{"name": name, "value": value} for name, value in user.plugin.env],
            "interactiveMode": user.plugin.mode,
            "provideClusterInfo": user.plugin.wants_cluster,
            "installHint": user.plugin.install_hint,
        }
        plugin = {key: value for key, value in plugin.items() if value}
    return {"context": context.name, "cluster": given(cluster), "user": given(who), "exec": plugin}


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def in_base64(pem: Pem | None) -> str | None:
    return None if pem is None else base64.b64encode(pem.read("PEM")).decode()


@pytest.mark.parametrize("case", CASES)
def test_a_context_is_what_kubectl_says(case: str, tools: Tools, tmp_path: Path) -> None:
    files, context = CASES[case]
    env = written(tmp_path, files)
    expected = viewed(tools, env, context)
    cluster = access(env=env, context=context)
    if expected is None:
        with pytest.raises(ConfigError):
            _ = cluster.context
    else:
        assert cluster.context is not None
        assert ours(cluster.context) == expected


def test_paths_are_relative_to_their_file(tools: Tools, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name / "pki").mkdir(parents=True)
    (tmp_path / "first/pki/ca.pem").write_text(PEM)
    (tmp_path / "second/pki/me.pem").write_text(PEM)
    first = entry("server: https://x, certificate-authority: pki/ca.pem").partition("users:")[0]
    user = "client-certificate: pki/me.pem, client-key: pki/me.pem, tokenFile: pki/token"
    second = entry(user=f"{user}, exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: ./login}}")
    (tmp_path / "first/config").write_text(first)
    (tmp_path / "second/config").write_text(second)
    env = {"KUBECONFIG": os.pathsep.join([str(tmp_path / "first/config"), str(tmp_path / "second/config")])}
    context = access(env=env).context
    assert context is not None and context.user.plugin is not None
    assert context.user.token_file == str(tmp_path / "second/pki/token")
    assert context.user.plugin.command == str(tmp_path / "second/login")
    expected = viewed(tools, env | {"HOME": str(tmp_path)}, None)
    assert expected is not None
    got = ours(context)
    assert got["cluster"] == expected["cluster"]
    for key in ("client-certificate-data", "client-key-data"):
        assert got["user"][key] == expected["user"][key] == DATA


def test_without_a_file_there_is_no_context(tmp_path: Path) -> None:
    for named in (str(tmp_path / "none"), ":", f":{tmp_path}/a:{tmp_path}/b", ""):
        assert access(env={"KUBECONFIG": named, "HOME": str(tmp_path)}).context is None


def test_a_fault_in_an_entry_that_is_not_used_disturbs_nobody(tmp_path: Path) -> None:
    env = written(tmp_path, [ONE.replace("users:", "users:\n- {name: other, user: {token: 7, auth-provider: {}}}")])
    context = access(env=env).context
    assert context is not None and context.user.token == "abc"


def bomb(levels: int = 40) -> str:
    names = [f"a{number}" for number in range(levels)]
    lines = [f"{names[0]}: &{names[0]} [x, x]"]
    lines += [f"{name}: &{name} [*{before}, *{before}]" for before, name in itertools.pairwise(names)]
    return "\n".join(lines) + "\n" + entry()


HOSTILE = {
    "an alias bomb": (bomb(), None),
    "an alias to itself": ("a: &a [*a]\n" + entry(), 1),
    "an unknown alias": (f"{entry()}x: *{SECRET}\n", 5),
    "an unknown tag": (entry(user=f"token: !{SECRET} x, tokenFile: [1]"), None),
    "no end of a quote": (entry(user=f'token: "{SECRET}'), None),
    "a tab": (f"users:\n\t- {SECRET}\n", 2),
    "deep nesting": ("a: " + "[" * 5000 + "]" * 5000, 1),
    "NUL": (entry(user=f"token: {SECRET}\0"), None),
    "an escaped NUL": (entry(user=f'token: "{SECRET}\\0"'), None),
    "no UTF-8": ("\udcff\udcfe" + SECRET, None),
    "wrong types": (entry(user=f"token: [{SECRET}]"), None),
    "a user that is text": (entry().replace("{token: t}", SECRET), None),
    "half of it": (entry(user=f"token: {SECRET}")[:-9], None),
    "a name with control characters": (entry().replace("cluster: c,", 'cluster: "\\e[31mred\\a",'), None),
    "an unfit command": (entry(user=f"exec: {{command: [{SECRET}]}}"), None),
    "an unknown plugin": (entry(user="exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"), None),
    "a provider of old": (entry(user=f"auth-provider: {{name: gcp, config: {{access-token: {SECRET}}}}}"), None),
    "two ways at once": (entry(user=f"token: {SECRET}, username: me"), None),
    "insecure with a CA": (entry(f"server: x, certificate-authority-data: {DATA}, insecure-skip-tls-verify: on"), None),
    "no server": (entry("tls-server-name: x"), None),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_named_and_not_quoted(what: str, tmp_path: Path) -> None:
    text, line = HOSTILE[what]
    file = tmp_path / "config"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    begun = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        load([str(file)]).context(None)
    assert time.monotonic() - begun < 5
    said = f"{caught.value.message}\n{caught.value.hint}"
    assert str(file) in said and (line is None or f"{file}:{line}" in said), said
    assert SECRET not in said + str(caught.value.__cause__)
    assert all(one.isprintable() for one in said.replace("\n", "")), said


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(entry() + "#" * MAX_BYTES)
    with pytest.raises(ConfigError, match="more than"):
        load([str(file)])


def test_a_directory_and_a_closed_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory"):
        load([str(tmp_path)])
    with pytest.raises(ConfigError, match="there is no kubeconfig"):
        load([str(tmp_path / "none")], is_typed=True)
