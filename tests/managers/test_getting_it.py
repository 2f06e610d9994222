"""How a new user gets the tool: what ``dev.py build`` makes, installed with each manager in an empty HOME.

There the README's first screen is typed, and prints what the README shows. Then everything is removed, without a trace.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d8_installer import INSTALL_SOURCE, __version__
from tests.command import PROGRAM
from tests.images import host_platform, script
from tests.managers.drivers import MANAGERS
from tests.managers.machine import activate
from tests.managers.wheelhouse import ROOT, clean_environment

if TYPE_CHECKING:
    from tests.managers.machine import Machine

FILES = {"wheel": f"d8_installer-{__version__}-py3-none-any.whl", "sdist": f"d8_installer-{__version__}.tar.gz"}
ENDPOINT = "https://rpp.example.com"
"""What the README shows for the address of a proxy."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build sdist and wheel as a release does."""
    return build(tmp_path_factory.mktemp("built"))


def build(directory: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "dev.py", "build", "--out", str(directory)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {line.split("/")[-1] for line in done.stdout.splitlines()} >= set(FILES.values())
    return directory


def first_screen() -> tuple[list[str], list[tuple[str, str]]]:
    """Return the lines that install, and the commands after them with what each prints."""
    top = (ROOT / "README.md").read_text().partition("\n## ")[0]
    (installing,) = re.findall(r"^```sh\n(.*?)^```$", top, re.MULTILINE | re.DOTALL)
    (console,) = re.findall(r"^```console\n(.*?)^```$", top, re.MULTILINE | re.DOTALL)
    typed = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)
    return installing.splitlines(), typed


def test_the_same_files_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    for name in FILES.values():
        assert (again / name).read_bytes() == (built / name).read_bytes()


def test_the_first_screen_names_pipx_uv_and_the_wheel() -> None:
    installing, typed = first_screen()
    assert [line.split()[0] for line in installing] == ["pipx", "uv"]
    assert all(INSTALL_SOURCE in line for line in installing)
    assert len(typed) == 3


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("pip", "wheel"),
        pytest.param("pip", "sdist", marks=pytest.mark.thorough),
        ("pipx-uv", "wheel"),
        ("pipx-uv", "sdist"),
        pytest.param("pipx-pip", "wheel", marks=pytest.mark.thorough),
        pytest.param("pipx-pip", "sdist", marks=pytest.mark.thorough),
        ("uv-tool", "wheel"),
        ("uv-tool", "sdist"),
    ],
)
def test_the_first_screen_and_the_way_back(machine: Machine, built: Path, name: str, form: str) -> None:
    manager = MANAGERS[name](machine)
    machine.variables["SHELL"] = "/bin/bash"
    installed_before = tree(machine.home)
    shutil.copy(built / FILES[form], machine.home)
    machine.images.publish("ruff", "v0.14.0", {host_platform(): script("ruff 0.14.0").replace(b' "$@"', b"")})
    if name == "pip":
        activate(machine, manager.command("python"))
    machine.does(*shlex.split(line_for(name).replace(FILES["wheel"], FILES[form])))
    for command, shown in first_screen()[1]:
        said = type_in_a_new_shell(machine, command)
        assert normal(said) == normal(shown), command
    said = machine.does("d8-installer", "self", "uninstall", "--yes").out
    last = said.splitlines()[-1].removeprefix("the package itself: ")
    machine.does(*shlex.split(last), *(["--yes"] if name == "pip" and "uv" not in last.split() else []))
    os.remove(machine.home / FILES[form])
    left = tree(machine.home) - installed_before
    assert {path for path in left if not of_the_manager(path)} == set()
    assert b"d8-installer" not in b"".join(read(machine.home, path) for path in left)


def line_for(name: str) -> str:
    """Return the README's line for a manager; it leaves pip to the page about installing."""
    installing, _ = first_screen()
    if name == "pip":
        return f"pip install {INSTALL_SOURCE}"
    (line,) = (line for line in installing if line.split()[0] == name.split("-")[0])
    return line.partition("  #")[0]


def type_in_a_new_shell(machine: Machine, command: str) -> str:
    """Return all that a command prints in a shell that has read its start-up file, as each terminal does."""
    line = f"[ ! -e ~/.bashrc ] || . ~/.bashrc\n{{ {command.partition('  #')[0]}; }} 2>&1"
    return machine.does("bash", "-c", line).out.replace(machine.images.url, ENDPOINT).replace(str(machine.home), "~")


def normal(text: str) -> str:
    """Take out sizes and seconds."""
    return re.sub(r"\d[\d.]* (B|kB|MB|s)\b", "<n>", text)


def tree(home: Path) -> set[str]:
    """Return every path below HOME."""
    return {
        os.path.relpath(os.path.join(folder, name), home)
        for folder, folders, files in os.walk(home)
        for name in (*folders, *files)
    }


def of_the_manager(path: str) -> bool:
    """Whether a path is the manager's own: its caches, folders, logs and locks, and the environment that was there."""
    if re.fullmatch(r"\.local/share/pipx/venvs/\.d8-installer\.lock|\.cache/.*|\.local/state/.*", path):
        return True  # pipx keeps a lock and a log for each environment that it ever had
    shared = r"\.cache|\.local(/share|/bin|/state)?|\.local/share/man"
    own = r"\.local/share/(pipx|uv)(/.*)?|\.config(/uv.*)?|venv/.*"
    return re.fullmatch(f"{shared}|{own}", path) is not None and "d8" not in path


def read(home: Path, path: str) -> bytes:
    """Return a file's bytes; a cache, and a log of the manager, may say what was installed."""
    file = home / path
    return file.read_bytes() if file.is_file() and not path.startswith((".cache", ".local/state")) else b""


def commands_of(user: str) -> str:
    """Return the commands that the README shows to one of the three users."""
    chapter = (ROOT / "README.md").read_text().partition("## Three users\n")[2]
    found = re.search(r"```sh\n(.*?)^```$", chapter.partition(f"**The {user}")[2], re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("user", "lines"), [("operator", 4), ("project and its CI", 4)])
def test_what_a_user_is_shown_can_be_typed(machine: Machine, user: str, lines: int) -> None:
    typed = commands_of(user).splitlines()
    assert len(typed) == lines
    machine.put_on_path(Path(PROGRAM))
    machine.does("git", "init", "--quiet", machine.home / "work")
    for line, tag in zip(typed, ("v1.4.0", "v1.5.0", "v1.5.1", "v1.5.2"), strict=True):
        machine.images.publish("stronghold", tag)
        machine.images.publish("ruff", tag.replace("v1", "v0.14"))
        machine.does("bash", "-c", line, cwd=machine.home / "work")


def test_what_an_author_is_shown_is_what_the_tutorial_types() -> None:
    tutorial = (ROOT / "docs/tutorials/plugin.md").read_text()
    for line in commands_of("author").splitlines():
        assert " ".join(line.split()[:2]) in tutorial, line
    assert len(commands_of("author").splitlines()) == 4
