"""``sync --layout d8``: the binaries lie where the Go tool looks, and follow every switch; others' files stay."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from d8_installer.store import fs
from tests import images
from tests.cli.beside import BesideD8, ran, same_file, tree
from tests.faults import driver

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the Go tool's layout has links")

HOST = images.host_platform()
AN_HOUR_AGO = 3700


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shelf")
    for name, *tags in (("vault", "v1.0.0", "v1.1.0", "v2.0.0"), ("alpha", "v1.0.0"), ("deckhouse-cli", "v0.30.0")):
        for tag in tags:
            images.add_image(str(root), name, tag, images.executables(f"{name} {tag}", HOST))
    return root


@pytest.fixture
def person(tmp_path: Path, shelf: Path) -> BesideD8:
    made = BesideD8(tmp_path / "home", shelf)
    made.ok("install", "vault==1.0.0", "alpha")
    return made


@pytest.fixture
def laid_out(person: BesideD8) -> BesideD8:
    person.lays_out()
    return person


def expected(person: BesideD8, **versions: str) -> dict[str, str]:
    """Return the tree that the Go tool would have, with these versions of the plugins and nothing else."""
    found = {"plugins": ""}
    for name, version in versions.items():
        major = version.partition(".")[0]
        program = person.plugin(name) / major / name
        found |= {
            f"plugins/{name}": "",
            f"plugins/{name}/{major}": "",
            f"plugins/{name}/{major}/{name}": images.script(f"{name} {version} {HOST}").decode(),
            f"plugins/{name}/current": f"-> {program}",
        }
    return found


def test_the_binaries_lie_where_d8_looks(person: BesideD8) -> None:
    assert not person.directory.exists(), "nothing is laid out unasked"
    done = person.json("sync", "--layout", "d8")
    assert done["laid_out"] == {
        "directory": str(person.directory),
        "placed": [
            {"image": name, "version": "v1.0.0", "path": str(person.plugin(name) / "v1" / name)}
            for name in ("alpha", "vault")
        ],
        "removed": [],
    }
    assert person.tree == expected(person, vault="v1.0.0", alpha="v1.0.0")
    program = person.plugin("vault") / "v1/vault"
    assert program.stat().st_mode & 0o7777 == 0o755
    assert program.stat().st_nlink == 1
    assert not program.is_symlink(), "a copy: what writes to it does not write into the store"
    assert person.runs("vault") == f"vault v1.0.0 {HOST}"


def test_a_second_sync_has_nothing_to_do(laid_out: BesideD8) -> None:
    before = same_file(laid_out.plugin("vault") / "v1/vault")
    for words in (("sync",), ("sync", "--layout", "d8"), ("sync", "--prune")):
        assert laid_out.ok(*words).out == "nothing to do\n"
    assert same_file(laid_out.plugin("vault") / "v1/vault") == before


def test_every_switch_is_followed(laid_out: BesideD8) -> None:
    steps: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
        (("install", "vault==1.1.0"), {"vault": "v1.1.0", "alpha": "v1.0.0"}),
        (("install", "vault>=1"), {"vault": "v1.1.0", "alpha": "v1.0.0"}),
        (("upgrade", "vault"), {"vault": "v2.0.0", "alpha": "v1.0.0"}),
        (("use", "vault", "v1.0.0"), {"vault": "v1.0.0", "alpha": "v1.0.0"}),
        (("rollback",), {"vault": "v2.0.0", "alpha": "v1.0.0"}),
        (("uninstall", "alpha"), {"vault": "v2.0.0"}),
        (("uninstall", "vault"), {}),
        (("install", "alpha"), {"alpha": "v1.0.0"}),
    )
    for words, versions in steps:
        laid_out.ok(*words)
        assert laid_out.tree == expected(laid_out, **versions), words


def test_a_lost_file_is_put_back_by_the_next_sync(laid_out: BesideD8) -> None:
    """As after `d8 dist plugins remove`: the stamp does not hide it."""
    whole = laid_out.tree
    for path in ("v1/vault", "current"):
        (laid_out.plugin("vault") / path).unlink()
        laid_out.ok("sync")
        assert laid_out.tree == whole


@pytest.mark.parametrize("place", ["plugins/vault/v1/vault", "plugins/vault/current"])
def test_a_file_of_others_is_named_and_stays(person: BesideD8, place: str) -> None:
    theirs = person.directory / place
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    done = person.fails(65, "sync", "--layout", "d8")
    assert str(theirs) in done.err
    assert theirs.read_text() == "theirs"
    assert not (person.plugin("alpha")).exists(), "it ends before anything is laid out"
    assert not (person.user / "layout.json").exists()
    theirs.unlink()
    person.lays_out()
    assert person.tree == expected(person, vault="v1.0.0", alpha="v1.0.0")


@pytest.mark.parametrize(
    "words", [("install", "vault==1.1.0"), ("uninstall", "vault"), ("install", "vault==2.0.0"), ("sync", "--prune")]
)
def test_what_others_put_in_place_of_ours_is_theirs(laid_out: BesideD8, words: tuple[str, ...]) -> None:
    program = laid_out.plugin("vault") / "v1/vault"
    program.write_text("d8 has upgraded it")
    before = laid_out.tree, laid_out.lock.read_bytes(), laid_out.has()
    done = laid_out.fails(65, *words)
    assert str(program) in done.err
    assert (laid_out.tree, laid_out.lock.read_bytes(), laid_out.has()) == before


def test_a_rollback_is_not_refused(laid_out: BesideD8) -> None:
    laid_out.ok("install", "vault==1.1.0")
    (laid_out.plugin("vault") / "v1/vault").write_text("theirs")
    done = laid_out.ok("rollback")
    assert "warning" in done.err
    assert laid_out.says("vault") == f"vault v1.0.0 {HOST}"
    assert (laid_out.plugin("vault") / "v1/vault").read_text() == "theirs"


def test_a_directory_that_is_a_link_is_not_entered(person: BesideD8, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    person.plugin("vault").parent.mkdir(parents=True)
    person.plugin("vault").symlink_to(tmp_path / "elsewhere")
    person.fails(65, "sync", "--layout", "d8")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_there_by_chance_is_taken_over(person: BesideD8, tmp_path: Path, shelf: Path) -> None:
    """Two homes, or the Go tool: the same bytes in the same place need no change."""
    other = BesideD8(tmp_path / "other", shelf)
    other.env = person.env
    other.ok("install", "vault==1.0.0")
    other.lays_out()
    before = same_file(person.plugin("vault") / "v1/vault")
    person.lays_out()
    assert same_file(person.plugin("vault") / "v1/vault") == before
    person.ok("install", "vault==1.1.0")
    assert person.runs("vault") == f"vault v1.1.0 {HOST}"


def test_a_held_lock_is_75_and_nothing_is_switched(laid_out: BesideD8) -> None:
    lock = laid_out.plugin("vault") / "install.lock"
    lock.touch()
    before = laid_out.tree, laid_out.has()
    done = laid_out.fails(75, "install", "vault==1.1.0")
    assert str(lock) in done.err
    assert (laid_out.tree, laid_out.has()) == before
    laid_out.ok("uninstall", "alpha")
    lock.unlink()
    laid_out.ok("install", "vault==1.1.0")
    assert laid_out.tree == expected(laid_out, vault="v1.1.0")


def test_a_lock_of_a_killed_d8_is_taken_over_after_an_hour(laid_out: BesideD8) -> None:
    lock = laid_out.plugin("vault") / "install.lock"
    lock.touch()
    past = time.time() - AN_HOUR_AGO
    os.utime(lock, (past, past))
    laid_out.ok("install", "vault==1.1.0")
    assert laid_out.tree == expected(laid_out, vault="v1.1.0", alpha="v1.0.0")


def test_deckhouse_cli_goes_where_d8_keeps_itself(laid_out: BesideD8) -> None:
    laid_out.ok("install", "deckhouse-cli")
    store = laid_out.home / ".deckhouse-cli/cli"
    assert ran(store / "current") == f"deckhouse-cli v0.30.0 {HOST}"
    assert tree(store) == {
        "versions": "",
        "versions/v0.30.0": "",
        "versions/v0.30.0/d8": images.script(f"deckhouse-cli v0.30.0 {HOST}").decode(),
        "current": "-> versions/v0.30.0/d8",
    }
    laid_out.ok("uninstall", "deckhouse-cli")
    assert not store.exists()


def test_what_the_command_d8_leads_to_stays(laid_out: BesideD8) -> None:
    """`d8 dist use` makes `d8` on PATH a link into its store: without its target there would be no `d8`."""
    laid_out.ok("install", "deckhouse-cli")
    store = laid_out.home / ".deckhouse-cli/cli"
    (laid_out.home / "path").mkdir()
    (laid_out.home / "path/d8").symlink_to(store / "current")
    path = f"{laid_out.home / 'path'}:{os.environ['PATH']}"
    assert "stays laid out" in laid_out.ok("uninstall", "deckhouse-cli", PATH=path).err
    laid_out.ok("install", "vault==1.1.0", PATH=path)
    assert ran(laid_out.home / "path/d8") == f"deckhouse-cli v0.30.0 {HOST}"
    (laid_out.home / "path/d8").unlink()
    laid_out.ok("sync", "--prune", PATH=path)
    assert not store.exists()


def test_none_ends_it(laid_out: BesideD8) -> None:
    done = laid_out.json("sync", "--layout", "none")
    assert done["laid_out"]["removed"] == ["alpha", "vault"]
    assert laid_out.tree == {}
    laid_out.ok("install", "vault==1.1.0")
    assert laid_out.tree == {}


def test_none_where_nothing_was_laid_out_does_nothing(person: BesideD8) -> None:
    (person.home / "plugins").mkdir()
    done = person.ok("sync", "--layout", "none")
    assert (done.out, "any more" in done.err) == ("nothing to do\n", False)
    assert (person.home / "plugins").exists()
    assert not (person.user / "layout.json").exists()


def test_what_others_replaced_stays_when_it_ends(laid_out: BesideD8) -> None:
    (laid_out.plugin("vault") / "v1/vault").write_text("theirs")
    done = laid_out.ok("sync", "--layout", "none")
    assert "nothing is laid out for d8 any more\n" in done.err
    assert str(laid_out.plugin("vault") / "v1/vault") in done.err
    assert not laid_out.plugin("alpha").exists()
    assert (laid_out.plugin("vault") / "current").read_text() == "theirs"


def test_the_setting_lays_out_from_the_first_install_on(tmp_path: Path, shelf: Path) -> None:
    person = BesideD8(tmp_path / "home", shelf)
    person.fails(2, "config", "set", "layout", "d9")
    person.ok("config", "set", "layout", "d8")
    person.ok("install", "vault==1.0.0")
    assert person.tree == expected(person, vault="v1.0.0")
    done = person.fails(2, "sync", "--layout", "none")
    assert "config unset layout" in done.err
    person.ok("config", "unset", "layout")
    person.ok("sync", "--layout", "none")
    assert person.tree == {}


def test_the_directory_stays_until_another_is_typed(laid_out: BesideD8) -> None:
    whole = laid_out.tree
    laid_out.env = {}
    laid_out.ok("install", "vault==1.1.0")
    assert laid_out.runs("vault") == f"vault v1.1.0 {HOST}"
    laid_out.ok("install", "vault==1.0.0")
    assert laid_out.tree == whole
    assert "elsewhere from now on" in laid_out.ok("sync", "--layout", "d8", "--plugins-dir", "elsewhere").err
    assert laid_out.tree == {"plugins": ""}
    laid_out.directory = laid_out.home / "elsewhere"
    assert laid_out.tree == expected(laid_out, vault="v1.0.0", alpha="v1.0.0")


def test_a_directory_that_cannot_be_made_is_the_one_to_change(person: BesideD8) -> None:
    (person.home / "file").touch()
    assert "--plugins-dir DIR" in person.fails(73, "sync", "--layout", "d8", "--plugins-dir", "file").err


def test_a_dry_run_says_what_it_would_do(person: BesideD8) -> None:
    done = person.json("sync", "--layout", "d8", "--dry-run")
    assert [one["image"] for one in done["laid_out"]["placed"]] == ["alpha", "vault"]
    assert not person.directory.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--project", "sync", "--layout", "d8"),
        ("--global", "sync", "--layout", "d8"),
        ("sync", "--plugins-dir", "x"),
        ("sync", "--layout", "d8", "--plugins-dir", ""),
        ("sync", "--layout", "d8", "--to", "out"),
        ("sync", "--layout", "d9"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(person: BesideD8, words: tuple[str, ...], tmp_path: Path) -> None:
    person.project('schema = 1\n[[images]]\nname = "vault"\n')
    done = person.fails(2, *words, cwd="project", D8_INSTALLER_GLOBAL_HOME=str(tmp_path / "global"))
    assert "--layout" in done.err
    assert not person.directory.exists()


def test_the_contract_lies_beside_byte_for_byte(tmp_path: Path) -> None:
    person = BesideD8(tmp_path / "home", tmp_path / "images")
    for tag, kubernetes in (("v1.0.0", ">= 1.28"), ("v1.1.0", ">= 1.29"), ("v2.0.0", "")):
        name = "vault"
        needs = {"kubernetes": {"constraint": kubernetes}} if kubernetes else {}
        contract = {"name": name, "version": tag, "description": "<& ü>", "requirements": needs}
        notes = {"contract": base64.b64encode(json.dumps(contract).encode()).decode()} if kubernetes else {}
        images.add_image(str(person.source), name, tag, images.executables(f"{name} {tag}", HOST), notes)
    person.ok("install", "vault==1.0.0")
    person.lays_out()
    file = person.directory / "cache/contracts/vault.json"
    assert file.read_text() == _AS_THE_GO_TOOL_WRITES.replace("TAG", "v1.0.0").replace("RANGE", ">= 1.28")
    assert file.stat().st_mode & 0o7777 == 0o644
    for words, tag, wants in ((("install", "vault==1.1.0"), "v1.1.0", ">= 1.29"), (("rollback",), "v1.0.0", ">= 1.28")):
        person.ok(*words)
        assert file.read_text() == _AS_THE_GO_TOOL_WRITES.replace("TAG", tag).replace("RANGE", wants)
    person.ok("install", "vault==2.0.0")
    assert list(file.parent.iterdir()) == [], "an image without a contract has none"
    file.write_text("theirs")
    person.fails(65, "install", "vault==1.1.0")
    assert file.read_text() == "theirs"
    file.unlink()
    person.ok("install", "vault==1.1.0")
    person.ok("uninstall", "vault")
    assert person.tree == {"plugins": "", "cache": "", "cache/contracts": ""}


def test_the_program_itself_is_laid_out_and_not_its_wrapper(tmp_path: Path) -> None:
    """A contract that lists variables puts a wrapper into `bin`; the Go tool sets them itself (rpp.md §11)."""
    person = BesideD8(tmp_path / "home", tmp_path / "images")
    contract = {"name": "vault", "version": "v1.0.0", "env": [{"name": "KUBECONFIG"}]}
    notes = {"contract": base64.b64encode(json.dumps(contract).encode()).decode()}
    images.add_image(str(person.source), "vault", "v1.0.0", images.executables("vault v1.0.0", HOST), notes)
    person.ok("install", "vault")
    person.lays_out()
    program = images.script(f"vault v1.0.0 {HOST}")
    assert (person.bin / "vault").read_bytes() != program
    assert (person.plugin("vault") / "v1/vault").read_bytes() == program
    assert person.json("import", "d8")["plugins"][0]["status"] == "present"
    assert person.ok("sync").out == "nothing to do\n"


_AS_THE_GO_TOOL_WRITES = """{
  "name": "vault",
  "version": "TAG",
  "description": "<& ü>",
  "requirements": {
    "kubernetes": {
      "constraint": "RANGE"
    },
    "deckhouse": {
      "constraint": ""
    },
    "modules": {},
    "plugins": {}
  }
}
"""


def test_a_project_is_never_laid_out(laid_out: BesideD8) -> None:
    before = laid_out.tree
    laid_out.ok("config", "set", "layout", "d8")
    laid_out.project('schema = 1\n[[images]]\nname = "vault"\nversion = "==2.0.0"\n')
    laid_out.ok("sync", cwd="project")
    assert laid_out.tree == before


def test_what_is_no_plugin_of_d8_is_left_out(person: BesideD8) -> None:
    """Another file of the image than the one that d8 takes, and a tag that is no version."""
    builds = {HOST: {"plugin": images.script("tools"), "tool": images.script("a tool")}}
    images.add_image(str(person.source), "tools", "v1.0.0", builds)
    images.add_image(str(person.source), "nightly", "main", {HOST: images.script("nightly")})
    text = person.manifest.read_text()
    entries = '[[images]]\nname = "tools"\n[images.binaries]\ntool = "tool"\n\n'
    person.manifest.write_text(f'{text}\n{entries}[[images]]\nname = "nightly"\nversion = "===main"\n')
    done = person.ok("sync", "--layout", "d8")
    assert "nightly main is no SemVer version" in done.err
    assert person.tree == expected(person, vault="v1.0.0", alpha="v1.0.0")


def test_one_file_under_two_names_is_laid_out_once(person: BesideD8) -> None:
    """And of two files of that name, the one at the top of the image, which d8 finds first."""
    builds = {HOST: {"plugin": images.script("top"), "bin/plugin": images.script("deep")}}
    images.add_image(str(person.source), "twice", "v1.0.0", builds)
    entry = '[[images]]\nname = "twice"\n[images.binaries]\na = "bin/plugin"\nb = "/plugin"\nc = "/plugin"\n'
    person.manifest.write_text(f"{person.manifest.read_text()}\n{entry}")
    done = person.json("sync", "--layout", "d8")
    assert [one["image"] for one in done["laid_out"]["placed"]] == ["alpha", "twice", "vault"]
    assert person.runs("twice") == "top"
    assert person.ok("sync", "--prune").out == "nothing to do\n"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_below_home_where_the_directory_may_not_be_made(shelf: Path) -> None:
    """As the Go tool falls back (rpp.md §10): only if the directory for plugins may not be made."""
    nobody = 65534
    with tempfile.TemporaryDirectory(prefix="d8-layout-") as root:  # pytest's own directories are for one user only
        home, source, closed = Path(root, "home"), Path(root, "images"), Path(root, "closed")
        shutil.copytree(shelf, source)
        for each in (home, closed):
            each.mkdir()
        for each in (Path(root), source):
            each.chmod(0o755)
        os.chown(home, nobody, nobody)
        env = {"D8_RPP_ENDPOINT": f"oci-layout:{source}", "DECKHOUSE_CLI_PATH": str(closed / "d8")}
        assert driver.run("install", "alpha", home=str(home), user=nobody, env=env).code == 0
        done = driver.run("sync", "--layout", "d8", home=str(home), user=nobody, env=env)
        assert done.code == 0, done
        assert ran(home / ".deckhouse-cli/plugins/alpha/current") == f"alpha v1.0.0 {HOST}"
        assert list(closed.iterdir()) == []
        fs.remove_tree(str(home))


def test_self_uninstall_takes_it_away(laid_out: BesideD8) -> None:
    (laid_out.plugin("vault") / "theirs").write_text("theirs")
    laid_out.ok("self", "uninstall", "--yes")
    assert laid_out.tree == {"plugins": "", "plugins/vault": "", "plugins/vault/theirs": "theirs"}


def findings(person: BesideD8) -> list[tuple[str, str]]:
    done = person.json("doctor")
    return [(one["level"], one["message"]) for one in done["findings"] if one["check"] == "d8"]


def test_doctor_says_whether_it_is_as_in_bin(person: BesideD8) -> None:
    assert findings(person) == []
    person.lays_out()
    assert findings(person) == [("ok", f"laid out in {person.directory}")]
    current = person.plugin("vault") / "current"
    current.unlink()
    assert findings(person) == [("warning", f"in {person.directory}: {current} is not as in bin")]
    current.write_text("theirs")
    ((level, message),) = findings(person)
    assert level == "warning"
    assert f"{current} is in the way" in message
    assert current.read_text() == "theirs", "it only looks"


def test_a_damaged_record_is_an_error_that_says_what_to_do(laid_out: BesideD8) -> None:
    record = laid_out.user / "layout.json"
    facts = json.loads(record.read_text())
    record.write_text(json.dumps(facts | {"directory": "/etc"}))
    done = laid_out.fails(65, "sync")
    assert "layout.json" in done.err
    record.unlink()
    laid_out.lays_out()
    assert laid_out.tree == expected(laid_out, vault="v1.0.0", alpha="v1.0.0")
