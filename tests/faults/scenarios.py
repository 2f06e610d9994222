"""The commands that are disturbed, what must be in place before and after, and what nobody may leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d8_installer.model.manifest import Manifest
from d8_installer.store import fs
from tests import installed
from tests.faults import driver
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.command import Completed

NOT_FOUND = 69
DATA = os.path.join(".local", "share", "d8-installer")
CONFIG = os.path.join(".config", "d8-installer")
_TEMPORARY = re.compile(r"\.tmp$|\.new$|\.gone$|\.[0-9a-f]{8,}$")


@dataclass(frozen=True)
class Scenario:
    """A command on a prepared home; ``old`` and ``new`` are what `tool` says before and after, None: no `tool`."""

    name: str
    prepared: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    old: str | None
    new: str | None
    others: tuple[str, ...] = ("other",)
    """The binaries that are there throughout, and say their own name."""
    then: tuple[str, ...] = ()
    """The command that mends all after a failure; empty: the same one."""
    damaged: bool = False
    """Whether the home has damage before, which the command mends."""

    @property
    def again(self) -> tuple[str, ...]:
        """The next command."""
        return self.then or self.command

    def __str__(self) -> str:
        return self.name


_IMAGES = (
    ("tool", "v1.0.0", "one"),
    ("tool", "v1.1.0", "two"),
    ("tool", "v1.2.0", "three"),
    ("other", "v1.0.0", "other"),
    ("third", "v1.0.0", "third"),
)
_CONTRACTS = {"v1.2.0": {"name": "tool", "version": "v1.2.0", "env": [{"name": "PLUGINS_CALLER"}]}}
"""What the version says about itself: its program has a wrapper."""
_FIRST = ("install", "tool==1.0.0", "other")
_SECOND = ("install", "tool==1.1.0")
_WRAPPED = ("install", "tool==1.2.0", "other")
_PLUGIN = installed.manifest("tool", "==1.0.0")
_ENVIRONMENT = ("sync", "--prune", "--env", "venv")
_REQUEST = Manifest.parse(_PLUGIN.encode(), "d8.toml").requests[0].hash.hex
SCENARIOS = (
    Scenario("install", (), ("install", "tool==1.0.0"), None, "one", ()),
    Scenario("upgrade", (_FIRST,), ("install", "tool==1.1.0"), "one", "two"),
    Scenario("uninstall", (_FIRST,), ("uninstall", "tool"), "one", None),
    # The next one is not plain either: a sync that finds its stamp unchanged looks at nothing, leftovers included.
    Scenario("sync", (_FIRST, ("RANGE",), ("lock", "--upgrade")), ("sync",), "one", "two", then=("sync", "--prune")),
    Scenario("rollback", (_FIRST, _SECOND), ("rollback", "1"), "two", "one"),
    Scenario("gc", (_FIRST, _SECOND, ("PROJECT",)), ("gc", "--keep", "1"), "two", "two"),
    Scenario("verify", (_FIRST, _SECOND, ("DAMAGE",)), ("verify", "--fix"), "two", "two", damaged=True),
    Scenario("wrapper", (_FIRST,), ("install", "tool==1.2.0"), "one", "three"),
    Scenario("verify wrapper", (_WRAPPED, _SECOND, ("SPOIL",)), ("verify", "--fix"), "two", "two", damaged=True),
    # A second launch finds its file, and looks at nothing else.
    Scenario("launch", (("PLUGIN",),), ("launch", _REQUEST, "tool", "venv/bin/tool"), None, "one", (), _ENVIRONMENT),
)


@dataclass(frozen=True)
class Prepared:
    """A scenario with a home that is ready for its command; it is copied for every try."""

    scenario: Scenario
    root: str
    calls: tuple[str, ...]
    """What ``store/fs.py`` calls when nothing goes wrong."""

    @contextlib.contextmanager
    def home(self) -> Iterator[str]:
        """Give a copy of the prepared HOME while the context lasts."""
        copy = os.path.join(self.root, "try")
        shutil.copytree(os.path.join(self.root, "home"), copy, symlinks=True)
        try:
            yield copy
        finally:
            fs.remove_tree(copy)


def prepare(scenario: Scenario, root: str) -> Prepared:
    """Publish the images, make the home, and count the calls of an undisturbed run."""
    images = os.path.join(root, "images")
    for name, tag, text in _IMAGES:
        contract = _CONTRACTS.get(tag)
        notes = {} if contract is None else {"contract": b64encode(json.dumps(contract).encode()).decode()}
        add_image(images, name, tag, executables(text, host_platform()), notes)
    home = os.path.join(root, "home")
    os.mkdir(home)
    for command in (("config", "set", "endpoint", f"oci-layout:{images}"), *scenario.prepared):
        if command[0] in _STEPS:
            _STEPS[command[0]](home)
        else:
            assert (ran := driver.run(*command, home=home)).code == 0, ran
    ready = Prepared(scenario, root, ())
    with ready.home() as copy:
        assert said(copy, "tool") == scenario.old
        ran = driver.run(*scenario.command, home=copy)
        assert ran.code == 0, ran
        assert said(copy, "tool") == scenario.new
        assert leftovers(copy) == []
    return Prepared(scenario, root, ran.calls)


def _widen(home: str) -> None:
    manifest = os.path.join(home, CONFIG, "d8.toml")
    with open(manifest, encoding="utf-8") as file:
        text = file.read()
    with open(manifest, "w", encoding="utf-8") as file:
        file.write(text.replace("==1.0.0", ">=1.0.0, <1.2"))


def _plug(home: str) -> None:
    """Put a plugin with a launcher into an environment in HOME."""
    prefix = Path(home, "venv")
    installed.install(installed.library(prefix), "d8-plug-tool", "1.0", _PLUGIN)
    (prefix / "bin").mkdir()
    installed.add_launchers(prefix, _PLUGIN)


def _spoil_a_wrapper(home: str) -> None:
    """Change the wrapper of the older generation, and leave the mode as it is."""
    wrapper = Path(home, DATA, "profiles", "user", "generations", "1", "bin", "tool")
    wrapper.chmod(0o755)
    wrapper.write_bytes(b"#" * wrapper.stat().st_size)
    wrapper.chmod(0o555)


def _leave_a_project(home: str) -> None:
    """Sync a project, then remove it, and leave bytes that no generation names."""
    project = Path(home, "gone")
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "third"\n')
    done = driver.run("sync", home=str(project), env_home=home)
    assert done.code == 0, done
    shutil.rmtree(project)


def _damage(home: str) -> None:
    """Spoil the stored file and a link of the older generation, the mode of the newer's file, and a layer's record."""
    generations = Path(home, DATA, "profiles", "user", "generations")
    old, new = ((generations / number / "bin").resolve() for number in ("1", "2"))
    spoilt = (old / "tool").resolve()
    spoilt.chmod(0o755)
    spoilt.write_bytes(bytes(spoilt.stat().st_size))
    (new / "tool").resolve().chmod(0o755)
    old.chmod(0o755)
    (old / "other").unlink()
    old.chmod(0o555)
    next(Path(home, DATA, "store", "layers").iterdir()).write_text("{")


_STEPS: dict[str, Callable[[str], None]] = {
    "RANGE": _widen,
    "PLUGIN": _plug,
    "PROJECT": _leave_a_project,
    "DAMAGE": _damage,
    "SPOIL": _spoil_a_wrapper,
}


def said(home: str, binary: str) -> str | None:
    """Return what the binary in ``bin`` prints, without its platform; None if there is none by that name."""
    path = os.path.join(home, DATA, "bin", binary)
    if not os.path.lexists(path):
        return None
    done = subprocess.run([path], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.removesuffix(f" {host_platform()}\n")


def about_the_state(scenario: Scenario, home: str, *, done: bool) -> str:
    """Return what is wrong with the binaries, or nothing; unless *done*, the old `tool` is as good as the new."""
    for other in scenario.others:
        if (says := said(home, other)) != other:
            return f"{other} says {says}"
    says = said(home, "tool")
    return "" if says == scenario.new or (says == scenario.old and not done) else f"tool says {says}"


def is_done_already(scenario: Scenario, again: Completed, home: str) -> bool:
    """Whether the next command had nothing left to do: disturbed after the switch, an uninstall is done."""
    return again.code == NOT_FOUND and scenario.new is None and said(home, "tool") is None


def leftovers(home: str) -> list[str]:
    """Return what should not be there once all is done: temporary files, drafts, unproven bytes."""
    found = []
    for where, directories, files in os.walk(home):
        for name in (*directories, *files):
            path = os.path.relpath(os.path.join(where, name), home)
            digest_named = os.path.basename(where) in {"sha256", "req", "profiles"}
            if not digest_named and (_TEMPORARY.search(name) or os.path.basename(where) == "incoming"):
                found.append(path)
    return sorted(found)
