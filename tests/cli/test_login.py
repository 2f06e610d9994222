"""``login`` and ``logout``: a token is checked, kept for one origin, sent to no other, and shown nowhere."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import fault_server, status
from d8_installer.testing.memory import MemorySource
from tests import command, images
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Completed

GOOD = "good-token-0123456789"
OTHER = "another-token-987654321"
DENIED = "known-but-denied-55555"
POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has neither modes nor pseudo-terminals")


class Guest(Person):
    """Somebody with a token for a proxy. No output ever shows one."""

    def __init__(self, home: Path, endpoint: str) -> None:
        super().__init__(home, "", env={"D8_PATIENCE": "2"})
        self.url = endpoint
        for name, text in (("good", GOOD), ("other", OTHER), ("denied", DENIED)):
            (self.home / name).write_text(f"{text}\n")

    def _command(self, *words: str, env: dict[str, str], cwd: str) -> Completed:
        return self.unseen(super()._command(*words, env=env, cwd=cwd))

    def unseen(self, done: Completed) -> Completed:
        for token in (GOOD, OTHER, DENIED):
            assert token not in done.out + done.err
        return done

    def pipe(self, text: str, *words: str) -> Completed:
        """Type ``… | d8-installer WORDS``."""
        line = f'printf %s "$TEXT" | {command.PROGRAM} {" ".join(words)}'
        return self.unseen(command.ended(["sh", "-c", line], home=str(self.home), env=self.variables | {"TEXT": text}))

    @property
    def file(self) -> Path:
        return self.manifest.parent / "logins.json"

    def kept(self) -> dict[str, str | None]:
        """Return what is kept: origin → token, None if the keyring has it."""
        if not self.file.exists():
            return {}
        return {one["origin"]: one.get("token") for one in json.loads(self.file.read_text())["logins"]}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real proxy that wants a token."""
    root = tmp_path_factory.mktemp("proxy")
    images.add_image(str(root / "images"), "ruff", "v1.0.0", images.executables("ruff"))
    (root / "tokens").write_text(f"{GOOD}\n{OTHER}\ndeny:{DENIED}\n")
    (root / "tokens").chmod(0o600)
    words = ["proxy", "serve", "--from", f"oci-layout:{root / 'images'}", "--token-file", str(root / "tokens")]
    process = command.start(*words, "--listen", "127.0.0.1:0", home=str(root))
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture
def person(tmp_path: Path, proxy: str) -> Guest:
    return Guest(tmp_path / "home", proxy)


def test_a_day_with_a_login(person: Guest) -> None:
    person.ok("config", "set", "endpoint", person.url)
    hint = "type `d8-installer login`, which asks for a token"
    assert hint in person.fails(77, "versions", "ruff").err
    typed = person.fails(77, "versions", "ruff", "--endpoint", person.url, "--no-plugins").err
    assert f"type `d8-installer login {person.url}`" in typed
    said = person.pipe(f"{GOOD}\n", "login")
    assert (said.code, f"{person.url} accepts the token" in said.out) == (0, True), said
    assert person.kept() == {person.url: GOOD}
    assert "v1.0.0" in person.ok("versions", "ruff").out
    assert "answers (token from your login)" in person.run("doctor").out
    assert person.json("login", "--token-file", "good")["changed"] is False
    assert person.json("login", "--token-file", "other")["changed"] is True
    assert person.kept() == {person.url: OTHER}
    person.file.write_text(person.file.read_text().replace(OTHER, "a-token-of-long-ago-7777"))
    refused = person.fails(77, "versions", "ruff").err
    assert "refuses the token from your login" in refused
    assert "type `d8-installer login` to keep a new one" in refused
    assert person.json("logout")["origins"] == [person.url]
    assert not person.file.exists()
    assert person.json("logout")["changed"] is False
    assert "nothing to do" in person.ok("logout").out
    person.fails(77, "versions", "ruff")


def test_what_the_server_refuses_is_not_kept(person: Guest) -> None:
    for text, says in (
        ("wrong-token-424242", "refuses the token from stdin (status 401); nothing was kept"),
        (DENIED, "does not let the token from stdin download images"),
    ):
        done = person.pipe(text, "login", person.url)
        assert (done.code, says in done.err, "hint: " in done.err) == (77, True, True), done
    assert not person.file.parent.exists()
    done = person.fails(69, "login", "http://127.0.0.1:9", "--token-file", "good")
    assert not person.file.parent.exists(), done


@pytest.mark.parametrize("text", ["", "\n", "two words", "one\ntwo", "Bearer x", "häh", "x" * 70_000])
def test_what_is_no_token_is_refused_without_a_request(person: Guest, text: str) -> None:
    done = person.pipe(text, "login", "http://127.0.0.1:9")
    assert (done.code, "hint: " in done.err) == (2, True), done
    assert not person.file.parent.exists()


def test_a_token_typed_as_the_endpoint_is_not_repeated(person: Guest) -> None:
    for word in (GOOD, f"x:{GOOD}", f"{GOOD}@host"):
        done = person.fails(2, "login", word)
        assert "it asks for the token, or reads it from stdin" in done.err


def test_what_needs_another_login_says_which(person: Guest) -> None:
    assert (
        "`docker login registry.example.com:5000`" in person.fails(2, "login", "oci://registry.example.com:5000/x").err
    )
    assert "needs no login" in person.fails(2, "login", f"oci-layout:{person.home}").err


def test_dry_run_checks_and_writes_nothing(person: Guest) -> None:
    assert person.json("login", person.url, "--token-file", "good", "--dry-run")["changed"] is True
    assert not person.file.parent.exists()
    person.fails(77, "login", person.url, "--token-file", "denied", "--dry-run")
    person.ok("login", person.url, "--token-file", "good")
    before = person.file.read_bytes()
    assert person.json("logout", "--dry-run")["origins"] == [person.url]
    assert person.file.read_bytes() == before


def test_a_token_goes_to_its_origin_and_to_no_other(person: Guest) -> None:
    source = MemorySource()
    source.add_image("deckhouse-cli/plugins/ruff", "v1.0.0", images.layer_of({"plugin": images.script("ruff")}))
    with fault_server(source) as one, fault_server(source) as two:
        for server, file in ((one, "good"), (two, "other")):
            person.ok("login", server.url, "--token-file", file)
        for server in (one, two):
            server.reset()
        one.on("tags", status(503))
        person.ok("config", "set", "endpoint", one.url)
        person.ok("config", "set", "sources", two.url)
        person.ok("versions", "ruff")
        assert {seen.headers.get("authorization") for seen in one.seen()} == {f"Bearer {GOOD}"}
        assert {seen.headers.get("authorization") for seen in two.seen()} == {f"Bearer {OTHER}"}
        assert f"{two.url} answers (token from your login)" in person.run("doctor").out
        with fault_server(source) as three:
            person.ok("versions", "ruff", "--endpoint", three.url)
            assert {seen.headers.get("authorization") for seen in three.seen()} == {None}
        assert set(person.kept()) == {one.url, two.url}
        assert person.json("logout", two.url)["origins"] == [two.url]
        assert set(person.kept()) == {one.url}
        assert f"tokens are kept for {one.url}" in person.ok("logout", two.url).err


def test_the_order_of_the_places(person: Guest) -> None:
    """``--token-file``, D8_RPP_TOKEN, ``token_file``, login: each comes before the next; plugins: test_hooks."""

    def token(*words: str, **env: str) -> str:
        done = person.ok("-v", "versions", "ruff", *words, **env)
        (line,) = [line for line in done.err.splitlines() if line.startswith("GET ")]
        assert line.startswith(f"GET {person.url}/v1/images/deckhouse-cli/plugins/ruff/tags: 200 (")
        return line.partition(" s, token from ")[2].removesuffix(")")

    person.ok("config", "set", "endpoint", person.url)
    person.ok("login", "--token-file", "good")
    assert token() == "your login"
    person.ok("config", "set", "token_file", "good")
    assert token() == "the setting token_file"
    assert token(D8_RPP_TOKEN=GOOD) == "D8_RPP_TOKEN"
    assert token("--token-file", "good", D8_RPP_TOKEN=OTHER) == "--token-file"
    warned = person.ok("login", "--token-file", "good", D8_RPP_TOKEN=OTHER).err
    assert "warning: D8_RPP_TOKEN is set and comes first" in warned
    assert "warning: the setting token_file is set and comes first" in person.ok("login", "--token-file", "good").err


def test_login_says_how_the_endpoint_is_used(person: Guest) -> None:
    said = person.ok("login", person.url, "--token-file", "good").err
    assert f"type `d8-installer config set endpoint {person.url}`" in said
    person.ok("config", "set", "endpoint", person.url)
    assert "config set" not in person.ok("login", "--token-file", "good").err


def test_logout_asks_which_one(person: Guest) -> None:
    with fault_server(MemorySource()) as one:
        for url in (one.url, person.url):
            person.ok("login", url, "--token-file", "good")
        done = person.fails(2, "logout")
        assert f"`d8-installer logout {one.url}`" in done.err
        assert sorted(person.json("logout", "--all")["origins"]) == sorted([one.url, person.url])
        assert not person.file.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 1, "logins": [{"origin": 1}]}'])
def test_a_damaged_file_is_an_error_that_can_be_followed(person: Guest, text: str) -> None:
    person.ok("login", person.url, "--token-file", "good")
    person.file.write_text(text)
    done = person.fails(65, "versions", "ruff", "--endpoint", person.url)
    assert "type `d8-installer logout --all`" in done.err
    assert person.json("logout", "--all")["changed"] is True
    person.ok("login", person.url, "--token-file", "good")


@POSIX
def test_only_its_owner_can_read_the_file(person: Guest) -> None:
    person.run("login", person.url, "--token-file", "good")
    assert stat.S_IMODE(person.file.stat().st_mode) == 0o600
    for mode in (0o640, 0o604, 0o622):
        person.file.chmod(mode)
        done = person.fails(78, "versions", "ruff", "--endpoint", person.url)
        assert f"chmod 600 {person.file}" in done.err
    person.file.chmod(0o600)
    person.ok("versions", "ruff", "--endpoint", person.url)


@POSIX
def test_a_link_stays_one(person: Guest) -> None:
    elsewhere = person.home / "dotfiles"
    elsewhere.write_text('{"schema": 1, "logins": []}')
    elsewhere.chmod(0o600)
    person.file.parent.mkdir(parents=True)
    person.file.symlink_to(elsewhere)
    person.ok("login", person.url, "--token-file", "good")
    assert person.file.is_symlink()
    assert person.kept() == {person.url: GOOD}
    person.ok("logout")
    assert (person.file.is_symlink(), person.kept()) == (True, {})


@POSIX
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can give a file to another user")
def test_the_logins_of_another_user_do_not_count(person: Guest) -> None:
    person.ok("login", person.url, "--token-file", "good")
    os.chown(person.file, 12345, 12345)
    done = person.fails(77, "versions", "ruff", "--endpoint", person.url)
    assert "belongs to another user" in done.err


@POSIX
def test_the_prompt_shows_nothing_of_what_is_typed(person: Guest) -> None:
    from tests.terminal import Terminal, on

    with Terminal() as terminal:
        with on(terminal, "login", person.url, home=str(person.home), env=person.variables) as process:
            terminal.wait_for(f"Token for {person.url}: ".encode())
            terminal.type(f"{GOOD}\n")
        seen = terminal.seen()
    assert process.returncode == 0
    assert GOOD not in "".join(seen.lines)
    assert person.kept() == {person.url: GOOD}


@POSIX
@pytest.mark.parametrize(("key", "code"), [("\x04", 2), ("\x03", 130)])
def test_a_prompt_can_be_left(person: Guest, key: str, code: int) -> None:
    from tests.terminal import Terminal, on

    with Terminal() as terminal, on(terminal, "login", person.url, home=str(person.home), env=person.variables) as done:
        terminal.wait_for(b"Token for ")
        terminal.type(key)
    assert done.returncode == code
    assert person.kept() == {}


def test_self_uninstall_removes_the_logins(person: Guest) -> None:
    person.ok("login", person.url, "--token-file", "good")
    assert str(person.file) in person.json("self", "uninstall", "--yes")["removed"]
    assert not person.file.parent.exists()


# -- the system's keyring ---------------------------------------------------------------------------------------

_BACKEND = """\
import json, os, threading
from keyring.backend import KeyringBackend

FILE = os.environ["RING"]

class Ring(KeyringBackend):
    priority = 1
    def _all(self):
        return json.load(open(FILE)) if os.path.exists(FILE) else {}
    def get_password(self, service, name):
        if os.environ.get("LOCKED"):
            threading.Event().wait()
        return self._all().get(f"{service} {name}")
    def set_password(self, service, name, password):
        json.dump({**self._all(), f"{service} {name}": password}, open(FILE, "w"))
    def delete_password(self, service, name):
        json.dump({key: value for key, value in self._all().items() if key != f"{service} {name}"}, open(FILE, "w"))
"""


@pytest.fixture
def owner(person: Guest) -> Guest:
    """Somebody with a keyring."""
    modules = person.home / "modules"
    modules.mkdir()
    (modules / "ring.py").write_text(_BACKEND)
    person.env |= {"PYTHON_KEYRING_BACKEND": "ring.Ring", "PYTHONPATH": str(modules), "RING": str(person.home / "ring")}
    return person


def ring(person: Guest) -> dict[str, str]:
    file = person.home / "ring"
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found


def test_a_keyring_has_the_token_and_the_file_has_not(owner: Guest) -> None:
    words = ("login", owner.url, "--keyring", "--token-file", "good")
    assert [owner.json(*words)["changed"] for _ in range(2)] == [True, False]
    assert GOOD not in owner.file.read_text()
    assert owner.kept() == {owner.url: None}
    assert ring(owner) == {f"d8-installer {owner.url}": GOOD}
    done = owner.ok("-v", "versions", "ruff", "--endpoint", owner.url)
    assert "token from your login in the keyring" in done.err
    owner.ok("login", owner.url, "--token-file", "other")
    assert (owner.kept(), ring(owner)) == ({owner.url: OTHER}, {})
    owner.ok(*words)
    owner.ok("logout")
    assert (owner.kept(), ring(owner)) == ({}, {})


def test_a_locked_keyring_ends_the_command_in_time(owner: Guest) -> None:
    owner.ok("login", owner.url, "--keyring", "--token-file", "good")
    done = owner.fails(75, "versions", "ruff", "--endpoint", owner.url, LOCKED="1")
    assert "does not answer within 3 seconds" in done.err


def test_a_machine_without_a_keyring(person: Guest) -> None:
    done = person.fails(
        78,
        "login",
        person.url,
        "--keyring",
        "--token-file",
        "good",
        PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring",
    )
    assert "`d8-installer login` without --keyring" in done.err
    assert person.kept() == {}


def test_the_keyring_is_imported_for_a_login_in_it_alone(person: Guest) -> None:
    person.ok("login", person.url, "--token-file", "good")
    shutil.rmtree(person.home / "modules", ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", command.PROGRAM, "versions", "ruff", "--endpoint", person.url],
        env=command.environment(str(person.home)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "d8_installer.registry.client" in done.stderr
    assert "keyring" not in done.stderr


def test_self_uninstall_leaves_nothing_in_the_keyring(owner: Guest) -> None:
    owner.ok("login", owner.url, "--keyring", "--token-file", "good")
    owner.ok("self", "uninstall", "--yes")
    assert (ring(owner), owner.file.parent.exists()) == ({}, False)
