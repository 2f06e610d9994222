"""Where a home is, how its path is spelled, and what doctor and verify say of one that cannot work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests import installed
from tests.command import PROGRAM, Completed, environment, run
from tests.faults.scenarios import CONFIG, DATA
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, modes and accounts of POSIX")

MANIFEST = installed.manifest("tool")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("places")
    add_image(str(root), "tool", "v1.0.0", executables("tool", host_platform()))
    return f"oci-layout:{root}"


@pytest.fixture(scope="module")
def installed_home(tmp_path_factory: pytest.TempPathFactory, images: str) -> Path:
    home = tmp_path_factory.mktemp("home")
    good(run("--endpoint", images, "install", "tool", home=str(home)))
    return home


@pytest.fixture
def person(tmp_path: Path, installed_home: Path) -> Path:
    """Give a HOME with `tool` in place."""
    home = tmp_path / "person"
    shutil.copytree(installed_home, home, symlinks=True)
    return home


def good(done: Completed) -> Completed:
    assert done.code == 0, done
    return done


def typed(
    images: str, *words: str, env: Mapping[str, str], cwd: Path, without_home: bool = True, umask: int = -1
) -> Completed:
    """Run the command in a clean environment, which may have no HOME."""
    clean = environment("/", **env)
    if without_home and "HOME" not in env:
        del clean["HOME"]
    done = subprocess.run(
        [PROGRAM, "--endpoint", images, *words], env=clean, cwd=cwd, capture_output=True, text=True, timeout=120,
        check=False, stdin=subprocess.DEVNULL, umask=umask,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return Completed(done.returncode, done.stdout, done.stderr)


# -- C2: the search for a project ends at HOME, however it is spelled -------------------------------------------


@pytest.mark.parametrize("spelled", ["{0}", "{0}/", "{0}//", "{0}/../home", "{1}", "{1}/", "{1}/./"])
def test_no_project_is_found_above_home(tmp_path: Path, images: str, spelled: str) -> None:
    home, link = tmp_path / "home", tmp_path / "link"
    (home / "work").mkdir(parents=True)
    link.symlink_to("home")
    (tmp_path / "d8.toml").write_text(MANIFEST)
    env = {"HOME": spelled.format(home, link)}
    for _ in range(2):  # the second one is quick
        done = good(typed(images, "sync", env=env, cwd=home / "work"))
        assert "your profile" in done.err
    assert not (tmp_path / "d8.lock").exists()


# -- C3: only their owner can write to what is made -------------------------------------------------------------


def test_an_open_umask_opens_nothing(tmp_path: Path, images: str) -> None:
    home, project = tmp_path / "home", tmp_path / "home/project"
    project.mkdir(parents=True)
    (project / "d8.toml").write_text(MANIFEST)
    (tmp_path / "chosen").mkdir()
    (tmp_path / "chosen").chmod(0o777)
    env = {"HOME": str(home)}
    for words, where in (
        (("config", "set", "retention", "3"), home),
        (("install", "tool"), home),
        (("sync",), project),
        (("run", "tool>=1"), home),
        (("ensurepath",), home),
        (("--home", str(tmp_path / "chosen"), "install", "tool"), home),
        (("sync", "--platform", str(host_platform()), "--to", str(home / "laid-out")), project),
    ):
        good(typed(images, *words, env=env, cwd=where, umask=0))
    found = [path for top in (home, tmp_path / "chosen") for path in (top, *top.rglob("*")) if not path.is_symlink()]
    assert len(found) > 40
    assert [path for path in found if path.stat().st_mode & 0o022] == []
    good(run("verify", home=str(home)))


# -- C4: a home lies in one place -------------------------------------------------------------------------------


def moved(person: Path, name: str, to: Path) -> None:
    """Move a directory of the home elsewhere, and put a link into its place."""
    place = person / DATA / name
    place.mkdir(parents=True, exist_ok=True)
    place.rename(to)
    place.symlink_to(to)


@pytest.mark.parametrize(
    "name", ["profiles", "store", "store/sha256", "store/layers", "incoming", "arriving", "runs", "profiles/user"]
)
def test_a_directory_of_the_home_that_is_a_link_is_refused(
    person: Path, tmp_path: Path, images: str, name: str
) -> None:
    good(run("sync", home=str(person)))
    moved(person, name, tmp_path / "elsewhere")
    place = person / DATA / name
    for words in (("sync",), ("install", "tool"), ("verify",)):
        done = run("--endpoint", images, *words, home=str(person))
        if (name, words) == ("profiles/user", ("verify",)):
            continue  # which has no profile of its own
        assert done.code == 78, (words, done)
        assert f"{place} is a link, and a home works only if all of it lies in one directory" in done.errors
        assert "hint: put it back" in done.err
    assert f"{place} is a link" in run("doctor", home=str(person)).out
    place.unlink()
    (tmp_path / "elsewhere").rename(place)
    good(run("sync", home=str(person)))
    good(run("verify", home=str(person)))


def test_a_home_that_is_a_link_as_a_whole_works(person: Path, tmp_path: Path, images: str) -> None:
    (person / DATA).rename(tmp_path / "disk")
    (person / DATA).symlink_to(tmp_path / "disk")
    good(run("--endpoint", images, "sync", "--prune", home=str(person)))
    good(run("verify", home=str(person)))
    assert subprocess.run([person / DATA / "bin/tool"], capture_output=True, check=True).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="root can mount another file system")
@pytest.mark.parametrize("name", ["store", "incoming", "profiles"])
def test_a_directory_of_the_home_on_another_disk_is_refused(person: Path, images: str, name: str) -> None:
    place = person / DATA / name
    place.mkdir(exist_ok=True)
    script = f'mount -t tmpfs none "{place}" && exec "{PROGRAM}" --endpoint "{images}" install tool'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], env=environment(str(person)), capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    if "mount" in done.stderr:
        pytest.skip(f"this machine mounts nothing: {done.stderr}")
    assert done.returncode == 78, done
    assert f"~/{DATA}/{name} is on another file system" in done.stderr


# -- C6: without HOME, and a home that is spelled with a tilde ---------------------------------------------------


def nobody() -> list[str]:
    """Return how to become a user whom the user database does not know; only root can."""
    return ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="root becomes an unknown user")
@pytest.mark.parametrize(
    ("options", "env"),
    [
        (("--home", "{0}/home"), {}),
        ((), {"D8_INSTALLER_HOME": "{0}/home"}),
        ((), {"XDG_DATA_HOME": "{0}/data", "XDG_CONFIG_HOME": "{0}/config"}),
    ],
    ids=["option", "variable", "XDG"],
)
def test_without_a_home_directory_a_chosen_home_does(
    images: str, options: tuple[str, ...], env: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as root:
        os.chown(root, 54321, 54321)
        chosen = [option.format(root) for option in options]
        clean = environment("/", **{name: value.format(root) for name, value in env.items()})
        del clean["HOME"]
        reason = subprocess.run([*nobody(), PROGRAM, "--version"], env=clean, cwd="/", capture_output=True, check=False)
        if reason.returncode != 0:
            pytest.skip("another user cannot execute this Python")
        layout = os.path.join(root, "images")
        shutil.copytree(images.removeprefix("oci-layout:"), layout)
        subprocess.run(["chown", "-R", "54321", layout], check=True)
        for words in (("config", "set", "endpoint", f"oci-layout:{layout}"), ("install", "tool"), ("sync",), ("list",)):
            done = subprocess.run(
                [*nobody(), PROGRAM, *chosen, *words], env=clean, cwd=root, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (words, done)
        assert "tool" in done.stdout
        done = subprocess.run(
            [*nobody(), PROGRAM, *chosen, "self", "uninstall", "--yes"], env=clean, cwd=root, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done
        assert "images" in os.listdir(root)
        assert [name for name in os.listdir(root) if name in {"home", "~"}] == []


@pytest.mark.parametrize("way", ["variable", "option"])
def test_a_tilde_that_no_shell_has_read_means_home(tmp_path: Path, images: str, way: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), **({"D8_INSTALLER_HOME": "~/x"} if way == "variable" else {})}
    options = () if way == "variable" else ("--home=~/x",)
    good(typed(images, *options, "install", "tool", env=env, cwd=tmp_path))
    good(typed(images, *options, "sync", env=env, cwd=tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["home"]
    assert (home / "x/bin/tool").exists()


def test_a_launcher_reads_the_tilde_too(tmp_path: Path, images: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "D8_INSTALLER_HOME": "~/x"}
    good(typed(images, "install", "tool", env=env, cwd=tmp_path))
    (tmp_path / "bin").mkdir()
    installed.add_launchers(tmp_path, MANIFEST)
    done = subprocess.run([tmp_path / "bin/tool"], env=environment(str(home), **env), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"tool {host_platform()}\n".encode()), done


def test_a_relative_xdg_directory_counts_as_unset_for_fish(tmp_path: Path, images: str) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    env = {"HOME": str(home), "XDG_CONFIG_HOME": "relative", "SHELL": "/usr/bin/fish"}
    good(typed(images, "ensurepath", env=env, cwd=work))
    assert os.listdir(work) == []
    assert (home / ".config/fish/conf.d/d8-installer.fish").exists()


# -- C7: what doctor and verify say ------------------------------------------------------------------------------


def doctor(person: Path, *words: str) -> dict[str, tuple[str, str, str]]:
    """Return the findings that are not well: by check, level, message and hint."""
    done = run(*words, "--json", "doctor", home=str(person))
    findings = json.loads(done.out)["data"]["findings"]
    return {f["check"]: (f["level"], f["message"], f["hint"]) for f in findings if f["level"] != "ok"}


def test_doctor_names_a_home_that_others_may_write_to(person: Path) -> None:
    assert "home" not in doctor(person)
    (person / DATA).chmod(0o777)
    level, message, hint = doctor(person)["home"]
    assert level == "warning"
    assert message == f"other users may write to {person / DATA}, and could change every program in it"
    subprocess.run(hint.partition("`")[2].partition("`")[0].split(), check=True)
    assert "home" not in doctor(person)


def test_doctor_names_a_bin_that_leads_elsewhere(person: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (person / DATA / "bin").unlink()
    (person / DATA / "bin").symlink_to(tmp_path / "other")
    level, message, _ = doctor(person)["path"]
    assert level == "error"
    assert f"leads to {tmp_path / 'other'}" in message


def test_doctor_recommends_no_command_that_refuses(tmp_path: Path, images: str) -> None:
    home = tmp_path / "a:b"
    good(run("--endpoint", images, "--home", str(home), "install", "tool", home=str(tmp_path)))
    level, message, hint = doctor(tmp_path, "--home", str(home))["path"]
    assert (level, "cannot be on PATH" in message, "ensurepath" in hint) == ("warning", True, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="root owns what another user cannot write to")
def test_doctor_names_a_home_that_cannot_be_written_to(person: Path) -> None:
    script = f'mount --bind "{person}" "{person}" && mount -o remount,ro,bind "{person}" && exec "{PROGRAM}" doctor'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], env=environment(str(person)), capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    if "mount" in done.stderr:
        pytest.skip(f"this machine mounts nothing: {done.stderr}")
    assert f"~/{DATA} cannot be written to" in done.stdout


def test_verify_misses_the_memory_of_tags(person: Path, images: str) -> None:
    (person / DATA / "tags.json").unlink()
    assert f"{person / DATA / 'tags.json'} is missing" in run("verify", home=str(person)).err
    good(run("--endpoint", images, "verify", "--fix", home=str(person)))
    assert "v1.0.0" in (person / DATA / "tags.json").read_text()
    assert (person / CONFIG / "d8.toml").exists()
