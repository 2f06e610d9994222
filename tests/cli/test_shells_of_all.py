"""``ensurepath --global``: everybody's shells. In a mount namespace with a copy of /etc, so that it stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_shells import SHOW, STARTS, WITHIN, snapshot
from tests.command import PROGRAM, SYSTEM_PATH, Completed, ended

if TYPE_CHECKING:
    from pathlib import Path

_IN = ("unshare", "--mount", "--map-root-user", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"')
_KEPT = ("profile", "profile.d", "passwd", "group", "zsh", "csh.cshrc", "csh.login", "csh", "fish", "bash.bashrc")


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run([*_IN[:-1], "mount --bind /etc /etc"], capture_output=True, check=False)
    return done.returncode == 0


pytestmark = pytest.mark.skipif(not _can_mount(), reason="this machine lets us make no mount namespace")


class Everybody:
    """A machine's /etc, a place for the system's home, and root's HOME, which must stay empty."""

    def __init__(self, root: Path) -> None:
        self.etc, self.opt, self.home = root / "etc", root / "opt/d8", root / "home"
        self.etc.mkdir()
        self.home.mkdir()
        for name in _KEPT:
            there = f"/etc/{name}"
            subprocess.run(["cp", "-a", there, str(self.etc)], capture_output=True, check=False)
        (self.etc / "profile.d").mkdir(exist_ok=True)

    def run(self, *words: str, expect: int = 0) -> Completed:
        env = {"D8_INSTALLER_GLOBAL_HOME": str(self.opt), "PATH": f"{SYSTEM_PATH}:/usr/local/sbin:/usr/sbin:/sbin"}
        done = ended([*_IN, str(self.etc), *words], home=str(self.home), env=env)
        assert done.code == expect, done
        return done

    def d8(self, *words: str) -> Completed:
        done = self.run(PROGRAM, "--global", *words)
        assert list(self.home.iterdir()) == []
        return done


def test_every_shell_has_it_and_nothing_is_left(tmp_path: Path) -> None:
    machine = Everybody(tmp_path)
    before = snapshot(machine.etc)
    said = machine.d8("ensurepath").out
    assert "/etc/profile.d/d8-installer.sh" in said
    assert "is in everybody's start-up files already" in machine.d8("ensurepath").out
    assert "hint: log in again: new login shells have it\n" in machine.d8("doctor").out
    for shell in filter(shutil.which, STARTS):
        login = STARTS[shell][0]
        within = "; ".join(f"{' '.join(words)} '{SHOW}'" for words in WITHIN[shell])
        words = (login[0].removeprefix("-"), *(["-l"] if login[0] in {"-dash", "-bash"} else []), *login[1:])
        shown = [line.split(":") for line in machine.run(*words, f"{SHOW}; {within}").out.splitlines()]
        for path in shown:
            assert path.count(f"{machine.opt}/bin") == 1, (shell, path)
            assert path[-1] == f"{machine.opt}/bin", (shell, path)
    shutil.rmtree(machine.home)
    machine.home.mkdir()
    machine.d8("self", "uninstall", "--yes")
    assert snapshot(machine.etc) == before


@pytest.mark.skipif(os.getuid() == 0, reason="root may")
def test_only_root_may(tmp_path: Path) -> None:
    done = ended([PROGRAM, "--global", "ensurepath"], home=str(tmp_path))
    assert (done.code, "sudo" in done.err) == (77, True)
