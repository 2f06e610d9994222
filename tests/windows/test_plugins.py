"""Plugins on Windows: their wheels, the launchers that pip, pipx and uv make of them, and where they are found."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import run
from tests.forms import THOROUGH
from tests.publish.wheeling import STEM
from tests.publish.wheels import MANIFEST, package, save

if TYPE_CHECKING:
    from pathlib import Path

    from tests.windows.user import WindowsUser

PYTHON = r"C:\Python311\python.exe"
PIP = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile", "--no-warn-script-location"]
METADATA = b"Metadata-Version: 2.4\nName: d8-plug-demo\nVersion: 1.0\n\nAbout it.\n"
THIN = f"{STEM}win_amd64.whl"
PROGRAMS = r"C:\windows\system32;C:\Python311\Scripts"


@pytest.fixture
def author(user: WindowsUser, tmp_path: Path) -> WindowsUser:
    """A person who has published the image demo in two versions, and has the wheel of a plugin that asks for it."""
    user.publish("demo", "v1.0.0", "v1.1.0")
    user.path("wheels").mkdir()
    save(tmp_path / "built", package(METADATA=METADATA))
    return user


def packed(author: WindowsUser, tmp_path: Path, *options: str) -> dict[str, str]:
    """Pack the wheel on Linux, into their ``wheels``; return the hash of each file that was made."""
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{author.source}"}
    built, wheels = str(tmp_path / "built" / f"{STEM}any.whl"), author.path("wheels")
    done = run("wheel", built, *options, "-o", str(wheels), home=str(tmp_path), env=env)
    assert done.code == 0, done
    return hashes(wheels)


def hashes(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def pip(user: WindowsUser, *words: str, python: str = PYTHON) -> None:
    done = user.types([python, *PIP, *words])
    assert done.code == 0, done


def venv(user: WindowsUser, place: str) -> str:
    """Make a virtual environment that sees d8-installer; return its programs."""
    done = user.types([PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", place])
    assert done.code == 0, done
    return rf"{user.profile}\{place}\Scripts"


def said(user: WindowsUser, *line: str, **more: Any) -> str:
    """Return what a program says that must succeed."""
    done = user.types(list(line), **more)
    assert done.code == 0, done
    return done.out


def found(user: WindowsUser) -> list[tuple[str, str]]:
    """Return the name and the manager of each plugin whose manifest counts."""
    return [(one["name"], one["manager"]) for one in user.json("plugins")["manifests"] if one["counts"]]


@pytest.mark.parametrize("mode", ["thin", "fat"])
def test_a_wheel_has_the_same_bytes_wherever_it_is_made(author: WindowsUser, tmp_path: Path, mode: str) -> None:
    options = ["--mode", mode, *(["--platform", "all"] if mode == "fat" else [])]
    made = packed(author, tmp_path, *options)
    assert len(made) == (3 if mode == "thin" else 2)
    assert THIN in made
    author.ok("wheel", author.machine.spelled(tmp_path / "built" / f"{STEM}any.whl"), *options, "-o", "there")
    assert hashes(author.path("there")) == made
    if mode == "fat":
        pip(author, "--prefix", "fat", rf"there\{THIN}")
        assert said(author, rf"{author.profile}\fat\Scripts\demo.exe", "args", "a b") == "a b\n"


def test_a_projects_launcher_runs_what_the_project_locks(author: WindowsUser, tmp_path: Path) -> None:
    """W6: a link needs rights that a person does not have; the launcher ran the version of the user's profile."""
    packed(author, tmp_path)
    project = author.path("Мой проект (1)")
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "demo"\nversion = "=1.1.0"\n')
    cwd = rf"{author.profile}\Мой проект (1)"
    scripts = venv(author, rf"{project.name}\.venv")
    pip(author, rf"wheels\{THIN}", python=rf"{scripts}\python.exe")
    demo = rf"{scripts}\demo.exe"
    author.ok("install", "demo==1.0.0")
    assert "will not find" not in author.ok("sync", cwd=cwd).err
    link = project / ".venv" / ".d8-profile"
    before = os.stat(link).st_mtime_ns
    assert link.is_file()
    assert not link.is_symlink()
    env = {"D8_RPP_ENDPOINT": r"oci-layout:C:\nowhere"}
    assert said(author, demo, env=env) == "demo v1.1.0\n", "and no source is asked"
    assert author.types([demo, "exit", "0xC0000005"]).code == 0xC0000005
    assert author.cmd(r"AppData\Local\d8-installer\bin\demo").out == "demo v1.0.0\n"
    # As a person may type it, and without a warning in the project's next command.
    assert said(author, rf"{scripts}\DEMO.EXE") == "demo v1.1.0\n"
    author.ok("sync", cwd=cwd)
    assert os.stat(link).st_mtime_ns == before
    # What self uninstall removes, it finds by the file.
    assert rf"{cwd}\.venv\.d8-profile" in author.json("self", "uninstall", "--dry-run")["removed"]


def test_plugins_of_a_user_site_are_found_and_their_launchers_run(author: WindowsUser, tmp_path: Path) -> None:
    """W8 and W14, in `%APPDATA%\\Python\\Python311`: one that pip installs, and one that is editable."""
    packed(author, tmp_path)
    pip(author, "--user", rf"wheels\{THIN}")
    site = author.path("AppData/Roaming/Python/Python311/site-packages")
    _add_editable(author, site)
    assert found(author) == [("d8-plug-demo", "user site"), ("d8-plug-edited", "user site")]
    launcher = rf"{author.profile}\AppData\Roaming\Python\Python311\Scripts\demo.exe"
    first = author.types([launcher])
    assert (first.code, first.out) == (0, "demo v1.1.0\n"), first
    assert "installed demo v1.1.0 for d8-plug-demo" in first.err
    assert said(author, launcher, "args", "x") == "x\n"
    # The launcher is no other command of that name: the binary has its place in bin, and nothing shadows it.
    author.publish("edited", "v1.0.0")
    scripts = launcher.rpartition("\\")[0]
    synced = author.ok("sync", env={"PATH": rf"{scripts};C:\windows\system32"})
    assert "so the command demo" not in synced.err
    assert (author.data / "bin/demo.exe").is_file()


def _add_editable(author: WindowsUser, site: Path) -> None:
    """Lay out an editable install as pip does, without a ``.pth`` that names the work tree."""
    info = site / "d8_plug_edited-1.0.dist-info"
    info.mkdir(parents=True)
    tree = author.path("my work", "src", "d8_plug_edited")
    tree.mkdir(parents=True)
    (tree / "d8.toml").write_bytes(MANIFEST.replace(b"demo", b"edited"))
    url = f"file:///{author.profile}/my%20work".replace("\\", "/")
    files = {
        "METADATA": METADATA.replace(b"demo", b"edited"),
        "entry_points.txt": b"[d8_installer.manifests]\ndemo = d8_plug_edited:d8.toml\n",
        "direct_url.json": f'{{"url": "{url}", "dir_info": {{"editable": true}}}}'.encode(),
    }
    for name, data in files.items():
        (info / name).write_bytes(data)
    (info / "RECORD").write_text("".join(f"{info.name}/{name},,\n" for name in [*files, "RECORD"]))


def test_a_plugin_that_uv_installs_is_found_and_its_launcher_runs(author: WindowsUser, tmp_path: Path) -> None:
    packed(author, tmp_path)
    env = _index(author)
    said(author, r"C:\Python311\Scripts\uv.exe", "tool", "install", "--python", PYTHON, "d8-plug-demo", env=env)
    assert found(author) == [("d8-plug-demo", "uv tool")]
    assert said(author, rf"{author.profile}\.local\bin\demo.exe") == "demo v1.1.0\n"


@pytest.mark.skipif(not THOROUGH, reason="runs with dev.py test --thorough")
@pytest.mark.parametrize("chosen", [False, True])
def test_a_plugin_that_pipx_installs_is_found_and_its_launcher_runs(
    author: WindowsUser, tmp_path: Path, chosen: bool
) -> None:
    """In the older home ``~\\pipx``, which pipx uses if it exists, and in PIPX_HOME.

    The default, ``pipx\\pipx`` in the folder of local application data, is the same for all users under Wine: pipx asks
    the system for it. The program that pipx puts into ``.local\\bin`` is a copy, which Wine does not make: it says that
    it made a symbolic link.
    """
    packed(author, tmp_path)
    home = "own" if chosen else "pipx"
    author.path(home).mkdir()
    author.env |= {"PIPX_HOME": r"~\own"} if chosen else {}
    env = _index(author) | {"PIPX_DEFAULT_BACKEND": "uv", "PIPX_DEFAULT_PYTHON": PYTHON, "PATH": PROGRAMS}
    said(author, r"C:\Python311\Scripts\pipx.exe", "install", "d8-plug-demo", env=env)
    assert found(author) == [("d8-plug-demo", "pipx")]
    launcher = author.path(home, "venvs/d8-plug-demo/Scripts/demo.exe")
    shutil.copy2(launcher, author.path(".local/bin/demo.exe"))
    assert said(author, author.machine.spelled(launcher)) == "demo v1.1.0\n"
    assert said(author, rf"{author.profile}\.local\bin\demo.exe") == "demo v1.1.0\n"


def _index(author: WindowsUser) -> dict[str, str | None]:
    """Return the variables that make uv find the plugin's wheel, d8-installer's and what that needs, in ``wheels``."""
    drive = author.machine.drive_c
    for wheel in (*(drive / "wheels").glob("*.whl"), *(author.machine.prefix.parent / "dist").glob("*.whl")):
        os.link(wheel, author.path("wheels", wheel.name))
    return {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": rf"{author.profile}\wheels"}
