"""``ensurepath`` and the real shells of this machine: in each new shell our directory is on PATH once, at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from d8_installer.pipeline.shell_lines import older_last_on_path
from tests.command import SYSTEM_PATH, environment
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="start-up files of POSIX shells")

BIN = ".local/share/d8-installer/bin"
SHOW = "printenv PATH"
# The words that start each shell, as a login shell and as another one; then those for one within it.
STARTS = {
    "dash": (["-dash", "-c"],),
    "bash": (["-bash", "-c"], ["bash", "-lic"], ["bash", "-ic"]),
    "zsh": (["-zsh", "-c"], ["zsh", "-lic"], ["zsh", "-ic"], ["zsh", "-c"]),
    "tcsh": (["-tcsh", "-c"], ["tcsh", "-c"]),
    "fish": (["fish", "-lc"], ["fish", "-c"], ["fish", "-ic"]),
}
WITHIN = {
    "dash": (["dash", "-lc"], ["dash", "-c"]),
    "bash": (["bash", "-lc"], ["bash", "-ic"]),
    "zsh": (["zsh", "-lc"], ["zsh", "-ic"]),
    "tcsh": (["tcsh", "-c"],),
    "fish": (["fish", "-lc"], ["fish", "-c"]),
}
SHELLS = [
    pytest.param(shell, marks=pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed"))
    for shell in STARTS
]


class ShellUser(Person):
    """Somebody whose SHELL is *shell*."""

    def __init__(self, home: Path, shell: str) -> None:
        self.shell = shell
        # As login(1) sets it for root: Debian's fish appends the directories of root that a login shell lacks.
        path = f"{SYSTEM_PATH}:/usr/local/sbin:/usr/sbin:/sbin"
        super().__init__(home, env={"SHELL": f"/usr/bin/{shell}", "TERM": "dumb", "PATH": path})

    def start(self, words: Sequence[str], script: str, **env: str) -> list[list[str]]:
        """Start a shell, whose login form is spelled as login(1) does; return every PATH that it showed."""
        program = shutil.which(words[0].removeprefix("-"))
        assert program is not None
        done = subprocess.run(
            [*words, script], executable=program, env=environment(str(self.home), **(self.env | env)), cwd=self.home,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done
        return [line.split(":") for line in done.stdout.splitlines() if line.startswith("/")]

    def paths(self, directory: str | None = None, **env: str) -> None:
        """Check that each shell, and each one within it, has the directory once and last."""
        wanted = directory or str(self.home / BIN)
        for first in STARTS[self.shell]:
            within = "; ".join(f"{' '.join(second)} '{SHOW}'" for second in WITHIN[self.shell])
            shown = self.start(first, f"{SHOW}; {within}", **env)
            assert len(shown) == 1 + len(WITHIN[self.shell]), (first, shown)
            for path in shown:
                assert path.count(wanted) == 1, (first, path)
                assert path[-1] == wanted, (first, path)


@pytest.mark.parametrize("shell", SHELLS)
def test_once_and_at_the_end(tmp_path: Path, shell: str) -> None:
    person = ShellUser(tmp_path / "home", shell)
    before = snapshot(person.home)
    person.ok("ensurepath")
    person.ok("ensurepath")
    person.paths()
    assert not [file for file in person.home.rglob("fish_variables") if "user_paths:/" in file.read_text()]
    person.ok("self", "uninstall", "--yes")
    left = snapshot(person.home)
    assert {path for path in left if not path.startswith((".local", ".config"))} == before.keys(), "fish writes there"
    assert shell == "fish" or left == before
    assert not (person.home / ".config/fish/conf.d").exists()
    person.ok("ensurepath")
    assert "case" in (person.home / ".profile").read_text()


def snapshot(home: Path) -> dict[str, tuple[int, bytes | str]]:
    """Return every file, link and directory with its mode, and bytes or target."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(home.rglob("*")):
        content = os.readlink(path) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        found[str(path.relative_to(home))] = (path.lstat().st_mode, content)
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_whatever_home_is_called(tmp_path: Path, shell: str) -> None:
    person = ShellUser(tmp_path / 'it\'s a  $(x) "q" [a]*!`b` \\n {c} é', shell)
    person.ok("ensurepath")
    person.paths()


@pytest.mark.parametrize("name", ["two\nlines", "a:b"])
def test_a_home_that_path_cannot_hold_may_still_have_start_up_files(tmp_path: Path, name: str) -> None:
    person = ShellUser(tmp_path / name, "bash")
    assert "cannot be on PATH" in person.fails(78, "ensurepath").err
    assert list(person.home.iterdir()) == []
    person.ok("--home", str(tmp_path / "d8"), "ensurepath")
    person.paths(str(tmp_path / "d8/bin"))


@pytest.mark.parametrize("shell", SHELLS[1:])
def test_a_directory_that_path_has_is_not_added(tmp_path: Path, shell: str) -> None:
    person = ShellUser(tmp_path / "home", shell)
    person.ok("ensurepath")
    for directory in (f"{person.home / BIN}", f"{person.home / BIN}/"):
        shown = person.start(STARTS[shell][-1], SHOW, PATH=f"/usr/bin:{directory}:/bin")
        assert shown == [["/usr/bin", directory, "/bin"]]


def test_two_homes_are_told_apart(tmp_path: Path) -> None:
    person = ShellUser(tmp_path / "home", "bash")
    (person.home / ".bashrc").write_text("alias ll='ls -l'")
    before = snapshot(person.home)
    homes = [str(tmp_path / "one"), str(tmp_path / "two")]
    for home in homes:
        person.ok("--home", home, "ensurepath")
    person.ok("--home", homes[0], "config", "set", "retention", "3")
    person.ok("--home", homes[0], "self", "uninstall", "--yes")
    person.paths(f"{homes[1]}/bin")
    person.ok("--home", homes[1], "self", "uninstall", "--yes")
    after = snapshot(person.home)
    assert {name: after[name] for name in before} == before
    assert not [name for name in after.keys() - before.keys() if "config" not in name]


# -- which file ----------------------------------------------------------------------------------------------------


def test_a_login_bash_reads_bash_login(tmp_path: Path) -> None:
    person = ShellUser(tmp_path / "home", "bash")
    (person.home / ".bash_login").write_text("export MINE=1\n")
    person.ok("ensurepath")
    assert BIN in (person.home / ".bash_login").read_text()
    person.paths()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(
    "line", ['ZDOTDIR="$HOME/of zsh"', 'export ZDOTDIR="$HOME/of zsh"', 'ZDOTDIR=~/"of zsh"; echo']
)
def test_zdotdir_is_the_one_that_zsh_knows(tmp_path: Path, line: str) -> None:
    person = ShellUser(tmp_path / "home", "zsh")
    (person.home / ".zshenv").write_text(f"{line}\n")
    (person.home / "of zsh").mkdir()
    (person.home / "of zsh" / ".zshrc").write_text("PATH=/usr/bin:/bin")  # what .zshenv did is lost
    before = snapshot(person.home)
    person.ok("ensurepath")
    assert not (person.home / ".zshrc").exists()
    person.paths()
    person.ok("self", "uninstall", "--yes")
    assert snapshot(person.home) == before


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_the_line_of_an_older_version_where_zsh_never_looks_is_replaced(tmp_path: Path) -> None:
    person = ShellUser(tmp_path / "home", "zsh")
    (person.home / ".zshenv").write_text("ZDOTDIR=~/zsh\n")
    line = older_last_on_path("zsh", str(person.home / BIN))
    (person.home / ".zshrc").write_text(f"mine\n# added by d8-installer ensurepath\n{line}\n")
    person.ok("ensurepath")
    assert line not in (person.home / ".zshrc").read_text().splitlines()
    person.ok("self", "uninstall", "--yes")
    assert (person.home / ".zshrc").read_text() == "mine\n"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zdotdir_of_the_environment(tmp_path: Path) -> None:
    person = ShellUser(tmp_path / "home", "zsh")
    zdotdir = str(person.home / "zsh")
    person.ok("ensurepath", ZDOTDIR=zdotdir)
    person.paths(ZDOTDIR=zdotdir)
    person.ok("self", "uninstall", "--yes", ZDOTDIR=zdotdir)
    assert snapshot(person.home) == {}


@pytest.mark.parametrize(
    ("shell", "line"), [("nu", "append"), ("xonsh", "$PATH.add("), ("pwsh", "$env:PATH"), ("rc", "")]
)
def test_a_shell_that_is_not_written_for_is_named_with_its_line(tmp_path: Path, shell: str, line: str) -> None:
    person = ShellUser(tmp_path / "home", shell)
    done = person.fails(1, "ensurepath")
    assert shell in done.err
    assert line in done.err
    assert str(person.home / BIN) in done.err
    data = json.loads(person.fails(1, "ensurepath", "--json").out)["data"]
    assert data["by_hand"]["shell"] == shell
    assert person.ok("ensurepath", PATH=f"{SYSTEM_PATH}:{person.home / BIN}").err == "", "it was done by hand"


# -- files that cannot be written ----------------------------------------------------------------------------------


def hinder(home: Path, what: str) -> None:
    """Put a .bashrc there that cannot be written."""
    rc = home / ".bashrc"
    if what == "read-only":
        rc.write_text("# mine\n")
        rc.chmod(0o444)
    elif what == "directory":
        rc.mkdir()
    elif what == "pipe":
        os.mkfifo(rc)
    elif what == "link to nowhere":
        rc.symlink_to("nowhere/bashrc")
    elif what == "foreign":
        rc.write_text("# theirs\n")
        os.chown(rc, 12345, 12345)
    else:
        (home / "store").mkdir()
        (home / "store" / "bashrc").write_text("# generated\n")
        (home / "store" / "bashrc").chmod(0o444)
        rc.symlink_to("store/bashrc")
        (home / "store").chmod(0o555)


@pytest.mark.parametrize(
    "what", ["read-only", "directory", "pipe", "link to nowhere", "link to a read-only place", "foreign"]
)
def test_the_others_are_written_and_the_line_is_shown(tmp_path: Path, what: str) -> None:
    if what == "foreign" and os.getuid() != 0:
        pytest.skip("only root can give a file away")
    person = ShellUser(tmp_path / "home", "bash")
    hinder(person.home, what)
    (person.home / ".zshrc").write_text("# mine\n")
    before = snapshot(person.home) if what != "pipe" else {}
    code = 77 if what == "foreign" else 73
    document = json.loads(person.ends(code, "ensurepath", "--json").out)
    data = document["data"]
    assert {os.path.basename(file) for file in data["files"]} == {".profile", ".zshrc", ".zshenv"}
    (missing,) = data["not_changed"]
    assert missing["file"] == str(person.home / ".bashrc")
    (error,) = document["errors"]
    assert error["hint"] == f"add this line to it by hand: {missing['line']}"
    person.ok("self", "uninstall", "--yes")
    assert what == "pipe" or snapshot(person.home) == before


def test_what_cannot_be_taken_out_again_is_kept_and_named(tmp_path: Path) -> None:
    person = ShellUser(tmp_path / "home", "bash")
    person.ok("ensurepath")
    (person.home / ".bashrc").chmod(0o444)
    done = person.ok("self", "uninstall", "--yes")
    assert f"kept {person.home}/.bashrc: cannot write {person.home}/.bashrc: it is read-only" in done.out
    assert not (person.home / ".profile").exists()


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_a_file_stays_the_same_under_all_its_names(tmp_path: Path, kind: str) -> None:
    person = ShellUser(tmp_path / "home", "bash")
    kept = person.home / "dotfiles"
    kept.write_bytes(b"# mine\xff, and no end")
    kept.chmod(0o600)
    rc = person.home / ".bashrc"
    if kind == "link":
        rc.symlink_to("dotfiles")
    else:
        rc.hardlink_to(kept)
    before = snapshot(person.home)
    person.ok("ensurepath")
    assert kept.read_bytes() == rc.read_bytes() != b"# mine\xff, and no end"
    assert (rc.is_symlink(), rc.samefile(kept)) == (kind == "link", True)
    person.ok("self", "uninstall", "--yes")
    assert snapshot(person.home) == before
    assert rc.samefile(kept)


# -- what older versions wrote ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("then", ["ensurepath", "self uninstall --yes"])
def test_the_lines_of_older_versions_go(tmp_path: Path, shell: str, then: str) -> None:
    person = ShellUser(tmp_path / "home", shell)
    name = {"fish": ".config/fish/conf.d/d8-installer.fish", "tcsh": ".cshrc", "bash": ".bashrc", "zsh": ".zshrc"}
    file = person.home / name.get(shell, ".profile")
    person.ok("ensurepath")
    line = older_last_on_path(shell, str(person.home / BIN))
    file.write_text(f"# added by d8-installer ensurepath, which made this file\n{line}\n")
    if shell == "fish":
        (person.home / BIN).mkdir(parents=True)  # else fish takes it for none
        assert person.start(["fish", "-c"], SHOW)[0][0] == str(person.home / BIN), "first, and not last"
    person.ok(*then.split())
    assert not file.exists() or line not in file.read_text().splitlines()
    if then == "ensurepath":
        person.paths()
    else:
        assert not file.exists()
        for words in STARTS[shell]:
            assert str(person.home / BIN) not in person.start(words, SHOW)[0]
