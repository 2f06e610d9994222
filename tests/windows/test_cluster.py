"""The kubeconfig on Windows: where it is, and who its user is; the API is plain HTTP on loopback (Wine has no TLS)."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.windows import programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.windows.machine import Ended, Machine
    from tests.windows.user import WindowsUser

V1 = "client.authentication.k8s.io/v1"
NOT_FOUND = 69


class Api(BaseHTTPRequestHandler):
    """A Kubernetes API that knows its version only; it keeps who asked, and which address was asked for."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        body = json.dumps({"gitVersion": "v1.30.1"}).encode() if self.path == "/version" else b"{}"
        self.send_response(200 if self.path == "/version" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_CONNECT = do_GET  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def api() -> Iterator[str]:
    Api.asked.clear()
    with _serving() as url:
        yield url


def kubeconfig(api: str, **users: dict[str, Any]) -> str:
    """Return a kubeconfig with a context for each user; the first one is the current context."""
    contexts = [{"name": name, "context": {"cluster": "c", "user": name}} for name in users]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(users)),
        "clusters": [{"name": "c", "cluster": {"server": api}}],
        "contexts": contexts,
        "users": [{"name": name, "user": user} for name, user in users.items()],
    }
    return json.dumps(document, indent=1).replace("\n", "\r\n")


def plugin(command: str, *args: str) -> dict[str, Any]:
    return {"exec": {"apiVersion": V1, "interactiveMode": "Never", "command": command, "args": list(args)}}


def credential(token: str) -> str:
    document = {"apiVersion": V1, "kind": "ExecCredential", "status": {"token": token}}
    return json.dumps(document, separators=(",", ":"))


def who(user: WindowsUser, *words: str, **more: Any) -> str | None:
    """Return the identity by which ``facts`` asks the API."""
    Api.asked.clear()
    user.ends(NOT_FOUND, "facts", *words, **more)  # this API has no Deckhouse
    return next(authorization for path, authorization in Api.asked if path == "/version")


def test_the_files_are_where_kubectl_has_them(user: WindowsUser, api: str) -> None:
    usual = user.path(".kube", "config")
    usual.parent.mkdir()
    usual.write_bytes(kubeconfig(api, ann={"token": "of-ann"}).encode("utf-16"))  # PowerShell's > writes that
    user.path("other").write_text(kubeconfig(api, bob={"token": "of-bob"}))
    assert who(user) == "Bearer of-ann"
    listed = rf"C:\nowhere\config;{user.profile}\other;{user.profile}\.kube\config"
    assert who(user, env={"KUBECONFIG": listed}) == "Bearer of-bob"
    moved: dict[str, str | None] = {"USERPROFILE": r"C:\users\nobody"}
    assert who(user, env=moved) == "Bearer of-ann", "HOMEDRIVE and HOMEPATH count, too"


def test_who_the_user_is(user: WindowsUser, api: str) -> None:
    kube, tools, clone = (user.path(name) for name in (".kube", "tools", "clone"))
    for folder in (kube, tools, clone):
        folder.mkdir()
    (kube / "token.txt").write_bytes("of-file\r\n".encode("utf-16"))
    (tools / "login.exe").write_bytes(programs.saying(credential("of-exe")))
    (clone / "login.exe").write_bytes(programs.saying(credential("of-a-clone")))
    got = 'if not "%~1%~2"=="a&bc d" exit /b 5'
    (tools / "wrap.cmd").write_text(f"@echo off\r\n{got}\r\necho {credential('of-cmd')}\r\n")
    users = {
        "file": {"tokenFile": r"..\.kube\token.txt"},
        "exe": plugin("login"),
        "cmd": plugin("../tools/wrap", "a&b", "c d"),
    }
    (kube / "config").write_text(kubeconfig(api, **users))
    path: dict[str, str | None] = {"PATH": rf"{user.profile}\tools"}
    cwd = rf"{user.profile}\clone"
    said = {name: who(user, "--context", name, cwd=cwd, env=path) for name in users}
    expected = {"file": "of-file", "exe": "of-exe", "cmd": "of-cmd"}
    assert said == {name: f"Bearer {token}" for name, token in expected.items()}
    refused = user.ends(78, "facts", "--context", "exe", cwd=cwd)
    assert "the exec plugin 'login' cannot be run: no such file" in refused.err


HANGS = r"""
import sys, time
from d8_installer.cluster.context import ClusterContext, ClusterUser, ExecPlugin
from d8_installer.cluster.exec_plugin import run_plugin
from d8_installer.errors import TryAgainError
import os
plugin = ExecPlugin(api_version="client.authentication.k8s.io/v1", command=sys.argv[1], mode="Never")
context = ClusterContext(name="c", cluster="c", user=ClusterUser(), server="http://127.0.0.1:1")
began = time.monotonic()
try:
    run_plugin(plugin, context, os.environ, has_terminal=lambda: False, at_end=lambda _: None, time_limit=1.0)
except TryAgainError as error:
    print(error, time.monotonic() - began < 30)
"""


def test_a_plugin_that_hangs_ends_with_what_it_started(windows: Machine, user: WindowsUser) -> None:
    child = r'"C:\Python311\python.exe" -c "import sys; sys.stdin.read(); import time; time.sleep(100)"'
    user.path("hang.cmd").write_text(f"@echo off\r\n{child}\r\n")
    done: Ended = windows.python(HANGS, rf"{user.profile}\hang.cmd", seconds=60)
    assert done.out == f"the exec plugin '{user.profile}\\hang.cmd' took more than 1 s True\n"


def test_settings_that_an_editor_of_windows_saved(user: WindowsUser) -> None:
    """Its byte order mark goes with the first change; UTF-16 is named, and nothing is changed."""
    folder = user.path("AppData/Roaming/d8-installer")
    folder.mkdir()
    (folder / "config.toml").write_bytes(b"\xef\xbb\xbfretention = 3\r\n")
    user.ok("config", "set", "ca_file", r".\roots.pem")
    kept = (folder / "config.toml").read_bytes().decode()
    assert kept == f"retention = 3\r\nca_file = {json.dumps(user.profile + chr(92) + 'roots.pem')}\r\n"
    assert "there is no gate on Windows" in user.ok("config", "set", "gate", "*").err
    (folder / "config.toml").write_bytes(kept.encode("utf-16"))
    assert "config.toml is UTF-16 text" in user.ends(78, "config", "get", "ca_file").err


def test_requests_go_through_the_proxy_of_the_variables(user: WindowsUser, api: str) -> None:
    there = ("versions", "alpha", "--endpoint", "https://rpp.invalid")
    user.ends(NOT_FOUND, *there, env={"https_proxy": api, "D8_PATIENCE": "1"})
    assert Api.asked[0][0] == "rpp.invalid:443"
