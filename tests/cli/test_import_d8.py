"""``import d8``: what the Go tool installed is found by its bytes, locked and placed, and its directory stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.cli.beside import ComesFromD8, same_file, tree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the Go tool's layout has links")

HOST = images.host_platform()
VAULT = ("v1.0.0", "v1.1.0", "v1.2.0", "v2.0.0")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shelf")
    many = [f"v1.{minor}.0" for minor in range(9)]
    for name, *tags in (("vault", *VAULT), ("alpha", "1.0.0", "v2.0.0-rc.1"), ("many", *many)):
        for tag in tags:
            images.add_image(str(root), name, tag, images.executables(f"{name} {tag}", HOST))
    return root


@pytest.fixture
def person(tmp_path: Path, shelf: Path) -> ComesFromD8:
    return ComesFromD8(tmp_path / "home", shelf)


def fetched(err: str, name: str) -> list[str]:
    """Return the versions of an image of which a layer was fetched, in order."""
    return [line.split()[2] for line in err.splitlines() if line.startswith(f"fetching {name} ")]


@pytest.mark.parametrize("contract", [None, "v1.1.0", "1.1.0", "v9.9.9", "no version"])
def test_taken_over_by_its_bytes(person: ComesFromD8, contract: str | None) -> None:
    person.d8_installs("vault", "v1.1.0", contract=contract)
    before = person.tree
    done = person.ok("import", "d8")
    assert done.out.splitlines()[0] == "vault v1.1.0: taken over"
    assert person.has() == {"vault": "v1.1.0"}
    assert person.says("vault") == f"vault v1.1.0 {HOST}"
    assert person.tree == before, "nothing there is changed"
    tried = ["v1.1.0"] if contract in {"v1.1.0", "1.1.0"} else ["v1.2.0", "v1.1.0"]
    assert fetched(done.err, "vault") == tried, "each layer is streamed once"
    assert person.ok("sync", "--locked").out == "nothing to do\n"
    assert person.imports() == {"vault": ("present", "v1.1.0")}


def test_locked_there_until_it_is_upgraded(person: ComesFromD8) -> None:
    """As `install NAME` asks for it: any version, and this one is locked."""
    person.d8_installs("vault", "v1.1.0")
    person.ok("import", "d8")
    assert "vault" in person.manifest.read_text()
    person.ok("install", "alpha")
    assert person.has()["vault"] == "v1.1.0"
    person.ok("upgrade", "vault")
    assert person.has()["vault"] == "v2.0.0"


def test_a_version_that_any_version_does_not_mean_is_asked_for_by_its_tag(person: ComesFromD8) -> None:
    person.d8_installs("alpha", "v2.0.0-rc.1")
    person.ok("import", "d8")
    assert person.has() == {"alpha": "v2.0.0-rc.1"}
    assert "===v2.0.0-rc.1" in person.manifest.read_text()
    assert person.ok("sync", "--prune").out == "nothing to do\n"


def test_other_bytes_are_left(person: ComesFromD8) -> None:
    person.d8_installs("vault", "v1.1.0", contract="v1.1.0", data=images.script("something else"))
    person.d8_installs("alpha", "1.0.0")
    done = person.ok("import", "d8")
    assert "vault: left to d8, because its program is none of v1.1.0, v1.2.0, v1.0.0" in done.out
    assert person.has() == {"alpha": "1.0.0"}
    assert not any("vault" in text for text in tree(person.data / "store").values()), "what was compared is not kept"


def test_at_most_five_are_compared(person: ComesFromD8) -> None:
    person.d8_installs("many", "v1.2.0")
    done = person.ok("import", "d8")
    assert fetched(done.err, "many") == ["v1.8.0", "v1.7.0", "v1.6.0", "v1.5.0", "v1.4.0"]
    assert "many: left to d8" in done.out
    person.d8_installs("many", "v1.2.0", contract="v1.2.0")
    assert person.imports() == {"many": ("imported", "v1.2.0")}


def test_a_moved_tag_is_not_what_was_installed(tmp_path: Path) -> None:
    person = ComesFromD8(tmp_path / "home", tmp_path / "images")
    person.publish("vault", "v1.0.0")
    person.d8_installs("vault", "v1.0.0", contract="v1.0.0")
    person.publish("vault", "v1.0.0", builds={HOST: images.script("moved")})
    assert person.imports() == {"vault": ("left", None)}
    person.ok("install", "vault")
    person.publish("vault", "v1.0.0")
    assert person.imports() == {"vault": ("left", None)}, "the tag is remembered, and means other bytes now"


def test_the_manifest_of_the_person_counts(person: ComesFromD8) -> None:
    person.ok("install", "vault>=1.2,<2")
    person.d8_installs("vault", "v1.1.0")
    assert person.imports() == {"vault": ("left", "v1.1.0")}
    assert person.has() == {"vault": "v1.2.0"}
    person.ok("install", "vault<2")
    assert person.imports() == {"vault": ("imported", "v1.1.0")}
    assert person.has() == {"vault": "v1.1.0"}
    assert "<2" in person.manifest.read_text()


def test_a_dry_run_changes_nothing(person: ComesFromD8) -> None:
    person.d8_installs("vault", "v1.1.0")
    done = person.ok("import", "d8", "--dry-run")
    assert done.out.splitlines()[0] == "vault v1.1.0: would be taken over"
    assert not person.data.exists(), "nor is there a home"
    assert not person.manifest.exists()
    assert fetched(done.err, "vault") == ["v1.2.0", "v1.1.0"]
    assert person.imports() == {"vault": ("imported", "v1.1.0")}


def test_what_leads_nowhere_and_what_is_unknown_is_named(person: ComesFromD8) -> None:
    person.d8_installs("vault", "v1.1.0").unlink()
    person.d8_installs("nowhere", "v1.0.0")
    (person.directory / "plugins/Not A Plugin").mkdir()
    (person.directory / "plugins/empty").mkdir()
    done = person.ok("import", "d8")
    assert [line.partition(":")[0] for line in done.out.splitlines()] == ["nowhere", "vault"]
    assert "no image 'nowhere'" in done.out
    assert "leads to no program" in done.out


def test_where_it_looks(person: ComesFromD8, tmp_path: Path) -> None:
    """The typed directory, that of the variable, and the one below HOME if the other has no plugin (rpp.md §10)."""
    done = person.fails(69, "import", "d8")
    assert str(person.directory) in done.err
    person.directory = person.home / ".deckhouse-cli"
    person.d8_installs("vault", "v1.0.0")
    assert person.imports("--dry-run") == {"vault": ("imported", "v1.0.0")}
    person.fails(69, "import", "d8", "--plugins-dir", str(tmp_path / "none"))
    person.fails(2, "import", "d8", "--plugins-dir", "")
    person.directory = tmp_path / "typed"
    person.d8_installs("alpha", "1.0.0")
    assert person.imports("--dry-run", "--plugins-dir", str(tmp_path / "typed")) == {"alpha": ("imported", "1.0.0")}


def test_deckhouse_cli_too(person: ComesFromD8, shelf: Path) -> None:
    images.add_image(str(shelf), "deckhouse-cli", "v0.30.0", images.executables("deckhouse-cli v0.30.0", HOST))
    store = person.home / ".deckhouse-cli/cli"
    (store / "versions/v0.30.0").mkdir(parents=True)
    (store / "versions/v0.30.0/d8").write_bytes(images.script(f"deckhouse-cli v0.30.0 {HOST}"))
    (store / "current").symlink_to("versions/v0.30.0/d8")
    assert person.imports() == {"deckhouse-cli": ("imported", "v0.30.0")}
    assert person.has() == {"d8": "v0.30.0"}


def test_then_both_stand_side_by_side(person: ComesFromD8) -> None:
    """What was taken over is laid out already, and follows from then on."""
    person.d8_installs("vault", "v1.1.0")
    person.ok("config", "set", "layout", "d8")
    person.fails(65, "install", "vault<2")
    person.ok("import", "d8")
    program = person.plugin("vault") / "v1/vault"
    before = same_file(program)
    assert not (person.user / "layout.json").exists()
    person.ok("sync")
    assert same_file(program) == before, "it needs no change to be ours"
    person.ok("install", "vault==1.2.0")
    assert person.runs("vault") == f"vault v1.2.0 {HOST}"


def test_the_source_must_answer(person: ComesFromD8) -> None:
    person.d8_installs("vault", "v1.1.0")
    before = person.tree
    person.fails(69, "import", "d8", endpoint="http://127.0.0.1:9", D8_PATIENCE="1")
    assert person.tree == before
    assert person.has() == {}


@pytest.mark.parametrize("words", [("import",), ("import", "d9"), ("import", "d8", "vault")])
def test_command_lines_that_make_no_sense(person: ComesFromD8, words: tuple[str, ...]) -> None:
    person.fails(2, *words)
