"""``rollback`` ends alike in a home of this version and of an older one, whatever was lost or damaged before."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d8_installer.store import fs
from tests.command import run
from tests.faults.scenarios import CONFIG, DATA
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Change = Callable[[Path], None]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

USER = Path(DATA, "profiles", "user")
WORDS = (
    *((), ("1",), ("2",), ("3",), ("4",), ("0",), ("9",), ("--json",), ("--json", "2"), ("--json", "9"), ("-q", "3")),
    *(("-v", "2"), ("--no-plugins",), ("--user", "1"), ("--project", "1"), ("--offline", "--home=elsewhere", "1")),
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A HOME with four generations (one of a moved tag) and a project with two, to be copied."""
    root = tmp_path_factory.mktemp("ways")
    home, images = root / "home", str(root / "images")
    project = home / "work"
    project.mkdir(parents=True)
    for tag in ("v1.0.0", "v2.0.0"):
        for name in ("tool", "other"):
            add_image(images, name, tag, executables(f"{name} {tag}", host_platform()))
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{images}"}
    for words in (("install", "tool==1.0.0"), ("install", "other"), ("install", "tool==2.0.0")):
        assert run(*words, home=str(home), env=env).code == 0
    add_image(images, "tool", "v2.0.0", executables("tool moved", host_platform()))
    moved = run("upgrade", "--all", "--accept-moved", "tool:v2.0.0", home=str(home), env=env)
    assert moved.code == 0, moved
    for version in ("1.0.0", ">=1"):
        (project / "d8.toml").write_text(f'schema = 1\n[[images]]\nname = "other"\nversion = "{version}"\n')
        assert run("sync", home=str(home), cwd=str(project), env=env).code == 0
    home.rename(root / "kept")
    yield root / "kept"
    fs.remove_tree(str(root / "kept"))


def aged(home: Path) -> None:
    """Let the generations be those of an older version: a record without a checksum, and a summary beside it."""
    for record in home.glob("**/generations/*/generation.json"):
        text = record.read_text()
        record.parent.chmod(0o755)
        record.chmod(0o644)
        record.write_text(without_checksum(text))
        (record.parent / "summary").write_text("d8-installer summary 1\n")
        record.chmod(0o444)
        record.parent.chmod(0o555)


def without_checksum(text: str) -> str:
    return re.sub(r',\n "checksum": "[0-9a-f]{8}"\n', "\n", text)


def rolled_back(kept: Path, words: tuple[str, ...], *changes: Change, cwd: str = "") -> tuple[object, ...]:
    """Roll back in a fresh copy; return all that can be seen of it."""
    home = kept.parent / "home"
    shutil.copytree(kept, home, symlinks=True)
    try:
        for change in changes:
            change(home)
        done = run("rollback", *words, home=str(home), cwd=str(home / cwd))
        assert "Traceback" not in done.err
        return done.code, done.out, done.err, tree(home)
    finally:
        fs.remove_tree(str(home))


def tree(home: Path) -> dict[str, object]:
    """Return what lies in *home*: links by their target, files by mode and bytes; of a mutex only that it is there."""
    found: dict[str, object] = {}
    for where, directories, files in os.walk(home):
        for name in (*directories, *files):
            path = Path(where, name)
            key = str(path.relative_to(home))
            if path.is_symlink():
                found[key] = os.readlink(path)
            elif path.is_file() and name == "generation.json":
                found[key] = path.stat().st_mode, without_checksum(path.read_text())
            elif path.is_file() and name != "summary":
                found[key] = path.stat().st_mode, b"" if name.endswith("mutex") else path.read_bytes()
    return found


@pytest.mark.parametrize("cwd", ["", "work"], ids=["user", "project"])
@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_both_homes_end_alike(kept: Path, words: tuple[str, ...], cwd: str) -> None:
    assert rolled_back(kept, words, cwd=cwd) == rolled_back(kept, words, aged, cwd=cwd)


def lost(home: Path) -> None:
    shutil.rmtree(os.path.dirname(os.path.realpath(home / USER / "generations/1/bin/tool")))


def cut_short(home: Path) -> None:
    (home / USER / "generations/9.new/bin").mkdir(parents=True)
    (home / USER / "d8.lock.123.tmp").touch()
    (home / DATA / "incoming/dead").mkdir(parents=True)
    os.symlink("generations/9", home / USER / "current.new")


def lock_gone(home: Path) -> None:
    (home / USER / "d8.lock").unlink()


def lock_the_same(home: Path) -> None:
    record = json.loads((home / USER / "generations/1/generation.json").read_text())
    (home / USER / "d8.lock").write_text(record["lock"])


def in_the_way(home: Path) -> None:
    (home / DATA / "bin").unlink()
    (home / DATA / "bin").mkdir()


def endpoint(home: Path) -> None:
    (home / CONFIG / "config.toml").write_text('# mine\nendpoint = "https://proxy.example"\nretention = 4\n')


CHANGES: dict[Change, tuple[int, str]] = {
    lost: (73, "generation 1 needs "),
    cut_short: (0, "changing your profile"),
    lock_gone: (0, "changing your profile"),
    lock_the_same: (0, "changing your profile"),
    in_the_way: (73, "is in the way"),
    endpoint: (0, "changing your profile"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_was_before_both_homes_end_alike(kept: Path, change: Change) -> None:
    ended = rolled_back(kept, ("1",), change)
    assert ended == rolled_back(kept, ("1",), change, aged)
    code, words = CHANGES[change]
    assert ended[0] == code
    assert words in str(ended[2])


def at(number: int, name: str, damage: Callable[[bytes], bytes]) -> Change:
    def change(home: Path) -> None:
        path = home / USER / "generations" / str(number) / name
        path.parent.chmod(0o755)
        path.chmod(0o644)
        path.write_bytes(damage(path.read_bytes()))

    return change


def to(name: str, text: str) -> Change:
    def change(home: Path) -> None:
        (home / name).write_text(text)

    return change


DAMAGE = {
    "a damaged record": (at(1, "generation.json", lambda raw: raw[:-9]), 65),
    "a bit of a record": (at(1, "generation.json", lambda raw: raw.replace(b"v1.0.0", b"v1.0.1", 1)), 65),
    "a damaged active record": (at(4, "generation.json", lambda raw: raw[:-9]), 0),
    "a newer tool's home": (to(f"{DATA}/schema", "9"), 78),
    "a damaged home": (to(f"{DATA}/schema", "x"), 78),
    "damaged settings": (to(f"{CONFIG}/config.toml", "endpoint ="), 78),
    "a setting twice": (to(f"{CONFIG}/config.toml", 'endpoint = "a"\nendpoint = "a"\n'), 78),
    "plugins": (to(f"{CONFIG}/config.toml", 'plugins = ["d8-plug-gone"]\n'), 0),
    "plugins, spelled otherwise": (to(f"{CONFIG}/config.toml", '"pl\\u0075gins" = ["d8-plug-gone"]\n'), 0),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_changes_nothing_or_does_not_matter(kept: Path, damage: str) -> None:
    change, code = DAMAGE[damage]
    before = rolled_back(kept, ("--help",), change)[3]
    ended = rolled_back(kept, ("1",), change)
    assert ended[0] == code, ended[2]
    assert (ended[3] == before) == (code != 0)
