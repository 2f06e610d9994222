"""``check``: whether the requirements of everything that is installed hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.contracted import ContractedPerson, members, requiring

STRONGHOLD = requiring(kubernetes=">=1.28", modules={"mandatory": members("stronghold >=1.3")})


@pytest.fixture
def person(tmp_path: Path) -> ContractedPerson:
    """Somebody who has installed an image that requires something, and one that does not."""
    made = ContractedPerson(tmp_path)
    made.publish("plain", "v1.0.0")
    made.publish_with("tool", "v2.0.0", STRONGHOLD)
    made.ok("install", "tool", "plain", "--skip-cluster-checks")
    return made


def test_all_hold(person: ContractedPerson) -> None:
    done = person.ok("check", "--facts", person.facts(modules=["stronghold v1.3.0"]))
    assert [line.split() for line in done.out.splitlines()] == [
        ["IMAGE", "VERSION", "REQUIREMENTS"],
        ["plain", "v1.0.0", "none"],
        ["tool", "v2.0.0", "met"],
    ]


def test_an_upgrade_of_the_cluster_is_tried_before_it_is_done(person: ContractedPerson) -> None:
    today = person.facts(modules=["stronghold v1.3.0"])
    text = (person.home / today).read_text()
    (person.home / "later.json").write_text(text.replace("v1.31.4", "v1.27.0").replace("v1.3.0", "v1.2.0"))
    person.ok("check", "--facts", today)
    done = person.fails(65, "check", "--facts", "later.json")
    assert "plugin tool requires Kubernetes >=1.28, but the cluster runs v1.27.0" in done.err
    assert 'plugin tool requires module "stronghold" >=1.3, but the cluster has v1.2.0' in done.err
    assert ["tool", "v2.0.0", "unmet"] in [line.split() for line in done.out.splitlines()]


def test_the_document(person: ContractedPerson) -> None:
    facts = person.facts(modules=["-stronghold"])
    data = person.json("check", "--facts", facts, code=65)
    assert data["profile"]["kind"] == "user"
    assert data["cluster"] == "test"
    plain, tool = data["images"]
    assert plain == {"image": "plain", "version": "v1.0.0", "met": True, "unmet": [], "warnings": []}
    assert (tool["met"], len(tool["unmet"])) == (False, 1)
    skipped = person.json("check", "--skip-cluster-checks")
    assert (skipped["cluster"], [image["met"] for image in skipped["images"]]) == (None, [True, None])


def test_only_what_is_named(person: ContractedPerson) -> None:
    facts = person.facts()
    person.ok("check", "plain", "--facts", facts)
    person.fails(65, "check", "tool", "plain", "--facts", facts)
    assert "nothing is not installed" in person.fails(69, "check", "nothing", "--facts", facts).err


def test_without_a_cluster(person: ContractedPerson) -> None:
    said = person.fails(78, "check").err
    assert "no cluster is configured" in said
    assert "--facts" in said
    person.ok("check", "plain")
    person.ok("uninstall", "tool")
    person.ok("check")
    person.ok("uninstall", "plain")
    assert person.ok("check").out == "nothing is installed\n"


def test_a_project_has_its_own(person: ContractedPerson) -> None:
    person.project('schema = 1\n[[images]]\nname = "plain"\n')
    assert person.ok("check", cwd="project").out == "nothing is installed\n"
    person.ok("sync", cwd="project")
    assert person.json("check", cwd="project")["profile"]["kind"] == "project"
    person.fails(78, "--user", "check", cwd="project")


def test_a_plugin_that_is_built_into_d8_is_counted_on(person: ContractedPerson) -> None:
    person.publish_with("counting", "v1.0.0", requiring(plugins={"mandatory": members("delivery-kit", "package")}))
    person.ok("install", "counting")
    done = person.ok("check", "counting")
    for name in ("delivery-kit", "package"):
        assert f'warning: plugin counting counts on plugin "{name}", which is a part of d8' in done.err
    tools = person.home / "tools"
    tools.mkdir()
    (tools / "d8").write_text("#!/bin/sh\n")
    (tools / "d8").chmod(0o755)
    assert "warning" not in person.ok("check", "counting", PATH=f"{tools}:/usr/bin:/bin").err


def test_plugins_need_each_other_whether_there_is_a_cluster_or_not(person: ContractedPerson) -> None:
    person.publish("base", "v1.0.0", "v2.0.0")
    wants = requiring(plugins={"mandatory": members("base <2"), "conditional": members("plain >=1")})
    person.publish_with("top", "v1.0.0", wants)
    person.ok("install", "top")
    assert person.has()["base"] == "v1.0.0"
    assert person.json("check", "top")["images"][0]["met"] is True


def test_the_documented_file_is_one(person: ContractedPerson) -> None:
    page = (Path(__file__).parents[2] / "docs/explanation/requirements.md").read_text(encoding="utf-8")
    (person.home / "facts.json").write_text(page.partition("```json\n")[2].partition("```")[0])
    done = person.ok("check", "--facts", "facts.json")
    assert 'warning: plugin tool requires module "stronghold" >=1.3; that is not checked' in done.err
