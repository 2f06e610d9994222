"""A command killed while it lays out for the Go tool: `current` leads to the old program or the new one, and runs.

The next plain `sync` leaves the layout as the active generation is, without a lock and without a stage.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d8_installer.store import fs
from tests import images
from tests.cli.beside import BesideD8, ran, tree
from tests.faults import driver
from tests.faults.disk import Fault
from tests.forms import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked")

HOST = images.host_platform()
STEP = 1 if THOROUGH else 17
FAULT_STEP = 3 if THOROUGH else 17
"""Each call fails with one of three errors in the long form."""
ERRORS = (errno.ENOSPC, errno.EACCES, errno.EPERM) if THOROUGH else (errno.EPERM,)
STAGES = (".new", ".staged")
LAY_OUT = ("sync", "--layout", "d8")


@dataclass(frozen=True)
class Cut:
    """A command that is killed, after those that prepare for it."""

    name: str
    prepared: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


FIRST = ("install", "tool==1.0.0", "other")
CUTS = (
    Cut("first", (FIRST,), LAY_OUT),
    Cut("upgrade", (FIRST, LAY_OUT), ("install", "tool==1.1.0")),
    Cut("major", (FIRST, LAY_OUT), ("install", "tool==2.0.0")),
    Cut("rollback", (FIRST, LAY_OUT, ("install", "tool==2.0.0")), ("rollback",)),
    Cut("uninstall", (FIRST, LAY_OUT), ("uninstall", "tool")),
    Cut("cli", (FIRST, LAY_OUT), ("install", "deckhouse-cli")),
    Cut("end", (FIRST, LAY_OUT), ("sync", "--layout", "none")),
)


class Home:
    """A prepared HOME that is put in the same place again for each try, for a layout has absolute paths."""

    def __init__(self, root: Path, cut: Cut) -> None:
        self.cut = cut
        self.kept = root / "kept"
        self.person = BesideD8(root / "home", root / "images")
        for name, *tags in (("tool", "v1.0.0", "v1.1.0", "v2.0.0"), ("other", "v1.0.0"), ("deckhouse-cli", "v0.1.0")):
            self.person.publish(name, *tags)
        for words in cut.prepared:
            self.person.ok(*words)
        shutil.copytree(self.person.home, self.kept, symlinks=True)

    def again(self) -> None:
        """Put the prepared HOME back."""
        fs.remove_tree(str(self.person.home))
        shutil.copytree(self.kept, self.person.home, symlinks=True)

    def disturbed(self, fault: Fault | None) -> driver.Ran:
        """Run the command with that fault."""
        env = self.person.variables
        return driver.run(*self.cut.command, home=str(self.person.home), fault=fault, env=env)

    @property
    def runnable(self) -> str:
        """What is wrong with a program of the layout, or nothing."""
        for link in (*self.person.directory.glob("plugins/*/current"), self.cli / "current"):
            if os.path.lexists(link):
                said = ran(link)
                if not said.startswith(("tool v", "other v1.0.0", "deckhouse-cli v0.1.0")):
                    return f"{link} says {said}"
        return ""

    @property
    def cli(self) -> Path:
        return self.person.home / ".deckhouse-cli/cli"

    @property
    def directory(self) -> Path:
        """The directory of the layout: the one below HOME where the wanted one may not be made (rpp.md §10)."""
        record = self.person.user / "layout.json"
        return Path(json.loads(record.read_text())["directory"]) if record.exists() else self.person.directory

    @property
    def wrong(self) -> str:
        """How the layout differs from the active generation, or nothing."""
        versions = self.person.has() if (self.person.user / "layout.json").exists() else {}
        wanted: dict[str, str] = {}
        for name, version in versions.items():
            major = version.partition(".")[0]
            if name != "d8":
                wanted |= {f"{name}/{major}/{name}": f"{name} {version} {HOST}"}
                wanted |= {f"{name}/current": f"{name} {version} {HOST}"}
        plugins = self.directory / "plugins"
        found = {path: ran(plugins / path) for path, text in tree(plugins).items() if text}
        if found != wanted:
            return f"laid out are {found}, and not {wanted}"
        empty = [name for name in tree(plugins) if not any((plugins / name).parent.iterdir())]
        cli = {path for path, text in tree(self.cli).items() if text}
        is_right = cli == ({"current", "versions/v0.1.0/d8"} if "d8" in versions else set())
        return f"empty: {empty}" if empty else "" if is_right else f"deckhouse-cli: {cli}"


@pytest.fixture(params=CUTS, ids=str)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    yield Home(tmp_path, request.param)
    fs.remove_tree(str(tmp_path / "kept"))


def test_killed_at_any_call(home: Home, record_property: Callable[[str, object], None]) -> None:
    whole = home.disturbed(None)
    assert whole.code == 0, whole
    assert home.wrong == ""
    points = range(1 + CUTS.index(home.cut) % STEP, len(whole.calls) + 1, STEP)
    record_property("points", len(points))
    wrong = [
        f"{at} of {len(whole.calls)} at {whole.calls[at - 1]}: {problem}"
        for at in points
        if (problem := tried(home, at))
    ]
    assert not wrong, "\n\n".join(wrong)


def tried(home: Home, at: int) -> str:
    """Kill the command at that call, look, and go on; return what is wrong, or nothing."""
    home.again()
    done = home.disturbed(Fault(at, None))
    if done.code == 0 and len(done.calls) < at:
        return ""
    if done.code != -signal.SIGKILL:
        return f"it was not killed\n{done}"
    return home.runnable or about_the_rest(home)


def about_the_rest(home: Home) -> str:
    """Go on with a plain sync, then with the command itself; return what is wrong, or nothing."""
    for words in (("sync",), home.cut.command):
        again = home.person.run(*words)
        is_done = words != ("sync",) and again.code == 69 and "tool" not in home.person.has()
        if again.code and not is_done:
            return f"{words}: {again}"
        if problem := home.wrong:
            return f"after {words}: {problem}\n{again}"
    return ""


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_any_call_fails(home: Home, number: int) -> None:
    """It says so, or it does without the call; no stage is left, and the next sync mends the rest."""
    whole = home.disturbed(None)
    wrong = []
    for at in range(1 + (ERRORS.index(number) + CUTS.index(home.cut)) % FAULT_STEP, len(whole.calls) + 1, FAULT_STEP):
        home.again()
        done = home.disturbed(Fault(at, number))
        problem = home.runnable or ("" if whole.calls[at - 1] == "unlink" else stages(home))
        if "Traceback" in done.err or done.code == 70 or (done.code and not done.errors):
            problem = f"it ends badly\n{done}"
        if problem := problem or about_the_rest(home):
            wrong.append(f"{at}, at {whole.calls[at - 1]}: {problem}")
    assert not wrong, "\n\n".join(wrong)


def stages(home: Home) -> str:
    """Return the staged files that are left, or nothing."""
    return " ".join(name for name in (*tree(home.person.directory), *tree(home.cli)) if name.endswith(STAGES))
