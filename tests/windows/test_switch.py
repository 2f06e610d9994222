"""A generation becomes active while its programs run, and while whoever does it is killed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.forms import THOROUGH
from tests.windows.machine import PROGRAM
from tests.windows.prefix import ROOT
from tests.windows.user import WindowsUser

if TYPE_CHECKING:
    from tests.windows.machine import Machine

OLD, NEW = "alpha v1.0.0", "alpha v1.1.0"


@pytest.fixture(scope="module")
def person(windows: Machine, tmp_path_factory: pytest.TempPathFactory) -> WindowsUser:
    """Somebody with two generations: the old version, and the new one, which is active. Tests add generations."""
    user = WindowsUser(windows, "switching", tmp_path_factory.mktemp("switching"))
    user.publish("alpha", "v1.0.0", "v1.1.0")
    user.ok("install", "alpha==1.0.0")
    user.ok("install", "alpha>=1.1.0")
    return user


def play(user: WindowsUser, code: str, *arguments: str, seconds: float = 300) -> Any:
    """Run a program of these tests there, with what all of them need; return the value of the JSON that it prints."""
    words = [str(user.home), PROGRAM, user.machine.spelled(ROOT), *arguments]
    done = user.machine.python(_COMMON + code, *words, env=user.variables, cwd=user.cwd, seconds=seconds)
    return json.loads(done.stdout)


_COMMON = r"""
import json, os, subprocess, sys, time
home, program, checkout, *arguments = sys.argv[1:]
alpha = os.path.join(home, "bin", "alpha.exe")
user = os.path.join(home, "profiles", "user")

def says():
    return subprocess.run([alpha], capture_output=True, text=True, check=True).stdout.strip()

def waiting():
    process = subprocess.Popen([alpha, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()

def d8(*words, code=0):
    done = subprocess.run([program, *words], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == code, (words, done)
    return done.stdout
"""


def test_a_switch_cut_at_any_step(person: WindowsUser) -> None:
    """What is active is the old version or the new one; only while the old one runs it can be missing for a moment."""
    states = play(
        person,
        r"""
sys.path.insert(0, checkout)
from d8_installer.store.file_switch import FileSwitch
from d8_installer.store.paths import Home
from tests.store.cut import killed_at

switch, paths = FileSwitch(), Home(home).profile("user")

def state():
    if not os.path.exists(alpha):
        return "missing"
    (number,) = (n for n in (1, 2) if os.path.samefile(alpha, os.path.join(paths.generation(n), "bin", "alpha.exe")))
    return str(number)

seen = {}
for runs in (False, True):
    step, is_cut = 0, True
    while is_cut:
        step += 1
        switch.activate(paths, 1)
        process = waiting()[0] if runs else None
        with killed_at(step) as called:
            switch.activate(paths, 2)
        is_cut = len(called) >= step
        seen.setdefault(str(runs), []).append(state())
        switch.recover(paths)
        assert str(switch.active(paths)) == state() in ("1", "2"), (step, state())
        assert not switch.is_cut(paths)
        if process is not None:
            process.communicate("")
print(json.dumps(seen))
""",
    )
    assert set(states["False"]) == {"1", "2"}
    assert set(states["True"]) == {"1", "2", "missing"}
    for found in states.values():
        assert found == sorted(found, key=["1", "missing", "2"].index)
        assert len(found) > 12
    assert states["True"].count("missing") == 1
    person.ok("verify")


def test_a_reading_command_finishes_a_cut_switch(person: WindowsUser) -> None:
    current = person.data / "profiles/user/current"
    for number, said in ((1, OLD), (2, NEW)):
        (current / "journal.json").write_text(json.dumps({"to": number}))
        (person.data / "bin/alpha.exe").unlink()
        person.ok("list" if number == 1 else "verify")
        assert person.cmd(rf"{person.home}\bin\alpha").out.strip() == said
        assert not (current / "journal.json").exists()


def test_ten_switches_a_second_while_the_command_is_started(person: WindowsUser) -> None:
    """A start that fails because the file is being changed works at the next try."""
    result = play(
        person,
        r"""
import threading
from d8_installer.store.file_switch import FileSwitch
from d8_installer.store.paths import Home

switch, paths, ended = FileSwitch(), Home(home).profile("user"), threading.Event()
switches = []

def change():
    while not ended.wait(0.1):
        switch.activate(paths, 1 + len(switches) % 2)
        switches.append(1)

thread = threading.Thread(target=change)
thread.start()
said, failed = [], []
while len(switches) < int(arguments[0]):
    for attempt in (1, 2):
        try:
            said.append(says())
            break
        except OSError as error:
            failed.append([attempt, error.winerror])
ended.set()
thread.join()
switch.activate(paths, 2)
print(json.dumps([sorted(set(said)), len(said), len(switches), failed]))
""",
        "300" if THOROUGH else "20",
    )
    said, starts, switches, failed = result
    assert said == [OLD, NEW]
    assert min(starts, switches) >= 10, result
    assert all(attempt == 1 for attempt, _ in failed), result


def test_an_upgrade_while_the_program_runs(person: WindowsUser) -> None:
    """The new version starts, the old one lives on, and its file goes when it has ended."""
    said = play(
        person,
        r"""
d8("install", "alpha==1.0.0")
process, first = waiting()
d8("install", "alpha>=1.1.0")
upgraded = says()
d8("rollback", "1")
other, _ = waiting()
d8("uninstall", "alpha")
is_gone = not os.path.exists(alpha)
aside = os.path.join(user, "current", "aside")
kept = len(os.listdir(aside))
alive = [one.poll() is None for one in (process, other)]
for one in (process, other):
    one.communicate("")
d8("gc", "--keep", "1")
print(json.dumps([first, upgraded, is_gone, kept, alive, [one.returncode for one in (process, other)],
                  os.path.exists(aside), os.listdir(os.path.join(home, "bin"))]))
""",
    )
    assert said == [OLD, NEW, True, 4, [True, True], [0, 0], False, []]


MOMENTS = ("current/staged/*", "current/journal.json")
"""What is seen below the profile when the command is killed; or seconds."""


def test_killed_at_any_moment(person: WindowsUser) -> None:
    """TerminateProcess, while the old program runs and while it does not: the next command finishes what was begun."""
    said = play(
        person,
        r"""
import glob
said = []
for moment in json.loads(arguments[0]):
    d8("install", "alpha==1.0.0")
    process = waiting()[0] if len(said) % 2 == 0 else None
    # Not d8-installer.exe: that one only starts the Python that is to be killed.
    command = [sys.executable, "-P", "-m", "d8_installer", "install", "alpha>=1.1.0"]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + (60 if isinstance(moment, str) else moment)
    while started.poll() is None and time.monotonic() < until:
        if isinstance(moment, str) and glob.glob(os.path.join(user, moment)):
            break
    started.kill()
    started.wait()
    d8("verify")
    said.append(says())
    if process is not None:
        process.communicate("")
d8("install", "alpha>=1.1.0")
print(json.dumps([said, says(), os.path.exists(os.path.join(user, "current", "aside"))]))
""",
        json.dumps([*MOMENTS, *(0.05 * number for number in range(48 if THOROUGH else 0))]),
        seconds=1800,
    )
    assert set(said[0]) <= {OLD, NEW}
    assert len(said[0]) >= len(MOMENTS)
    assert said[1:] == [NEW, False]


def test_a_home_that_is_too_long_is_named_before_anything_is_written(user: WindowsUser) -> None:
    user.publish("alpha", "v1.0.0")
    home = rf"{user.profile}\{'x' * 80}"
    done = user.ends(78, "--home", home, "install", "alpha")
    assert f"{len(home)} characters, and 91" in done.err
    assert "--home DIR" in done.err
    assert f"{len(home)} characters, and 91" in user.ok("--home", home, "doctor").out
    user.ends(78, "--home", home, "ensurepath")
    assert not user.path("x" * 80).exists()
    user.ok("--home", home[:91], "install", "alpha")
    longest = max(
        len(str(path.relative_to(user.path()))) for path in user.path(home[len(user.profile) + 1 : 91]).rglob("*")
    )
    assert longest < 91 + 120
