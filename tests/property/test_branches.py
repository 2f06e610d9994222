"""Two branches of random edits through real git and `lock`: a fresh lock of the joined manifest with both sides' pins.

Short: 25 pairs; thorough: 1,000. A third of the merges is git's own, a third our driver's, and in the last third git's
index is gone when `lock` comes, so that markers are all that it has.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests import command
from tests.faults.driver import Driver
from tests.property import branches
from tests.property.branches import Branch, Want, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver forks")

PAIRS = 1000 if os.environ.get("D8_THOROUGH") else 25
NAMED = re.compile(r"(\w) \(ours: ([\w.]+)[^;]*; theirs: ([\w.]+)")
STYLES = ("merge", "diff3", "zdiff3")
WAYS = ("git", "driver", "markers")
ENVIRONMENT = {
    **{f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """One repository for all pairs: each has three commits of its own."""

    def __init__(self, root: Path, driver: Driver) -> None:
        self.place = root / "project"
        self.home = str(root / "home")
        self._driver = driver
        self.place.mkdir()
        (root / "home").mkdir()
        self.git("init", "-q")
        self.git("config", "merge.d8.driver", f"{command.PROGRAM} lock --merge %O %A %B")

    def git(self, *words: str, check: bool = True, text: str = "") -> subprocess.CompletedProcess[str]:
        env = command.environment(self.home, **ENVIRONMENT)
        line = ["git", *words]
        return subprocess.run(
            line, cwd=self.place, env=env, input=text, capture_output=True, text=True, check=check, timeout=60
        )

    def lock(self, *words: str) -> command.Completed:
        return self._driver.run(*words, home=self.home, cwd=str(self.place))

    @property
    def text(self) -> str:
        return (self.place / "d8.lock").read_text()

    def commit(self, base: Branch, ours: Branch, theirs: Branch, *, driven: bool) -> None:
        """Make the branches `base`, `ours` and `theirs` with one command of git."""
        stream = []
        attributes = "d8.lock merge=d8\n" if driven else ""
        for mark, (name, branch) in enumerate((("base", base), ("ours", ours), ("theirs", theirs)), 1):
            stream += [f"commit refs/heads/{name}", f"mark :{mark}", "committer x <x> 1 +0000", data(name)]
            stream += ["deleteall"] if mark == 1 else ["from :1"]
            files = (("d8.lock", branch.lock.render()), ("d8.toml", branch.manifest), (".gitattributes", attributes))
            for file, text in files:
                stream += [f"M 100644 inline {file}", data(text)]
        self.git("fast-import", "--quiet", "--force", text="\n".join([*stream, ""]))
        self.git("checkout", "-qf", "--detach", "ours")

    def join(self, wants: Mapping[str, Want]) -> None:
        """Write the manifest as the person does who merges it."""
        (self.place / "d8.toml").write_text(branches.manifest_text(wants))

    def merge(self, way: str, style: str) -> bool:
        """Merge `theirs`, and return whether git left a conflict in the lock."""
        self.git("-c", f"merge.conflictStyle={style}", "merge", "-q", "--no-edit", "theirs", check=False)
        unmerged = "d8.lock" in self.git("diff", "--name-only", "--diff-filter=U").stdout
        if unmerged and way == "markers":
            self.git("add", "-A")
        return unmerged


def data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(str(tmp_path_factory.mktemp("images")))


@pytest.fixture
def repository(tmp_path: Path, world: World) -> Iterator[Repository]:
    with Driver() as driver:
        made = Repository(tmp_path, driver)
        assert made.lock("config", "set", "endpoint", f"oci-layout:{world.root}").code == 0
        yield made


def test_two_branches(world: World, repository: Repository, record_property: Callable[[str, object], None]) -> None:
    figures: Counter[str] = Counter()
    for number in range(PAIRS):
        figures.update(Pair(world, repository, number).check())
    for name in sorted(figures):
        record_property(name, figures[name])
        print(f"{figures[name]:6}  {name}")  # noqa: T201 - the figures, for whoever runs it with -s
    assert figures["real conflicts, all named"] > 0
    assert figures["git left a conflict"] > figures["real conflicts, all named"]


class Pair:
    """One pair of branches; the same number gives the same pair."""

    def __init__(self, world: World, repository: Repository, number: int) -> None:
        self.random = Random(number)  # noqa: S311 - the same pairs every time
        self.world = world
        self.repository = repository
        self.way, self.style = WAYS[number % 3], STYLES[number // 3 % 3]
        self.base = branches.random_branch(world, self.random)
        self.ours, self.theirs = (branches.edited(world, self.base, self.random) for _ in range(2))
        self.sides = (self.base, self.ours, self.theirs)

    @property
    def hides_base(self) -> bool:
        """Whether nothing that `lock` has shows the base for certain."""
        return self.way == "markers" and self.style != "diff3"

    def check(self) -> list[str]:
        """Merge, lock, compare, and return what is to be counted."""
        self.repository.commit(*self.sides, driven=self.way == "driver")
        unmerged = self.repository.merge(self.way, self.style)
        wants = branches.joined_wants(*self.sides, self.random)
        self.repository.join(wants)
        left = f"{self.way} {self.style}\n{branches.manifest_text(wants)}\n--- left\n{self.repository.text}"
        real = branches.conflicting(*self.sides)
        versions = branches.joined_versions(*self.sides)
        done = self.repository.lock("lock")
        counted = ["pairs", "git left a conflict" if unmerged else "git joined the lock by itself"]
        if self.way == "markers" and "leave no whole lock" in done.err:
            assert done.code == 65, done
            return [*counted, "markers alone, which hold no lock: refused"]
        if done.code == 65:
            named = {name: said for name, *said in NAMED.findall(done.err)}
            assert named, f"{done}\n{left}"
            assert named.keys() == real or self.hides_base or self.way == "markers", f"{real} {done}\n{left}"
            assert named.keys() >= real or self.hides_base, f"{real} {done}\n{left}"
            counted.append(
                "real conflicts, all named" if named.keys() >= real > set() else "conflicts for want of a base"
            )
            counted += [] if unmerged else ["an image twice, and no conflict of git's"]
            done = self.repository.lock("lock", *self.ways_out(named, versions))
        else:
            assert not real or self.hides_base, f"{real}\n{left}"
        assert done.code == 0, f"{done}\n{left}"
        counted += ["pinned again from the manifests"] if "pinned again" in done.err else []
        expected = self.world.branch(wants, versions).lock.render()
        assert self.repository.text == expected, f"{self.repository.text}\n--- expected\n{expected}\n{left}"
        return counted

    def ways_out(self, named: Mapping[str, Sequence[str]], versions: dict[str, str]) -> list[str]:
        """Decide each of *named* in one of the three ways, and put what it leads to into *versions*."""
        words = []
        for name, (ours, theirs) in named.items():
            ways = [("--ours", ours), ("--theirs", theirs), ("--upgrade-image", "removed")]
            option, version = self.random.choice([way for way in ways if way[1] != "mixed"])
            words += [option, name]
            versions.pop(name, None)
            if version != "removed":
                versions[name] = version
        return words
