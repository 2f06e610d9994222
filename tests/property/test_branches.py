"""Two branches of random edits through real git and `lock`: a fresh lock of the joined manifest with both sides' pins.

Short: 25 pairs; thorough: 1,000. A third of the merges is git's own, a third our driver's, and in the last third git's
index is gone when `lock` comes, so that markers are all that it has.

Beside them criss-cross histories, whose base git merges itself: short 10, thorough 300, half of them with the driver.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.reference import ImageName
from d8_installer.model.torn_lock import read_torn
from tests import command
from tests.faults import driver
from tests.forms import THOROUGH
from tests.property import branches
from tests.property.branches import Branch, Want, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from d8_installer.model.lock import LockedImage

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked")

PAIRS = 1000 if THOROUGH else 25
CROSSES = 300 if THOROUGH else 10
NAMED = re.compile(r"(\w) \(ours: ([\w.]+)[^;]*; theirs: ([\w.]+)")
STYLES = ("merge", "diff3", "zdiff3")
WAYS = ("git", "driver", "markers")
ENVIRONMENT = {
    **{f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


History = Mapping[str, tuple[Branch, *tuple[str, ...]]]
"""By its branch each commit, and the branches of its parents."""


class Repository:
    """One repository for all pairs: each has three commits of its own."""

    def __init__(self, root: Path) -> None:
        self.place = root / "project"
        self.home = str(root / "home")
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
        return driver.run(*words, home=self.home, cwd=str(self.place))

    @property
    def text(self) -> str:
        return (self.place / "d8.lock").read_text()

    def commit(self, history: History, *, driven: bool) -> None:
        """Make the commits of *history*, oldest first, with one command of git, and stand on `ours`."""
        stream = []
        attributes = "d8.lock merge=d8\n" if driven else ""
        for mark, (name, (branch, *parents)) in enumerate(history.items(), 1):
            stream += [f"commit refs/heads/{name}", f"mark :{mark}", "committer x <x> 1 +0000", data(name)]
            marks = [list(history).index(parent) + 1 for parent in parents]
            stream += [f"{'merge' if place else 'from'} :{mark}" for place, mark in enumerate(marks)]
            stream += ["deleteall"]
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
    made = Repository(tmp_path)
    assert made.lock("config", "set", "endpoint", f"oci-layout:{world.root}").code == 0
    yield made


def test_two_branches(world: World, repository: Repository, record_property: Callable[[str, object], None]) -> None:
    figures: Counter[str] = Counter()
    for number in range(PAIRS):
        figures.update(Pair(world, repository, number).check())
    show(figures, record_property)
    assert figures["real conflicts, all named"] > 0
    assert figures["git left a conflict"] > figures["real conflicts, all named"]


def test_criss_cross(world: World, repository: Repository, record_property: Callable[[str, object], None]) -> None:
    """Both sides merged the same two commits and settled what these both changed, each as it liked; then went on."""
    figures: Counter[str] = Counter()
    for number in range(CROSSES):
        figures.update(Cross(world, repository, number).check())
    show(figures, record_property)
    assert figures["real conflicts, all named"] > 0
    assert figures["the base had conflicts"] > CROSSES // 2


def show(figures: Counter[str], record_property: Callable[[str, object], None]) -> None:
    for name in sorted(figures):
        record_property(name, figures[name])
        print(f"{figures[name]:6}  {name}")  # noqa: T201 - the figures, for whoever runs it with -s


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
        history: History = {
            "base": (self.base,),
            "ours": (self.ours, "base"),
            "theirs": (self.theirs, "base"),
        }
        self.repository.commit(history, driven=self.way == "driver")
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
            done = self.repository.lock("lock", *ways_out(self.random, named, versions))
        else:
            assert not real or self.hides_base, f"{real}\n{left}"
        assert done.code == 0, f"{done}\n{left}"
        counted += ["pinned again from the manifests"] if "pinned again" in done.err else []
        expected = self.world.branch(wants, versions).lock.render()
        assert self.repository.text == expected, f"{self.repository.text}\n--- expected\n{expected}\n{left}"
        return counted


def ways_out(random: Random, named: Mapping[str, Sequence[str]], versions: dict[str, str]) -> list[str]:
    """Decide each of *named* in one of the three ways, and put what it leads to into *versions*."""
    words = []
    for name, (ours, theirs) in named.items():
        ways = [("--ours", ours), ("--theirs", theirs), ("--upgrade-image", "removed")]
        option, version = random.choice([way for way in ways if way[1] != "mixed"])
        words += [option, name]
        versions.pop(name, None)
        if version != "removed":
            versions[name] = version
    return words


class Cross:
    """One criss-cross history; the same number gives the same."""

    def __init__(self, world: World, repository: Repository, number: int) -> None:
        self.random = Random(number)  # noqa: S311 - the same histories every time
        self.world = world
        self.repository = repository
        self.way, self.style = WAYS[number % 2], STYLES[number // 2 % 3]
        root, one, two = self._bases()
        self.both_changed = branches.conflicting(root, one, two)
        wants, versions = branches.joined_wants(root, one, two, self.random), branches.joined_versions(root, one, two)
        merged = [self._settled(wants, versions, one, two) for _ in range(2)]
        self.base = Branch(wants, merged[0].lock)
        self.merged = merged
        self.sides = [branches.edited(world, side, self.random) for side in merged]
        self.history: History = {
            "root": (root,),
            "one": (one, "root"),
            "two": (two, "root"),
            "ours0": (merged[0], "one", "two"),
            "theirs0": (merged[1], "two", "one"),
            "ours": (self.sides[0], "ours0"),
            "theirs": (self.sides[1], "theirs0"),
        }

    def _bases(self) -> tuple[Branch, Branch, Branch]:
        """Return a commit and two after it, which leave of each image one entry or a conflict."""
        while True:
            root = branches.random_branch(self.world, self.random)
            one, two = (branches.edited(self.world, root, self.random) for _ in range(2))
            entries = [[side.lock.find(ImageName(name)) for side in (root, one, two)] for name in branches.NAMES]
            both = {
                name for name, (was, a, b) in zip(branches.NAMES, entries, strict=True) if a != b and was not in (a, b)
            }
            if both == branches.conflicting(root, one, two) and (both or self.random.random() < 0.2):
                return root, one, two

    def _settled(self, wants: Mapping[str, Want], versions: Mapping[str, str], *bases: Branch) -> Branch:
        """Return the merge of the two by a person, who takes one of the entries where they conflict."""
        mine, pinned = dict(wants), dict(versions)
        for name in self.both_changed:
            side = self.random.choice(bases)
            mine.pop(name, None)
            pinned.pop(name, None)
            if name in side.wants:
                mine[name], pinned[name] = side.wants[name], side.versions[name]
        return self.world.branch(mine, pinned)

    def _settled_alike(self) -> set[str]:
        """Return what both decided in the same way and one of them changed since: git's lines may tell, or not."""
        found = set()
        for name in map(ImageName, self.both_changed):
            before, after = ([side.lock.find(name) for side in sides] for sides in (self.merged, self.sides))
            if before[0] == before[1] and before[0] in after:
                found.add(str(name))
        return found

    def _taken_by_git(self, entries: Mapping[str, Sequence[LockedImage | None]]) -> dict[str, LockedImage | None]:
        """Return what git's lines decided though the base did not know it: a whole entry of a side, never a mixture.

        It may find one side's entry in its base, and takes the other's then. An image that is there twice is undecided.
        """
        left = read_torn(self.repository.text, "d8.lock")
        taken = {
            name: left.lock.find(ImageName(name)) for name in self.both_changed - {str(one) for one in left.blocks}
        }
        for name, entry in taken.items():
            assert entry in entries[name], f"{name}\n{self.repository.text}"
        return taken

    def check(self) -> list[str]:
        """Merge, lock, compare, and return what is to be counted."""
        ours, theirs = self.sides
        self.repository.commit(self.history, driven=self.way == "driver")
        unmerged = self.repository.merge(self.way, self.style)
        entries = {name: [side.lock.find(ImageName(name)) for side in self.sides] for name in branches.NAMES}
        real = branches.conflicting(self.base, ours, theirs) - self.both_changed
        real |= {name for name in self.both_changed if entries[name][0] != entries[name][1]}
        must = real if self.way == "driver" else real - self._settled_alike()
        taken = self._taken_by_git(entries) if self.way == "git" and not unmerged else {}
        must -= taken.keys()
        wants = branches.joined_wants(self.base, ours, theirs, self.random)
        for name in self.both_changed:
            wants.pop(name, None)
            found = [side.wants[name] for side in self.sides if name in side.wants]
            wants |= {name: self.random.choice(found)} if found else {}
        versions = branches.joined_versions(self.base, ours, theirs)
        for name, entry in taken.items():
            versions.pop(name, None)
            versions |= {name: entry.version} if entry is not None else {}
        self.repository.join(wants)
        left = f"{self.way} {self.style}\n{branches.manifest_text(wants)}\n--- left\n{self.repository.text}"
        done = self.repository.lock("lock")
        counted = ["histories", "git left a conflict" if unmerged else "git joined the lock by itself"]
        counted += ["the base had conflicts"] if self.both_changed else []
        if done.code == 65:
            named = {name: said for name, *said in NAMED.findall(done.err)}
            assert named.keys() == must or (self.way == "git" and named.keys() > must), f"{must} {done}\n{left}"
            counted.append("real conflicts, all named" if must else "conflicts for want of a base")
            done = self.repository.lock("lock", *ways_out(self.random, named, versions))
        else:
            assert not must, f"{must}\n{left}"
        assert done.code == 0, f"{done}\n{left}"
        expected = self.world.branch(wants, versions).lock.render()
        assert self.repository.text == expected, f"{self.repository.text}\n--- expected\n{expected}\n{left}"
        return counted
