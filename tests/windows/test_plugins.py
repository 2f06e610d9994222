"""Plugins on Windows: their wheels, the launchers that pip, pipx and uv make of them, and where they are found."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import run
from tests.publish.wheeling import STEM
from tests.publish.wheels import MANIFEST, package, save

if TYPE_CHECKING:
    from pathlib import Path

    from tests.windows.user import WindowsUser

PYTHON = r"C:\Python311\python.exe"
PIP = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile", "--no-warn-script-location"]
METADATA = b"Metadata-Version: 2.4\nName: d8-plug-demo\nVersion: 1.0\n\nAbout it.\n"
THIN = f"{STEM}win_amd64.whl"


@pytest.fixture
def author(user: WindowsUser, tmp_path: Path) -> WindowsUser:
    """A person who has published the image demo in two versions, and has the wheel of a plugin that asks for it."""
    user.publish("demo", "v1.0.0", "v1.1.0")
    user.path("wheels").mkdir()
    save(tmp_path / "built", package(METADATA=METADATA))
    return user


def packed(author: WindowsUser, tmp_path: Path, *options: str) -> dict[str, str]:
    """Pack the wheel on Windows, below ``wheels``; return the hash of each file that was made."""
    built = author.machine.spelled(tmp_path / "built" / f"{STEM}any.whl")
    author.ok("wheel", built, *options, "-o", "wheels")
    return hashes(author.path("wheels"))


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
    assert any("win_amd64" in name for name in made)
    built, there = str(tmp_path / "built" / f"{STEM}any.whl"), tmp_path / "there"
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{author.source}"}
    done = run("wheel", built, *options, "-o", str(there), home=str(tmp_path), env=env)
    assert done.code == 0, done
    assert hashes(there) == made


def test_the_binaries_of_a_fat_wheel_run_where_pip_puts_them(author: WindowsUser, tmp_path: Path) -> None:
    packed(author, tmp_path, "--mode", "fat", "--platform", "windows-amd64")
    pip(author, "--prefix", "fat", rf"wheels\{THIN}")
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
    assert author.types([demo, "exit", "7"]).code == 7
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
    (wheel,) = (author.machine.prefix.parent / "dist").glob("*.whl")
    links = [r"C:\wheels", rf"{author.profile}\wheels", author.machine.spelled(wheel.parent)]
    offline = ["--offline", "--no-index", "--python", PYTHON, *(f"--find-links={one}" for one in links)]
    done = author.types([r"C:\Python311\Scripts\uv.exe", "tool", "install", *offline, "d8-plug-demo"])
    assert done.code == 0, done
    assert found(author) == [("d8-plug-demo", "uv tool")]
    assert said(author, rf"{author.profile}\.local\bin\demo.exe") == "demo v1.1.0\n"
