"""What a person sees in a console or sends through a pipe: text, exit codes, Ctrl-C, names with .exe, hints to type."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.terminal import Terminal
from tests.windows import programs
from tests.windows.machine import PROGRAM, SECONDS
from tests.windows.prefix import wine_environment
from tests.windows.started import started
from tests.windows.user import WindowsUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.windows.machine import Machine

CTRL_C = "\x03"
TYPED = r"C:\Python311\Scripts\d8-installer.exe"
"""What hints say for ``d8-installer``, which is not on the PATH of these people."""


# -- pipes -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ivan(windows: Machine, tmp_path: Path) -> WindowsUser:
    """A person whose folder the machine's code page (1252) cannot spell, in a project of theirs that asks for alpha."""
    person = WindowsUser(windows, "Иван", tmp_path / "source")
    person.publish("alpha", "v1.0.0")
    person.cwd = rf"{person.profile}\Мой проект (1)"
    person.path("Мой проект (1)").mkdir(exist_ok=True)
    person.path("Мой проект (1)", "d8.toml").write_text('schema = 1\n[[images]]\nname = "alpha"\n')
    return person


def test_what_the_code_page_lacks_is_escaped_in_a_pipe(ivan: WindowsUser) -> None:
    escaped = ascii(ivan.profile)[1:-1].replace(r"\\", "\\")
    ivan.ok("lock")
    ivan.ok("sync")
    assert ivan.ok("which", "alpha").out.startswith(rf"{escaped}\AppData\Local\d8-installer\store")
    assert ivan.ok("which", "alpha", env={"PYTHONUTF8": "1"}).out.startswith(rf"{ivan.profile}\AppData")
    assert ivan.json("which", "alpha")["path"].startswith(rf"{ivan.profile}\AppData")
    assert escaped in ivan.run("doctor").out
    assert ivan.run("which", "\u2603").code == 69


@pytest.mark.parametrize("words", [["--help"], ["list"], ["--json", "doctor"]], ids=" ".join)
def test_a_pipe_that_nobody_reads_is_no_error(user: WindowsUser, words: list[str]) -> None:
    done = user.run(*words, closed=True)
    assert "output" not in done.err, done
    assert done.code == 0 or words[-1] == "doctor", done


# -- exit codes and names ----------------------------------------------------------------------------------------------


def test_run_ends_as_the_program_does(user: WindowsUser) -> None:
    user.publish("alpha", "v1.0.0")
    for code in (7, 255, 0xC0000005):
        assert user.run("-q", "run", "alpha", "exit", str(code)).code == code


def test_a_name_with_exe_is_the_name(user: WindowsUser) -> None:
    user.publish("alpha", "v1.0.0", "v1.1.0")
    user.ok("install", "Alpha.exe==1.0.0")
    assert user.ok("which", "ALPHA.EXE").out.endswith("\\alpha.exe\n")
    assert user.ok("run", "alpha.exe", "--", "args", "x").out == "x\n"
    assert user.ok("run", "alpha.exe", "args", "x.exe").out == "x.exe\n"
    assert "v1.1.0" in user.ok("versions", "alpha.exe").out
    assert user.ok("__complete", "powershell", "which", "+").stdout == b"alpha\t\n"  # for completion scripts
    chosen = ("--upgrade-image", "Alpha.exe", "--accept-moved", "alpha.exe:v1.1.0")
    user.ok("lock", *chosen)
    user.ok("lock", "--explain", "ALPHA.exe")
    user.ok("uninstall", "alpha.exe")


def test_what_windows_does_not_start_is_said(windows: Machine) -> None:
    code = """
from d8_installer.cli.program import hand_over
from d8_installer.errors import D8Error
open("text.exe", "w").write("no program")
for path in "text.exe", "gone.exe":
    try:
        hand_over(path, [], {})
    except D8Error as error:
        print(error.exit_code, error.message.partition(":")[0])
"""
    done = windows.python(code, cwd=r"C:\users\Public")
    assert done.out.splitlines() == ["76 the system cannot execute text.exe", "73 gone.exe is gone"]


def test_ctrl_break_leaves_a_running_program_alone_and_ends_a_command_cleanly(windows: Machine) -> None:
    """Wine's console sends no Ctrl-Break, so the process sends itself the signal that Python makes of it."""
    code = """
import os, signal, sys, threading
from d8_installer.cli.context import Terminated, end_cleanly
from d8_installer.cli.program import wait_for
from d8_installer.cli.screen import Screen
def press():
    while signal.getsignal(signal.SIGBREAK) is signal.SIG_DFL:
        pass
    signal.raise_signal(signal.SIGBREAK)
threading.Thread(target=press).start()
print(wait_for([sys.executable, "-c", "import sys, time; time.sleep(1); sys.exit(3)"], os.environ))
end_cleanly(Screen.of_process())
try:
    signal.raise_signal(signal.SIGBREAK)
except Terminated as ended:
    print(ended.number == signal.SIGBREAK)
"""
    assert windows.python(code).out.split() == ["3", "True"]


def test_a_program_ends_with_the_command_that_runs_it(user: WindowsUser) -> None:
    """Else whoever ends ``d8-installer.exe`` leaves the program behind; on POSIX the two are one process."""
    user.publish("alpha", "v1.0.0")
    with started(user, [PROGRAM, "-q", "run", "alpha", "catch"]) as running:
        running.kill()  # comes back when the program has ended, too


# -- hints -------------------------------------------------------------------------------------------------------------


def test_a_hint_can_be_typed_as_it_stands(user: WindowsUser) -> None:
    home = rf"{user.profile}\my home (1)"
    done = user.ends(69, "--home", home, "which", "nothing")
    hint = done.err.split("`")[1]
    assert hint == f'{TYPED} --home "{home}" list'
    user.path("typed.cmd").write_text(hint)  # no quotes that this test would have to escape for cmd.exe
    assert user.cmd("typed.cmd").code == 0
    assert '"stronghold>=1.4,<2"' in user.ok("install", "--help").out


def test_the_hint_of_a_held_back_upgrade_is_no_redirection(user: WindowsUser) -> None:
    """cmd.exe knows no single quotes: ``'alpha>=1.1.0'`` would write a file."""
    user.publish("alpha", "v1.0.0", "v1.1.0")
    user.ok("install", "alpha==1.0.0")
    hint = user.ok("upgrade", "alpha").err.split("`")[1]
    assert hint == f'{TYPED} install "alpha>=1.1.0"'
    user.path("typed.cmd").write_text(hint)
    assert "v1.1.0" in user.cmd("typed.cmd").out


# -- a console ---------------------------------------------------------------------------------------------------------


@contextmanager
def console(user: WindowsUser, *command: str) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """Type a command into a new console of the person, whose home is theirs, and wait for its end."""
    env = wine_environment(user.machine.prefix)
    env |= {"TERM": "xterm-256color", "D8_INSTALLER_HOME": user.home, "PYTHONDONTWRITEBYTECODE": "1"}
    env["D8_RPP_ENDPOINT"] = f"oci-layout:{user.machine.spelled(user.source)}"
    with Terminal(100) as terminal:
        stream = terminal.child
        process = subprocess.Popen(
            ["setsid", "--ctty", "wine", *command], env=env, cwd=user.path(), stdin=stream, stdout=stream, stderr=stream
        )
        try:
            yield terminal, process
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()


def test_a_console_shows_every_character_and_colours(user: WindowsUser) -> None:
    user.publish("alpha", "v1.0.0")
    with console(user, PROGRAM, "which", "снег") as (terminal, process):
        pass
    assert process.returncode == 69
    seen = terminal.seen()
    assert seen.lines[0] == "error[not-installed]: 'снег' is not in place in your profile"
    assert seen.colours == {"error[not-installed]:": "red", "hint:": "cyan"}
    with console(user, PROGRAM, "install", "alpha") as (terminal, _):
        pass
    assert any(line.startswith("installed alpha") for line in terminal.seen().lines)


def test_ctrl_c_belongs_to_the_program_that_runs(user: WindowsUser) -> None:
    user.publish("alpha", "v1.0.0")
    user.ok("run", "alpha")  # fetches it
    with console(user, PROGRAM, "-q", "run", "alpha", "catch") as (terminal, process):
        terminal.wait_for(b"alpha v1.0.0")
        terminal.type(CTRL_C)
        terminal.wait_for(b"caught 0")
    assert process.returncode == 7


def test_a_manager_in_the_current_directory_is_not_run(user: WindowsUser) -> None:
    """A clone may hold a ``pip.exe``; cmd.exe would run it, and so does ``shutil.which`` of CPython 3.11."""
    user.path("clone").mkdir()
    user.path("clone", "pip.exe").write_bytes(programs.saying("the clone's"))
    done = user.run("pip", "list", cwd=rf"{user.profile}\clone", env={"PATH": r"C:\windows\system32"})
    assert "the clone's" not in done.out
    assert "pip is not on PATH" in done.err and done.code != 0
