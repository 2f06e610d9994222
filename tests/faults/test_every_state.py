"""Every state file and link, damaged in every way, before every command: repaired or named, never a traceback.

After cargo's `corrupted_ok_overwritten`. Short: one command for every second damage; thorough: all. `test_damage`
says more of what a repair is; here nothing is left out.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.manifest import Manifest
from d8_installer.plugin.launcher import PROFILE_LINK
from d8_installer.store import fs
from tests.faults import driver
from tests.faults.scenarios import CONFIG, DATA
from tests.forms import THOROUGH
from tests.images import add_image, executables, host_platform
from tests.installed import add_launchers, install, library, manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.driver import Ran

    Damage = Callable[[str, Random], None]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked")

HERE, PROJECT = "", "work"
PLUGIN = manifest("other", "", hello="plugin")
LAUNCHER = ("launch", Manifest.parse(PLUGIN.encode(), "d8.toml").requests[0].hash.hex, "hello", ".venv/bin/hello")
PROFILE = os.path.join(DATA, "profiles", "*")
STATES = {
    "config": os.path.join(CONFIG, "config.toml"),
    "manifest": os.path.join(CONFIG, "d8.toml"),
    "schema": os.path.join(DATA, "schema"),
    "tags": os.path.join(DATA, "tags.json"),
    "made": os.path.join(DATA, "made"),
    "verifiers": os.path.join(DATA, "verifiers"),
    "mutex": os.path.join(DATA, "**mutex"),
    "bin": os.path.join(DATA, "bin"),
    "lock": os.path.join(DATA, "profiles", "user", "d8.lock"),
    "project": os.path.join(PROFILE, "project"),
    "stamp": os.path.join(PROFILE, "stamp.json"),
    "environments": os.path.join(PROFILE, "environments"),
    "current": os.path.join(PROFILE, "current"),
    "generation": os.path.join(PROFILE, "generations", "*", "generation.json"),
    "binary": os.path.join(PROFILE, "generations", "*", "bin", "*"),
    "request": os.path.join(PROFILE, "generations", "*", "req", "*", "*"),
    "run": os.path.join(DATA, "runs", "**"),
    "layer": os.path.join(DATA, "store", "layers", "*.json"),
    "executable": os.path.join(DATA, "store", "sha256", "*", "*"),
    "project-manifest": os.path.join(PROJECT, "d8.toml"),
    "project-lock": os.path.join(PROJECT, "d8.lock"),
    "launch-link": os.path.join(PROJECT, ".venv", PROFILE_LINK),
    "plugin-manifest": os.path.join(PROJECT, ".venv", "**d8.toml"),
    "entry-points": os.path.join(PROJECT, ".venv", "**entry_points.txt"),
}
"""What a home holds; a path that none of these matches has no test, and is an error of this test."""
NO_STATE = ("*/.venv/*",)
COMMANDS = (
    (HERE, ("list",)),
    (HERE, ("sync",)),
    (HERE, ("sync", "--prune")),
    (HERE, ("sync", "--frozen")),
    (HERE, ("install", "tool==1.1.0")),
    (HERE, ("upgrade", "--all")),
    (HERE, ("use", "tool", "v1.0.0")),
    (HERE, ("uninstall", "other")),
    (HERE, ("rollback",)),
    (HERE, ("history",)),
    (HERE, ("doctor",)),
    (HERE, ("plugins",)),
    (HERE, ("plugins", "disable", "d8-plug-gone")),
    (HERE, ("config",)),
    (HERE, ("config", "set", "retention", "3")),
    (HERE, ("env", "--shell", "sh")),
    (HERE, ("which", "tool")),
    (HERE, ("run", "tool")),
    (HERE, ("run", "elsewhere")),
    (HERE, ("lock", "--upgrade")),
    (HERE, ("verify",)),
    (HERE, ("verify", "--fix")),
    (HERE, ("gc", "--keep", "1")),
    (PROJECT, ("sync", "--locked")),
    (PROJECT, ("sync",)),
    (PROJECT, ("lock",)),
    (PROJECT, ("lock", "--check")),
    (PROJECT, ("list", "--outdated")),
    (PROJECT, ("export", "--format", "json")),
    (PROJECT, ("which", "hello")),
    (PROJECT, LAUNCHER),
)
WAYS_OUT = frozenset([65, 69, 73, 75, 76, 78])
"""Exit codes of an error with a name; `doctor` has 1 for what it finds."""


# -- damages -------------------------------------------------------------------------------------------------


def cut(path: str, _random: Random) -> None:
    os.truncate(path, os.path.getsize(path) // 2)


def emptied(path: str, _random: Random) -> None:
    os.truncate(path, 0)


def zeroed(path: str, _random: Random) -> None:
    size = os.path.getsize(path)
    os.truncate(path, 0)
    os.truncate(path, size)


def flipped(path: str, random: Random) -> None:
    with open(path, "rb") as file:
        data = bytearray(file.read())
    for _ in range(3):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    with open(path, "wb") as file:
        file.write(data)


def removed(path: str, _random: Random) -> None:
    os.unlink(path)


def dangling(path: str, _random: Random) -> None:
    os.unlink(path)
    os.symlink("nowhere/at/all", path)


def a_directory(path: str, _random: Random) -> None:
    os.unlink(path)
    os.mkdir(path)


def a_file(path: str, _random: Random) -> None:
    os.unlink(path)
    with open(path, "w", encoding="ascii") as file:
        file.write("x")


FILE_DAMAGES = (cut, emptied, zeroed, flipped, removed, dangling, a_directory)
LINK_DAMAGES = (removed, dangling, a_directory, a_file)


# -- the home ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """A home with everything that a home can have; it is put back at its place for every try."""

    root: str

    @property
    def home(self) -> str:
        return os.path.join(self.root, "home")

    def run(self, place: str, words: tuple[str, ...]) -> Ran:
        return driver.run(*words, home=self.home, cwd=os.path.join(self.home, place))

    def put_back(self) -> None:
        """Make the home what it was, times included, so that its stamps match."""
        fs.remove_tree(self.home)
        shutil.copytree(os.path.join(self.root, "kept"), self.home, symlinks=True)

    def state(self) -> dict[str, list[str]]:
        """Return the paths below HOME that hold state, by what they are."""
        found: dict[str, list[str]] = {name: [] for name in STATES}
        for where, directories, files in os.walk(self.home):
            links = [name for name in directories if os.path.islink(os.path.join(where, name))]
            for name in (*files, *links):
                path = os.path.relpath(os.path.join(where, name), self.home)
                kinds = [kind for kind, pattern in STATES.items() if fnmatch.fnmatch(path, pattern)]
                if not kinds and any(fnmatch.fnmatch(path, pattern) for pattern in NO_STATE):
                    continue
                assert kinds, f"{path} has no place in STATES"
                found[kinds[0]].append(path)
        return {kind: sorted(paths) for kind, paths in found.items() if paths}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    root = tmp_path_factory.mktemp("every-state")
    images = str(root / "images")
    for name, tag in (("tool", "v1.0.0"), ("tool", "v1.1.0"), ("other", "v1.0.0"), ("elsewhere", "v1.0.0")):
        add_image(images, name, tag, executables(f"{name} {tag}", host_platform()))
    made = Ready(str(root))
    lay_out(made, root / "home", images)
    shutil.copytree(made.home, os.path.join(made.root, "kept"), symlinks=True)
    yield made
    fs.remove_tree(made.home)


def lay_out(ready: Ready, home: Path, images: str) -> None:
    """Make a person's profile with a history, and a project's with a plugin and its launcher."""
    venv = home / PROJECT / ".venv"
    install(library(venv), "d8-plug-hello", "1.0", PLUGIN)
    (venv / "bin").mkdir()
    add_launchers(venv, PLUGIN)
    other = home / "environment"
    install(library(other), "d8-plug-more", "1.0", manifest("tool", "", more="plugin"))
    (home / PROJECT / "d8.toml").write_text('schema = 1\n[[images]]\nname = "tool"\n')
    for place, words in (
        (HERE, ("config", "set", "endpoint", f"oci-layout:{images}")),
        (HERE, ("install", "tool==1.0.0", "other")),
        (HERE, ("install", "tool>=1.0.0")),
        (HERE, ("sync", "--env", str(other))),
        (HERE, ("run", "elsewhere")),
        (PROJECT, ("sync",)),
        (PROJECT, LAUNCHER),
    ):
        ran = ready.run(place, words)
        assert ran.code == 0, ran
    shutil.rmtree(other)
    (home / STATES["verifiers"]).write_text("d8-plug-gone\n")  # what a plugin that verified, and is disabled, leaves


# -- the promise ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STATES)
def test_damage_is_repaired_or_named(ready: Ready, kind: str, record_property: Callable[[str, object], None]) -> None:
    ready.put_back()
    paths = ready.state()[kind]
    tries, wrong = 0, []
    for number, (path, damage) in enumerate((p, d) for p in sample(paths) for d in damages(ready, p)):
        first = (number * 5 + len(kind)) % len(COMMANDS)
        for place, words in COMMANDS if THOROUGH else COMMANDS[first : first + number % 2]:
            tries += 1
            ready.put_back()
            whole = os.path.join(ready.home, path)
            for one in (os.path.dirname(whole), *([] if os.path.islink(whole) else [whole])):
                os.chmod(one, 0o700)
            damage(whole, Random(number))  # noqa: S311 - the same damage every time
            if complaint := complain(ready, place, words):
                wrong.append(f"{path} {damage.__name__}, {place} {' '.join(words)}: {complaint}")
    record_property("tries", tries)
    print(f"{kind}: {tries} damaged before a command, {len(wrong)} neither repaired nor named")  # noqa: T201
    assert not wrong, "\n\n".join(wrong)


def sample(paths: list[str]) -> list[str]:
    """Return the first and the last of a kind (of a project and of the user, the oldest and the newest), or one."""
    return sorted({paths[0], paths[-1]}) if THOROUGH else paths[-1:]


def damages(ready: Ready, path: str) -> tuple[Damage, ...]:
    whole = os.path.join(ready.home, path)
    if os.path.islink(whole):
        return LINK_DAMAGES
    return FILE_DAMAGES if os.path.getsize(whole) else FILE_DAMAGES[-3:]


def complain(ready: Ready, place: str, words: tuple[str, ...]) -> str:
    """Run the command; return what is wrong with how it ended, or nothing."""
    ran = ready.run(place, words)
    if "Traceback" in ran.err or ran.code in {70, 99} or ran.code < 0:
        return f"a bug\n{ran}"
    errors = ran.errors
    if ran.code == 0 or (words[0] == "doctor" and ran.code == 1):
        return about_the_next(ready) if place == HERE else ""
    if words[0] in {"run", "launch"} and not errors:
        return ""  # it became the program, which is not read before: only `verify` reads stored files whole
    if words[:2] == ("plugins", "disable") and ran.code == 2:
        return about_the_next(ready)  # no plugin of that name is enabled
    if ran.code not in WAYS_OUT or not errors or "\nhint: " not in ran.err:
        return f"no error with a name and a hint\n{ran}"
    return ""


def about_the_next(ready: Ready) -> str:
    """Run the sync that looks at everything; return what is wrong if it is content."""
    ran = ready.run(HERE, ("sync", "--prune"))
    if "Traceback" in ran.err or ran.code not in WAYS_OUT | {0}:
        return f"a bug in the next command\n{ran}"
    listed = ready.run(HERE, ("list", "--json"))
    if ran.code == 0 and listed.code != 0:
        return f"content, and then\n{listed}"
    for binary in json.loads(listed.out)["data"].get("binaries", ()) if ran.code == 0 else ():
        path = os.path.join(ready.home, DATA, "bin", binary["binary"])
        if binary["in_bin"] and not os.access(path, os.X_OK):
            return f"content, and {path} is not a command\n{ran}"
    return ""
