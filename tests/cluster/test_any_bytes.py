"""Whatever a kubeconfig, an exec plugin or an API server says gives a value or a D8Error, and no secret in it."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d8_installer.cluster import exec_plugin
from d8_installer.cluster.api import Api, ApiReply
from d8_installer.cluster.context import ClusterContext, ExecPlugin
from d8_installer.cluster.kubeconfig import load
from d8_installer.errors import ConfigError, D8Error
from d8_installer.model.identity import Identity
from d8_installer.model.identity_facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = "secret-that-nobody-may-see"
KEYS = [
    *("current-context", "contexts", "clusters", "users", "name", "context", "cluster", "user", "server", "token"),
    *("tokenFile", "username", "password", "exec", "command", "args", "env", "apiVersion", "kind", "interactiveMode"),
    *(
        "certificate-authority-data",
        "certificate-authority",
        "client-certificate-data",
        "client-key-data",
        "extensions",
    ),
    *("insecure-skip-tls-verify", "tls-server-name", "proxy-url", "as", "as-groups", "as-user-extra", "extension"),
    *("auth-provider", "value", "provideClusterInfo", "installHint"),
]
WORDS = ["a", "b", "v1", "Config", "Never", "https://x:1", "eA==", SECRET, "client.authentication.k8s.io/v1", ""]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner),
    max_leaves=12,
)


def named(inner: str) -> st.SearchStrategy[Any]:
    """Return entries of a kubeconfig that may fit together, with anything at any place."""
    body = st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=5) | ANYTHING
    entry = st.fixed_dictionaries({"name": st.sampled_from(["a", "b"])}, optional={inner: body})
    return st.lists(entry, max_size=2) | ANYTHING


CONTEXTS = st.lists(
    st.fixed_dictionaries({"name": st.just("a"), "context": st.just({"cluster": "a", "user": "a"})}), max_size=1
)
KUBECONFIGS = st.fixed_dictionaries(
    {"current-context": st.just("a"), "contexts": CONTEXTS, "clusters": named("cluster"), "users": named("user")}
)
ONCE = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def context_of(raw: bytes) -> ClusterContext | None:
    """Return the context of a kubeconfig of these bytes; an error names the file, and not what is in it."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "config"
        file.write_bytes(raw)
        try:
            return load([str(file)]).context(None)
        except ConfigError as error:
            said = f"{error.message} {error.hint}"
            assert SECRET not in said and said.isprintable() and str(file) in said, said
            return None


@ONCE
@given(KUBECONFIGS | ANYTHING)
def test_any_kubeconfig(document: object) -> None:
    context_of(json.dumps(document).encode())


@ONCE
@given(st.binary(max_size=200))
def test_any_bytes_as_a_kubeconfig(raw: bytes) -> None:
    context_of(raw)


@ONCE
@given(st.text(max_size=200))
def test_any_text_in_a_token(text: str) -> None:
    token = f"{SECRET}{text}"
    context = context_of(json.dumps(kubeconfig(token)).encode())
    assert context is None or (context.user.token == token.strip() and SECRET not in repr(context))


def kubeconfig(token: str) -> dict[str, object]:
    return {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://x"}}],
        "users": [{"name": "a", "user": {"token": token}}],
    }


STATUS: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    st.sampled_from(["token", "clientCertificateData", "clientKeyData", "expirationTimestamp"]),
    st.sampled_from([SECRET, "", "2026-11-28T10:00:00Z", "2026-02-30T10:00:00Z", 7, None, [], "\x00"]),
)
CREDENTIALS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["ExecCredential", 7]), "apiVersion": st.just("v1"), "status": STATUS | ANYTHING}
)


@ONCE
@given(CREDENTIALS.map(json.dumps).map(str.encode) | ANYTHING.map(json.dumps).map(str.encode) | st.binary())
def test_any_output_of_a_plugin(output: bytes) -> None:
    plugin = ExecPlugin(api_version="v1", command="login")
    try:
        identity = exec_plugin.parse_output(plugin, output)
    except ConfigError as error:
        assert SECRET not in f"{error.message} {error.hint}"
    else:
        assert identity.token or identity.certificate
        assert SECRET not in repr(identity)


class Said:
    """A transport whose server always says the same."""

    name = "the API"

    def __init__(self, status: int, body: bytes) -> None:
        self._reply = ApiReply(status, body)

    def send(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes | None, limit: int
    ) -> ApiReply:
        return self._reply


@ONCE
@given(st.sampled_from([200, 201, 204, 301, 401, 403, 404, 409, 410, 429, 500, 503]), ANYTHING.map(json.dumps))
def test_any_answer_of_an_api(status: int, body: str) -> None:
    for raw in (body.encode(), body.encode("utf-16"), body.encode()[:-1]):
        api = Api(Said(status, raw))
        for ask in (api.get, api.items):
            with suppress(D8Error):
                ask("/x")


@ONCE
@given(st.text() | st.binary().map(lambda raw: "a." + raw.hex() + ".b"), st.binary())
def test_any_token_and_certificate_have_facts(token: str, certificate: bytes) -> None:
    facts_of(Identity(token=token))
    facts_of(Identity(certificate=b"-----BEGIN CERTIFICATE-----\n" + certificate + b"\n-----END CERTIFICATE-----"))
