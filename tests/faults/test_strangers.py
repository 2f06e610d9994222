"""Files of another user: a project that is found by chance is not believed, a program in their home is not run."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests import installed
from tests.command import SYSTEM_PATH, ended
from tests.faults import driver
from tests.faults.scenarios import CONFIG, DATA
from tests.faults.test_in_the_way import NOBODY, Machine, needs_root, refused
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.driver import Ran

pytestmark = needs_root

OTHER = 65533
"""A user who is neither root nor NOBODY."""
MANIFEST = installed.manifest("tool", "==1.0.0")


@pytest.fixture(scope="module")
def shared() -> Iterator[Machine]:
    """Give NOBODY a home that every user can look at, with `tool` in place."""
    root = tempfile.mkdtemp(prefix="d8-strangers-")  # pytest's own directories are for one user only
    try:
        os.chmod(root, 0o711)
        home = os.path.join(root, "home")
        os.mkdir(home)
        add_image(os.path.join(root, "images"), "tool", "v1.0.0", executables("one", host_platform()))
        os.chown(home, NOBODY, NOBODY)
        machine = Machine(root, home)
        done = machine.as_person("install", "tool")
        assert done.code == 0, done
        yield machine
    finally:
        for where, _, _ in os.walk(root):
            os.chmod(where, 0o700)
        shutil.rmtree(root)


class Found:
    """A directory of the system in which somebody put a project, and a person who works below it."""

    def __init__(self, machine: Machine, place: str) -> None:
        self.machine = machine
        self.place = os.path.join(machine.root, place)
        self.below = os.path.join(self.place, "below")
        os.makedirs(self.below)
        self.put("d8.toml", MANIFEST)
        self.own(0, "", "below")
        self.own(NOBODY, "d8.toml")

    def put(self, name: str, text: str) -> None:
        with open(os.path.join(self.place, name), "w", encoding="utf-8") as file:
            file.write(text)

    def link(self, name: str) -> None:
        os.rename(os.path.join(self.place, name), os.path.join(self.place, "real"))
        os.symlink("real", os.path.join(self.place, name))

    def own(self, user: int, *names: str) -> None:
        for name in names:
            os.chown(os.path.join(self.place, name), user, user, follow_symlinks=False)

    def run(self, *words: str, user: int | None = NOBODY, **env: str) -> Ran:
        typed = ("--endpoint", self.machine.images, *words)
        home = self.machine.home if user == NOBODY else os.path.join(self.machine.root, f"home-{user}")
        if not os.path.isdir(home):
            os.mkdir(home)
            os.chown(home, user or 0, user or 0)
        return driver.run(*typed, home=self.below, env_home=home, user=user, env=env)


# -- projects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("manifest", lambda found: found.own(OTHER, "d8.toml")),
        ("directory", lambda found: found.own(OTHER, "")),
        ("lock", lambda found: (found.put("d8.lock", "lock_version = 1\n"), found.own(OTHER, "d8.lock"))),
        ("link", lambda found: (found.link("d8.toml"), found.own(OTHER, "d8.toml"))),
    ],
)
def test_a_project_that_another_user_may_have_written_is_refused(shared: Machine, name: str, what: object) -> None:
    found = Found(shared, f"tmp-{name}")
    assert callable(what)
    what(found)
    before = sorted(os.listdir(found.place))
    for words in (("sync",), ("lock",), ("list",), ("run", "tool"), ("env",), ("install", "--project", "tool")):
        refused(found.run(*words), 77, found.place, "is not trusted", "belongs to")
    assert sorted(os.listdir(found.place)) == before
    assert found.run("--user", "list").code == 0
    assert found.run("versions", "tool").code == 0
    own = os.path.join(found.machine.root, f"own-{name}")
    os.mkdir(own)
    os.chown(own, NOBODY, NOBODY)
    done = found.run("install", "tool", "--home", own)  # which means the person's own profile
    assert (done.code, "is not trusted" in done.err) == (0, False), done
    refused(found.run("doctor"), 1, "is not trusted")


def test_ones_own_and_roots_are_trusted_and_what_is_named_safe(shared: Machine) -> None:
    found = Found(shared, "work")
    os.chmod(found.place, 0o777)
    for owner in (NOBODY, 0):
        found.own(owner, "d8.toml")
        assert (done := found.run("sync")).code == 0, done
    found.own(OTHER, "d8.toml")
    refused(found.run("sync"), 77)
    for safe in (found.place, os.path.dirname(found.place) + "/*", f"/nowhere:{found.place}/", "*"):
        assert (done := found.run("sync", D8_SAFE_DIRECTORIES=safe)).code == 0, (safe, done)
    for unsafe in ("/nowhere", found.place[:-1], found.below, "work", "", f"{found.place}/*"):
        refused(found.run("sync", D8_SAFE_DIRECTORIES=unsafe), 77)


def test_the_hint_works_and_the_quick_way_obeys(shared: Machine) -> None:
    found = Found(shared, "quick")
    os.chmod(found.place, 0o777)
    assert found.run("sync").code == 0
    assert found.run("sync").out == "nothing to do\n"
    found.own(OTHER, "d8.toml")
    done = found.run("sync")
    refused(done, 77)
    typed = re.findall(r"(config set safe_directories \S+)`", done.err)[0].split()
    assert found.run(*typed).code == 0
    assert found.run("sync").code == 0
    assert found.run("sync").out == "nothing to do\n"
    assert found.run("config", "unset", "safe_directories").code == 0
    refused(found.run("sync"), 77)


def test_root_trusts_who_typed_sudo(shared: Machine) -> None:
    found = Found(shared, "sudo")
    refused(found.run("list", user=None), 77)
    assert found.run("list", user=None, SUDO_UID=str(NOBODY)).code == 0
    for nobody in ("", "x", "-1", "²", str(OTHER), "9" * 400):
        refused(found.run("list", user=None, SUDO_UID=nobody), 77)
    refused(found.run("list", user=OTHER, SUDO_UID=str(NOBODY)), 77)  # whoever is not root says what they like


# -- homes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", [None, OTHER], ids=["root", "another"])
def test_programs_in_another_users_home_are_not_run(shared: Machine, user: int | None) -> None:
    def run(*words: str, **env: str) -> Ran:
        return driver.run("--endpoint", shared.images, *words, home=shared.home, user=user, env=env)

    refused(run("run", "tool"), 77, "belongs to the user nobody", "not run")
    for words in (("list",), ("which", "tool")):
        done = run(*words)
        assert done.code == 0, done
        assert "warning: " in done.err
        assert "who can change every program in it" in done.err
    for words in (("sync", "--prune"), ("install", "tool"), ("gc",), ("verify", "--fix")):
        refused(run(*words), 77)
    home = os.path.join(shared.home, DATA)
    done = run("run", "tool", D8_SAFE_DIRECTORIES=home)
    assert (done.code, done.out) == (0, f"one {host_platform()}\n"), done
    assert "warning" not in run("list", D8_SAFE_DIRECTORIES="*").err


def test_a_file_of_another_user_in_ones_own_home_is_not_run(shared: Machine) -> None:
    path = shared.as_person("which", "tool").out.strip()
    os.chown(path, OTHER, OTHER)
    try:
        refused(shared.as_person("run", "tool"), 77, path)
    finally:
        os.chown(path, NOBODY, NOBODY)
    assert shared.as_person("run", "tool").code == 0


def test_a_launcher_asks_who_owns_the_program(shared: Machine, tmp_path: Path) -> None:
    """Its warm path runs what is this user's; all else is for d8-installer to judge, which it finds on PATH."""
    launcher = tmp_path / "venv/bin/tool"
    launcher.parent.mkdir(parents=True)
    installed.add_launchers(tmp_path / "venv", installed.manifest("tool"))
    asked = tmp_path / "asked"
    (tmp_path / "path").mkdir()
    (tmp_path / "path/d8-installer").write_text(f'#!/bin/sh\necho "$1" >{asked}\n')
    (tmp_path / "path/d8-installer").chmod(0o755)
    assert shared.as_person("sync", "--prune").code == 0
    request = os.path.join(shared.home, DATA, "profiles/user/current/req")
    assert len(os.listdir(request)) == 1
    path = os.path.join(request, *os.listdir(request), "tool")
    env = {"PATH": f"{tmp_path}/path:{SYSTEM_PATH}"}
    done = ended([str(launcher)], home=shared.home, env=env)
    assert (done.code, done.out, asked.read_text()) == (0, "", "launch\n"), done
    asked.unlink()
    real = os.path.realpath(path)
    os.chown(real, 0, 0)
    try:
        done = ended([str(launcher)], home=shared.home, env=env)
    finally:
        os.chown(real, NOBODY, NOBODY)
    assert (done.out, asked.exists()) == (f"one {host_platform()}\n", False), done


def test_doctor_names_the_owner(shared: Machine) -> None:
    done = driver.run("--json", "doctor", home=shared.home, user=OTHER)
    findings = json.loads(done.out)["data"]["findings"]
    assert any(one["check"] == "home" and "belongs to the user nobody" in one["message"] for one in findings)
    assert not os.path.exists(os.path.join(shared.home, CONFIG, "config.toml.mutex"))
