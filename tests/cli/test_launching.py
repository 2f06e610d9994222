"""A launcher's cold path in real environments: one fetch, one line, the binary; and whatever can go wrong."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.digest import Digest
from d8_installer.plugin.launcher import PROFILE_LINK, launcher
from d8_installer.testing.faults import FaultServer, fault_server
from d8_installer.testing.memory import MemorySource
from tests.command import PROGRAM, SYSTEM_PATH, Completed, ended, environment
from tests.installed import add_launchers, install, library, manifest, running_environment
from tests.matrix.layers import HOST, Member, layer, program
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST_RUN = (
    r"d8-installer: fetching hello v1\.0\.0 \([\d.]+ kB\)\nd8-installer: installed hello v1\.0\.0 for d8-plug-hello\n"
)


class Machine(Person):
    """A HOME, and a proxy that counts."""

    def __init__(self, home: Path, proxy: FaultServer, images: MemorySource) -> None:
        super().__init__(home, proxy.url)
        self.proxy = proxy
        self.images = images

    def install(self, place: str, text: str, plugin: str = "d8-plug-hello") -> Path:
        """Make a virtual environment with a plugin and its launchers; return its prefix."""
        prefix = self.home / place
        install(running_environment(prefix), plugin, "1.0", text)
        add_launchers(prefix, text)
        return prefix

    def call(self, *line: str | Path) -> Completed:
        """Run any command line."""
        return ended([str(word) for word in line], home=str(self.home), env=self.variables)

    def layers(self) -> int:
        """Return how many layers were asked for."""
        return sum(call.operation == "layer" for call in self.images.calls)


@contextmanager
def serving(tmp_path: Path) -> Iterator[Machine]:
    """Serve two images in two versions to a new home."""
    images = MemorySource()
    for name in ("hello", "vault"):
        for tag in ("v1.0.0", "v2.0.0"):
            images.add_index(f"deckhouse-cli/plugins/{name}", tag, {HOST: program(f"{name} {tag}")})
    (tmp_path / "home").mkdir()
    with fault_server(images) as proxy:
        yield Machine(tmp_path / "home", proxy, images)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with serving(tmp_path) as served:
        yield served


def test_the_first_run_says_what_it_fetches_before_and_what_it_installed_after_and_the_next_says_nothing(
    machine: Machine,
) -> None:
    hello = machine.install("v", manifest("hello", "=1.0.0")) / "bin/hello"
    first = machine.call(hello, "a  b", "--json", "--")
    assert (first.code, first.out) == (0, "hello v1.0.0 a  b --json --\n")
    assert re.fullmatch(FIRST_RUN, first.err), first.err
    asked = len(machine.images.calls)
    again = machine.call(hello)
    assert (again.code, again.out.strip(), again.err) == (0, "hello v1.0.0", "")
    assert machine.layers() == 1
    assert len(machine.images.calls) == asked, "the warm path asks nobody"


def test_an_upgraded_plugin_runs_nothing_stale(machine: Machine) -> None:
    prefix = machine.install("v", manifest("hello", "=1.0.0"))
    machine.call(prefix / "bin/hello")
    shutil.rmtree(prefix)
    machine.install("v", manifest("hello", "=2.0.0"))
    assert machine.call(prefix / "bin/hello").out.startswith("hello v2.0.0")
    assert "hello v2.0.0" in machine.call(machine.data / "bin/hello").out


def test_use_reaches_the_launcher_by_the_switch(machine: Machine) -> None:
    hello = machine.install("v", manifest("hello", "<=2")) / "bin/hello"
    assert machine.call(hello).out.startswith("hello v2.0.0")
    assert machine.run("use", "hello", "v1.0.0").code == 0
    done = machine.call(hello)
    assert (done.out.strip(), done.err) == ("hello v1.0.0", "")


def test_a_link_to_the_launcher_finds_its_environment(machine: Machine) -> None:
    prefix = machine.install("v", manifest())
    (machine.home / "hello").symlink_to(prefix / "bin/hello")
    assert machine.call(machine.home / "hello").out.startswith("hello v2.0.0")
    started = machine.call(sys.executable, prefix / "bin/hello", "x")
    assert (started.code, started.out) == (0, "hello v2.0.0 x\n"), "and Python can start it as well"


def test_eight_first_runs_at_once_download_once(machine: Machine) -> None:
    hello = machine.install("v", manifest()) / "bin/hello"
    env = environment(str(machine.home), D8_RPP_ENDPOINT=machine.proxy.url)
    runs = [
        subprocess.Popen([hello, str(n)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(8)
    ]
    ends = [(process.communicate(), process.returncode) for process in runs]
    assert [code for _, code in ends] == [0] * 8, ends
    assert [out for (out, _), _ in ends] == [f"hello v2.0.0 {n}\n" for n in range(8)]
    assert machine.layers() == 1
    assert sum(err.count("installed hello") for (_, err), _ in ends) == 1


# -- whose profile ---------------------------------------------------------------------------------------------


def test_an_environment_that_nobody_else_looks_into_is_remembered(machine: Machine) -> None:
    prefix = machine.install("anywhere/v", manifest())
    machine.call(prefix / "bin/hello")
    done = machine.run("sync")
    assert (done.code, done.err) == (0, f"syncing your profile ({machine.home}/.local/share/d8-installer)\n")
    shutil.rmtree(prefix)
    assert "removed hello" in machine.run("sync", "--prune").out


def test_a_launcher_names_the_command_that_accepts_a_moved_tag(machine: Machine) -> None:
    prefix = machine.install("ve", manifest("hello", "=1.0.0"))
    machine.ok("install", "hello=1.0.0")
    machine.ok("uninstall", "hello")
    machine.images.add_index("deckhouse-cli/plugins/hello", "v1.0.0", {HOST: program("other")})
    refused = machine.call(prefix / "bin/hello")
    assert refused.code == 76
    assert refused.err.endswith(
        "hint: ask its publisher why; to take the new bytes, type `d8-installer sync --accept-moved hello:v1.0.0`\n"
    )
    machine.ok("sync", "--env", str(prefix), "--accept-moved", "hello:v1.0.0")
    assert machine.call(prefix / "bin/hello").out.startswith("other")


def test_a_linked_environment_feeds_its_project_and_not_the_user(machine: Machine) -> None:
    project = machine.home / "work"
    prefix = machine.install("work/.venv", manifest("hello", "=1.0.0"))
    (project / "d8.toml").write_text("schema = 1\n")
    assert machine.run("sync", cwd=project).code == 0
    assert machine.call(prefix / "bin/hello").err == ""
    shutil.rmtree(prefix)
    machine.install("work/.venv", manifest("hello", "=2.0.0"))
    (prefix / PROFILE_LINK).symlink_to(next((machine.data / "profiles").iterdir()))
    assert machine.call(prefix / "bin/hello").out.startswith("hello v2.0.0")
    assert 'version = "v2.0.0"' in (project / "d8.lock").read_text()
    assert not (machine.data / "profiles/user").exists()
    exposed = machine.home / "exposed"
    exposed.symlink_to(prefix / "bin/hello")
    assert machine.call(exposed).out.startswith("hello v2.0.0")
    assert (machine.data / "profiles/user").exists()


@pytest.mark.parametrize("target", ["/nowhere", "{home}/evil"])
def test_a_link_that_leads_to_no_profile_of_a_project_is_not_followed(machine: Machine, target: str) -> None:
    prefix = machine.install("v", manifest())
    (machine.home / "evil").mkdir()
    (prefix / PROFILE_LINK).symlink_to(target.format(home=machine.home))
    assert machine.call(prefix / "bin/hello").out.startswith("hello v2.0.0")
    assert (machine.data / "bin/hello").exists()


def test_a_home_chosen_by_variable_is_used_by_both_paths(machine: Machine) -> None:
    machine.env["D8_INSTALLER_HOME"] = str(machine.home / "chosen")
    hello = machine.install("v", manifest()) / "bin/hello"
    assert "installed hello" in machine.call(hello).err
    assert machine.call(hello).err == ""
    assert not machine.data.exists()


# -- the others do not matter ----------------------------------------------------------------------------------


def test_what_is_wrong_with_others_stops_no_first_run(machine: Machine) -> None:
    config = machine.home / ".config/d8-installer"
    config.mkdir(parents=True)
    (config / "d8.toml").write_text("nonsense")
    pipx = machine.home / ".local/share/pipx/venvs"
    install(library(pipx / "bad"), "bad", "1", "nonsense")
    install(library(pipx / "lost"), "lost", "1", manifest("no-such-image"))
    hello = machine.install("v", manifest()) / "bin/hello"
    assert machine.call(hello).out.startswith("hello v2.0.0")


def test_a_first_run_says_nothing_of_everything_for_the_next_sync(machine: Machine) -> None:
    assert machine.run("sync").code == 0
    place = library(machine.home / ".local/share/pipx/venvs/other")
    hello = machine.install("v", manifest()) / "bin/hello"
    install(place, "d8-plug-vault", "1", manifest("vault"))
    machine.call(hello)
    assert "installed vault" in machine.run("sync").out


def test_one_that_cannot_agree_runs_apart(machine: Machine) -> None:
    machine.install("old", manifest("hello", "=1.0.0"), "d8-plug-old")
    machine.call(machine.home / "old/bin/hello")
    hello = machine.install("v", manifest("hello", "=2.0.0")) / "bin/hello"
    first = machine.call(hello)
    assert first.out.startswith("hello v2.0.0")
    fetching, why = first.err.splitlines()
    assert fetching.startswith("d8-installer: fetching hello v2.0.0 (")
    assert why.startswith("d8-installer: d8-plug-hello wants hello =2.0.0 and cannot agree: d8-plug-old wants")
    asked = len(machine.images.calls)
    again = machine.call(hello)
    assert (again.out.strip(), again.err) == ("hello v2.0.0", "")
    assert len(machine.images.calls) == asked
    assert machine.call(machine.home / "old/bin/hello").out.startswith("hello v1.0.0")
    assert machine.call(machine.data / "bin/hello").out.startswith("hello v1.0.0")


def test_one_that_can_agree_shares_the_version_of_those_who_were_there(machine: Machine) -> None:
    assert machine.run("install", "hello=1.0.0", "vault").code == 0
    hello = machine.install("v", manifest("hello", "<=2")) / "bin/hello"
    assert machine.call(hello).out.startswith("hello v1.0.0")
    assert machine.layers() == 2
    assert (machine.data / "bin/vault").exists()
    assert machine.run("sync").code == 0
    assert machine.call(machine.data / "bin/hello").out.startswith("hello v1.0.0")


def test_a_name_withheld_from_bin_still_works_through_the_launcher(machine: Machine) -> None:
    prefix = machine.install("v", manifest("hello", "", ls="plugin"))
    assert machine.call(prefix / "bin/ls").out.startswith("hello v2.0.0")
    assert not (machine.data / "bin/ls").exists()
    assert machine.call(prefix / "bin/ls").err == ""


# -- what goes wrong -------------------------------------------------------------------------------------------


def failure(done: Completed, code: int) -> str:
    assert done.code == code, done
    assert len(done.errors) == 1, done
    assert done.err.count("hint: ") == 1, done
    assert "Traceback" not in done.err
    return done.err


def test_offline_says_so_and_what_to_type(machine: Machine) -> None:
    machine.env["D8_OFFLINE"] = "1"
    hello = machine.install("v", manifest()) / "bin/hello"
    assert "offline" in failure(machine.call(hello), 69)
    del machine.env["D8_OFFLINE"]
    machine.call(hello)
    machine.env["D8_OFFLINE"] = "1"
    assert machine.call(hello).code == 0


def test_without_an_endpoint_the_setting_is_named(machine: Machine) -> None:
    machine.env["D8_RPP_ENDPOINT"] = ""
    hello = machine.install("v", manifest()) / "bin/hello"
    assert "config set endpoint" in failure(machine.call(hello), 78)


def test_an_image_that_is_not_there_is_named(machine: Machine) -> None:
    hello = machine.install("v", manifest("nothing", "", hello="plugin")) / "bin/hello"
    assert "nothing" in failure(machine.call(hello), 69)


def test_a_launcher_whose_plugin_is_gone_says_so(machine: Machine) -> None:
    prefix = machine.home / "v"
    running_environment(prefix)
    add_launchers(prefix, manifest())
    assert "no plugin in" in failure(machine.call(prefix / "bin/hello"), 65)


def test_a_plugin_with_a_broken_manifest_says_where(machine: Machine) -> None:
    prefix = machine.install("v", manifest())
    next(prefix.glob("lib/*/site-packages/d8_plug_hello/d8.toml")).write_text("changed")
    assert "is not the file that was installed" in failure(machine.call(prefix / "bin/hello"), 65)


@pytest.mark.parametrize("words", [(), ("x",), ("x", "y")])
def test_the_command_is_no_one_elses(machine: Machine, words: tuple[str, ...]) -> None:
    assert "launch needs REQUEST BINARY ARGV0" in failure(machine.run("launch", *words), 2)


@pytest.mark.parametrize("request_hash", ["../../../../bin", "x", "0" * 63 + "/"])
def test_a_hash_that_is_none_never_becomes_a_path(machine: Machine, request_hash: str) -> None:
    failure(machine.run("launch", request_hash, "sh", "sh"), 65)


# -- an edited work tree, and the console scripts of Windows wheels ----------------------------------------------


def test_an_edited_manifest_of_an_editable_install_is_followed(machine: Machine) -> None:
    prefix = machine.install("v", manifest("hello", "=1.0.0"))
    (prefix / "bin/hello").write_text(launcher("hello", Digest("0" * 64)))
    done = machine.call(prefix / "bin/hello")
    assert done.out.startswith("hello v1.0.0")
    assert machine.call(prefix / "bin/hello").out.startswith("hello v1.0.0")


CONSOLE = "import sys\nfrom d8_installer.launch import console\nsys.exit(console())\n"


def console(prefix: Path) -> Path:
    """Write what pip makes of a console script."""
    script = prefix / "bin/hello"
    script.write_text(f"#!{prefix / 'bin/python'}\n{CONSOLE}")
    return script


def test_a_console_script_is_a_launcher_too(machine: Machine) -> None:
    script = console(machine.install("v", manifest("hello", "=1.0.0")))
    first = machine.call(script, "x", "--help")
    assert (first.code, first.out) == (0, "hello v1.0.0 x --help\n")
    assert re.fullmatch(FIRST_RUN, first.err), first.err
    assert machine.call(script).err == ""


WAITING = """
import sys
from d8_installer.cli import program
sys.exit(program.wait_for(sys.argv[1:], {"PATH": "/usr/bin:/bin"}))
"""


def test_where_no_process_can_be_replaced_the_exit_code_is_passed_on(machine: Machine) -> None:
    assert machine.call(sys.executable, "-c", WAITING, "sh", "-c", "exit 42").code == 42
    assert machine.call(sys.executable, "-c", WAITING, "sh", "-c", "kill -TERM $$").code == 128 + signal.SIGTERM


def test_where_no_process_can_be_replaced_ctrl_c_is_the_programs(machine: Machine) -> None:
    line = "trap 'echo caught; exit 3' INT; echo ready; while :; do read -r _ || :; done"
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, "sh", "-c", line],
        env=environment(str(machine.home)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "caught\n")


def test_without_its_python_the_tool_on_path_serves_the_launchers_environment(machine: Machine) -> None:
    prefix = machine.install("v", manifest())
    (prefix / "bin/python").unlink()
    programs = machine.home / "programs"
    programs.mkdir()
    (programs / "d8-installer").symlink_to(PROGRAM)
    machine.env["PATH"] = f"{programs}:{SYSTEM_PATH}"
    assert machine.call(prefix / "bin/hello").out.startswith("hello v2.0.0")


def test_the_program_gets_no_token_on_either_path(machine: Machine) -> None:
    machine.images.add_index("deckhouse-cli/plugins/shows", "v1.0.0", {HOST: layer(Member("plugin", SHOWS))})
    shows = machine.install("v", manifest("shows")) / "bin/shows"
    machine.env["D8_RPP_TOKEN"] = "eyJhbGciOi.secret"
    assert [machine.call(shows).out for _ in range(2)] == ["[]\n", "[]\n"]


def test_a_user_sites_plugin_is_found_by_the_tool_on_path(machine: Machine) -> None:
    user = machine.home / ".local"
    install(library(user), "d8-plug-hello", "1.0", manifest())
    (user / "pyvenv.cfg").unlink()
    (user / "bin").mkdir()
    add_launchers(user, manifest())
    programs = machine.home / "programs"
    programs.mkdir()
    (programs / "d8-installer").symlink_to(PROGRAM)
    machine.env["PATH"] = f"{programs}:{SYSTEM_PATH}"
    assert machine.call(user / "bin/hello").out.startswith("hello v2.0.0")


SHOWS = b'#!/bin/sh\necho "[$D8_RPP_TOKEN]"\n'
