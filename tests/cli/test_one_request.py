"""One request of a plugin that cannot be met stops no other: it is left out and named (explanation/profiles.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.command import run
from tests.images import host_platform, script, windows_program
from tests.installed import manifest
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "0" * 64
HEAD = 'schema = 1\n[[images]]\nname = "bad"\n'
FAULTS = {
    "a digest that is another's": ('version = "===v1.0.0"\n' + f'digest = "{DIGEST}"\n', 76, f"demands {DIGEST}"),
    "a platform that the image lacks": ('platforms = ["windows-arm64"]\n', 69, "has no build for windows-arm64"),
    "a version that there is not": ('version = ">=9"\n', 69, "no published version of bad fits"),
    "a file that the image lacks": ('binaries = { bad = "nowhere" }\n', 69, "nowhere"),
    "no executable": ('binaries = { bad = "text" }\n', 76, "text"),
    "another system's executable": ('binaries = { bad = "other" }\n', 76, "other"),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shelf")
    for name in ("good", "tool", "bad"):
        files = {"plugin": script(name), "text": b"no program\n", "other": windows_program(name)}
        for tag in ("v1.0.0", "v2.0.0"):
            images.add_image(str(root), name, tag, {host_platform(): files})
    return root


class PluginUser(Person):
    """Somebody with a good plugin, and one whose request is to fail."""

    def __init__(self, home: Path, shelf: Path) -> None:
        super().__init__(home, shelf)
        self.pipx("d8-plug-good", manifest("good"))


@pytest.fixture
def person(tmp_path: Path, shelf: Path) -> PluginUser:
    return PluginUser(tmp_path / "home", shelf)


@pytest.mark.parametrize("fault", FAULTS)
def test_only_that_request_is_left_out(person: PluginUser, fault: str) -> None:
    text, code, says = FAULTS[fault]
    person.pipx("d8-plug-bad", HEAD + text)
    for _ in range(2):
        done = person.ends(code, "sync")
        assert says in done.err
        assert "d8-plug-bad" in done.err
        assert person.has() == {"good": "v2.0.0"}
    person.ok("install", "tool")
    person.ok("use", "tool", "1.0.0")
    person.ok("upgrade", "tool")
    assert person.has() == {"good": "v2.0.0", "tool": "v2.0.0"}
    person.ok("uninstall", "tool")
    person.pipx("d8-plug-bad", manifest("bad"))
    person.ok("sync")
    assert person.has() == {"bad": "v2.0.0", "good": "v2.0.0"}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_plugin_had_so_far_stays(person: PluginUser, fault: str) -> None:
    person.pipx("d8-plug-bad", manifest("bad", "<2"))
    person.ok("sync")
    person.pipx("d8-plug-bad", HEAD + FAULTS[fault][0])
    person.ends(FAULTS[fault][1], "sync")
    assert person.has() == {"bad": "v1.0.0", "good": "v2.0.0"}
    assert run("run", "bad", home=str(person.home)).out == "bad\n"


@pytest.mark.parametrize("fault", FAULTS)
def test_the_persons_own_request_still_fails_all(person: PluginUser, fault: str) -> None:
    text, code, says = FAULTS[fault]
    own = person.home / ".config/d8-installer/d8.toml"
    own.parent.mkdir(parents=True)
    own.write_text(HEAD + text)
    assert says in person.ends(code, "sync").err
    assert not (person.home / ".local/share/d8-installer/bin/good").exists()


def test_another_who_wants_the_same_image_gets_it(person: PluginUser) -> None:
    person.pipx("d8-plug-bad", HEAD + 'version = "===v1.0.0"\n' + f'digest = "{DIGEST}"\n')
    person.pipx("d8-plug-fine", manifest("bad", fine="plugin"))
    assert "d8-plug-bad demands" in person.fails(76, "sync").err
    assert person.has() == {"fine": "v2.0.0", "good": "v2.0.0"}
    person.pipx("d8-plug-bad", HEAD + 'binaries = { bad = "nowhere" }\n')
    assert "what d8-plug-bad asks for there is left out" in person.fails(69, "sync").err
    assert person.has() == {"fine": "v2.0.0", "good": "v2.0.0"}
    refused = person.fails(65, "install", "bad")
    assert "hint: rename one of the two binaries, or do without d8-plug-bad" in refused.err
    person.ok("install", "tool")
    assert person.has() == {"fine": "v2.0.0", "good": "v2.0.0", "tool": "v2.0.0"}


def test_bytes_that_are_not_what_was_promised_are_one_images(person: PluginUser, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    for name in ("good", "bad"):
        images.add_image(str(spoilt), name, "v1.0.0", {host_platform(): script(name)})
    blobs = sorted((spoilt / "deckhouse-cli/plugins/bad/blobs/sha256").iterdir(), key=lambda file: file.name)
    layer = next(file for file in blobs if file.read_bytes()[:2] == b"\x1f\x8b")
    layer.chmod(0o644)
    layer.write_bytes(layer.read_bytes()[:-1] + b"?")
    person.source = spoilt
    person.pipx("d8-plug-bad", manifest("bad"))
    assert "d8-plug-bad" in person.fails(76, "sync").err
    assert person.has() == {"good": "v1.0.0"}
