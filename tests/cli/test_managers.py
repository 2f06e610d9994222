"""The prefixes ``pip``, ``pipx`` and ``uv``: what of a command line counts, and what is passed on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from d8_installer.ops.manager import Affected, affected_by
from tests.command import SYSTEM_PATH, Completed, run
from tests.images import add_image, executables
from tests.installed import install, library, manifest, running_environment

if TYPE_CHECKING:
    from pathlib import Path

USERS = Affected(is_users=True)


@pytest.mark.parametrize(
    "line",
    [
        "pipx install x",
        "pipx --verbose install x --backend uv",
        "pipx uninstall x",
        "pipx inject d8-installer x",
        "pipx upgrade-all",
        "uv tool install x --with y",
        "uv --offline tool uninstall x",
        "pip install --user x",
        "pip --proxy list install --user x",
        "uv --cache-dir list tool install x",
    ],
)
def test_a_persons_tools_are_their_own(line: str) -> None:
    assert affected_by(line.split(), {"PATH": SYSTEM_PATH}, "/") == USERS


@pytest.mark.parametrize(
    "line",
    [
        "pip",
        "pip list",
        "pip download install",
        "pip install --dry-run x",
        "pip install --help",
        "pipx list --json",
        "pipx run install",
        "pipx environment",
        "uv tool list",
        "uv tool run install",
        "uv pip list",
        "uv pip compile install",
        "uv lock",
        "uv --version",
        "uv tool",
        "uv run add",
    ],
)
def test_what_only_looks_is_followed_by_nothing(line: str) -> None:
    assert affected_by(line.split(), {"PATH": SYSTEM_PATH}, "/") is None


def test_the_environment_is_the_one_that_the_manager_takes(tmp_path: Path) -> None:
    for name in ("named", "active", ".venv"):
        library(tmp_path / name)
    (tmp_path / "below").mkdir()
    here, below = str(tmp_path), str(tmp_path / "below")
    active = {"PATH": SYSTEM_PATH, "VIRTUAL_ENV": str(tmp_path / "active")}
    named = Affected(False, str(tmp_path / "named"))
    for line in (
        "pip install x --target named",
        "pip --python named install x",
        "uv pip install -p named x",
        "uv pip install --python=named x",
    ):
        assert affected_by(line.split(), active, here) == named
    assert affected_by(["uv", "pip", "install", "x"], active, below) == Affected(False, str(tmp_path / "active"))
    other = active | {"UV_PYTHON": "named"}
    assert affected_by(["uv", "pip", "install", "x"], other, here) == named
    assert affected_by(["uv", "pip", "install", "x"], active | {"UV_PYTHON": "3.12"}, below) != named
    system = affected_by(["uv", "pip", "install", "x"], active | {"UV_SYSTEM_PYTHON": "1"}, below)
    assert system == Affected(False, shutil.which("python3", path=SYSTEM_PATH))
    del active["VIRTUAL_ENV"]
    assert affected_by(["uv", "pip", "install", "x"], active, below) == Affected(False, str(tmp_path / ".venv"))
    assert affected_by(["uv", "add", "x"], active, below) == Affected(False, str(tmp_path / ".venv"))
    chosen = active | {"UV_PROJECT_ENVIRONMENT": "named"}
    assert affected_by(["uv", "add", "x"], chosen, here) == named


def test_pips_own_environment_is_the_one_around_it_or_where_it_says(tmp_path: Path) -> None:
    prefix = tmp_path / "v"
    library(prefix)
    pip = prefix / "bin/pip"
    pip.parent.mkdir()
    pip.touch(0o755)
    environ = {"PATH": str(pip.parent)}
    assert affected_by(["pip", "install", "x"], environ, "/") == Affected(False, str(prefix))
    (prefix / "pyvenv.cfg").unlink()
    pip.write_text(f"#!/bin/sh\necho 'pip 26.3 from {tmp_path}/lib/site-packages/pip (python 3.11)'\n")
    assert affected_by(["pip", "install", "x"], environ, "/") == Affected(False, f"{tmp_path}/lib/site-packages")
    pip.write_text("#!/bin/sh\necho nonsense\n")
    assert affected_by(["pip", "install", "x"], environ, "/") == Affected(False, None)


# -- by the command --------------------------------------------------------------------------------------------


def call(home: Path, *words: str, **variables: str) -> Completed:
    home.mkdir(exist_ok=True)
    path = f"{home.parent / 'programs'}:{SYSTEM_PATH}"
    return run(*words, home=str(home), env={"PATH": path, **variables})


def write_program(tmp_path: Path, name: str, text: str) -> None:
    program = tmp_path / "programs" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("manager", ["pip", "pipx", "uv"])
def test_everything_is_passed_on_as_typed(tmp_path: Path, manager: str) -> None:
    write_program(tmp_path, manager, 'printf "<%s>" "$@"; echo "[$D8_RPP_TOKEN]"; echo said >&2; exit 42')
    words = ("list", "--json", "-q", "--", "--help", "a  b", "")
    done = call(tmp_path / "home", manager, *words, D8_RPP_TOKEN="secret")
    assert (done.code, done.err) == (42, "said\n")
    assert done.out == "".join(f"<{word}>" for word in words) + "[]\n", "and the proxy's token is not"
    assert call(tmp_path / "home", "--offline", manager, "--version").code == 42


def test_a_failed_install_is_followed_by_nothing(tmp_path: Path) -> None:
    write_program(tmp_path, "pipx", "exit 3")
    done = call(tmp_path / "home", "pipx", "install", "x")
    assert (done.code, done.out, done.err) == (3, "", "")
    assert not (tmp_path / "home/.local/share/d8-installer/profiles").exists()


def test_a_manager_that_is_not_there_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = run("pipx", "install", "x", home=str(home), env={"PATH": "/nowhere"})
    assert done.code == 69
    assert "pipx is not on PATH" in done.err


def test_real_pip_installs_and_the_binary_is_there_and_goes_with_it(tmp_path: Path) -> None:
    """Real pip, no index; the environment is the one that the arguments name, and is remembered."""
    add_image(str(tmp_path / "reg"), "hello", "v1.0.0", executables("hello v1.0.0"))
    running_environment(tmp_path / "v")
    wheel = tmp_path / "d8_plug_hello-1.0-py3-none-any.whl"
    stage = tmp_path / "stage"
    install(stage, "d8-plug-hello", "1.0", manifest())
    (stage / "d8_plug_hello-1.0.dist-info/WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
    subprocess.run([sys.executable, "-m", "zipfile", "-c", str(wheel), *map(str, stage.iterdir())], check=True)
    write_program(tmp_path, "pip", f'exec {sys.executable} -m pip "$@"')
    variables = {"D8_RPP_ENDPOINT": f"oci-layout:{tmp_path / 'reg'}"}
    pip = ("pip", "--python", str(tmp_path / "v"))
    done = call(tmp_path / "home", *pip, "install", "-q", "--no-index", str(wheel), **variables)
    assert done.code == 0, done
    assert "d8-installer: installed hello (hello v1.0.0)" in done.err
    binary = tmp_path / "home/.local/share/d8-installer/bin/hello"
    assert os.path.exists(binary)
    done = call(tmp_path / "home", *pip, "uninstall", "-qy", "d8-plug-hello", **variables)
    assert done.code == 0, done
    assert "d8-installer: removed hello" in done.err
    assert not os.path.exists(binary)
