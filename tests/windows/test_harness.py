"""The Windows machine itself: without these facts no other test here means anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.windows.machine import Machine
    from tests.windows.user import WindowsUser


def test_it_is_a_windows_python(windows: Machine) -> None:
    done = windows.python("import os, sys; print(sys.platform, os.name, os.sep, sys.version_info[:2])")
    assert done.out == "win32 nt \\ (3, 11)\n"
    assert done.stdout.endswith(b"\r\n")


def test_exit_codes_have_32_bits(windows: Machine) -> None:
    code = "import ctypes; ctypes.windll.kernel32.ExitProcess(0xC0000005)"
    assert windows.run([r"C:\Python311\python.exe", "-c", code]).code == 0xC0000005


def test_a_person_has_their_own_variables(user: WindowsUser) -> None:
    done = user.cmd("echo %USERPROFILE% & echo %LOCALAPPDATA% & cd")
    assert done.out.split() == [user.profile, rf"{user.profile}\AppData\Local", user.profile]
    assert user.cmd("echo %WINEPREFIX% %HOME%").out.split() == ["%WINEPREFIX%", "%HOME%"]


def test_the_installed_command_places_a_program_that_runs(user: WindowsUser) -> None:
    user.publish("alpha", "v1.0.0")
    user.ok("install", "alpha")
    assert user.ok("run", "alpha").out == "alpha v1.0.0\n"
    assert user.ok("run", "alpha", "args", "a b", 'c"d').out == 'a b\nc"d\n'
