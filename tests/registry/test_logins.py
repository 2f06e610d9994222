"""Real parts: docker-registry with a token service, the logins of skopeo and podman, nginx in front."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from d8_installer.testing.docker_registry import PASSWORD, USER, docker_registry
from tests.command import Completed, ended, run, start
from tests.registry.token_service import TokenService, token_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from d8_installer.testing.docker_registry import RunningRegistry
    from tests.registry.servers import Running

pytestmark = pytest.mark.registry
Registries = tuple["RunningRegistry", TokenService, "Running"]


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
            message = f"{program} is not on PATH"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    need("docker-registry")
    with token_registry(tmp_path_factory.mktemp("tokens")) as running:
        yield running


def publish(
    home: Path, url: str, version: str = "v1.0.0", *, size: int = 0, env: Mapping[str, str] | None = None
) -> Completed:
    (home / "script").write_bytes(b"#!/bin/sh\necho hi\n#" + os.urandom(size))
    arguments = ("publish", f"linux-amd64={home}/script", "--image", "hi", "--version", version, "--to", url)
    return run(*arguments, home=str(home), env=env)


def good(done: Completed) -> Completed:
    assert done.code == 0, done
    assert PASSWORD not in f"{done}"
    return done


@pytest.mark.parametrize("program", ["skopeo", "podman"])
def test_the_logins_of_other_tools_are_found(registries: Registries, tmp_path: Path, program: str) -> None:
    """In an empty HOME: a login, and then publish and versions; the token is asked for all that a push needs."""
    need(program)
    registry, service, _ = registries
    (tmp_path / "runtime").mkdir(mode=0o700)
    place = {"skopeo": ("REGISTRY_AUTH_FILE", "named.json"), "podman": ("XDG_RUNTIME_DIR", "runtime")}[program]
    variables = {place[0]: str(tmp_path / place[1])}
    url = f"oci://{registry.host}/{program}"
    assert publish(tmp_path, url, env=variables).code == 77
    log_in = (program, "login", "--tls-verify=false", "-u", USER, "-p", PASSWORD, registry.host)
    good(ended(log_in, home=str(tmp_path), env=variables))
    good(publish(tmp_path, url, env=variables))
    assert [f"repository:{program}/deckhouse-cli/plugins/hi:pull,push"] in service.scopes
    done = run("versions", "hi", "--endpoint", url, home=str(tmp_path), env=variables)
    assert "v1.0.0" in good(done).out


def test_a_login_may_be_for_one_namespace(registries: Registries, tmp_path: Path) -> None:
    registry, _, _ = registries
    (tmp_path / ".config/containers").mkdir(parents=True)
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    wrong = base64.b64encode(b"somebody:else").decode()
    auths = {f"{registry.host}/ours/deckhouse-cli": {"auth": auth}, registry.host: {"auth": wrong}}
    (tmp_path / ".config/containers/auth.json").write_text(json.dumps({"auths": auths}))
    good(publish(tmp_path, f"oci://{registry.host}/ours"))
    assert publish(tmp_path, f"oci://{registry.host}/theirs").code == 77


# -- nginx -----------------------------------------------------------------------------------------------


@contextmanager
def nginx(folder: Path, registry: str, *lines: str, tls: str = "") -> Iterator[str]:
    """Run nginx in front of *registry* on a free port; *lines* go into its server."""
    need("nginx")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    work = folder / f"nginx-{port}"
    work.mkdir()
    paths = "".join(f"{name}_temp_path {work}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (work / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {work}/pid; error_log {work}/error.log;"
        f"events {{}} http {{ access_log off; {paths}"
        f"server {{ listen 127.0.0.1:{port} {tls}; {' '.join(lines)}"
        f"location / {{ proxy_pass http://{registry}; proxy_set_header Host $http_host;"
        f" proxy_set_header X-Forwarded-Proto $scheme; }} }} }}"
    )
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx"
    command = [program, "-p", str(work), "-c", str(work / "nginx.conf"), "-e", str(work / "error.log")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(process, port, work / "error.log")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    pytest.fail(f"nginx does not listen: {log.read_text() if log.exists() else ''}")


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need("docker-registry")
    with docker_registry(str(tmp_path_factory.mktemp("behind-nginx"))) as running:
        yield running.host


def test_a_body_limit_is_named(open_registry: str, tmp_path: Path) -> None:
    with nginx(tmp_path, open_registry, "client_max_body_size 100k;") as host:
        good(publish(tmp_path, f"oci://{host}/limited", size=1000))
        done = publish(tmp_path, f"oci://{host}/limited", "v2.0.0", size=3_000_000)
    assert done.code == 69, done
    assert "status 413: it does not accept a body of 30" in done.err
    assert "client_max_body_size" in done.err


@pytest.mark.parametrize("code", [302, 308])
def test_redirects_are_followed_by_the_client_and_by_the_proxy(open_registry: str, tmp_path: Path, code: int) -> None:
    """Tags, manifests and layers lie at another origin; 307 and 308 lead an upload there too."""
    real = f"moved{code}/real"
    good(publish(tmp_path, f"oci://{open_registry}/{real}"))
    target = f"http://{open_registry}/v2/{real}/$rest$is_args$args"
    with nginx(tmp_path, open_registry, f"location ~ ^/v2/old/(?<rest>.*) {{ return {code} {target}; }}") as host:
        with proxy_of(f"oci://{host}/old", tmp_path) as endpoint:
            for source in (f"oci://{host}/old", endpoint):
                done = run("install", "hi", "--endpoint", source, "--home", source[-5:], home=str(tmp_path))
                assert "installed hi" in good(done).out
        if code >= 307:
            good(publish(tmp_path, f"oci://{host}/old", "v3.0.0", size=100))


@contextmanager
def proxy_of(url: str, home: Path) -> Iterator[str]:
    """Run ``proxy serve`` for the registry at *url*."""
    process = start("proxy", "serve", "--from", url, "--listen", "127.0.0.1:0", "--quiet", home=str(home))
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().rpartition(" ")[2]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_https_on_this_machine(open_registry: str, tmp_path: Path) -> None:
    """``oci+https:`` says what ``oci:`` cannot know; a client's certificate is asked for, and given."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.issue_cert("me@example.com").private_key_and_cert_chain_pem.write_to_path(tmp_path / "me.pem")
    pair = f"ssl_certificate {tmp_path}/server.pem; ssl_certificate_key {tmp_path}/server.pem;"
    trust = {"D8_RPP_CA_FILE": str(tmp_path / "ca.pem")}
    with nginx(tmp_path, open_registry, pair, tls="ssl") as host:
        good(publish(tmp_path, f"oci+https://{host}/tls", env=trust))
        done = publish(tmp_path, f"oci://{host}/tls", env=trust)
        assert done.code == 69, done
        assert f"oci+https://{host}/tls" in done.err
    demand = f"{pair} ssl_client_certificate {tmp_path}/ca.pem; ssl_verify_client on;"
    with nginx(tmp_path, open_registry, demand, tls="ssl") as host:
        done = publish(tmp_path, f"oci+https://{host}/tls", env=trust)
        assert done.code == 77, done
        assert "--client-cert" in done.err
        good(
            publish(tmp_path, f"oci+https://{host}/tls", env={**trust, "D8_RPP_CLIENT_CERT": str(tmp_path / "me.pem")})
        )
        for key, value in (("client_cert", "me.pem"), ("ca_file", "ca.pem"), ("endpoint", f"oci+https://{host}/tls")):
            good(run("config", "set", key, value, home=str(tmp_path)))
        assert "v1.0.0" in good(run("versions", "hi", home=str(tmp_path))).out


def test_plain_http_leaves_this_machine_in_no_spelling(tmp_path: Path) -> None:
    done = run("versions", "hi", "--endpoint", "oci+http://registry.example/root", home=str(tmp_path))
    assert done.code == 78, done
    assert "write oci+https://registry.example/root" in done.err
