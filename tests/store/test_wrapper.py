"""The wrapper, run by every shell that this machine has: what its program gets, and that nothing else changes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.model.digest import Digest
from d8_installer.model.run_gate import INJECTED
from d8_installer.model.wrapper import HEAD_BYTES, Wrapper, wrapped_digest
from tests.strategies import json_values, steady, wrappers

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = [shell for shell in ("dash", "bash", "busybox", "ksh", "zsh") if shutil.which(shell)]
DIGEST = Digest("a1" * 32)
TOLD = '#!/bin/sh\nprintf "%s|" "$0" "${KUBECONFIG-unset}" "${PLUGINS_CALLER-unset}" "$@"\nexit 7\n'


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


class Place:
    """A home with a program that tells what it gets, and its wrapper in ``bin``."""

    def __init__(self, home: Path, *env: str, program: str = TOLD) -> None:
        if os.name == "nt":
            pytest.skip("wrappers are scripts for sh")
        self.home = home
        self.program = script(home / "store/sha256" / DIGEST.hex / "beta", program)
        text = Wrapper(env).text("beta", DIGEST, stored=f"../store/sha256/{DIGEST.hex}/beta", bin_directory=".")
        self.wrapper = script(home / "bin/beta", text)

    def call(self, *command: Path | str, cwd: Path | None = None, **env: str) -> tuple[int, list[str]]:
        whole = {"PATH": "/usr/bin:/bin", "HOME": "/home/me", **env}
        words = command or (self.wrapper, "x")
        done = subprocess.run(words, env=whole, capture_output=True, text=True, check=False, cwd=cwd or self.home)
        assert done.stderr == ""
        return done.returncode, done.stdout.split("|")[1:-1]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / 'it\'s a "home" $HOME `id`', *INJECTED)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gives_the_program_what_it_asks_for(place: Place, shell: str) -> None:
    shells = [shell, "sh"] if shell == "busybox" else [shell]
    d8 = script(place.home / "bin/d8", "")
    odd = ["", "a  b", "$z", "'", '"', "*", "\n"]
    assert place.call(*shells, place.wrapper, *odd) == (7, ["/home/me/.kube/config", str(d8), *odd])
    assert place.call(*shells, place.wrapper, KUBECONFIG="a:b") == (7, ["a:b", str(d8)])


def test_the_caller_is_the_profiles_d8_else_that_of_path_else_none(place: Place, tmp_path: Path) -> None:
    assert place.call(PLUGINS_CALLER="/old") == (7, ["/home/me/.kube/config", "unset", "x"])
    (tmp_path / "one/d8").mkdir(parents=True)
    (tmp_path / "two").mkdir()
    (tmp_path / "two/d8").touch()
    on_path = script(tmp_path / "thr ee*/d8", "")
    path = f":{tmp_path}/none:.:{tmp_path}/one:{tmp_path}/two:{on_path.parent}:/usr/bin:/bin"
    assert place.call(PATH=path)[1][1] == str(on_path)
    beside = script(place.home / "bin/d8", "")
    assert place.call(PATH=path)[1][1] == str(beside)


def test_kubeconfig_is_left_as_the_person_has_it(place: Place) -> None:
    assert place.call(KUBECONFIG="relative")[1][0] == "relative"
    assert place.call(KUBECONFIG="")[1][0] == "/home/me/.kube/config"
    assert place.call(HOME="")[1][0] == "unset"


@pytest.mark.parametrize("name", INJECTED)
def test_only_what_the_contract_lists_is_set(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path, name)
    script(tmp_path / "bin/d8", "")
    kubeconfig, caller, _ = place.call(PLUGINS_CALLER="mine")[1]
    assert (kubeconfig == "unset", caller == "mine") == (name != "KUBECONFIG", name != "PLUGINS_CALLER")


def test_it_is_found_by_any_link_and_from_any_directory(place: Place, tmp_path: Path) -> None:
    d8 = str(script(place.home / "bin/d8", ""))
    assert place.call("beta", PATH=f"{place.home}/bin:/usr/bin:/bin")[1][1] == d8
    assert place.call("./beta", cwd=place.home / "bin")[1][1] == f"{place.home}/bin/./d8"
    assert place.call("bin/beta")[1][1] == d8
    (tmp_path / "link").symlink_to(place.wrapper)
    (tmp_path / "again").symlink_to("link")
    assert place.call(tmp_path / "again")[1][1] == d8
    (tmp_path / "dir").symlink_to(place.home / "bin")
    assert place.call(tmp_path / "dir/beta")[1][1] == f"{tmp_path}/dir/d8"


def test_the_environment_is_otherwise_untouched(tmp_path: Path) -> None:
    place = Place(tmp_path, *INJECTED, program="#!/bin/sh\nexec env -0\n")
    env = {"PATH": "/usr/bin:/bin", "HOME": "/h", "KUBECONFIG": "k", "d": "1", "p": "2", "IFS": "3", "x": "a\nb"}

    def seen(program: Path) -> set[bytes]:
        done = subprocess.run([program], env=env, capture_output=True, check=True, timeout=60)
        return {
            line for line in done.stdout.split(b"\0") if not line.startswith((b"_=", b"PWD=", b"OLDPWD=", b"SHLVL="))
        }

    assert seen(place.wrapper) == seen(place.program)


def test_the_program_takes_the_place_of_the_wrapper(tmp_path: Path) -> None:
    place = Place(tmp_path, *INJECTED, program="#!/bin/sh\necho $$\nexec sleep 60\n")
    with subprocess.Popen([place.wrapper], stdout=subprocess.PIPE, env={"PATH": "/usr/bin:/bin"}) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM


def test_a_lost_program_is_named(place: Place) -> None:
    place.program.unlink()
    done = subprocess.run([place.wrapper], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 73
    assert done.stderr.startswith("error[program-gone]: ")
    assert "/beta is gone\nhint: type `d8-installer sync`" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_gated_one_hands_over_to_the_tool(tmp_path: Path, shell: str) -> None:
    tool = script(tmp_path / "it's/d8-installer", '#!/bin/sh\nprintf "%s|" "$@"\n')
    other = script(tmp_path / "path/d8-installer", '#!/bin/sh\nprintf "%s|" other "$@"\n')
    text = Wrapper(INJECTED, True, str(tool)).text("beta", DIGEST, stored="x", bin_directory=".")
    wrapper = script(tmp_path / "bin/beta", text)
    shells = [shell, "sh"] if shell == "busybox" else [shell]

    def call(path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
        words = [*shells, str(wrapper), "a b", ""]
        return subprocess.run(words, env={"PATH": path}, capture_output=True, text=True, check=False)

    assert call().stdout == f"__gated|{wrapper.parent}|beta|a b||"
    tool.unlink()
    assert call(f"{other.parent}:/usr/bin:/bin").stdout == f"other|__gated|{wrapper.parent}|beta|a b||"
    done = call()
    assert done.returncode == 78
    assert "d8-installer, which checks it, is not on PATH" in done.stderr


names = st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,62}[a-z0-9]", fullmatch=True)


@steady
@given(names, st.binary(), wrappers)
def test_a_wrapper_says_what_it_runs(binary: str, seed: bytes, wrapper: Wrapper) -> None:
    digest = Digest.of(seed)
    text = wrapper.text(binary, digest, stored="s", bin_directory=".")
    assert wrapped_digest(text.encode()[:HEAD_BYTES]) == digest.hex
    assert Wrapper.parse(wrapper.as_json()) == wrapper


@steady
@given(st.binary(max_size=300))
def test_other_files_are_no_wrappers(head: bytes) -> None:
    assert wrapped_digest(head) is None
    assert wrapped_digest(b"#!/bin/sh\n# d8-installer wrapper: beta sha256:" + head.replace(b"\n", b"")) is None


@steady
@given(json_values)
def test_any_other_value_is_damage(value: object) -> None:
    with pytest.raises(DocumentError):
        Wrapper.parse(value)


@pytest.mark.skipif(os.name != "posix", reason="sh")
@pytest.mark.parametrize(
    "wrapper", [Wrapper(INJECTED), Wrapper((), True, "/usr/bin/d8-installer")], ids=["env", "gated"]
)
def test_shells_find_no_fault_in_it(tmp_path: Path, wrapper: Wrapper) -> None:
    path = script(tmp_path / "beta", wrapper.text("beta", DIGEST, stored="x", bin_directory="../../bin"))
    for shell in SHELLS:
        subprocess.run([shell, *(["sh"] if shell == "busybox" else []), "-n", path], check=True)
