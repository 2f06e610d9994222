"""Whose profile a command changes, and that nothing goes that was not named (docs/explanation/profiles.md)."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.command import SYSTEM_PATH, run
from tests.faults import driver
from tests.installed import install, library, manifest
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


NAMES = ("a", "b", "c", "tool")
VERSIONS = ("v1.0.0", "v1.1.0", "v2.0.0")


class BundleHolder(Person):
    """Somebody with a directory of images, and a bundle of three of them."""

    def __init__(self, home: Path, layout: Path, bundle: Path) -> None:
        super().__init__(home, layout)
        self.bundle = bundle

    def island(self) -> None:
        """Take everything from the bundle."""
        self.ok("sync", "--frozen", "--from", f"bundle:{self.bundle}")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A directory of images, and a bundle of three of them, made from a project."""
    root = tmp_path_factory.mktemp("shelf")
    for name in NAMES:
        for version in VERSIONS:
            builds = images.executables(f"{name} {version}", images.host_platform())
            images.add_image(str(root / "images"), name, version, builds)
    maker = BundleHolder(root, root / "images", root / "bundle")
    maker.ok("install", "a", "b", "c")
    maker.ok("bundle", "create", "-o", "bundle")
    return root / "images", root / "bundle"


@pytest.fixture
def person(tmp_path: Path, shelf: tuple[Path, Path]) -> BundleHolder:
    home = tmp_path / "home"
    home.mkdir()
    return BundleHolder(home, *shelf)


ALL = dict.fromkeys(("a", "b", "c"), "v2.0.0")

# -- a bundle's profile is a profile as any other ------------------------------------------------------------------


def test_a_bundles_manifest_becomes_the_persons(person: BundleHolder) -> None:
    said = person.ok("sync", "--frozen", "--from", f"bundle:{person.bundle}").err
    assert f"taking the d8.toml of bundle:{person.bundle} as yours: {person.manifest}" in said
    assert person.ok("install", "b").out == "nothing to do\n"
    assert "(3 images)" in person.ok("lock").out
    person.ok("use", "a", "v1.0.0")
    assert person.has() == ALL | {"a": "v1.0.0"}
    person.ok("upgrade", "a")
    assert person.ok("uninstall", "a").out.startswith("removed a (a v2.0.0)\ngeneration")
    assert person.has() == {"b": "v2.0.0", "c": "v2.0.0"}


def test_where_the_manifest_is_lost_every_verb_handles_what_list_shows(person: BundleHolder) -> None:
    person.island()
    person.manifest.unlink()
    person.ok("install", "tool")
    assert person.has() == ALL | {"tool": "v2.0.0"}
    assert person.lock.read_text().count('"other.d8.toml" = ') == 3
    person.ok("use", "c", "1.0.0")
    refused = person.fails(65, "upgrade", "c")
    assert "hint: give it a range: type `d8-installer install 'c>=1.0.0'`, then `d8-installer upgrade c`" in refused.err
    assert "c stays at v1.0.0" in person.ok("upgrade", "--all").err
    gone = person.ok("uninstall", "b")
    assert "b was locked for another d8.toml, not installed here: that is removed too" in gone.err
    assert gone.out.startswith("removed b (b v2.0.0)\ngeneration")
    assert "asked for by another d8.toml, not installed here" in person.ok("lock").err
    person.ok("lock", "--check")
    person.ok("sync", "--locked")
    person.ok("install", "c>=1.0.0")
    person.ok("upgrade", "c")
    assert person.has() == {"a": "v2.0.0", "c": "v2.0.0", "tool": "v2.0.0"}
    dry = person.ok("lock", "--prune", "--dry-run")
    assert "a v2.0.0 -> (gone)" in dry.out
    assert "drops what was asked for by another d8.toml" in dry.err
    assert person.ok("sync", "--prune").out.startswith("removed a (a v2.0.0)\ngeneration")
    assert person.has() == {"c": "v2.0.0", "tool": "v2.0.0"}


def test_a_manifest_that_comes_back_finds_its_lines(person: BundleHolder) -> None:
    person.island()
    kept = person.manifest.read_text()
    person.manifest.unlink()
    before = person.lock.read_text()
    person.ok("sync")
    person.ok("lock")
    assert "other.d8.toml" in person.lock.read_text()
    person.manifest.write_text(kept)
    person.ok("sync", "--offline")
    assert person.lock.read_text() == before
    person.manifest.write_text(manifest("b"))
    person.ok("sync")
    assert person.has() == {"b": "v2.0.0"}, "what a person takes out of the file is named"


def test_a_manifest_that_is_not_the_bundles_locks_is_not_taken(person: BundleHolder, tmp_path: Path) -> None:
    other = tmp_path / "other"
    raw = person.bundle.read_bytes()
    other.write_bytes(raw.replace(b'name = "c"\n\0', b'name = "d"\n\0'))
    assert other.read_bytes() != raw
    said = person.ok("sync", "--frozen", "--from", f"bundle:{other}").err
    assert "d8.toml is not what its lock is for (d is wanted by d8.toml and not locked); it is not taken" in said
    assert not person.manifest.exists()
    person.ok("install", "tool")
    assert person.has() == ALL | {"tool": "v2.0.0"}


# -- nothing goes that was not named -------------------------------------------------------------------------------


def test_what_a_rollback_brings_back_stays_until_it_is_named(person: BundleHolder) -> None:
    person.ok("install", "a", "b")
    person.ok("uninstall", "a")
    person.ok("rollback")
    person.ok("install", "c")
    assert person.has() == ALL
    person.ok("sync")
    assert person.ok("uninstall", "a").out.startswith("removed a")
    assert person.has() == {"b": "v2.0.0", "c": "v2.0.0"}


def test_a_colleagues_plugin_stays_in_the_lock_of_a_project(person: BundleHolder) -> None:
    project = person.project(manifest("a"))
    theirs = person.home / "project/.venv"
    install(library(theirs), "d8-plug-b", "1", manifest("b", "^1"))
    person.ok("sync", cwd=project)
    shutil.rmtree(theirs)
    lock = (person.home / "project/d8.lock").read_text()
    for words in (("lock",), ("lock", "--upgrade"), ("sync",), ("sync", "--locked"), ("lock", "--check")):
        person.ok(*words, cwd=project)
        assert (person.home / "project/d8.lock").read_text() == lock, words
    person.ok("--project", "install", "c", cwd=project)
    person.ok("--project", "use", "b", "1.0.0", cwd=project)
    assert person.has(cwd=project) == {"a": "v2.0.0", "b": "v1.0.0", "c": "v2.0.0"}
    assert "d8-installer add 'b>=1.0.0'" in person.fails(65, "--project", "upgrade", "b", cwd=project).err
    person.ok("--project", "uninstall", "b", cwd=project)
    assert person.has(cwd=project) == {"a": "v2.0.0", "c": "v2.0.0"}


def steps(chance: random.Random) -> tuple[str, ...]:
    """Return a command line that may change the profile."""
    name, version = chance.choice(NAMES), chance.choice(VERSIONS)
    return chance.choice(
        [
            ("install", name),
            ("install", f"{name}>=1,<2"),
            ("uninstall", name),
            ("upgrade", name),
            ("upgrade", "--all"),
            ("use", name, version),
            ("lock",),
            ("lock", "--upgrade"),
            ("lock", "--prune"),
            ("sync",),
            ("sync", "--locked"),
            ("sync", "--frozen"),
            ("sync", "--prune"),
            ("rollback",),
            ("gc", "--keep", "3"),
            ("lose",),
        ]
    )


@pytest.mark.parametrize("seed", range(4))
def test_no_name_disappears_unless_it_was_named(person: BundleHolder, seed: int) -> None:
    """Whatever was typed before: only ``uninstall``, ``--prune`` and ``rollback`` make ``list`` shorter."""
    chance = random.Random(seed)  # noqa: S311 - the same sequence each time
    home = str(person.home)
    (person.home / ".config/d8-installer").mkdir(parents=True)
    (person.home / ".config/d8-installer/config.toml").write_text(f'endpoint = "oci-layout:{person.source}"\n')
    if seed % 2:
        person.island()

    def shown() -> set[str]:
        return {one["binary"] for one in json.loads(driver.run("--json", "list", home=home).out)["data"]["binaries"]}

    pruned, before, typed = False, shown(), []
    for _ in range(25):
        words = steps(chance)
        typed.append(" ".join(words))
        if words == ("lose",):
            person.manifest.unlink(missing_ok=True)
            continue
        done = driver.run(*words, home=home)
        assert done.code in (0, 65, 69), (typed, done)
        after = shown()
        named = set(words[1:]) if words[0] == "uninstall" and done.code == 0 else set()
        pruned = pruned or "--prune" in words  # `lock --prune` drops at the next sync what it took out of the lock
        if words[0] != "rollback" and not pruned:
            assert before - after == named & before, typed
        if "sync" in words:
            pruned = False
        assert named.isdisjoint(after), typed
        before = after


# -- which profile -------------------------------------------------------------------------------------------------


def test_in_a_project_each_command_names_the_profile_that_it_changes(person: BundleHolder) -> None:
    project = person.project(manifest("a"))
    mine = f"your profile ({person.data})"
    other = f", not the project {project} (--project means that one)\n"
    for words in (("install", "b"), ("use", "b", "1.1.0"), ("upgrade", "b"), ("upgrade", "--all"), ("uninstall", "b")):
        assert f"changing {mine}{other}" in person.ok(*words, cwd=project).err, words
    assert f"changing {mine}\n" in person.ok("--user", "lock", cwd=project).err, "where it was chosen, it is meant"
    for typed in ("--project install c", "--project use c 1.0.0", "lock", "rollback"):
        assert f"changing the project {project}\n" in person.ok(*typed.split(), cwd=project).err, typed


def test_each_command_names_the_profile_that_it_changes(person: BundleHolder) -> None:
    mine = f"your profile ({person.data})"
    for typed in ("install a<2", "use a 1.0.0", "upgrade a", "lock", "rollback 1", "uninstall a"):
        assert f"changing {mine}\n" in person.ok(*typed.split()).err, typed
    for _ in ("the long way", "the quick way"):
        assert f"syncing {mine}\n" in person.ok("sync").err
    for typed in ("install a", "lock", "sync"):
        assert f"looking at {mine}\n" in person.ok(*typed.split(), "--dry-run").err, typed
    assert f"copying from {mine}\n" in person.ok("sync", "--to", "out").err
    for typed in ("list", "history"):
        assert person.ok(typed).err.startswith(f"{mine}\n"), typed
    assert f"changing your profile ({person.home}/other)" in person.ok("--home", "other", "install", "a").err


def test_what_is_not_here_is_looked_for_in_the_other_profile(person: BundleHolder) -> None:
    project = person.project(manifest("a"))
    person.ok("install", "b")
    person.ok("sync", cwd=project)
    there = person.ok("list", cwd=project)
    assert there.out.splitlines()[1].split()[0] == "a"
    assert there.err == f"the project {project}\nyour profile has b: see `d8-installer --user list`\n"
    for words, way_out in (
        (("uninstall", "a"), "the project {}/project has it: type `d8-installer remove a`"),
        (("use", "a", "1.0.0"), "the project {}/project has it: type `d8-installer --project use a 1.0.0`"),
        (("upgrade", "a"), "the project {}/project has it: type `d8-installer --project upgrade a`"),
        (("--user", "which", "a"), "the project {}/project has it: type `d8-installer which a`"),
        (("which", "b"), "your profile has it: type `d8-installer --user which b`"),
        (("--project", "uninstall", "b"), "your profile has it: type `d8-installer uninstall b`"),
        (("lock", "--upgrade-image", "b"), "your profile has it: type `d8-installer upgrade b`"),
        (("uninstall", "nowhere"), "see `d8-installer --user list`"),
    ):
        refused = person.fails(69, *words, cwd=project)
        assert f"hint: {way_out.format(person.home)}\n" in refused.err, words
        typed = refused.err.rpartition("`d8-installer ")[2].partition("`")[0].split()
        assert run(*typed, "--help", home=str(person.home)).code == 0, "the hint is a command"


def test_the_hint_about_path_is_the_projects(person: BundleHolder) -> None:
    project = person.project(manifest("a"))
    for shell, typed in (("bash", '`eval "$(d8-installer env)"`'), ("fish", "`d8-installer env | source`")):
        said = person.ok("sync", cwd=project, SHELL=f"/usr/bin/{shell}").err
        assert f"is not on your PATH: type {typed} in the project\n" in said
        assert "not on your PATH" not in person.ok("sync", cwd=project).err, "once it is said, and nothing is placed"
        assert typed in person.ok("--project", "install", "c", cwd=project, SHELL=f"/usr/bin/{shell}").err
        assert f"hint: type {typed} in the project\n" in person.ok("doctor", cwd=project, SHELL=f"/usr/bin/{shell}").out
        shutil.rmtree(person.home / ".local")
    assert "type `d8-installer ensurepath`" in person.ok("install", "b", cwd=project).err


def test_who_has_typed_ensurepath_is_told_to_open_a_new_shell(person: BundleHolder) -> None:
    before, after = "type `d8-installer ensurepath`\n", "open a new shell, which has it\n"
    bash = {"SHELL": "/bin/bash"}

    def is_told(text: str, **env: str) -> None:
        assert f"is not on your PATH: {text}" in person.ok("install", "a", **env).err
        assert f"hint: {text}" in person.ok("doctor", **env).out

    is_told(before, **bash)
    person.ok("ensurepath", **bash)
    is_told(after, **bash)
    is_told(before, SHELL="/usr/bin/nu")
    (person.home / ".bashrc").write_text("")
    is_told(before, **bash)
    person.ok("ensurepath", **bash)
    on_path = person.ok("doctor", PATH=f"{SYSTEM_PATH}:{person.bin}").out
    assert "is on PATH\n" in on_path and "hint" not in on_path


# -- what is said --------------------------------------------------------------------------------------------------


def test_upgrading_nothing_makes_no_generation(person: BundleHolder) -> None:
    assert person.ok("upgrade", "--all").out == "nothing to do\n"
    assert person.ok("sync").out == "nothing to do\n"
    assert person.json("history")["generations"] == []
    assert not (person.home / ".local/share/d8-installer/profiles/user/d8.lock").exists()


def test_another_range_for_the_same_version_is_not_called_placing(person: BundleHolder) -> None:
    person.ok("install", "a<2")
    assert (
        "unchanged a (a v1.1.0): only its range or its settings would change"
        in person.ok("install", "--dry-run", "a<1.5").out
    )
    assert person.ok("install", "a<1.5").out.splitlines()[0] == (
        "unchanged a (a v1.1.0): only its range or its settings changed"
    )


def test_a_held_upgrade_says_who_holds_it_and_what_to_type(person: BundleHolder) -> None:
    person.pipx("d8-plug-b", manifest("b", "<1.1"))
    person.ok("install", "a<2", "c")
    said = person.ok("upgrade", "a").err
    assert "a stays at v1.1.0: v2.0.0 is outside <2 of d8.toml; type `d8-installer install 'a>=2.0.0'`" in said
    said = person.ok("upgrade", "--all").err
    assert "a stays at v1.1.0: v2.0.0 is outside <2 of d8.toml" in said
    assert "b stays at v1.0.0: v2.0.0 is outside <1.1 of the plugin d8-plug-b" in said
    assert "c stays" not in said
    person.ok("install", "a>=2.0.0")
    assert person.has() == {"a": "v2.0.0", "b": "v1.0.0", "c": "v2.0.0"}


def test_list_says_who_asks_and_for_which_range(person: BundleHolder) -> None:
    person.pipx("d8-plug-b", manifest("b", "<1.1"))
    person.ok("install", "a<2", "b")
    data = person.json("list")
    assert data["profile"] == {"kind": "user", "path": f"{person.home}/.local/share/d8-installer/profiles/user"}
    own, plugin = {"requester": "d8.toml", "range": "<2"}, {"requester": "d8-plug-b", "range": "<1.1"}
    assert [one["asked"] for one in data["binaries"]] == [[own], [plugin, own | {"range": "*"}]]
    rows = [line.split("  ") for line in person.ok("list").out.splitlines()]
    assert [[cell.strip() for cell in row if cell][4:] for row in rows] == [
        ["RANGE", "REQUESTER"],
        ["<2", "d8.toml"],
        ["<1.1, *", "d8-plug-b, d8.toml"],
    ]
    person.manifest.unlink()
    assert person.json("list")["binaries"][0]["asked"] == [{"requester": "other.d8.toml", "range": None}]
    person.manifest.write_text("nonsense")
    assert person.has() == {"a": "v1.1.0", "b": "v1.0.0"}, "a broken manifest hides nothing"


def test_in_json_a_profile_is_its_kind_and_its_place(person: BundleHolder, tmp_path: Path) -> None:
    project = person.project(manifest("a"))
    here = {"kind": "project", "path": str(person.home / "project")}
    for words in (("sync",), ("sync",), ("list",), ("history",), ("env",), ("rollback", "1")):
        assert person.json(*words, cwd=project)["profile"] == here, words
    everybody = tmp_path / "opt"
    env = {"D8_INSTALLER_GLOBAL_HOME": str(everybody)}
    listed = run("--global", "--json", "list", home=str(person.home), env=env).out
    assert json.loads(listed)["data"]["profile"] == {"kind": "system", "path": str(everybody / "profiles/system")}


# -- a project's lock that nobody can read as it is ----------------------------------------------------------------


def hinted(person: BundleHolder, *words: str, cwd: Path, expect: int) -> list[str]:
    """Return the command that the hint of a failing one gives, without the program's name."""
    refused = person.ends(expect, *words, cwd=cwd)
    return refused.err.rpartition("hint: type `")[2].partition("`")[0].split()[1:]


def test_after_a_union_merge_the_hint_keeps_all_other_pins(person: BundleHolder) -> None:
    project = person.project("".join((manifest("a"), manifest("b", "<2").partition("\n")[2])))
    person.ok("lock", cwd=project)
    lock = person.home / "project/d8.lock"
    theirs = lock.read_text()
    person.ok("--project", "use", "a", "1.0.0", cwd=project)
    person.ok("--project", "use", "b", "1.0.0", cwd=project)
    ours = lock.read_text()
    mine, other = (text.partition("[images.binaries]")[0] for text in (ours, theirs))
    both = mine.rstrip("\n") + "\n" + other.partition('plugins/a"\n')[2]
    lock.write_text(both + ours[len(mine) :])
    for words in (("lock",), ("sync",), ("sync", "--locked")):
        assert hinted(person, *words, cwd=project, expect=65) == ["lock", "--upgrade-image", "a"]
    assert "a (new) -> v2.0.0" in person.ok("lock", "--upgrade-image", "a", cwd=project).out
    assert lock.read_text().partition('name = "b"')[2] == ours.partition('name = "b"')[2], "b keeps its version"


def test_a_version_that_is_not_there_is_not_asked_for_again(person: BundleHolder) -> None:
    project = person.project(manifest("a") + '[[images]]\nname = "b"\n[[images]]\nname = "c"\n')
    person.ok("lock", cwd=project)
    lock = person.home / "project/d8.lock"
    kept = lock.read_text()
    lock.write_text(kept.replace('version = "v2.0.0"', 'version = "v9.9.9"', 2))
    typed = ["lock", "--upgrade-image", "a", "--upgrade-image", "b"]
    for words in (("sync",), ("lock",), ("lock", "--upgrade-image", "a")):
        assert hinted(person, *words, cwd=project, expect=69) == typed
    person.ok(*typed, cwd=project)
    assert lock.read_text() == kept
