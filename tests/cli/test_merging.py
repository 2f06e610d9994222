"""Branches that both changed the lock: real git, the installed command, and what docs/how-to/merge.md tells to type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.lock import Lock
from d8_installer.model.reference import ImageName
from tests import command, images
from tests.cli.test_json import envelope
from tests.person import Person
from tests.test_docs import blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

HOSTILE = 'touch "$(dirname "$0")/executed"\n'
AGAIN, ATTRIBUTES, DRIVER = blocks("docs/how-to/merge.md", "sh")
IDENTITY = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
OFFLINE = {"D8_OFFLINE": "1", "D8_RPP_ENDPOINT": "http://127.0.0.1:1"}
SILENT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true", **IDENTITY}


class Project(Person):
    """A repository with a project, and a registry that has images a to f in three versions."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / "home", root / "registry")
        self.place = self.cwd = root / "project"
        self.place.mkdir()
        for name in "abcdef":
            for tag in ("v1.0.0", "v1.1.0", "v1.2.0"):
                images.add_image(str(self.source), name, tag, images.executables(f"{name} {tag}", "linux-amd64"))
        self.git("init", "-q", "-b", "main")

    @property
    def lock(self) -> Path:
        return self.place / "d8.lock"

    def versions(self) -> dict[str, str]:
        """Return the locked versions."""
        return {str(image.name): image.version for image in self.locked().images}

    def git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.shell(["git", *words], check=check)

    def shell(self, line: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}:{command.SYSTEM_PATH}"
        env = command.environment(str(self.home), **SILENT, **self.variables) | {"PATH": path}
        return subprocess.run(line, cwd=self.place, env=env, capture_output=True, text=True, check=check, timeout=60)

    def typed(self, block: str) -> None:
        """Type the lines of a block of the docs."""
        for line in block.splitlines():
            self.shell(["sh", "-ec", line])

    def want(self, **versions: str) -> None:
        entries = [f'[[images]]\nname = "{name}"\nversion = "{version}"\n' for name, version in versions.items()]
        (self.place / "d8.toml").write_text("schema = 1\n" + "\n".join(entries))

    def commit(self, branch: str, **versions: str) -> None:
        """Commit, on *branch* from where we are, the manifest of *versions* and its lock."""
        self.git("checkout", "-q", "-B", branch)
        self.want(**versions)
        self.ok("lock")
        self.git("add", "-A")
        self.git("commit", "-qm", branch)

    def branches(self, base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
        """Make the three commits and stand on `ours`."""
        self.commit("main", **base)
        self.commit("theirs", **theirs)
        self.git("checkout", "-q", "main")
        self.commit("ours", **ours)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


BASE = {"b": "1.0.0", "d": "1.0.0"}


def test_what_git_merges_alone(project: Project) -> None:
    """An addition apart, an upgrade of the neighbour, and one more at the end."""
    project.branches(BASE, {"b": "1.1.0", "d": "1.0.0", "f": "1.0.0"}, {"a": "1.0.0", "b": "1.0.0", "d": "1.2.0"})
    project.git("merge", "-q", "theirs", check=False)
    expected = {"a": "v1.0.0", "b": "v1.1.0", "d": "v1.2.0", "f": "v1.0.0"}
    assert project.versions() == expected
    project.want(a="1.0.0", b="1.1.0", d="1.2.0", f="1.0.0")
    before = project.lock.read_bytes()
    assert project.run("lock", "--offline", **OFFLINE).code == 0
    assert project.lock.read_bytes() == before


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_two_additions_in_one_place(project: Project, style: str, ends: str) -> None:
    """A conflict to git alone, and `lock` joins them without asking anybody."""
    project.git("config", "merge.conflictStyle", style)
    project.branches(BASE, {**BASE, "c": "1.0.0"}, {**BASE, "c": "1.0.0", "e": "1.1.0", "b": "1.2.0"})
    project.git("checkout", "-q", "main")
    project.commit("ours", **{**BASE, "c": "1.0.0", "f": "1.0.0"})
    assert project.git("merge", "theirs", check=False).returncode == 1
    project.want(b="1.2.0", c="1.0.0", d="1.0.0", e="1.1.0", f="1.0.0")
    project.lock.write_bytes(project.lock.read_text().replace("\n", ends).encode())
    stale = project.run("lock", "--check")
    assert (stale.code, "has conflict markers" in stale.err, "`d8-installer lock`" in stale.err) == (65, True, True)
    assert project.run("sync").code == 65
    done = project.run("lock", **OFFLINE)
    assert done.code == 0, done
    assert project.versions() == {"b": "v1.2.0", "c": "v1.0.0", "d": "v1.0.0", "e": "v1.1.0", "f": "v1.0.0"}
    project.typed(AGAIN)
    assert "UU" not in project.git("status", "--porcelain", "d8.lock").stdout


def test_markers_in_the_manifest_come_first(project: Project) -> None:
    project.branches(BASE, {"b": "1.1.0", "d": "1.0.0"}, {"b": "1.2.0", "d": "1.0.0"})
    project.git("merge", "theirs", check=False)
    done = project.run("lock")
    assert done.code == 65
    assert "d8.toml:4: has conflict markers: a merge is not done" in done.err


def conflict(project: Project) -> bytes:
    """Leave b at two versions, c added by ours, and return the file as git leaves it."""
    project.branches(BASE, {"b": "1.1.0", "c": "1.0.0", "d": "1.0.0"}, {"b": "1.2.0", "d": "1.0.0", "e": "1.0.0"})
    assert project.git("merge", "theirs", check=False).returncode == 1
    project.want(b="^1", c="1.0.0", d="1.0.0", e="1.0.0")
    return project.lock.read_bytes()


@pytest.mark.parametrize(
    ("words", "version"),
    [
        (("--ours", "b"), "v1.1.0"),
        (("--theirs", "b"), "v1.2.0"),
        (("--upgrade-image", "b"), "v1.2.0"),
        (("--upgrade",), "v1.2.0"),
    ],
    ids=" ".join,
)
def test_a_real_conflict_is_named_and_has_three_ways_out(
    project: Project, words: tuple[str, ...], version: str
) -> None:
    left = conflict(project)
    done = project.run("lock")
    assert done.code == 65
    assert "d8.lock: both sides changed b (ours: v1.1.0; theirs: v1.2.0)\n" in done.err
    assert (
        "hint: type `d8-installer lock` with --ours b, --theirs b or --upgrade-image b, which resolves it again\n"
        in done.err
    )
    assert project.lock.read_bytes() == left
    assert project.run("lock", "--dry-run", *words).code == 0
    assert project.lock.read_bytes() == left
    settled = project.run("lock", *words)
    assert settled.code == 0, settled
    assert project.versions() == {"b": version, "c": "v1.0.0", "d": "v1.0.0", "e": "v1.0.0"}
    assert project.run("lock", "--check").code == 0


def test_a_side_without_a_merge_is_a_mistake(project: Project) -> None:
    project.commit("main", **BASE)
    done = project.run("lock", "--ours", "b")
    assert done.code == 2
    assert "no conflict markers" in done.err


def test_all_conflicts_are_in_the_hint(project: Project) -> None:
    project.branches(BASE, {"b": "1.1.0", "d": "1.1.0"}, {"b": "1.2.0", "d": "1.2.0"})
    assert project.git("merge", "theirs", check=False).returncode == 1
    project.want(b="^1", d="^1")
    done = project.run("lock")
    assert "both sides changed b (ours: v1.1.0; theirs: v1.2.0) and d (ours: v1.1.0; theirs: v1.2.0)\n" in done.err
    ways = "--ours NAME, --theirs NAME or --upgrade-image NAME, which resolves it again, for each of b and d\n"
    assert f"hint: type `d8-installer lock` with {ways}" in done.err
    found = envelope(project.run("--json", "lock"))["errors"][0]["conflicts"]
    assert found == [{"image": name, "ours": "v1.1.0", "theirs": "v1.2.0", "mixed": []} for name in "bd"]
    assert "cannot be taken from both sides" in project.run("lock", "--ours", "b", "--theirs", "b").err
    unknown = project.run("lock", "--ours", "b", "--theirs", "d", "--ours", "zz")
    assert (unknown.code, "neither side has zz" in unknown.err) == (69, True)
    assert project.run("lock", "--ours", "b", "--theirs", "d").code == 0
    assert project.versions() == {"b": "v1.1.0", "d": "v1.2.0"}


def test_what_a_person_left_of_the_markers(project: Project) -> None:
    """A marker without its fellows says where it is; a marker inside of others is no riddle either."""
    text = conflict(project).decode()
    project.git("add", "-A")
    project.git("commit", "-qm", "with markers")
    stray = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("<<<<<<<"))
    project.lock.write_text(stray)
    line = next(number for number, line in enumerate(stray.split("\n"), 1) if line[:7] in {"=" * 7, "|" * 7})
    for words in (("lock",), ("sync",)):
        done = project.run(*words)
        assert f"d8.lock:{line}: has a conflict marker whose beginning is missing\n" in done.err
        assert "git checkout --ours -- d8.lock" in done.err
    nested = text.replace("=======\n", "=======\n<<<<<<<<< a\n=========\n>>>>>>>>> b\n", 1)
    project.lock.write_text(nested)
    assert "no whole lock on either side: there are others inside of them\n" in project.run("lock").err


def test_shorter_markers_are_markers(project: Project) -> None:
    (project.place / ".gitattributes").write_text("d8.lock conflict-marker-size=3\n")
    text = conflict(project).decode()
    assert "\n<<< " in text
    assert "`d8-installer lock`: it merges" in project.run("sync").err
    project.git("add", "-A")
    project.git("commit", "-qm", "with markers")
    assert project.run("lock", "--theirs", "b").code == 0
    assert project.versions() == {"b": "v1.2.0", "c": "v1.0.0", "d": "v1.0.0", "e": "v1.0.0"}


def test_an_upgrade_and_another_platform_do_not_mix(project: Project) -> None:
    """Line by line git would keep the old version's build for the platform that theirs adds."""
    for tag in ("v1.0.0", "v1.1.0"):
        images.add_image(str(project.source), "g", tag, images.executables(f"g {tag}", "linux-amd64", "linux-arm64"))
    text = 'schema = 1\n[[images]]\nname = "g"\nversion = "{}"\nplatforms = ["linux-amd64"{}]\n'
    for branch, version, more in (("main", "1.0.0", ""), ("theirs", "1.0.0", ', "linux-arm64"'), ("ours", "1.1.0", "")):
        project.git("checkout", "-q", *(() if branch == "main" else ("main",)), check=False)
        project.git("checkout", "-q", "-B", branch)
        (project.place / "d8.toml").write_text(text.format(version, more))
        assert project.run("lock").code == 0
        project.git("add", "-A")
        project.git("commit", "-qm", branch)
    assert project.git("merge", "theirs", check=False).returncode == 1
    (project.place / "d8.toml").write_text(text.format("1.1.0", ', "linux-arm64"'))
    done = project.run("lock")
    assert "both sides changed the requests for g: pinned again from the manifests" in done.err
    merged = project.lock.read_bytes()
    project.lock.unlink()
    assert project.run("lock").code == 0
    assert project.lock.read_bytes() == merged
    image = Lock.parse(merged, "d8.lock").find(ImageName("g"))
    assert image is not None
    assert [key for key, _ in image.platforms] == ["linux-amd64", "linux-arm64"]


def test_markers_without_git(project: Project) -> None:
    """A file that was committed with its markers, or sent by mail: what they show is all that is known."""
    conflict(project)
    project.git("add", "-A")
    project.git("commit", "-qm", "with markers")
    done = project.run("lock")
    assert "both sides changed b" in done.err
    assert project.run("lock", "--theirs", "b").code == 0
    assert project.versions() == {"b": "v1.2.0", "c": "v1.0.0", "d": "v1.0.0", "e": "v1.0.0"}


def test_an_image_twice_is_a_conflict_that_git_does_not_see(project: Project) -> None:
    """Both sides add c, and one removes the neighbour: git puts both entries into the file and is content."""
    project.branches(
        {"b": "1.0.0", "e": "1.0.0"}, {"c": "1.0.0", "e": "1.0.0"}, {"b": "1.0.0", "c": "1.1.0", "e": "1.0.0"}
    )
    project.git("merge", "-q", "theirs", check=False)
    assert project.git("diff", "--name-only", "--diff-filter=U", "d8.lock").stdout == ""
    project.want(c="*", e="1.0.0")
    assert "`d8-installer lock`" in project.run("sync").err
    done = project.run("lock")
    assert (done.code, "both sides changed c (ours: v1.0.0; theirs: v1.1.0)" in done.err) == (65, True)
    assert project.run("lock", "--theirs", "c").code == 0
    assert project.versions() == {"c": "v1.1.0", "e": "v1.0.0"}


def test_a_hostile_repository_runs_nothing(project: Project) -> None:
    """Every setting of a repository that makes git run something, while the index is read."""
    conflict(project)
    script = project.place / ".git" / "evil"
    script.write_text(f"#!/bin/sh\n{HOSTILE}")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "pager.cat-file", "diff.external", "core.editor"):
        project.git("config", key, str(script))
    project.git("config", "core.hooksPath", str(project.place / ".git"))
    project.git("config", "filter.evil.smudge", str(script))
    project.git("config", "diff.evil.textconv", str(script))
    project.git("config", "alias.ls-files", f"!{script}")
    (project.place / ".gitattributes").write_text("d8.lock filter=evil diff=evil\n")
    for hook in ("post-index-change", "pre-commit", "reference-transaction"):
        script.with_name(hook).write_text(script.read_text())
        script.with_name(hook).chmod(0o755)
    (script.parent / "executed").unlink(missing_ok=True)  # configuring ran some of it
    blob = project.git("-c", "core.fsmonitor=false", "rev-parse", ":1:d8.lock").stdout.strip()
    (project.place / ".git" / "objects" / blob[:2] / blob[2:]).unlink()  # a partial clone would fetch it
    project.git("config", "remote.evil.url", "ssh://localhost/x")
    project.git("config", "remote.evil.promisor", "true")
    project.git("config", "extensions.partialClone", "evil")
    (script.parent / "executed").unlink(missing_ok=True)
    assert project.run("lock", "--theirs", "b").code == 0
    assert not (script.parent / "executed").exists()


# -- as git's merge driver -----------------------------------------------------------------------------------


@pytest.fixture
def driven(project: Project) -> Project:
    project.typed(ATTRIBUTES)
    project.typed(DRIVER)
    return project


@pytest.mark.parametrize("verb", ["merge", "rebase", "cherry-pick"])
def test_the_driver_joins_what_git_cannot(driven: Project, verb: str) -> None:
    driven.branches({**BASE, "e": "1.0.0"}, {"b": "1.0.0", "c": "1.0.0", "e": "1.0.0"}, {**BASE, "c": "1.0.0"})
    done = driven.git(verb, "theirs", check=False)
    assert "d8.lock" not in driven.git("diff", "--name-only", "--diff-filter=U").stdout, done
    assert driven.versions() == {"b": "v1.0.0", "c": "v1.0.0"}
    assert done.stdout.count("both sides") + done.stderr.count("both sides") == 0


@pytest.mark.parametrize("verb", ["merge", "rebase", "cherry-pick"])
def test_the_driver_leaves_conflicts_between_markers(driven: Project, verb: str) -> None:
    driven.branches(BASE, {"b": "1.1.0", "c": "1.0.0", "d": "1.0.0"}, {"b": "1.2.0", "d": "1.0.0", "e": "1.0.0"})
    done = driven.git(verb, "theirs", check=False)
    assert done.returncode == 1
    assert "both sides changed b (ours: v1." in done.stderr
    assert "d8.lock" in driven.git("diff", "--name-only", "--diff-filter=U").stdout
    text = driven.lock.read_text()
    assert (text.count("<<<<<<< ours"), text.count("||||||| base")) == (1, 1)
    driven.want(b="^1", c="1.0.0", d="1.0.0", e="1.0.0")
    assert driven.run("lock").code == 65
    assert driven.run("lock", "--upgrade-image", "b").code == 0
    assert driven.versions() == {"b": "v1.2.0", "c": "v1.0.0", "d": "v1.0.0", "e": "v1.0.0"}


def test_the_driver_and_what_is_no_lock(driven: Project, tmp_path: Path) -> None:
    driven.commit("main", **BASE)
    good = driven.lock.read_text()
    for name, text in (("base", ""), ("ours", good), ("theirs", "nonsense\n"), ("empty", "")):
        (driven.place / name).write_text(text)
    done = driven.run("lock", "--merge", "base", "ours", "theirs")
    assert (done.code, done.out) == (1, "")
    assert "one side is not a lock: theirs:1: " in done.err
    assert "hint: take one side whole (git checkout --ours -- d8.lock" in done.err
    assert (
        driven.place / "ours"
    ).read_text() == f"<<<<<<< ours\n{good}||||||| base\n=======\nnonsense\n>>>>>>> theirs\n"
    (driven.place / "ours").write_text(good)
    assert driven.run("lock", "--merge", "base", "ours", "empty").code == 0
    assert (driven.place / "ours").read_text() == good
    assert driven.run("lock", "--merge", "base", "missing", "empty").code == 2
    for more in (("--check",), ("--upgrade-image", "b"), ("--dry-run",), ("--ours", "b")):
        refused = driven.run("lock", "--merge", "base", "ours", "empty", *more)
        assert (refused.code, "takes no other option" in refused.err) == (2, True)


def test_the_driver_goes_on_from_what_it_left_itself(driven: Project) -> None:
    """With three bases git merges the third with what was left of two: markers in ours, which stay about that image."""
    texts = []
    for versions in ({"b": "1.0.0"}, {"b": "1.1.0"}, {"b": "1.2.0"}, {"b": "1.0.0", "d": "1.0.0"}):
        driven.want(f="1.0.0", **versions)
        driven.lock.unlink(missing_ok=True)
        assert driven.run("lock").code == 0
        texts.append(driven.lock.read_text())
    for name, text in zip(("base", "ours", "two", "three"), texts, strict=True):
        (driven.place / name).write_text(text)
    assert driven.run("lock", "--merge", "base", "ours", "two").code == 1
    done = driven.run("lock", "--merge", "base", "ours", "three")
    assert (done.code, "both sides changed b (ours: mixed up by git; theirs: v1.0.0)\n" in done.err) == (1, True)
    left = (driven.place / "ours").read_text()
    assert (left.count("<<<<<<<<<"), left.count('name = "d"'), left.count('name = "f"')) == (1, 1, 1)
    (driven.place / "base").write_text(left)
    for name in ("ours", "two"):
        (driven.place / name).write_text(texts[2])
    assert driven.run("lock", "--merge", "base", "ours", "two").code == 0
    assert (driven.place / "ours").read_text() == texts[2]


@pytest.mark.parametrize("with_driver", [False, True], ids=["git alone", "driver"])
def test_a_criss_cross_keeps_what_is_removed_away(project: Project, with_driver: bool) -> None:
    """Both merged the same two upgrades of b and settled them alike; then ours removes d, and theirs upgrades f."""
    if with_driver:
        project.typed(ATTRIBUTES)
        project.typed(DRIVER)
    rest = {"d": "1.0.0", "f": "1.0.0"}
    project.branches({"b": "1.0.0", **rest}, {"b": "1.1.0", **rest}, {"b": "1.2.0", **rest})
    tips = [project.git("rev-parse", branch).stdout.strip() for branch in ("theirs", "ours")]
    for branch, tip in zip(("ours", "theirs"), tips, strict=True):
        project.git("checkout", "-q", branch)
        assert project.git("merge", "-q", tip, check=False).returncode == 1
        project.want(b="1.2.0", **rest)
        assert project.run("lock", "--upgrade-image", "b").code == 0
        project.git("add", "-A")
        project.git("commit", "-qm", "merged")
    project.commit("theirs", b="1.2.0", d="1.0.0", f="1.1.0")
    project.git("checkout", "-q", "ours")
    project.commit("ours", b="1.2.0", f="1.0.0")
    assert len(project.git("merge-base", "--all", "ours", "theirs").stdout.split()) == 2
    project.git("merge", "-q", "theirs", check=False)
    if with_driver:
        assert "d8.lock" not in project.git("diff", "--name-only", "--diff-filter=U").stdout
        assert project.versions() == {"b": "v1.2.0", "f": "v1.1.0"}
    project.want(b="1.2.0", f="1.1.0")
    done = project.run("lock", **OFFLINE)
    assert (done.code, project.versions()) == (0, {"b": "v1.2.0", "f": "v1.1.0"}), done
