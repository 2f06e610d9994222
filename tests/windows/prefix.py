"""A Wine prefix with a genuine Windows CPython, built once for each machine: ``dev.py windows`` runs this module.

It lies outside the checkout, in ``~/.cache/d8-installer-parts/windows-<hash of the recipe>/``. A build takes 70 seconds
and downloads 115 MB from PyPI; nothing of it is committed. The runtime (python311.dll and its extension modules) comes
from panda3d's Windows wheel, the standard library is this machine's own, and what is missing is made with mingw.
The packages that d8-installer and its tests need are installed, d8-installer itself is not (`tests.windows.machine`).
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests import parts

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
HINT = "run `python3 dev.py windows`"
RUNTIME = "panda3d==1.10.16"
"""The wheel that has a Windows CPython in it."""
VERSION = (3, 11)
"""The version of that CPython; the standard library must have the same."""
TEST_PACKAGES = ("pytest", "hypothesis", "trustme", "coverage", "jsonschema", "colorama", "pip", "pytest-xdist")
"""What the tests that run there need; pip does not see that pytest wants colorama there."""
KEYRING_PACKAGES = ("pywin32-ctypes",)
"""What keyring needs there; pip, which downloads on this system, does not see it."""
PROGRAMS_THERE = ("pipx", "uv", "ruff")
"""Real programs, in ``Scripts``: the managers whose launchers are tested, and one to install as a person would."""
MINGW = "x86_64-w64-mingw32-gcc"
OBJDUMP = "x86_64-w64-mingw32-objdump"
PROGRAMS = {"wine": "wine wine64", MINGW: "gcc-mingw-w64-x86-64", OBJDUMP: "binutils-mingw-w64-x86-64"}
"""What must be on PATH, and the Debian packages that have it."""
PYTHON = Path("drive_c/Python311")
WHEELS = Path("drive_c/wheels")
"""Every wheel that is installed there stays: an index for the package managers of the tests."""

PYTHON_C = r"""
#include <windows.h>
typedef int (*main_t)(int, wchar_t **);
int wmain(int argc, wchar_t **argv) {
  HMODULE runtime = LoadLibraryW(L"python311.dll");
  if (!runtime) return 101;
  main_t run = (main_t)(void *)GetProcAddress(runtime, "Py_Main");
  return run ? run(argc, argv) : 102;
}
"""
# Programs made by Rust 1.78 or newer (ruff) want this DLL, which Wine 8 lacks.
RANDOM_C = r"""
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) {
  return SystemFunction036(bytes, (ULONG)count);
}
"""
# What venv and uv put into an environment as python.exe: it runs the Python that pyvenv.cfg names, and tells
# it by __PYVENV_LAUNCHER__ who was started (CPython's own venvlauncher.exe comes with its installer only).
LAUNCHER_C = r"""
#include <stdio.h>
#include <wchar.h>
#include <windows.h>
static wchar_t own[32768], place[32768], home[32768], line[65536];
static BOOL WINAPI leave_to_child(DWORD event) { return TRUE; }
static int find_home(void) {
  wcscpy(place, own);
  for (int level = 0; level < 2; level++) {
    wchar_t *slash = wcsrchr(place, L'\\');
    if (!slash) return 0;
    wcscpy(slash, L"\\pyvenv.cfg");
    FILE *file = _wfopen(place, L"rb");
    *slash = 0;
    if (!file) continue;
    char text[8192];
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    for (char *at = strtok(text, "\r\n"); at; at = strtok(0, "\r\n"))
      if (!strncmp(at, "home = ", 7)) return MultiByteToWideChar(CP_UTF8, 0, at + 7, -1, home, 32000);
  }
  return 0;
}
int wmain(void) {
  GetModuleFileNameW(0, own, 32768);
  if (!find_home()) return 106;
  const wchar_t *rest = GetCommandLineW();
  wchar_t end = *rest == L'"' ? L'"' : L' ';
  for (rest++; *rest && *rest != end; rest++) {}
  if (*rest == L'"') rest++;
  _snwprintf(line, 65535, L"\"%s\\python.exe\"%s", home, rest);
  SetEnvironmentVariableW(L"__PYVENV_LAUNCHER__", own);
  SetConsoleCtrlHandler(leave_to_child, TRUE);
  STARTUPINFOW start;
  GetStartupInfoW(&start);
  PROCESS_INFORMATION child;
  if (!CreateProcessW(0, line, 0, 0, TRUE, 0, 0, 0, &start, &child)) return 101;
  WaitForSingleObject(child.hProcess, INFINITE);
  DWORD code = 103;
  GetExitCodeProcess(child.hProcess, &code);
  return (int)code;
}
"""
FORWARDER_C = "int DllMain(void *module, unsigned reason, void *reserved) { return 1; }\n"


class WindowsMissingError(Exception):
    """There is no prefix, or it cannot be built; the message says why, and what to type."""


def find() -> Path:
    """Return the prefix, or raise WindowsMissingError."""
    place = _place()
    if not place.is_dir():
        raise WindowsMissingError(f"there is no Windows to test against here; {HINT}")
    return place


def build() -> Path:
    """Build the prefix if it is missing, and return where it is; only one process builds."""
    return parts.built(_place(), _build, "windows.lock")


def _place() -> Path:
    return parts.place(f"windows-{_fingerprint()}")


def _fingerprint() -> str:
    """Return the hash of the recipe: this file, the packages, this machine's Wine and Python."""
    for program, packages in PROGRAMS.items():
        if shutil.which(program) is None:
            raise WindowsMissingError(f"{program} is not on PATH; on Debian: apt-get install {packages}")
    if sys.version_info[:2] != VERSION:
        raise WindowsMissingError(f"the standard library must be that of Python {'.'.join(map(str, VERSION))}")
    wine = subprocess.run(["wine", "--version"], capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
    facts = [Path(__file__).read_bytes(), "\0".join(requirements()).encode(), wine, platform.python_version().encode()]
    return hashlib.sha256(b"\0".join(facts)).hexdigest()[:16]


def requirements() -> list[str]:
    """Return the packages to install: those of d8-installer with all extras, and those of the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    # Markers would be evaluated for this system; the project's are true on 64-bit Windows.
    wanted = [one.partition(";")[0].strip() for one in [*project["dependencies"], *extras]]
    return [*wanted, *KEYRING_PACKAGES, *TEST_PACKAGES, *PROGRAMS_THERE]


# -- building ------------------------------------------------------------------------------------------------


def _build(place: Path) -> None:
    """Build everything in a temporary folder, and give it its name when all of it is there."""
    started = time.monotonic()
    print("windows: making a Wine prefix with CPython (a minute, the first time)", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="windows-", dir=place.parent, ignore_cleanup_errors=True) as directory:
        into, work = Path(directory, "prefix"), Path(directory, "work")
        work.mkdir()
        _download(work)
        _make_prefix(into)
        _lay_out_python(into / PYTHON, work)
        _make_venv_launcher(into / PYTHON / "Lib/venv/scripts/nt", work)
        _make_random(into / "drive_c/windows/system32", work)
        (work / "wheels").rename(into / WHEELS)
        _install_packages(into)
        into.rename(place)
    print(f"windows: made in {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201


def _download(work: Path) -> None:
    tag = "".join(map(str, VERSION))
    wheels = ["--platform", "win_amd64", "--python-version", tag, "--implementation", "cp", "--only-binary", ":all:"]
    wheels += ["--abi", f"cp{tag}", "--abi", "abi3", "--abi", "none"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q"]
    _run([*pip, "--no-deps", *wheels, "-d", str(work / "runtime"), RUNTIME])
    _run([*pip, *wheels, "-d", str(work / "wheels"), *requirements()])


def _make_prefix(prefix: Path) -> None:
    env = wine_environment(prefix)
    _run(["wine", "wineboot", "-i"], env, check=False)
    _run(["wine", "reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f"], env)
    _run(["wineserver", "-w"], env)
    _part_from_home(prefix / "drive_c/users")


def _part_from_home(users: Path) -> None:
    """Make Wine's links to the real HOME (Documents, Desktop …) empty folders: a test must not reach outside."""
    for directory, names, _ in os.walk(users):
        for path in (Path(directory, name) for name in names):
            if path.is_symlink():
                path.unlink()
                path.mkdir()


def _lay_out_python(target: Path, work: Path) -> None:
    tag = "".join(map(str, VERSION))
    (target / "DLLs").mkdir(parents=True)
    (target / "Lib/site-packages").mkdir(parents=True)
    (runtime,) = (work / "runtime").glob("*.whl")
    beside = re.compile(rf"python{tag}\.dll|vcruntime.*\.dll", re.IGNORECASE)
    libraries = re.compile(r".*\.pyd|libssl-3\.dll|libcrypto-3\.dll|libffi-8\.dll|sqlite3\.dll", re.IGNORECASE)
    with zipfile.ZipFile(runtime) as wheel:
        for member in wheel.namelist():
            folder, _, name = member.rpartition("/")
            if folder == "deploy_libs" and beside.fullmatch(name):
                (target / name.lower()).write_bytes(wheel.read(member))
            elif folder == "deploy_libs" and libraries.fullmatch(name):
                (target / "DLLs" / name).write_bytes(wheel.read(member))
    _compile(work, "python.c", PYTHON_C, target / "python.exe", "-municode")
    _make_stable_abi(target, work, tag)
    _copy_standard_library(target / "Lib")
    (pip,) = (work / "wheels").glob("pip-*.whl")
    with zipfile.ZipFile(pip) as wheel:
        wheel.extractall(target / "Lib/site-packages")


def _make_stable_abi(target: Path, work: Path, tag: str) -> None:
    """Make python3.dll, which abi3 wheels want: it forwards every export."""
    listed = subprocess.run([OBJDUMP, "-p", str(target / f"python{tag}.dll")], capture_output=True, check=True)
    _, _, table = listed.stdout.decode(errors="replace").partition("Ordinal/Name")
    names = sorted(set(re.findall(r"^\s+\[ *\d+\] (?:\+base\[ *\d+\]\s+[0-9a-f]+ )?(\w+)$", table, re.MULTILINE)))
    lines = ["LIBRARY python3.dll", "EXPORTS", *(f"{name} = python{tag}.{name}" for name in names)]
    definitions = work / "python3.def"
    definitions.write_text("\n".join(lines) + "\n")
    _compile(work, "python3.c", FORWARDER_C, target / "python3.dll", "-shared", str(definitions))


def _copy_standard_library(target: Path) -> None:
    left_out = {"site-packages", "lib-dynload", "test", "__pycache__", "idlelib", "turtledemo", "lib2to3"}

    def ignore(_directory: str, names: list[str]) -> set[str]:
        return {name for name in names if name in left_out or name.startswith("config-")}

    shutil.copytree(sysconfig.get_path("stdlib"), target, ignore=ignore, dirs_exist_ok=True)


def _make_venv_launcher(target: Path, work: Path) -> None:
    """Make what virtual environments get as python.exe and pythonw.exe; uv wants both."""
    target.mkdir(parents=True, exist_ok=True)
    _compile(work, "launcher.c", LAUNCHER_C, target / "python.exe", "-municode")
    shutil.copy2(target / "python.exe", target / "pythonw.exe")


def _make_random(target: Path, work: Path) -> None:
    _compile(work, "random.c", RANDOM_C, target / "bcryptprimitives.dll", "-shared", "-ladvapi32")


def _compile(work: Path, name: str, text: str, into: Path, *options: str) -> None:
    source = work / name
    source.write_text(text)
    libraries = [one for one in options if one.startswith("-l")]
    others = [one for one in options if one not in libraries]
    _run([MINGW, "-O2", "-s", *others[:1], "-o", str(into), str(source), *others[1:], *libraries])


def _install_packages(prefix: Path) -> None:
    pip = ["wine", r"C:\Python311\python.exe", "-m", "pip", "install", "-q", "--no-index", "--no-warn-script-location"]
    _run([*pip, "--find-links", r"C:\wheels", *requirements()], wine_environment(prefix))
    _run(["wineserver", "-w"], wine_environment(prefix))


def wine_environment(prefix: Path) -> dict[str, str]:
    """Return the variables for Wine itself; those of this process would reach the Windows programs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "USER": "root", "LANG": "C.UTF-8", "WINEPREFIX": str(prefix), "WINEDEBUG": "-all"}


def _run(command: Sequence[str], env: dict[str, str] | None = None, *, check: bool = True) -> None:
    """Run a command; its output goes to a pipe, since CPython under Wine cannot start with a file as stdout."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdout is not None
        shutil.copyfileobj(process.stdout, log)
        if process.wait() != 0 and check:
            log.seek(0)
            said = log.read()[-4000:].decode(errors="replace")
            raise WindowsMissingError(f"`{' '.join(command)[:200]}` fails with {process.returncode}:\n{said}")


def main() -> int:
    """Build, and say where the prefix is; the exit code is 1 if it cannot be had."""
    try:
        place = build()
    except WindowsMissingError as error:
        print(f"windows: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"windows: {place}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
