"""The launcher's text: sh and Python at once, recognised by its head, quick on its warm path."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer import INSTALL_SOURCE
from d8_installer.model.digest import Digest
from d8_installer.plugin.launcher import HEAD_BYTES, PROFILE_LINK, Launched, launcher, read_launcher
from tests.reaching import reached, reaches, spoilt
from tests.strategies import steady

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = [shell for shell in ("dash", "bash", "busybox", "ksh", "zsh") if shutil.which(shell)]
REQUEST = Digest("a1" * 32)


def place(directory: Path, text: str = "hello", request: Digest = REQUEST) -> Path:
    """Put a binary where the warm path of the profile at *directory* finds it."""
    file = directory / "current/req" / request.hex / "hello"
    file.parent.mkdir(parents=True)
    file.write_text(f'#!/bin/sh\necho "{text}" "$@"\nexit 7\n')
    file.chmod(0o755)
    return file


def script(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(launcher("hello", REQUEST))
    path.chmod(0o755)
    return path


def call(*command: str | Path, **variables: str) -> tuple[int, str]:
    if os.name == "nt":
        pytest.skip("launchers are scripts for sh; tests/windows has those of Windows")
    env = {"PATH": "/usr/bin:/bin", **variables}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout or done.stderr


binary_names = st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,62}[a-z0-9]", fullmatch=True)


@steady
@given(binary_names, st.binary())
def test_a_launcher_knows_what_it_launches(binary: str, seed: bytes) -> None:
    request = Digest.of(seed)
    text = launcher(binary, request)
    assert read_launcher(text.encode()[:HEAD_BYTES]) == Launched(binary, request.hex)
    ast.parse(text)


@reaches("a launcher", "refused")
@steady
@given(st.binary(max_size=300) | spoilt([launcher("hello", REQUEST).encode()[:HEAD_BYTES]]))
def test_only_a_launchers_own_lines_count(head: bytes) -> None:
    found = read_launcher(head)
    reached("a launcher" if found else "refused")
    assert found is None or launcher(found.binary, Digest(found.request)).encode().splitlines()[1] in head.splitlines()


def test_nor_is_what_only_speaks_of_one() -> None:
    text = launcher("hello", REQUEST).encode()
    assert read_launcher(b"#!/bin/bash\n" + text) is None
    assert read_launcher(text.replace(b"sha256:", b"sha512:")) is None
    assert read_launcher(text.replace(b"a1a1", b"A1A1", 1)) is None


@pytest.mark.parametrize("shell", SHELLS)
def test_the_warm_path_runs_the_profiles_binary_with_its_arguments_and_exit_code(tmp_path: Path, shell: str) -> None:
    place(tmp_path / ".local/share/d8-installer/profiles/user")
    run = script(tmp_path / "a b/bin/hello")
    shells = [shell, "sh"] if shell == "busybox" else [shell]
    assert call(*shells, run, "x  y", "$z", HOME=str(tmp_path)) == (7, "hello x  y $z\n")
    assert call(run, "", HOME=str(tmp_path)) == (7, "hello \n")


@pytest.mark.parametrize(
    ("variables", "home"),
    [
        ({"D8_INSTALLER_HOME": "chosen"}, "chosen"),
        ({"XDG_DATA_HOME": "data"}, "data/d8-installer"),
        ({"XDG_DATA_HOME": ""}, ".local/share/d8-installer"),
        ({"D8_INSTALLER_HOME": "chosen", "XDG_DATA_HOME": "data"}, "chosen"),
    ],
)
def test_the_home_is_the_one_of_the_tool(tmp_path: Path, variables: dict[str, str], home: str) -> None:
    place(tmp_path / home / "profiles/user")
    full = {name: str(tmp_path / value) if value else "" for name, value in variables.items()}
    assert call(script(tmp_path / "bin/hello"), HOME=str(tmp_path), **full)[0] == 7


def test_a_relative_data_home_counts_as_unset(tmp_path: Path) -> None:
    place(tmp_path / ".local/share/d8-installer/profiles/user")
    assert call(script(tmp_path / "bin/hello"), HOME=str(tmp_path), XDG_DATA_HOME="relative")[0] == 7


def test_the_environments_link_leads_to_the_project_unless_a_link_led_here(tmp_path: Path) -> None:
    place(tmp_path / ".local/share/d8-installer/profiles/user", "of the user")
    place(tmp_path / "profiles/0123", "of the project")
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b/d8.toml").touch()
    (tmp_path / "profiles/0123/project").write_text(f"{tmp_path / 'a b'}\n")
    run = script(tmp_path / "venv/bin/hello")
    (tmp_path / "venv" / PROFILE_LINK).symlink_to(tmp_path / "profiles/0123")
    assert call(run, HOME=str(tmp_path)) == (7, "of the project\n")
    (tmp_path / "exposed").symlink_to(run)
    assert call(tmp_path / "exposed", HOME=str(tmp_path)) == (7, "of the user\n")
    assert call("hello", HOME=str(tmp_path), PATH=f"{run.parent}:/usr/bin:/bin") == (7, "of the project\n")
    (tmp_path / "a b/d8.toml").unlink()
    assert call(run, HOME=str(tmp_path)) == (7, "of the user\n"), "a project that is gone has no say"
    (tmp_path / "profiles/0123/project").unlink()
    assert call(run, HOME=str(tmp_path)) == (7, "of the user\n")


def test_the_binary_gets_no_token_of_the_proxy(tmp_path: Path) -> None:
    file = place(tmp_path / ".local/share/d8-installer/profiles/user")
    file.write_text('#!/bin/sh\necho "[$D8_RPP_TOKEN]"\n')
    run = script(tmp_path / "bin/hello")
    assert call(run, HOME=str(tmp_path), D8_RPP_TOKEN="secret") == (0, "[]\n")
    assert call(run, HOME=str(tmp_path)) == (0, "[]\n")


def test_the_warm_path_starts_nothing_but_the_binary(tmp_path: Path) -> None:
    place(tmp_path / ".local/share/d8-installer/profiles/user")
    empty = tmp_path / "empty"
    empty.mkdir()
    code, said = call(script(tmp_path / "bin/hello"), HOME=str(tmp_path), PATH=str(empty))
    assert (code, said) == (7, "hello\n"), "with no program on PATH there is none to fork for"


def test_another_request_runs_nothing_stale(tmp_path: Path) -> None:
    place(tmp_path / ".local/share/d8-installer/profiles/user", request=Digest("b2" * 32))
    code, said = call(script(tmp_path / "bin/hello"), HOME=str(tmp_path))
    assert code == 78
    assert said.startswith("error[no-d8-installer]: hello needs d8-installer")
    assert f"hint: type `pipx install {INSTALL_SOURCE}`" in said


@pytest.mark.parametrize("beside", [True, False])
def test_outside_a_virtual_environment_the_tools_own_script_is_asked(tmp_path: Path, beside: bool) -> None:
    run = script(tmp_path / "bin/hello")
    tool = (tmp_path / "bin" if beside else tmp_path / "elsewhere") / "d8-installer"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text('#!/bin/sh\necho "$@"\n')
    tool.chmod(0o755)
    code, said = call(run, "x", HOME=str(tmp_path), PATH=f"{tmp_path / 'elsewhere'}{os.pathsep}/usr/bin:/bin")
    assert (code, said) == (0, f"launch {REQUEST.hex} hello {run} x\n")


def test_the_cold_path_passes_on_what_main_returns(tmp_path: Path) -> None:
    """A wheel may lie beside an older d8-installer, whose ``main`` returns the exit code and does not exit itself."""
    environment = tmp_path / "environment"
    package = environment / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/d8_installer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "launch.py").write_text("def main():\n    return 69\n")
    run = script(environment / "bin/hello")
    (environment / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    (environment / "bin/python").symlink_to(os.path.realpath(sys.executable))
    assert call(run, HOME=str(tmp_path)) == (69, "")
