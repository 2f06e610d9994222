"""Images that need each other: what comes along, stays, and goes (docs/explanation/dependencies.md)."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.lock import Lock
from d8_installer.model.value import replace
from tests import images
from tests.command import ended
from tests.installed import add_launchers, install, manifest, running_environment
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


def contract(name: str, tag: str, needs: dict[str, str], if_present: dict[str, str]) -> dict[str, str]:
    sections = {"mandatory": needs, "conditional": if_present}
    plugins = {key: [{"name": n, "constraint": c} for n, c in pairs.items()] for key, pairs in sections.items()}
    document = {"name": name, "version": tag, "requirements": {"plugins": plugins}}
    return {"contract": base64.b64encode(json.dumps(document).encode()).decode()}


class Operator(Person):
    """Somebody who installs plugins that need others."""

    @property
    def source_path(self) -> Path:
        assert not isinstance(self.source, str)
        return self.source

    def offer(self, name: str, tag: str, needs: dict[str, str] | None = None, **if_present: str) -> None:
        """Publish a version; it has a contract only if it needs something."""
        asks = contract(name, tag, needs or {}, if_present) if needs or if_present else {}
        builds = {images.host_platform(): images.script(f"{name} {tag}")}
        images.add_image(str(self.source), name, tag, builds, asks)

    @property
    def versions(self) -> dict[str, str]:
        return {str(image.name): image.version for image in self.locked().images}


@pytest.fixture
def person(tmp_path: Path) -> Operator:
    made = Operator(tmp_path / "home", tmp_path / "reg")
    for tag in ("v1.0.0", "v1.1.0", "v1.2.0", "v2.0.0"):
        made.offer("alpha", tag)
    made.offer("beta", "v1.0.0", {"alpha": ">=1.0, <1.2"})
    made.offer("beta", "v1.1.0", {"alpha": ">=1.1, <2"})
    made.offer("gamma", "v1.0.0", {"beta": ""})
    return made


def test_what_is_needed_comes_and_goes_along(person: Operator) -> None:
    done = person.ok("install", "beta")
    assert "alpha v1.2.0 comes along: beta needs >=1.1, <2" in done.err
    assert (person.says("alpha"), person.says("beta")) == ("alpha v1.2.0", "beta v1.1.0")
    (row,) = [one for one in person.json("list")["binaries"] if one["binary"] == "alpha"]
    assert row["asked"] == [{"requester": "image:beta", "range": ">=1.1, <2"}]
    text = person.lock.read_text()
    assert '[images.needs]\nalpha = ">=1.1, <2"\n' in text
    assert person.ok("lock").out.startswith("unchanged")
    assert person.ok("lock", "--check").out.splitlines()[-1].startswith("current")
    assert person.lock.read_text() == text
    person.ok("uninstall", "beta")
    assert person.has() == {}
    assert person.versions == {}


def test_a_dependency_is_refused_alone_and_stays_for_others(person: Operator) -> None:
    person.ok("install", "beta")
    done = person.fails(65, "uninstall", "alpha")
    assert "alpha is there because beta needs it, not for your manifest" in done.errors
    assert "uninstall beta`" in done.err
    person.ok("install", "alpha")
    assert "alpha stays for beta, which needs it" in person.ok("uninstall", "alpha").err
    person.ok("install", "gamma")
    assert "beta stays for gamma, which needs it" in person.ok("uninstall", "beta").err
    assert set(person.has()) == {"alpha", "beta", "gamma"}
    person.ok("uninstall", "gamma")
    assert person.has() == {}
    person.ok("install", "beta")
    person.ok("uninstall", "beta", "alpha")
    assert person.has() == {}


def test_a_dependent_is_uninstalled_without_a_source(person: Operator) -> None:
    person.ok("install", "gamma", "alpha", "beta")
    nowhere = "http://127.0.0.1:9"
    person.ok("uninstall", "gamma", endpoint=nowhere)
    person.ok("uninstall", "beta", endpoint=nowhere)
    assert person.versions == {"alpha": "v1.2.0"}
    assert [who for image in person.locked().images for who, _ in image.requests] == ["d8.toml"]


def test_a_need_without_a_range_is_said_as_such(person: Operator) -> None:
    said = person.ok("install", "gamma").err
    assert "beta v1.1.0 comes along: gamma needs it" in said
    (row,) = [one for one in person.json("list")["binaries"] if one["binary"] == "beta"]
    assert row["asked"] == [{"requester": "image:gamma", "range": "*"}]


def test_the_hint_removes_all_that_need_an_image(person: Operator) -> None:
    """What is asked for by name has to go: beta is there for gamma, so it cannot be uninstalled itself."""
    person.offer("delta", "v1.0.0", {"alpha": ""})
    person.ok("install", "gamma", "delta")
    done = person.fails(65, "uninstall", "alpha")
    assert "it goes with the last one that needs it: `d8-installer uninstall delta gamma`" in done.err
    person.ok("uninstall", "delta", "gamma")
    assert person.has() == {}
    person.pipx("d8-plug-vault", manifest("beta"))
    person.ok("sync")
    done = person.fails(65, "uninstall", "alpha")
    assert "it goes with the last one that needs it: see `d8-installer list`" in done.err


def test_what_is_asked_for_by_name_stays(person: Operator) -> None:
    person.ok("install", "beta", "alpha")
    person.ok("uninstall", "beta")
    assert person.versions == {"alpha": "v1.2.0"}


def test_a_range_of_ones_own_counts(person: Operator) -> None:
    person.ok("install", "alpha<1.1")
    assert "v1.1.0 (dependency" in person.ok("install", "beta").err
    assert person.versions == {"alpha": "v1.0.0", "beta": "v1.0.0"}
    done = person.fails(65, "install", "alpha>=2")
    assert "d8.toml wants alpha >=2 and cannot agree: image:beta wants alpha >=1.0, <1.2" in done.err
    assert person.versions == {"alpha": "v1.0.0", "beta": "v1.0.0"}
    person.ok("install", "alpha>=1.1")
    assert person.versions == {"alpha": "v1.1.0", "beta": "v1.0.0"}
    person.ok("upgrade", "beta")
    assert person.versions == {"alpha": "v1.1.0", "beta": "v1.1.0"}


def test_use_and_upgrade_stay_in_the_range_that_is_needed(person: Operator) -> None:
    person.ok("install", "beta")
    person.ok("use", "alpha", "1.1.0")
    assert person.says("alpha") == "alpha v1.1.0"
    done = person.fails(65, "use", "alpha", "v2.0.0")
    assert "alpha v2.0.0 is outside the range '>=1.1, <2' that beta needs" in done.err
    held = person.ok("upgrade", "--all").err
    assert "alpha stays at v1.2.0: v2.0.0 is outside >=1.1, <2 of beta, which needs it" in held
    done = person.fails(65, "use", "beta", "v1.0.0")
    assert "no compatible version (needs >=1.0, <1.2)" in done.err, "alpha never moves down for it"
    person.ok("use", "alpha", "v1.1.0")
    person.ok("use", "beta", "v1.0.0")
    assert person.versions == {"alpha": "v1.1.0", "beta": "v1.0.0"}


def test_a_newer_version_is_passed_over_with_its_reason(person: Operator) -> None:
    person.offer("beta", "v1.2.0", {"nowhere": ">=1"})
    why = 'dependency "nowhere" (via beta -> nowhere): not published as deckhouse-cli/plugins/nowhere'
    assert f"beta v1.1.0 is taken; passed over: v1.2.0 ({why})" in person.ok("install", "beta").err
    explained = person.ok("lock", "--explain", "beta").out
    assert f"v1.2.0  {why}" in explained
    person.fails(65, "install", "beta>=1.2")
    assert person.versions["beta"] == "v1.1.0"


def test_a_major_version_is_left_only_if_that_is_typed(person: Operator) -> None:
    person.ok("install", "beta")
    person.offer("beta", "v2.0.0", {"alpha": "^2"})
    done = person.ok("upgrade", "beta")
    assert "no compatible version (needs ^2)" in done.err
    assert person.versions == {"alpha": "v1.2.0", "beta": "v1.1.0"}
    person.ok("upgrade", "beta", "--use-major", "2")
    assert person.versions == {"alpha": "v2.0.0", "beta": "v2.0.0"}
    done = person.fails(69, "install", "beta", "--use-major", "7")
    assert "no versions of beta found for major version 7: none is published" in done.err
    person.fails(2, "upgrade", "--all", "--use-major", "2")
    person.fails(2, "install", "beta", "--use-major", "two")


def test_hints_are_for_the_profile_that_is_changed(person: Operator) -> None:
    place = person.project(manifest("alpha"))
    person.ok("lock", cwd=place)
    (place / "d8.toml").write_text(manifest("alpha") + '[[images]]\nname = "beta"\n')
    done = person.fails(65, "lock", cwd=place)
    assert "type `d8-installer --project use alpha v1.2.0` first" in done.err
    person.ok("--project", "use", "alpha", "v1.2.0", cwd=place)
    person.ok("lock", cwd=place)
    person.offer("delta", "v3.0.0", {"alpha": "^2"})
    (place / "d8.toml").write_text(manifest("alpha") + '[[images]]\nname = "delta"\n')
    done = person.fails(65, "lock", cwd=place)
    assert "`d8-installer --project install delta --use-major 3`" in done.err
    person.ok("--project", "install", "delta", "--use-major", "3", cwd=place)


def test_a_contract_that_cannot_be_read_stops(person: Operator) -> None:
    person.offer("beta", "v1.3.0", {"alpha": ">=1.0<2"})
    done = person.fails(65, "install", "beta")
    assert "the contract of beta v1.3.0 needs alpha, but '>=1.0<2' is not a version specifier" in done.err
    assert not person.lock.exists()


# -- the lock, without a source ----------------------------------------------------------------------------------------


def altered(person: Operator, **changes: object) -> None:
    """Write the lock anew: the entry of ``alpha`` has other values, or is not there."""
    lock = person.locked()
    others = [image for image in lock.images if str(image.name) != "alpha"]
    alphas = [replace(image, **changes) for image in lock.images if str(image.name) == "alpha" and changes]
    person.lock.write_text(Lock.of([*others, *alphas]).render())


def test_a_lock_without_what_is_needed_is_stale(person: Operator) -> None:
    person.ok("install", "beta")
    good = person.lock.read_text()
    altered(person)
    done = person.fails(65, "sync", "--locked", "--offline")
    assert "is stale: alpha is wanted by image:beta and not locked" in done.err
    assert "alpha is wanted by image:beta and not locked" in person.fails(65, "lock", "--check", "--offline").out
    person.ok("sync")
    assert person.lock.read_text() == good
    altered(person, version="v2.0.0")
    done = person.fails(65, "sync", "--locked", "--offline")
    assert "alpha is locked at v2.0.0, which image:beta (>=1.1, <2) does not allow" in done.err
    person.ok("lock")
    assert person.lock.read_text() == good


def test_a_bundle_has_what_is_needed(person: Operator, tmp_path: Path) -> None:
    person.ok("install", "beta")
    bundle = tmp_path / "all.bundle"
    person.ok("bundle", "create", "-o", str(bundle))
    other = Operator(tmp_path / "other", person.source)
    other.ok("sync", "--frozen", endpoint=f"bundle:{bundle}")
    assert (other.says("alpha"), other.says("beta")) == ("alpha v1.2.0", "beta v1.1.0")
    other.ok("sync", "--locked", "--offline", endpoint=f"bundle:{bundle}")
    other.ok("uninstall", "beta", endpoint=f"bundle:{bundle}")
    assert other.has() == {}


def test_two_branches_that_need_one_image_merge(person: Operator, tmp_path: Path) -> None:
    person.offer("delta", "v1.0.0", {"alpha": "<2"})
    texts: dict[str, str] = {}
    for side, wants in {"base": ["beta"], "ours": ["beta", "delta"], "theirs": []}.items():
        place = person.project(manifest(wants[0]) if wants else "schema = 1\n", side)
        if len(wants) == 2:
            with (place / "d8.toml").open("a") as file:
                file.write('[[images]]\nname = "delta"\n')
        if side != "base":
            (place / "d8.lock").write_text(texts["base"])
        person.ok("lock", cwd=place)
        texts[side] = (place / "d8.lock").read_text()
        (tmp_path / side).write_text(texts[side])
    person.run("lock", "--merge", *(str(tmp_path / side) for side in ("base", "ours", "theirs")))
    joined = person.project('schema = 1\n[[images]]\nname = "delta"\n', "joined")
    (joined / "d8.lock").write_text((tmp_path / "ours").read_text())
    person.ok("lock", cwd=joined)
    lock = Lock.parse((joined / "d8.lock").read_bytes(), "d8.lock")
    assert [str(image.name) for image in lock.images] == ["alpha", "delta"]
    assert [who for who, _ in lock.images[0].requests] == ["image:delta"]


# -- whose names they are ----------------------------------------------------------------------------------------------


def test_the_binary_of_a_dependency_shadows_no_command(person: Operator, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = elsewhere / "alpha"
    command.write_text("#!/bin/sh\necho mine\n")
    command.chmod(0o755)
    path = f"{elsewhere}{os.pathsep}{os.environ['PATH']}"
    person.ok("install", "beta", PATH=path)
    assert not (person.bin / "alpha").exists()
    assert person.says("beta") == "beta v1.1.0"
    assert person.ok("run", "alpha", PATH=path).out == "alpha v1.2.0\n"
    person.ok("install", "alpha", PATH=path)
    assert person.says("alpha") == "alpha v1.2.0"


def test_a_plugins_image_brings_what_it_needs(person: Operator) -> None:
    person.pipx("d8-plug-vault", manifest("beta"))
    person.ok("sync")
    assert set(person.has()) == {"alpha", "beta"}
    done = person.fails(65, "uninstall", "beta")
    assert "required by the plugin d8-plug-vault" in done.err
    person.pipx("d8-plug-vault", manifest("alpha", "<1.1"))
    person.ok("sync")
    assert person.has() == {"alpha": "v1.0.0"}


def test_the_first_run_of_a_launcher_brings_what_its_image_needs(person: Operator) -> None:
    person.ok("install", "alpha<1.2", "gamma")
    person.offer("delta", "v1.0.0", {"alpha": ">=1.1", "epsilon": ""})
    person.offer("epsilon", "v1.0.0")
    before = person.locked()
    prefix = person.home / "v"
    install(running_environment(prefix), "d8-plug-vault", "1.0", manifest("delta"))
    add_launchers(prefix, manifest("delta"))
    done = ended([str(prefix / "bin/delta")], home=str(person.home), env=person.variables)
    assert (done.code, done.out) == (0, "delta v1.0.0\n"), done
    assert person.versions == {
        "alpha": "v1.1.0",
        "beta": "v1.1.0",
        "gamma": "v1.0.0",
        "delta": "v1.0.0",
        "epsilon": "v1.0.0",
    }
    locked = {str(image.name): image for image in person.locked().images}
    assert [who for who, _ in locked["alpha"].requests] == ["d8.toml", "image:beta", "image:delta"]
    for image in before.images:
        assert str(image.name) == "alpha" or locked[str(image.name)] == image
    text = person.lock.read_text()
    person.ok("lock")
    assert person.lock.read_text() == text


def test_a_plugin_whose_images_needs_cannot_be_had_is_left_out(person: Operator) -> None:
    person.offer("lost", "v1.0.0", {"nowhere": ""})
    person.pipx("d8-plug-lost", manifest("lost"))
    person.project(manifest("beta"))
    done = person.fails(65, "sync")
    assert "d8-plug-lost wants lost: lost cannot be locked" in done.err
    assert "not published as deckhouse-cli/plugins/nowhere" in done.err
    person.run("install", "beta")
    assert set(person.has()) == {"alpha", "beta"}


def test_what_the_person_wants_is_not_placed_without_what_it_needs(person: Operator) -> None:
    place = person.project(manifest("beta"))
    person.ok("lock", cwd=place)
    alpha = Lock.parse((place / "d8.lock").read_bytes(), "d8.lock").images[0]
    for _, pin in alpha.platforms:
        blob = person.source_path / "deckhouse-cli/plugins/alpha/blobs/sha256" / pin.layer.hex
        blob.write_bytes(bytes(len(blob.read_bytes())))
    done = person.fails(76, "install", "beta")
    assert "alpha" in done.err
    assert person.has() == {}


def test_nobody_can_ask_in_the_name_of_an_image(person: Operator) -> None:
    person.pipx("image:beta", manifest("alpha"))
    person.run("sync")
    locked = person.locked().images if person.lock.exists() else ()
    assert not any(who.startswith("image:") for image in locked for who, _ in image.requests)
