"""``env``: what it prints puts a profile's binaries first on PATH, in every shell, in direnv and in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import ConfigError
from d8_installer.pipeline.shell_lines import evaluated, first_on_path, last_on_path
from d8_installer.pipeline.windows_lines import first_on_windows_path
from tests.command import PROGRAM, environment, run
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A synced project with a hostile name, whose `tool` says so."""
    return synced(tmp_path, 'it\'s a  $(project) "q" [a]*!`b` \\n {c} é')


def synced(tmp_path: Path, name: str) -> Path:
    """Return a synced project in a directory of that name, whose `tool` says so."""
    add_image(str(tmp_path / "images"), "tool", "v1.0.0", executables("the project's", host_platform()))
    project = tmp_path / name
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "tool"\n')
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{tmp_path / 'images'}"}
    assert (done := run("sync", home=str(tmp_path), env=env, cwd=str(project))).code == 0, done
    return project


def said_by(command: list[str], project: Path, **env: str) -> str:
    where = environment(str(project.parent), **env)
    where["PATH"] = f"{os.path.dirname(PROGRAM)}:{where['PATH']}"
    done = subprocess.run(command, env=where, cwd=project, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()[-1]


SHELLS = {
    "sh": 'eval "$(d8-installer env --shell sh)"; tool',
    "bash": 'eval "$(d8-installer env)"; tool',
    "zsh": 'eval "$(d8-installer env)"; tool',
    "fish": "d8-installer env | source; tool",
    "tcsh": 'eval "`d8-installer env`"; tool',
    "pwsh": "d8-installer env --shell powershell | Out-String | Invoke-Expression; tool",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_finds_the_binary(project: Path, shell: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    said = said_by([found, "-c", SHELLS[shell]], project, SHELL=found)
    assert said == f"the project's {host_platform()}"


# PATH_add of direnv's stdlib puts a directory first (direnv-stdlib(1)); an .envrc is bash, whatever the person's shell.
_ENVRC = 'eval "$(d8-installer env --shell direnv)"\n'
_STDLIB = 'PATH_add() { export PATH="$1:$PATH"; }\n'


def test_direnv_finds_it(project: Path) -> None:
    assert said_by(["bash", "-c", f"{_STDLIB}{_ENVRC}tool"], project, SHELL="/usr/bin/fish").startswith("the project's")


@pytest.mark.skipif(shutil.which("direnv") is None, reason="direnv is not installed")
def test_real_direnv_finds_it(tmp_path: Path) -> None:
    """direnv 2.32 itself fails in a directory with a quote, a backtick, ``$(``, ``[`` or a backslash in its name."""
    project = synced(tmp_path, "it's a  project *! {c} é")
    (project / ".envrc").write_text(_ENVRC)
    assert said_by(["sh", "-c", "direnv allow && direnv exec . tool"], project).startswith("the project's")


def test_a_later_step_of_a_workflow_finds_it(project: Path) -> None:
    """GitHub puts every line of the file GITHUB_PATH first on the PATH of later steps."""
    file = project.parent / "github_path"
    file.write_text("/somewhere\n")
    said_by(["bash", "-c", 'd8-installer env --shell github >> "$GITHUB_PATH"; echo'], project, GITHUB_PATH=str(file))
    first, added = file.read_text().splitlines()
    assert first == "/somewhere"
    done = subprocess.run(["tool"], env={"PATH": f"{added}:/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the project's")


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\rb"])
@pytest.mark.parametrize("words", [("env",), ("env", "--shell", "github"), ("ensurepath",)], ids=" ".join)
def test_a_home_that_path_cannot_hold_is_refused(tmp_path: Path, name: str, words: tuple[str, ...]) -> None:
    done = run("--home", str(tmp_path / name), *words, home=str(tmp_path))
    assert (done.code, done.out, "hint: choose another home" in done.err) == (78, "", True), done
    assert list(tmp_path.iterdir()) == []


def test_quoting_for_shells_that_are_not_here() -> None:
    """fish reads backslashes and quotes after a backslash (its language, Quotes); csh reads ``!`` in quotes as well."""
    assert first_on_path("fish", "/plain") == "set -gx PATH /plain $PATH"
    assert first_on_path("fish", "/it's a \\ $(x)") == r"set -gx PATH '/it\'s a \\ $(x)' $PATH"
    assert first_on_path("tcsh", "/it's!") == r"""setenv PATH '/it'"'"'s\!':"${PATH}" """.strip()
    assert last_on_path("tcsh", "/plain").endswith(' setenv PATH "${PATH}":/plain')


def windows_line(shell: str, directory: str) -> str:
    return first_on_windows_path(shell, directory, {"USERPROFILE": r"C:\Users\Иван", "APPDATA": ""})


def test_lines_for_windows() -> None:
    """Git Bash has ``:`` between the entries of its PATH, so there a drive is a directory."""
    plain, network = r"C:\Users\it's a\bin", r"\\server\share\bin"
    assert windows_line("cmd", plain) == rf'set "PATH={plain};%PATH%"'
    assert windows_line("sh", plain).startswith("""export PATH='/c/Users/it'"'"'s a/bin'"${PATH""")
    assert windows_line("bash", network).startswith("export PATH=//server/share/bin")
    assert windows_line("powershell", plain).startswith(r"$env:PATH = 'C:\Users\it''s a\bin' +")
    assert windows_line("github", plain) == plain
    for name in (r"C:\100%", r"C:\a^b", r"C:\Иван"):
        with pytest.raises(ConfigError, match="cannot be in a line for cmd"):
            windows_line("cmd", name)
    assert evaluated("cmd", "d8-installer env") == "for /f \"delims=\" %i in ('d8-installer env') do @call %i"


def test_lines_for_windows_are_ascii() -> None:
    """What a program writes to a pipe in the ANSI code page, a shell of Windows reads in another one."""
    home = r"C:\Users\Иван\it's 🎉"
    assert windows_line("cmd", home.replace(" 🎉", "")) == r"""set "PATH=%USERPROFILE%\it's;%PATH%" """.strip()
    assert windows_line("powershell", r"C:\И\x").startswith(r"$env:PATH = 'C:\' + [char]0x0418 + '\x' + [IO.Path]")
    for shell in ("bash", "zsh", "fish"):
        line = windows_line(shell, home)
        assert line.isascii()
        if (found := shutil.which(shell)) is not None:
            done = subprocess.run([found, "-c", f"{line}; echo $PATH"], capture_output=True, check=True, timeout=60)
            assert done.stdout.decode().startswith("/c/Users/Иван/it's 🎉"), shell
    assert windows_line("powershell", home).isascii()


def test_csh_has_start_up_files_of_its_own(tmp_path: Path) -> None:
    for shell in ("/bin/csh", "/usr/bin/tcsh"):
        done = run("ensurepath", home=str(tmp_path), env={"SHELL": shell})
        assert done.code == 0, done
    assert ' ) setenv PATH "${PATH}":/' in (tmp_path / ".cshrc").read_text().splitlines()[1]
    assert not (tmp_path / ".tcshrc").exists()
    assert run("env", home=str(tmp_path), env={"SHELL": "/bin/csh"}).out.startswith("setenv PATH ")


def test_the_docs_say_the_same() -> None:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, "docs", "how-to", "shells.md"), encoding="utf-8") as file:
        text = file.read()
    assert f"`{_ENVRC.strip()}`" in text
    assert '`d8-installer env --shell github >> "$GITHUB_PATH"`' in text
