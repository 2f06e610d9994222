"""``gc``: what is old or unreached goes, what a root reaches stays, and an install at the same time has its bytes."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d8_installer.errors import UsageError
from d8_installer.ops.upkeep.gc import parse_age
from d8_installer.ops.upkeep.profiles_on_disk import is_gone
from tests.command import run, start
from tests.faults.scenarios import leftovers, said
from tests.forms import THOROUGH
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")


class Collector(Person):
    """Somebody with images `tool` (three versions), `other` and `third`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "images")
        for tag in ("v1.0.0", "v2.0.0", "v3.0.0"):
            add_image(str(self.source), "tool", tag, executables(tag, host_platform()))
        for name in ("other", "third"):
            add_image(str(self.source), name, "v1.0.0", executables(name, host_platform()))

    def start(self, *words: str) -> subprocess.Popen[str]:
        return start(*words, home=str(self.home), env=self.variables)

    def synced(self, name: str, image: str) -> Path:
        """Make a project that wants *image*, in a directory that holds something else too, and sync it."""
        project = self.project(f'schema = 1\n[[images]]\nname = "{image}"\n', f"work/{name}")
        (project.parent / "notes").touch()
        self.ok("sync", cwd=project)
        return project

    def tree(self) -> dict[str, bytes | str]:
        """Return every file and link of the home, with its bytes or target."""
        found: dict[str, bytes | str] = {}
        for where, _, names in os.walk(self.data):
            for path in (os.path.join(where, name) for name in names):
                if os.path.islink(path):
                    found[path] = os.readlink(path)
                else:
                    with open(path, "rb") as file:
                        found[path] = file.read()
        return found

    def stored(self) -> set[str]:
        """Return what the stored executables say."""
        return {path.read_text().split('"')[1].split()[0] for path in (self.data / "store/sha256").glob("*/*")}


@pytest.fixture
def person(tmp_path: Path) -> Collector:
    return Collector(tmp_path)


def kinds(data: dict[str, Any]) -> list[str]:
    return sorted(one["kind"] for one in data["removed"])


def test_what_is_beyond_the_newest_goes_with_what_it_alone_reached(person: Collector) -> None:
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        person.ok("install", f"tool=={version}")
    before = person.tree()
    would = person.json("gc", "--keep", "2", "--dry-run")
    assert person.tree() == before
    done = person.json("gc", "--keep", "2")
    assert done == would | {"dry_run": False}
    assert kinds(done) == ["executable", "generation", "layer"]
    assert done["bytes"] == sum(one["bytes"] for one in done["removed"]) > 0
    assert person.stored() == {"v2.0.0", "v3.0.0"}
    assert person.json("gc", "--keep", "2")["removed"] == []
    person.ok("rollback")
    assert said(str(person.home), "tool") == "v2.0.0"
    person.ok("verify")


def test_the_active_generation_stays_however_old_it_is(person: Collector) -> None:
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        person.ok("install", f"tool=={version}")
    person.ok("rollback", "1")
    assert (
        kinds(person.json("gc", "--keep", "1", "--older-than", "0s"))
        == ["executable"] * 2 + ["generation"] * 2 + ["layer"] * 2
    )
    assert said(str(person.home), "tool") == "v1.0.0"
    assert person.stored() == {"v1.0.0"}


def test_age_counts_as_well(person: Collector) -> None:
    person.ok("install", "tool==1.0.0")
    person.ok("install", "tool==2.0.0")
    assert person.json("gc", "--older-than", "1h")["removed"] == []
    record = person.data / "profiles/user/generations/1/generation.json"
    aged = json.loads(record.read_text()) | {"time": "2020-01-01T00:00:00Z"}
    del aged["checksum"]
    record.parent.chmod(0o755)
    record.chmod(0o644)
    record.write_text(json.dumps(aged))
    assert "generation" in kinds(person.json("gc", "--older-than", "1h"))


def test_projects_and_runs_are_roots_and_a_removed_project_goes_whole(person: Collector) -> None:
    project = person.synced("here", "other")
    gone = person.synced("gone", "third")
    person.ok("run", "tool==1.0.0")
    assert person.json("gc", "--keep", "1", "--older-than", "0s")["removed"] == []
    shutil.rmtree(gone)
    assert kinds(person.json("gc")) == ["executable", "layer", "profile"]
    assert person.stored() == {"other", "v1.0.0"}
    assert len(os.listdir(person.data / "profiles")) == 1
    person.ok("sync", "--locked", cwd=project)
    person.ok("run", "--offline", "tool==1.0.0")


def test_a_disk_that_may_only_be_unmounted_keeps_its_profile(person: Collector) -> None:
    project = person.synced("p", "other")
    for path in (project, project.parent):  # an empty mount point, and one that is not there at all
        shutil.rmtree(path)
        path.parent.mkdir(exist_ok=True)
        (path.parent / "notes").unlink(missing_ok=True)
        data = person.json("gc")
        assert data["removed"] == []
        assert "--missing" in data["spared"][0]
    assert "profile" in kinds(person.json("gc", "--missing"))


def test_only_a_sure_sign_says_that_a_project_is_gone(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert is_gone(str(tmp_path / "gone")) is True
    assert is_gone(str(tmp_path / "other")) is False
    assert is_gone(str(tmp_path / "other" / "below")) is None
    assert is_gone(str(tmp_path / "a" / "b")) is None
    (tmp_path / "link").symlink_to("nowhere")
    assert is_gone(str(tmp_path / "link")) is False
    assert is_gone(str(tmp_path / ("x" * 300))) is False  # the system cannot say


def test_what_a_damaged_record_hides_is_reached_by_its_links(person: Collector) -> None:
    person.ok("install", "tool==1.0.0")
    person.ok("install", "tool==2.0.0")
    record = person.data / "profiles/user/generations/1/generation.json"
    record.chmod(0o644)
    record.write_text("{")
    data = person.json("gc")
    assert "generation 1" in data["spared"][0]
    assert person.stored() == {"v1.0.0", "v2.0.0"}


def test_what_is_not_ours_stays(person: Collector) -> None:
    person.ok("install", "tool==1.0.0")
    home = person.data
    strange = [home / "mine", home / "profiles" / "notes", home / "runs" / "x", home / "store" / "sha256" / "y"]
    for path in strange:
        path.mkdir(parents=True)
    person.json("gc", "--keep", "1")
    assert all(path.is_dir() for path in strange)


def test_an_empty_home_has_no_garbage_and_gets_nothing(person: Collector) -> None:
    assert person.json("gc")["removed"] == []
    assert not (person.data).exists()


def test_an_install_beside_gc_is_never_the_worse_for_it(person: Collector) -> None:
    """gc after gc, while installs fetch what no generation names yet: each of them has its bytes in the end."""
    person.ok("install", "tool==1.0.0")
    collected = 0
    for version in itertools.islice(itertools.cycle(("2.0.0", "3.0.0", "1.0.0")), 30 if THOROUGH else 3):
        installing = person.start("install", f"tool=={version}")
        while installing.poll() is None:
            collected += len(person.json("gc", "--keep", "1")["removed"])
        out, err = installing.communicate(timeout=60)
        assert installing.returncode == 0, (out, err)
        assert said(str(person.home), "tool") == f"v{version}"
    print(f"{collected} things collected beside installs")  # noqa: T201 - the figure
    person.ok("verify")
    assert leftovers(str(person.home)) == []


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    verbs=st.lists(st.sampled_from(["tool==1.0.0", "tool==2.0.0", "other", "-other", "rollback", "gc"]), max_size=7),
    keep=st.integers(1, 3),
)
def test_after_any_life_what_stays_runs(tmp_path_factory: pytest.TempPathFactory, verbs: list[str], keep: int) -> None:
    person = Collector(tmp_path_factory.mktemp("life"))
    person.ok("install", "tool==3.0.0")
    for verb in verbs:
        words = {"gc": ["gc", "--keep", str(keep)], "rollback": ["rollback"], "-other": ["uninstall", "other"]}
        run(*words.get(verb, ["install", verb]), home=str(person.home), env=person.variables)
    data = person.json("gc", "--keep", str(keep))
    person.ok("verify")
    assert person.json("gc", "--keep", str(keep))["removed"] == []
    generations = json.loads(person.ok("history", "--json").out)["data"]["generations"]
    assert 1 <= len(generations) <= keep + 1
    for entry in generations:
        person.ok("rollback", str(entry["number"]))
        assert said(str(person.home), "tool") in {"v1.0.0", "v2.0.0", "v3.0.0"}
    assert data["spared"] == []


@pytest.mark.parametrize(("text", "seconds"), [("30d", 30 * 86400), ("12h", 43200), ("2w", 14 * 86400), ("0s", 0)])
def test_ages(text: str, seconds: int) -> None:
    assert parse_age(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "d", "1", "1y", "-1d", "1.5h", "9" * 7 + "d", "٣d"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(UsageError):
        parse_age(text)


@pytest.mark.parametrize("keep", ["0", "-1", "x", "10001", "٣"])
def test_what_is_no_number_to_keep(person: Collector, keep: str) -> None:
    person.fails(2, "gc", "--keep", keep)
