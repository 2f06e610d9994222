"""Files in use, leftovers, and what is removed: Windows refuses to touch a file that a program has open, or runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.forms import THOROUGH
from tests.windows.machine import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.windows.user import WindowsUser


def play(user: WindowsUser, code: str, *arguments: str, seconds: float = 300) -> Any:
    """Run a program of these tests there, with what all of them need; return the value of the JSON that it prints."""
    words = [user.home, PROGRAM, *arguments]
    done = user.machine.python(_COMMON + code, *words, env=user.variables, cwd=user.cwd, seconds=seconds)
    return json.loads(done.stdout)


_COMMON = r"""
import json, os, subprocess, sys, threading, time
home, program, *arguments = sys.argv[1:]

def waiting(path):
    process = subprocess.Popen([path, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process

def d8(*words, code=0):
    done = subprocess.run([program, *words], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == code, (words, done)
    return json.loads(done.stdout)["data"] if words[0] == "--json" and not code else done.stderr
"""


def below(directory: Path) -> list[str]:
    """Return every file and directory below *directory*."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))


def test_what_others_have_open(user: WindowsUser) -> None:
    """A file that is open for a moment is waited for; what stays in use is named, and the rest of a tree goes."""
    found = play(
        user,
        r"""
import stat, tracemalloc
from d8_installer.errors import DiskError
from d8_installer.store import fs, os_errors
from d8_installer.store.flock import WaitPolicy

def there(*names):
    return os.path.join(os.getcwd(), "tree", *names)

def write(*names, data=b"old", mode=stat.S_IREAD | stat.S_IWRITE):
    path = there(*names)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)
    return path

def refused(call):
    begun = time.monotonic()
    try:
        call()
    except DiskError as error:
        return [str(error).replace(there(), ""), error.hint, round(time.monotonic() - begun, 1)]

result = {}
path = write("moment")
reader = open(path, "rb")
threading.Timer(0.5, reader.close).start()
fs.replace_file(path, b"new")
result["replaced"] = fs.read(path, limit=9).decode()

reader = open(path, "rb")
threading.Timer(0.5, reader.close).start()
fs.remove(path)
result["removed"] = not os.path.lexists(path)

with open(write("open"), "rb"):
    result["open"] = refused(lambda: fs.remove(there("open")))
    result["old name"] = refused(lambda: fs.rename(there("open"), there("new")))[0]
    result["at once"] = [fs.remove_unless_used(there("open")), fs.rename_unless_used(write("other"), there("open"))]

kept = write("deep", "kept")
for name in ("a", "z"):
    write("deep", name, "file", mode=stat.S_IREAD)
    os.chmod(there("deep", name), stat.S_IREAD)
with open(kept, "rb"):
    result["tree"] = refused(lambda: fs.remove_tree(there("deep")))[0]
    result["rest"] = os.listdir(there("deep"))
fs.remove_tree(there("deep"))
result["deep"] = os.path.lexists(there("deep"))

import _winapi
handle = _winapi.CreateFile(write("going", "file"), _winapi.GENERIC_READ, 7, 0, _winapi.OPEN_EXISTING, 0, 0)
result["going"] = [refused(lambda: fs.remove_tree(there("going")))[0], fs.remove_unless_used(there("going"))]
_winapi.CloseHandle(handle)
result["gone"] = fs.remove_unless_used(there("going"))

path = write("readonly", mode=stat.S_IREAD)
fs.replace_file(path, b"new")
write("newer")
os.chmod(path, stat.S_IREAD)
fs.rename(there("newer"), path)
os.chmod(path, stat.S_IREAD)
fs.remove(path)
result["readonly"] = os.path.lexists(path)

tracemalloc.start()
fs.read(write("small"), limit=256 << 20)
result["bytes"] = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()

mutex = there("profile", "mutex")
write("profile", "file")
with fs.exclusive(mutex, lambda holder: None):
    with fs.removing(there("profile"), mutex) as free:
        result["held"] = [free, sorted(os.listdir(there("profile")))]
with fs.removing(there("profile"), mutex) as free:
    pass
result["free"] = [free, os.path.lexists(there("profile"))]

hints = [(39, "space"), (206, "shorter"), (225, "scanner"), (1117, "reports an error"), (32, "")]
result["hints"] = [part in os_errors.hint_for(OSError(0, "", "", number)) for number, part in hints]
print(json.dumps(result))
""",
    )
    assert found["replaced"] == "new"
    assert found["removed"]
    text, hint, seconds = found["open"]
    assert text == r"cannot remove \open: another program has it open"
    assert hint == "end the program that uses it, then type the same command again"
    assert 1 < seconds < 20
    assert found["old name"] == r"cannot rename to \new: another program has \open open"
    assert found["at once"] == [False, False]
    assert (found["tree"], found["rest"]) == (r"cannot remove \deep\kept: another program has it open", ["kept"])
    assert not found["deep"]
    assert found["going"] == [r"cannot remove \going: another program has a file in it open", False]
    assert found["gone"]
    assert not found["readonly"]
    assert found["bytes"] < 1 << 20
    assert found["held"] == [False, ["file", "mutex"]]
    assert found["free"] == [True, False]
    assert all(found["hints"])


def test_a_program_that_runs_keeps_only_its_own_files(user: WindowsUser) -> None:
    """``gc`` names them and removes the rest, the version can be installed again, and the next ``gc`` takes them."""
    user.publish("alpha", "v1.0.0", "v1.1.0")
    found = play(
        user,
        r"""
d8("install", "alpha==1.0.0")
stored = os.path.join(home, "store", "sha256")
(old,) = os.listdir(stored)
process = waiting(os.path.join(stored, old, "alpha.exe"))
d8("install", "alpha>=1.1.0")
result = {"first": d8("--json", "gc", "--keep", "1")}
d8("install", "alpha==1.0.0")
result["uninstall"] = d8("self", "uninstall", "--yes", code=73)
process.communicate()
result["second"] = d8("--json", "gc", "--keep", "1")
print(json.dumps(result))
""",
    )
    first, second = found["first"], found["second"]
    assert [one["kind"] for one in first["removed"]] == ["layer"], first
    assert any(r"alpha.exe: it runs, or another program has it open" in kept for kept in first["spared"]), first
    assert ": it runs, or another program has it open" in found["uninstall"]
    assert second["spared"] == []
    left = below(user.data)
    assert not [path for path in left if path.endswith(".gone") or path.startswith(("incoming/", "runs/"))], left
    user.ok("self", "uninstall", "--yes")
    assert below(user.path("AppData")) == ["Local", "Local/Temp", "Roaming"]


def test_what_killed_commands_left_goes(user: WindowsUser) -> None:
    """Nothing stays in ``incoming``, and no lock of the settings; a run that failed is removed once.

    Bytes that have another name are not counted as freed.
    """
    user.publish("alpha", "v1.0.0")
    user.publish("beta", "v2.0.0")
    user.ok("install", "alpha")
    dead = user.data / "incoming/4242.0123abcd"
    dead.mkdir()
    for path in (dead / "mutex", dead / "plugin.0", dead.parent / ("ab" * 8)):
        path.write_bytes(b"")
    (user.data / "arriving" / f"{'0' * 64}.mutex").write_bytes(b"")
    user.ok("install", "beta")
    assert below(user.data / "incoming") == below(user.data / "arriving") == []
    user.ok("config", "set", "retention", "5")
    assert below(user.path("AppData/Roaming/d8-installer")) == ["config.toml", "d8.toml"]
    user.ends(69, "run", "nosuch")
    removed = user.json("gc", "--keep", "1")
    assert sorted(one["kind"] for one in removed["removed"]) == ["generation", "run"]
    assert removed["bytes"] < 20_000  # the executable of the old generation is that of the new one
    assert user.json("gc")["removed"] == []
    user.ok("self", "uninstall", "--yes")
    assert below(user.path("AppData")) == ["Local", "Local/Temp", "Roaming"]


def test_commands_beside_each_other(user: WindowsUser) -> None:
    """install ‖ use ‖ run ‖ list: each of them ends with 0, whoever changes or reads the same files just then.

    In the usual form a round is a call in a process that has imported everything, so that they meet more often.
    """
    user.publish("alpha", "v1.0.0", "v1.1.0")
    user.publish("beta", "v2.0.0")
    user.ok("install", "alpha>=1.0.0", "beta")
    failed = play(
        user,
        r"""
rounds, is_started = int(arguments[0]), arguments[1] == "started"
commands = [
    [["uninstall", "beta"], ["install", "beta"]],
    [["use", "alpha", "1.0.0"], ["use", "alpha", "1.1.0"]],
    [["run", "alpha"], ["run", "alpha==1.0.0"]],
    [["list"]],
]
WORKER = '''
import json, os, sys
from d8_installer.cli.main import run
rounds, words, name = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
for number in range(rounds):
    log = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1), os.dup2(log, 2)
    try:
        code = run(words[number % len(words)])
    except SystemExit as ended:
        code = ended.code
    if code:
        sys.exit(f"{number} {code}")
'''
failed = []
def work(number, words):
    log = f"log{number}"
    if not is_started:
        command = [sys.executable, "-c", WORKER, str(rounds), json.dumps(words), log]
        code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        if code:
            failed.append([words, code, open(log, encoding="utf-8").read()])
        return
    for turn in range(rounds):
        done = subprocess.run([program, *words[turn % len(words)]], capture_output=True, text=True)
        if done.returncode:
            failed.append([words, done.returncode, done.stdout + done.stderr])
threads = [threading.Thread(target=work, args=one) for one in enumerate(commands)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(failed))
""",
        *(["100", "started"] if THOROUGH else ["20", "called"]),
        seconds=3000 if THOROUGH else 300,
    )
    assert failed == []
    user.ok("verify")
    assert below(user.data / "incoming") == []
