"""PATH on Windows: `ensurepath`, what a new console finds, `env` for each shell, shadows, and `self uninstall`."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests import images
from tests.windows.machine import PROGRAM, PYTHON
from tests.windows.user import WindowsUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.windows.machine import Machine

SZ, EXPAND_SZ = 1, 2
PERSONS = r"HKEY_CURRENT_USER\Environment"
MACHINES = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Session Manager\Environment"
# The argument is a JSON object: the text and type of PATH in a key, or null for none. It prints all of them as JSON.
_REGISTRY = r"""
import contextlib, json, sys, winreg
shown = {}
for path, given in json.loads(sys.argv[1]).items():
    root, _, name = path.partition("\\")
    with winreg.CreateKeyEx(getattr(winreg, root), name, 0, winreg.KEY_ALL_ACCESS) as key, \
            contextlib.suppress(FileNotFoundError):
        if given != "keep":
            winreg.DeleteValue(key, "Path") if given is None else winreg.SetValueEx(key, "Path", 0, given[1], given[0])
        shown[path] = winreg.QueryValueEx(key, "Path")
print(json.dumps(shown))
"""
# Lets everyone read the machine's PATH, or read and write it; the argument is the right as SDDL spells it.
_RIGHTS = r"""
import ctypes, sys, winreg
security, descriptor = ctypes.WinDLL("advapi32"), ctypes.c_void_p()
security.RegSetKeySecurity.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
sddl = f"D:(A;;{sys.argv[2]};;;WD)"
assert security.ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, 1, ctypes.byref(descriptor), None)
root, _, name = sys.argv[1].partition("\\")
with winreg.OpenKey(getattr(winreg, root), name, 0, 0x40000) as key:
    assert security.RegSetKeySecurity(int(key), 4, descriptor) == 0
"""
# Opens a window, runs the command, and prints its exit code and what the window was told. Without the setting, Wine
# without a display has no windows.
_TOLD = r"""
import winreg
with winreg.CreateKey(winreg.HKEY_CURRENT_USER, r"Software\Wine\Drivers") as key:
    winreg.SetValueEx(key, "Graphics", 0, winreg.REG_SZ, "null")
import ctypes, subprocess, sys
from ctypes import wintypes
user, told = ctypes.WinDLL("user32"), []
user.DefWindowProcW.restype = ctypes.c_ssize_t
user.DefWindowProcW.argtypes = (wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
Kind = ctypes.WINFUNCTYPE(ctypes.c_ssize_t, wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
@Kind
def answer(window, message, word, given):
    if message == 0x1A:
        told.append(ctypes.wstring_at(given))
    return user.DefWindowProcW(window, message, word, given)
class Class(ctypes.Structure):
    _fields_ = [("style", wintypes.UINT), ("procedure", Kind), ("a", ctypes.c_int), ("b", ctypes.c_int),
                ("instance", wintypes.HANDLE), ("c", ctypes.c_void_p), ("d", ctypes.c_void_p), ("e", ctypes.c_void_p),
                ("menu", wintypes.LPCWSTR), ("name", wintypes.LPCWSTR)]
assert user.RegisterClassW(ctypes.byref(Class(procedure=answer, name="told")))
user.CreateWindowExW.restype = wintypes.HWND
user.CreateWindowExW.argtypes = [wintypes.DWORD, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD,
    *[ctypes.c_int] * 4, *[ctypes.c_void_p] * 4]
assert user.CreateWindowExW(0, "told", "told", 0, 0, 0, 9, 9, None, None, None, None)
running, message = subprocess.Popen(sys.argv[1:]), wintypes.MSG()
while running.poll() is None:
    user.MsgWaitForMultipleObjects(0, None, False, 50, 0x4FF)
    while user.PeekMessageW(ctypes.byref(message), None, 0, 0, 1):
        user.DispatchMessageW(ctypes.byref(message))
print(running.returncode, told)
"""


class Registry:
    """The PATHs in the registry; what the tests change is put back after them."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.before = self._ask({PERSONS: "keep", MACHINES: "keep"})

    def set(self, value: tuple[str, int] | None) -> None:
        """Give the person another PATH."""
        self._ask({PERSONS: value})

    def path(self, key: str = PERSONS) -> tuple[str, int] | None:
        """Return the text of a PATH, and its type."""
        return self._ask({key: "keep"}).get(key)

    def restore(self) -> None:
        self._ask({key: self.before.get(key) for key in (PERSONS, MACHINES)})

    def _ask(self, job: dict[str, Any]) -> dict[str, tuple[str, int]]:
        shown = json.loads(self.machine.python(_REGISTRY, json.dumps(job)).out)
        return {key: (text, kind) for key, (text, kind) in shown.items()}


@pytest.fixture(scope="module")
def registry(windows: Machine) -> Iterator[Registry]:
    made = Registry(windows)
    yield made
    made.restore()


def test_a_new_console_finds_the_program(user: WindowsUser, registry: Registry) -> None:
    before, own = (r"%USERPROFILE%\my tools;C:\O'Brien;", EXPAND_SZ), rf"{user.home}\bin"
    registry.set(before)
    ruff = user.machine.path(r"C:\Python311\Scripts\ruff.exe").read_bytes()
    images.add_image(str(user.source), "ruff", "v1.0.0", {"windows-amd64": ruff})
    system = {"PATH": r"C:\windows\system32"}  # Python's Scripts, with another ruff, is not on the registry's PATH
    assert f"{own} is not on your PATH: type `" in user.ok("install", "ruff", env=system).err
    assert user.cmd("ruff --version").out == ""
    done = user.types([PYTHON, "-c", _TOLD, PROGRAM, "ensurepath"])
    assert f"added {own} to PATH in {PERSONS}\n" in done.out, done
    assert done.out.endswith("0 ['Environment']\n"), done
    assert registry.path() == (f"{before[0]}{own};", EXPAND_SZ)
    assert user.cmd("ruff --version").out.startswith("ruff ")
    assert user.ok("ensurepath").out == f"{own} is in your PATH already\n"
    told = user.ok("install", "ruff", env=system).err
    assert f"{own} is not on your PATH: open a new console, which has it\n" in told
    assert f"removed {own} from PATH in {PERSONS}\n" in user.ok("self", "uninstall", "--yes").out
    assert registry.path() == before
    assert not user.data.exists()


def test_without_a_path_there_is_none_after_self_uninstall(user: WindowsUser, registry: Registry) -> None:
    registry.set(None)
    user.ok("ensurepath")
    assert registry.path() == (rf"{user.home}\bin", EXPAND_SZ)
    user.ok("self", "uninstall", "--yes")
    assert registry.path() is None


def test_another_spelling_is_seen_and_left_alone(user: WindowsUser, registry: Registry) -> None:
    spelled = ('C:\\x;"%LOCALAPPDATA%\\D8-Installer\\BIN\\";C:\\y', EXPAND_SZ)
    registry.set(spelled)
    assert user.ok("ensurepath").out == rf"{user.home}\bin is in your PATH already" + "\n"
    assert registry.path() == spelled


def test_the_machines_path_needs_its_rights(user: WindowsUser, registry: Registry) -> None:
    text, kind = registry.before[MACHINES]
    user.env["D8_INSTALLER_GLOBAL_HOME"] = r"C:\all of us"
    user.machine.python(_RIGHTS, MACHINES, "KR")
    try:
        done = user.ends(77, "--global", "ensurepath")
    finally:
        user.machine.python(_RIGHTS, MACHINES, "KA")
    assert f"cannot write PATH in {MACHINES}: access is denied" in done.err
    assert "Run as administrator" in done.err
    user.ok("--global", "ensurepath")
    assert registry.path(MACHINES) == (rf"{text};C:\all of us\bin", kind)
    user.ok("--global", "self", "uninstall", "--yes")
    assert registry.path(MACHINES) == (text, kind)


def test_what_cannot_be_on_path_is_refused(user: WindowsUser, registry: Registry) -> None:
    broken = ('C:\\a;"C:\\b', SZ)
    registry.set(broken)
    assert f"PATH in {PERSONS} is no list of directories" in user.ends(73, "ensurepath").err
    assert registry.path() == broken
    registry.set(None)
    done = user.ends(78, "--home", r"C:\users\%USERNAME%\x", "ensurepath")
    assert "Windows would replace the variables in it" in done.err
    assert registry.path() is None


def test_extensions_decide_what_shadows(user: WindowsUser) -> None:
    """cmd finds ``alpha.cmd`` in an earlier directory before ``alpha.exe`` in a later one."""
    user.publish("alpha", "v1.0.0")
    user.publish("beta", "v1.0.0")
    other = user.path("other")
    other.mkdir()
    (other / "Alpha.CMD").write_bytes(b"@echo the other\r\n")
    (other / "beta.txt").write_bytes(b"no command")
    # As pip, pipx and uv make it: a program, and behind it what it runs. It starts the very binary.
    (other / "beta.exe").write_bytes(b"MZ...from d8_installer.launch import console...")
    system, own = r"C:\windows\system32", rf"{user.home}\bin"
    before = {"PATH": rf'"{user.profile}\OTHER\";{system};{own}'}
    done = user.ok("install", "alpha", "beta", env=before)
    assert user.cmd("alpha", env=before).out == "the other\n"
    assert "comes first on PATH, so the command alpha is not the one in" in done.err
    assert "command beta" not in done.err
    after = {"PATH": rf'{system};"{own.upper()}\";{user.profile}\other'}
    doctor = user.ok("doctor", env=after).out
    assert "is on PATH" in doctor
    assert "comes first" not in doctor


def test_each_shell_gets_its_own_line(windows: Machine, tmp_path: Path) -> None:
    """cmd runs what is written for it; Git Bash and PowerShell are not here, so only their text is checked."""
    user = WindowsUser(windows, "Иван", tmp_path / "source")
    user.publish("alpha", "v1.0.0")
    project = user.path("My work (1)")
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "alpha"\n')
    cwd = rf"{user.profile}\My work (1)"
    assert "env | Out-String | Invoke-Expression` in the project" in user.ok("sync", cwd=cwd).err
    typed = f"for /f \"delims=\" %%i in ('{PROGRAM} env') do @call %%i"
    (project / "try.cmd").write_bytes(f"@echo off\r\n{typed}\r\nalpha\r\n".encode())
    assert user.cmd("try.cmd", cwd=cwd).out == "alpha v1.0.0\n"
    line = user.ok("env", "--shell", "sh", cwd=cwd).out
    start = re.escape(r"""export PATH='/c/users/'$'\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd''/AppData/Local/d8-installer/""")
    assert re.match(rf"{start}profiles/\w+/current/bin'", line), line


def test_the_machines_home_is_the_administrators(user: WindowsUser) -> None:
    """Below ProgramData every user may make directories; a user who made ours beforehand could change all in it."""
    everyones = rf"C:\ProgramData\{user.variables['USERNAME']}"
    user.env["D8_INSTALLER_GLOBAL_HOME"] = everyones
    user.publish("alpha", "v1.0.0")
    home = user.machine.path(everyones)
    if os.geteuid() == 0:  # or no file can be another user's
        home.mkdir()
        os.chown(home, 4321, 4321)
        assert "another user (S-1-" in user.ends(78, "--global", "install", "alpha").err
        home.rmdir()
    user.ok("--global", "install", "alpha")
    assert home.stat().st_mode & 0o007 == 0, "as Wine shows rights for administrators, and for users to read"
