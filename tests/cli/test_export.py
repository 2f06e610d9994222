"""``export``: the lock in the words of others, the same bytes each time, valid by the others' own rules."""

from __future__ import annotations

import json
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from tests import images
from tests.command import ended
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


class Exporter(Person):
    """A person whose lock has an image with an index and a single one."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "reg")
        layout = str(self.source)
        images.add_image(layout, "stronghold", "v1.4.2", images.executables("stronghold", *images.PLATFORMS))
        images.add_image(layout, "deckhouse-cli", "v0.13.1", {"any": images.script("d8")})
        self.ok("install", "stronghold", "deckhouse-cli")


@pytest.fixture
def person(tmp_path: Path) -> Exporter:
    return Exporter(tmp_path)


def test_cyclonedx_is_valid_and_says_every_digest(person: Exporter) -> None:
    text = person.ok("export", "--format", "cyclonedx").out
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    lock = {image["name"]: image for image in tomllib.loads(person.lock.read_text())["images"]}
    by_name = {component["name"]: component for component in document["components"]}
    assert by_name.keys() == lock.keys()
    stronghold, d8 = by_name["stronghold"], by_name["deckhouse-cli"]
    tops = {
        "stronghold": lock["stronghold"]["index"],
        "deckhouse-cli": lock["deckhouse-cli"]["platforms"]["any"]["child"],
    }
    for component in (stronghold, d8):
        purl = PackageURL.from_string(component["purl"])
        assert (purl.type, purl.name, purl.version) == ("oci", component["name"], tops[component["name"]])
        assert component["hashes"] == [{"alg": "SHA-256", "content": str(purl.version).removeprefix("sha256:")}]
    pins = {
        (part["properties"][2]["value"], PackageURL.from_string(part["purl"]).version, part["properties"][0]["value"])
        for part in stronghold["components"]
    }
    assert pins == {(key, pin["child"], pin["layer"]) for key, pin in lock["stronghold"]["platforms"].items()}
    assert "components" not in d8


def test_the_same_lock_gives_the_same_bytes(person: Exporter) -> None:
    for name in ("cyclonedx", "json", "requirements"):
        first = person.ok("export", "--format", name).out
        assert person.ok("export", "--format", name, PYTHONHASHSEED="7").out == first
        assert person.ok("--offline", "export", "--format", name).out == first
    assert "timestamp" not in person.ok("export", "--format", "cyclonedx").out
    dated = person.ok("export", "--format", "cyclonedx", SOURCE_DATE_EPOCH="1700000000").out
    assert json.loads(dated)["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(dated) is None
    person.fails(2, "export", "--format", "cyclonedx", SOURCE_DATE_EPOCH="soon")
    for seconds in ("253402300800", "99999999999999999"):
        refused = person.fails(2, "export", "--format", "cyclonedx", SOURCE_DATE_EPOCH=seconds)
        assert f"SOURCE_DATE_EPOCH {seconds} is not a date" in refused.err
    person.ok("export", "--format", "cyclonedx", SOURCE_DATE_EPOCH="253402300799")


def test_json_is_the_lock(person: Exporter) -> None:
    document = json.loads(person.ok("export", "--format", "json").out)
    assert document == tomllib.loads(person.lock.read_text())


def test_requirements_give_the_same_lock_again(person: Exporter) -> None:
    lines = person.ok("export", "--format", "requirements").out.splitlines()
    assert lines == ["deckhouse-cli===v0.13.1", "stronghold===v1.4.2"]
    before = tomllib.loads(person.lock.read_text())["images"]
    person.ok("install", "--home", str(person.home / "other"), *lines)
    after = tomllib.loads((person.home / "other/profiles/user/d8.lock").read_text())["images"]
    assert [(i["version"], i["platforms"]) for i in after] == [(i["version"], i["platforms"]) for i in before]


def test_a_hand_with_no_lock_or_no_library(person: Exporter) -> None:
    code = "import sys; sys.modules['cyclonedx'] = None; from d8_installer.cli.main import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "export", "--format", "cyclonedx"]
    done = ended(words, home=str(person.home), env=person.variables)
    assert done.code == 78
    assert "needs the extra [sbom]" in done.err
    assert "'cyclonedx-python-lib>=" in done.err
    person.lock.unlink()
    assert "is missing" in person.fails(65, "export", "--format", "json").err
    person.fails(2, "export")
    person.fails(2, "export", "--format", "xml")
