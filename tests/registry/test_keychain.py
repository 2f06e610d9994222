"""Credentials files and helpers: their places, their order, their keys, and that a broken one stops no public image."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.registry.keychain import Credentials, Keychain
from tests.command import SOON

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-hunter2"


def auth(user: str = "me", password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def keychain(tmp_path: Path, document: object, seconds: float = 30) -> Keychain:
    (tmp_path / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    return Keychain({"DOCKER_CONFIG": str(tmp_path), "PATH": path}, seconds, runtime=str(tmp_path / "run"))


def found(keys: Keychain, host: str = "r.example", repository: str = "a/b") -> Credentials | None:
    login = keys.find(host, repository)
    assert SECRET not in f"{login!r}"
    assert (login.credentials is None) == (login.file is None)
    return login.credentials


def troubles(keys: Keychain, host: str = "r.example") -> str:
    login = keys.find(host, "a/b")
    assert login.credentials is None
    return "; ".join(login.troubles)


# -- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "registry.example:5000",
        "https://registry.example:5000",
        "https://registry.example:5000/v1/",
        "Registry.Example:5000/",
    ],
)
def test_keys_as_docker_writes_them(tmp_path: Path, key: str) -> None:
    keys = keychain(tmp_path, {"auths": {key: auth()}})
    assert found(keys, "registry.example:5000") == Credentials("me", SECRET)
    for other in ("registry.example", "registry.example:5001", "evil.registry.example:5000", "registry.example:50"):
        assert found(keys, other) is None


def test_the_longest_key_wins_as_podman_has_it(tmp_path: Path) -> None:
    auths = {
        "r.example": auth("host"),
        "r.example/a": auth("a"),
        "r.example/a/b": auth("ab"),
        "r.example/a/bc": auth("no"),
        "r.example/v2": auth("v2"),
    }
    keys = keychain(tmp_path, {"auths": auths})
    for repository, user in (("a/b", "ab"), ("a/b/c", "ab"), ("a/bcd", "a"), ("x", "host"), ("v2/x", "v2")):
        assert found(keys, repository=repository) == Credentials(user, SECRET)


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io/v1/", "registry-1.docker.io"]
)
def test_docker_hub_has_several_names(tmp_path: Path, key: str) -> None:
    assert found(keychain(tmp_path, {"auths": {key: auth()}}), "docker.io") == Credentials("me", SECRET)


# -- places ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="the places are POSIX's")
def test_the_files_are_read_in_the_order_of_the_manual_page(tmp_path: Path) -> None:
    """Each file taken away lets the next one speak; an entry without credentials is passed over."""
    places = [
        tmp_path / "named.json",
        tmp_path / "xdg" / "containers" / "auth.json",
        tmp_path / "run" / str(os.getuid()) / "auth.json",
        tmp_path / ".config" / "containers" / "auth.json",
        tmp_path / ".docker" / "config.json",
    ]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({"auths": {"r.example": auth(place.parent.name), "other.example": {}}}))
    (tmp_path / ".dockercfg").write_text(json.dumps({"r.example": auth("old")}))
    env = {
        "HOME": str(tmp_path),
        "REGISTRY_AUTH_FILE": str(places[0]),
        "XDG_RUNTIME_DIR": str(tmp_path / "xdg"),
    }
    keys = Keychain(env, runtime=str(tmp_path / "run"))
    assert found(keys, "other.example") is None
    for place in places:
        assert keys.find("r.example", "a").file == str(place)
        assert found(keys) == Credentials(place.parent.name, SECRET)
        place.unlink()
    assert found(keys) == Credentials("old", SECRET)
    assert Keychain({}, runtime=str(tmp_path)).find("r.example", "a").credentials is None


def test_variables_move_the_files(tmp_path: Path) -> None:
    for name in ("settings/containers/auth.json", "docker/config.json", "home/.docker/config.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"auths": {"r.example": auth(name.partition("/")[0])}}))
    env = {"HOME": str(tmp_path / "home"), "DOCKER_CONFIG": str(tmp_path / "docker")}
    assert found(Keychain(env, runtime=str(tmp_path))) == Credentials("docker", SECRET)
    env["XDG_CONFIG_HOME"] = str(tmp_path / "settings")
    assert found(Keychain(env, runtime=str(tmp_path))) == Credentials("settings", SECRET)


# -- entries ---------------------------------------------------------------------------------------------


def test_an_identity_token_is_one(tmp_path: Path) -> None:
    for entry in ({**auth("<token>", ""), "identitytoken": SECRET}, {"identitytoken": f"{SECRET}\n"}):
        credentials = found(keychain(tmp_path, {"auths": {"r.example": entry}}))
        assert credentials is not None
        assert credentials.identity_token == SECRET


@pytest.mark.parametrize(
    "text",
    [
        base64.encodebytes(f"me:{SECRET}".encode() * 1).decode(),
        base64.b64encode(f"me:{SECRET}\n".encode()).decode(),
        base64.b64encode(f"me:{SECRET}\r\n\0".encode()).decode(),
        "\n".join(base64.b64encode(f"me:{SECRET}".encode()).decode()),
    ],
)
def test_line_ends_are_no_part_of_a_password(tmp_path: Path, text: str) -> None:
    assert found(keychain(tmp_path, {"auths": {"r.example": {"auth": text}}})) == Credentials("me", SECRET)


@pytest.mark.parametrize(
    "document", ["[]", "{", f'{{"auths": {{"r.example": {{"auth": "{SECRET}!"}}}}}}', '{"credsStore": "../evil"}']
)
def test_a_broken_file_is_named_and_not_shown(tmp_path: Path, document: str) -> None:
    said = troubles(keychain(tmp_path, document))
    assert str(tmp_path / "config.json") in said
    assert SECRET not in said


def test_a_broken_file_does_not_hide_the_next_one(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": {"r.example": auth()}}))
    (tmp_path / "auth.json").mkdir()
    keys = Keychain({"HOME": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}, runtime=str(tmp_path))
    login = keys.find("r.example", "a")
    assert login.credentials == Credentials("me", SECRET)
    assert str(tmp_path / "auth.json") in login.troubles[0]


JSONS = st.recursive(
    st.none() | st.booleans() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["auths", "r.example", "auth", "identitytoken", "credHelpers", "username", "password"]),
        inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(JSONS)
def test_any_file_is_read(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    login = keychain(tmp_path_factory.mktemp("docker"), json.dumps(document)).find("r.example", "a")
    assert login.credentials is None or login.file is not None


# -- helpers ---------------------------------------------------------------------------------------------


def helper(tmp_path: Path, script: str) -> None:
    if os.name == "nt":
        pytest.skip("helpers are scripts for sh")
    program = tmp_path / "docker-credential-toy"
    program.write_text(f"#!/bin/sh\nread host\n{script}\n")
    program.chmod(0o755)


@pytest.mark.skipif(os.name != "nt", reason="a script for cmd.exe")
def test_a_helper_is_found_by_windows_rules_for_names(tmp_path: Path) -> None:
    (tmp_path / "docker-credential-toy.cmd").write_text('@echo {"Username": "%1", "Secret": "s"}\n')
    assert found(keychain(tmp_path, {"credsStore": "toy"})) == Credentials("get", "s")


@pytest.mark.parametrize("setting", [{"credsStore": "toy"}, {"credHelpers": {"r.example": "toy"}}])
def test_a_helper_is_asked(tmp_path: Path, setting: dict[str, object]) -> None:
    helper(tmp_path, 'echo "{\\"Username\\": \\"$1@$host\\", \\"Secret\\": \\"s\\"}"; echo a warning >&2')
    assert found(keychain(tmp_path, setting)) == Credentials("get@r.example", "s")


def test_docker_hub_is_asked_for_as_docker_and_as_podman_call_it(tmp_path: Path) -> None:
    helper(tmp_path, f'echo $host >>{tmp_path}/asked; echo "{{}}"')
    assert found(keychain(tmp_path, {"credsStore": "toy"}), "docker.io") is None
    assert (tmp_path / "asked").read_text().split() == ["https://index.docker.io/v1/", "docker.io"]


def test_a_helpers_token_is_an_identity_token(tmp_path: Path) -> None:
    helper(tmp_path, """echo '{"Username": "<token>", "Secret": "s"}'""")
    assert found(keychain(tmp_path, {"credsStore": "toy"})) == Credentials("", "", "s")


@pytest.mark.parametrize(
    "script",
    [
        "echo credentials not found in native keychain; exit 1",
        """echo '{"ServerURL": "", "Username": "", "Secret": ""}'""",
        "echo '{}'",
    ],
)
def test_a_helper_that_knows_nothing_leaves_it_to_the_file(tmp_path: Path, script: str) -> None:
    helper(tmp_path, script)
    keys = keychain(tmp_path, {"credsStore": "toy", "auths": {"r.example": auth()}})
    assert found(keys) == Credentials("me", SECRET)
    assert troubles(keys, "other.example") == ""


def test_an_empty_helper_switches_the_store_off_for_its_host(tmp_path: Path) -> None:
    helper(tmp_path, """echo '{"Username": "store", "Secret": "s"}'""")
    settings = {"credsStore": "toy", "credHelpers": {"r.example": ""}, "auths": {"r.example": auth()}}
    keys = keychain(tmp_path, settings)
    assert found(keys) == Credentials("me", SECRET)
    assert found(keys, "other.example") == Credentials("store", "s")


@pytest.mark.parametrize(
    "script",
    [f"echo {SECRET}", f"echo {SECRET}; exit 3", "echo '[]'", "kill $$", """echo '{"Username": 1}'""", "yes"],
)
def test_a_helper_that_fails_is_named_and_its_words_are_not(tmp_path: Path, script: str) -> None:
    helper(tmp_path, script)
    said = troubles(keychain(tmp_path, {"credsStore": "toy"}, seconds=2))
    assert "docker-credential-toy" in said
    assert SECRET not in said


def is_running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_helper_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    helper(tmp_path, f"sleep 600 & echo $! >{tmp_path}/child; wait")
    began = time.monotonic()
    said = troubles(keychain(tmp_path, {"credsStore": "toy"}, seconds=0.3))
    assert time.monotonic() - began < SOON
    assert "docker-credential-toy did not answer in 0.3 s" in said
    child = int((tmp_path / "child").read_text())
    assert not is_running(child)


def test_a_helper_may_leave_a_child_behind_that_keeps_its_output_open(tmp_path: Path) -> None:
    helper(tmp_path, f"""setsid sleep 600 & echo $! >{tmp_path}/child; echo '{{"Username": "u", "Secret": "s"}}'""")
    began = time.monotonic()
    assert found(keychain(tmp_path, {"credsStore": "toy"})) == Credentials("u", "s")
    assert time.monotonic() - began < SOON
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_a_helper_that_is_missing_is_named(tmp_path: Path) -> None:
    assert "docker-credential-nowhere is not on PATH" in troubles(keychain(tmp_path, {"credsStore": "nowhere"}))


def test_the_proxys_token_is_not_for_helpers(tmp_path: Path) -> None:
    helper(tmp_path, 'echo "{\\"Username\\": \\"u\\", \\"Secret\\": \\"<$D8_RPP_TOKEN>\\"}"')
    keys = keychain(tmp_path, {"credsStore": "toy"})
    env = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}", "D8_RPP_TOKEN": SECRET}
    assert found(Keychain(env, runtime=str(tmp_path))) == found(keys) == Credentials("u", "<>")


def test_credentials_do_not_show() -> None:
    assert SECRET not in repr(Credentials("me", SECRET, SECRET))
