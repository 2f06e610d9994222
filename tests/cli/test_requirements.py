"""Requirements of images without a cluster: files of facts, what is said where nothing is checked, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.contracted import UNCHECKED, ContractedPerson, group, members, requiring

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Completed

SKIP = "D8_PLUGINS_SKIP_CLUSTER_CHECKS"
STRONGHOLD = requiring(modules={"mandatory": members("stronghold >=1.3")})
MANIFEST = 'schema = 1\n[[images]]\nname = "tool"\n'
NO_CLUSTER = f"{UNCHECKED}no cluster is configured"
HELD = "contacts no cluster (--facts FILE checks without one)"


@pytest.fixture
def person(tmp_path: Path) -> ContractedPerson:
    """Somebody with two versions of an image: v1.0.0 requires nothing, v2.0.0 a module."""
    made = ContractedPerson(tmp_path)
    made.publish("tool", "v1.0.0")
    made.publish_with("tool", "v2.0.0", STRONGHOLD)
    return made


def notes(done: Completed) -> list[str]:
    """Return the lines about requirements that are not checked."""
    return [line for line in done.err.splitlines() if line.startswith(UNCHECKED)]


def fails_untouched(person: ContractedPerson, code: int, *words: str, cwd: str | None = None) -> str:
    """Run a command that must fail and change nothing; return what it said."""
    before = person.state()
    said = person.fails(code, *words, cwd=cwd).err
    assert person.state() == before
    return said


# -- no cluster


@pytest.mark.parametrize("words", [["install", "tool"], ["install", "tool==2.0.0"]])
def test_without_a_cluster_one_line_says_that_nothing_was_checked(person: ContractedPerson, words: list[str]) -> None:
    assert notes(person.ok(*words)) == [NO_CLUSTER]
    assert person.has() == {"tool": "v2.0.0"}
    assert notes(person.ok("sync")) == []


def test_an_image_without_requirements_causes_no_word(person: ContractedPerson) -> None:
    person.publish("plain", "v1.0.0")
    person.publish_with("described", "v1.0.0", {"description": "one that requires nothing"})
    assert notes(person.ok("install", "plain", "described", "tool==1.0.0")) == []


def test_never_says_nothing(person: ContractedPerson) -> None:
    person.ok("config", "set", "cluster_checks", "never")
    assert notes(person.ok("install", "tool")) == []
    assert person.has() == {"tool": "v2.0.0"}


def test_always_demands_a_cluster_for_requirements_only(person: ContractedPerson) -> None:
    person.ok("config", "set", "cluster_checks", "always")
    person.ok("install", "tool==1.0.0")
    person.ok("--offline", "check")
    assert "no cluster is configured" in fails_untouched(person, 78, "install", "tool==2.0.0")
    person.ok("install", "tool==2.0.0", "--skip-cluster-checks")
    said = fails_untouched(person, 78, "--offline", "check")
    assert "--offline contacts no cluster" in said
    assert "leave out --offline (D8_OFFLINE)" in said


def test_a_setting_that_is_none(person: ContractedPerson) -> None:
    said = person.fails(2, "config", "set", "cluster_checks", "sometimes").err
    assert '"auto", "always" or "never"' in said


# -- a file of facts: what does not hold is refused before anything is fetched

UNMET: dict[str, tuple[dict[str, Any], str]] = {
    "kubernetes": (
        requiring(kubernetes=">= 1.32"),
        "plugin p requires Kubernetes >= 1.32, but the cluster runs v1.31.4",
    ),
    "deckhouse": (requiring(deckhouse=">1.77"), "plugin p requires Deckhouse >1.77, but the cluster runs v1.77.0"),
    "off": (
        requiring(modules={"mandatory": members("console")}),
        'plugin p requires module "console" to be enabled, but it is not',
    ),
    "absent": (
        requiring(modules={"mandatory": members("nothing")}),
        'plugin p requires module "nothing" to be enabled, but it is not',
    ),
    "old": (
        requiring(modules={"mandatory": members("stronghold >=1.4")}),
        'plugin p requires module "stronghold" >=1.4, but the cluster has v1.3.0',
    ),
    "conditional": (
        requiring(modules={"conditional": members("stronghold <1")}),
        'plugin p requires module "stronghold" <1, but the cluster has v1.3.0',
    ),
    "any of": (
        requiring(modules={"anyOf": group("storage", "ceph", "console")}),
        "plugin p requires at least one of [ceph, console] (storage), but none is satisfied",
    ),
    "none of": (
        requiring(modules={"noneOf": group("rivals", "stronghold >=1")}),
        'plugin p forbids module "stronghold" (rivals), but it is enabled in the cluster',
    ),
}


@pytest.mark.parametrize("case", UNMET)
def test_what_does_not_hold_is_refused(person: ContractedPerson, case: str) -> None:
    contract, told = UNMET[case]
    person.publish_with("p", "v1.0.0", contract)
    facts = person.facts(modules=["stronghold v1.3.0", "-console v1.0.0"])
    said = fails_untouched(person, 65, "install", "p", "--facts", facts)
    assert told in said
    assert "v1.0.0" in said
    assert "hint: " in said
    assert not (person.data / "store/sha256").exists() or not list((person.data / "store/sha256").iterdir())
    person.ok("install", "p", "--skip-cluster-checks")
    assert person.has() == {"p": "v1.0.0"}


def test_what_holds_is_placed_without_a_word(person: ContractedPerson) -> None:
    wants: dict[str, Any] = {
        "mandatory": members("stronghold >=1.3"),
        "conditional": members("console <1"),
        "anyOf": group("storage", "ceph", "nfs"),
        "noneOf": group("rivals", "vault", "ceph-csi <1"),
    }
    person.publish_with("p", "v1.0.0", requiring(kubernetes=">=1.28", deckhouse="^1.70", modules=wants))
    facts = person.facts(modules=["stronghold v1.3.0", "-console v2.0.0", "nfs v1.0.0", "ceph-csi v1.0.0"])
    done = person.ok("install", "p", "--facts", facts)
    assert notes(done) == []
    assert "warning" not in done.err


def test_what_cannot_be_told_is_a_warning(person: ContractedPerson) -> None:
    person.publish_with("p", "v1.0.0", requiring(deckhouse=">=1.77", modules={"mandatory": members("m >=1")}))
    said = person.ok("install", "p", "--facts", person.facts(deckhouse=None, modules=["m"])).err
    assert "warning: plugin p requires Deckhouse >=1.77; that is not checked" in said
    assert 'warning: plugin p requires module "m" >=1; that is not checked' in said


def test_a_version_that_kubernetes_does_not_say_is_an_error(person: ContractedPerson) -> None:
    person.publish_with("p", "v1.0.0", requiring(kubernetes=">=1.28"))
    said = fails_untouched(person, 65, "install", "p", "--facts", person.facts(kubernetes=None))
    assert "Kubernetes version is unknown" in said


# -- which version is chosen


def test_the_newest_version_whose_requirements_hold_is_taken(person: ContractedPerson) -> None:
    person.publish_with("tool", "v3.0.0", requiring(kubernetes=">=1.99"))
    done = person.ok("install", "tool", "--facts", person.facts(modules=["stronghold v1.2.0"]))
    assert person.has() == {"tool": "v1.0.0"}
    for version, why in (("v3.0.0", "Kubernetes >=1.99"), ("v2.0.0", 'module "stronghold" >=1.3')):
        assert [line for line in done.err.splitlines() if version in line and why in line], done
    newer = person.facts(modules=["stronghold v1.3.0"])
    person.ok("upgrade", "tool", "--facts", newer)
    assert person.has() == {"tool": "v2.0.0"}


def test_a_locked_version_never_changes_because_of_facts(person: ContractedPerson) -> None:
    person.project(MANIFEST)
    person.ok("lock", cwd="project")
    lock = person.home / "project/d8.lock"
    before = lock.read_bytes()
    assert b"v2.0.0" in before
    facts = person.facts(modules=["-stronghold"])
    for words in (["sync"], ["sync", "--locked"], ["sync", "--frozen"], ["lock", "--check"], ["sync", "--to", "out"]):
        said = person.fails(65, *words, "--facts", str(person.home / facts), cwd="project").err
        assert "tool v2.0.0" in said
        assert 'module "stronghold" to be enabled, but it is not' in said
        assert "--skip-cluster-checks" in said or words == ["lock", "--check"]
        assert lock.read_bytes() == before
    assert person.has(cwd="project") == {}
    assert not (person.home / "project/out").exists() or not list((person.home / "project/out").iterdir())


def test_the_facts_of_one_person_do_not_choose_the_versions_of_a_project(person: ContractedPerson) -> None:
    person.project(MANIFEST)
    told = f"{UNCHECKED}facts choose the versions of a project only with --facts FILE"
    assert notes(person.ok("lock", cwd="project")) == [told]
    assert "v2.0.0" in (person.home / "project/d8.lock").read_text()
    facts = str(person.home / person.facts())
    lock = person.home / "project/d8.lock"
    before = lock.read_bytes()
    for words in (["lock"], ["lock", "--upgrade"], ["lock", "--upgrade-image", "tool"]):
        assert 'module "stronghold"' in person.fails(65, *words, "--facts", facts, cwd="project").err
        assert lock.read_bytes() == before, "a locked version never changes because of facts"
    lock.unlink()
    person.ok("lock", "--facts", facts, cwd="project")
    assert "v1.0.0" in lock.read_text()


# -- commands that contact no cluster


def test_what_a_held_command_says(person: ContractedPerson) -> None:
    person.project(MANIFEST)
    person.ok("lock", cwd="project")
    for words, what in (
        (["sync", "--locked"], "--locked"),
        (["sync", "--to", "out"], "--to"),
        (["sync", "--to", "out", "--locked"], "--to"),
        (["bundle", "create", "-o", "x.bundle"], "bundle"),
        (["lock", "--check"], "lock --check"),
    ):
        assert notes(person.ok(*words, cwd="project")) == [f"{UNCHECKED}{what} {HELD}"], words
    person.fails(69, "rollback", cwd="project")


def test_what_frozen_and_offline_say(person: ContractedPerson) -> None:
    for place in ("project", "other"):
        person.project(MANIFEST, place)
    person.ok("lock", cwd="project")
    lock = (person.home / "project/d8.lock").read_bytes()
    assert notes(person.ok("sync", "--frozen", cwd="project")) == [f"{UNCHECKED}--frozen {HELD}"]
    (person.home / "other/d8.lock").write_bytes(lock)
    assert notes(person.ok("--offline", "sync", "--locked", cwd="other")) == [f"{UNCHECKED}--offline {HELD}"]
    assert person.has(cwd="other") == {"tool": "v2.0.0"}


def test_offline_lock_check_needs_no_contract(person: ContractedPerson, tmp_path: Path) -> None:
    person.project(MANIFEST)
    person.ok("lock", cwd="project")
    assert notes(person.ok("--offline", "lock", "--check", cwd="project")) == []
    person.ok("sync", cwd="project")
    assert notes(person.ok("--offline", "lock", "--check", cwd="project")) == [f"{UNCHECKED}--offline {HELD}"]
    facts = str(person.home / person.facts())
    assert (
        'module "stronghold"' in person.fails(65, "--offline", "lock", "--check", "--facts", facts, cwd="project").err
    )


def test_a_bundle_is_refused_before_it_is_written(person: ContractedPerson) -> None:
    person.ok("install", "tool")
    said = person.fails(65, "bundle", "create", "-o", "x.bundle", "--facts", person.facts()).err
    assert 'module "stronghold"' in said
    assert not (person.home / "x.bundle").exists()
    person.ok("bundle", "create", "-o", "x.bundle", "--facts", person.facts(modules=["stronghold v1.3.0"]))


# -- the switch


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "True"])
def test_the_variable_skips(person: ContractedPerson, value: str) -> None:
    done = person.ok("install", "tool", **{SKIP: value})
    assert notes(done) == [f"{UNCHECKED}{SKIP} is set"]


@pytest.mark.parametrize("value", ["", "0", "yes", "tRUE", "on", " 1"])
def test_other_values_do_not_skip(person: ContractedPerson, value: str) -> None:
    assert notes(person.ok("install", "tool", **{SKIP: value})) == [NO_CLUSTER]


def test_the_file_counts_more_than_the_variable_and_excludes_the_option(person: ContractedPerson) -> None:
    facts = person.facts()
    fails_untouched(person, 65, "install", "tool==2.0.0", "--facts", facts)
    assert person.fails(65, "install", "tool==2.0.0", "--facts", facts, **{SKIP: "1"})
    assert person.fails(2, "install", "tool", "--facts", facts, "--skip-cluster-checks")


# -- files of facts


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (None, 73, "there is no file facts.json"),
        (b"", 65, "facts.json"),
        (b"{", 65, "facts.json:1: is not JSON"),
        (b"[]", 65, "facts.json: must be an object"),
        (b'{"schema": 2}', 78, "schema 2"),
        (b'{"schema": 1, "modules": []}', 65, "facts.json: modules: must be an object"),
        (b'{"schema": 1, "kubernetes": "v1.31.0"}', 65, "facts.json has no modules"),
        (b"\xff" * 9, 65, "facts.json"),
    ],
)
def test_files_that_are_no_facts(person: ContractedPerson, content: bytes | None, code: int, told: str) -> None:
    if content is not None:
        (person.home / "facts.json").write_bytes(content)
    said = fails_untouched(person, code, "install", "tool", "--facts", "facts.json")
    assert told in said
    assert "hint: " in said


def test_a_file_that_is_not_there_is_an_error_even_if_nothing_is_compared_with_it(person: ContractedPerson) -> None:
    person.ok("install", "tool==1.0.0")
    for words in (["sync"], ["install", "tool"], ["check"], ["lock"]):
        assert "there is no file nothing.json" in person.fails(73, *words, "--facts", "nothing.json").err


# -- what only a plugin asks for, and what is in the way of nothing


def test_a_plugins_image_that_does_not_fit_is_left_out(person: ContractedPerson) -> None:
    person.publish("plain", "v1.0.0")
    person.pipx("d8-plug-tool", MANIFEST.replace('"tool"\n', '"tool"\nversion = "2.0.0"\n'))
    person.pipx("d8-plug-plain", MANIFEST.replace("tool", "plain"))
    done = person.fails(65, "sync", "--facts", person.facts())
    assert "d8-plug-tool" in done.err
    assert 'module "stronghold"' in done.err
    assert person.has() == {"plain": "v1.0.0"}


def test_what_is_in_place_stops_no_other_command(person: ContractedPerson) -> None:
    person.publish("plain", "v1.0.0")
    person.ok("install", "tool")
    facts = person.facts()
    person.ok("install", "plain", "--facts", facts)
    person.ok("sync")
    assert 'module "stronghold"' in person.fails(65, "sync", "--facts", facts).err
    assert 'module "stronghold"' in person.fails(65, "install", "tool", "--facts", facts).err
    assert 'module "stronghold"' in person.fails(65, "upgrade", "tool", "--facts", facts).err
    person.ok("uninstall", "tool")
    assert person.has() == {"plain": "v1.0.0"}


def needing_base(person: ContractedPerson) -> None:
    """Publish an image that needs another one, which requires a module."""
    person.publish_with("base", "v1.0.0", STRONGHOLD)
    person.publish_with("top", "v1.0.0", requiring(plugins={"mandatory": members("base >=1")}))


def test_what_is_needed_does_not_fit(person: ContractedPerson) -> None:
    needing_base(person)
    person.project(MANIFEST.replace("tool", "top"))
    person.ok("lock", cwd="project")
    facts = str(person.home / person.facts())
    said = person.fails(65, "sync", "--locked", "--facts", facts, cwd="project").err
    assert "base v1.0.0" in said
    assert person.has(cwd="project") == {}
    person.ok(
        "sync", "--locked", "--facts", str(person.home / person.facts(modules=["stronghold v1.3.0"])), cwd="project"
    )
    assert person.has(cwd="project").keys() == {"top", "base"}


def test_what_a_plugins_image_needs_does_not_fit(person: ContractedPerson) -> None:
    needing_base(person)
    person.publish("plain", "v1.0.0")
    person.pipx("d8-plug-top", MANIFEST.replace("tool", "top"))
    person.pipx("d8-plug-plain", MANIFEST.replace("tool", "plain"))
    person.ok("lock", "--skip-cluster-checks")
    done = person.fails(65, "sync", "--locked", "--facts", person.facts())
    assert 'module "stronghold"' in done.err
    assert person.has() == {"plain": "v1.0.0"}, "what needs a program does not come without it"


def test_a_dependency_that_fits_is_taken(person: ContractedPerson) -> None:
    needing_base(person)
    person.publish("base", "v1.1.0")
    person.publish_with("base", "v2.0.0", requiring(kubernetes=">=1.99"))
    person.ok("install", "top", "--facts", person.facts())
    assert person.has() == {"top": "v1.0.0", "base": "v1.1.0"}


def test_a_range_that_cannot_be_read_is_an_error_that_names_the_version(person: ContractedPerson) -> None:
    person.publish_with("tool", "v3.0.0", requiring(kubernetes=">=1.0<2"))
    (person.home / "facts.json").write_text('{"schema": 1, "kubernetes": "v1.31.4", "modules": {}}')
    said = fails_untouched(person, 65, "install", "tool", "--facts", str(person.home / "facts.json"))
    assert "]: tool v3.0.0: the Kubernetes constraint of plugin tool: '>=1.0<2' is not a version" in said
    assert "or name another version: `d8-installer versions tool`" in said
