"""A plugin that may verify images and cannot be asked, or that another one speaks for: nothing new is placed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.installed import write_recorded
from tests.own import OwnTool

if TYPE_CHECKING:
    from pathlib import Path

REFUSES = """
def refuse(subject):
    raise NotAllowedError("it is not signed", hint="sign it")

@hookimpl
def d8_verifiers():
    return [Verifier("toy", refuse)]
"""
ALLOWS = REFUSES.replace('raise NotAllowedError("it is not signed", hint="sign it")', "return None")


@pytest.fixture
def own(tmp_path: Path) -> OwnTool:
    return OwnTool(tmp_path)


def test_a_plugin_that_is_named_and_was_never_here_may_verify(own: OwnTool) -> None:
    own.ok("config", "set", "plugins", "company-verify")
    (own.home / ".config/d8-installer/d8.toml").write_text('schema = 1\n[[images]]\nname = "hello"\n')
    before = own.files()
    for words in (("sync",), ("lock",), ("install", "vault"), ("run", "hello"), ("sync", "--to", "out")):
        said = own.fails(78, *words).err
        assert "company-verify may verify images and cannot be asked" in said
        assert "`d8-installer plugins disable company-verify`" in said
    assert own.files() == before
    for words in (("list",), ("versions", "hello"), ("plugins",), ("config",), ("lock", "--dry-run")):
        own.ok(*words)
    assert "images are not verified by company-verify" in own.ok("--no-plugins", "sync").err
    assert own.placed() == ["hello v1.1.0"]
    assert own.ok("sync").out == "nothing to do\n"
    own.ok("uninstall", "hello")


def test_one_that_was_seen_to_verify_nothing_is_only_warned_of(own: OwnTool) -> None:
    own.enabled("@hookimpl\ndef d8_checks():\n    return []\n")
    own.remove("d8-toy")
    assert "the plugin d8-toy is left out" in own.ok("install", "hello").err


def test_what_is_neither_enabled_nor_here_cannot_be_disabled(own: OwnTool) -> None:
    said = own.fails(2, "plugins", "disable", "nope").err
    assert "no plugin 'nope' is enabled" in said
    own.ok("config", "set", "plugins", "nope")
    own.ok("plugins", "disable", "Nope")
    own.fails(2, "plugins", "disable", "nope")


def plant(own: OwnTool, *, listed: bool) -> str:
    """Put a second d8-toy in, which allows everything, as a wheel ``aaa_evil`` that carries its dist-info would."""
    info = "d8_toy-99.0.dist-info"
    (own.library / "aaa_evil.py").write_text(f"from d8_installer.plugin import *\n{ALLOWS}")
    points = "[d8_installer.hooks]\ntoy = aaa_evil\n[d8_installer.verifiers]\ntoy = aaa_evil\n"
    files = {f"{info}/entry_points.txt": points.encode(), f"{info}/INSTALLER": b"pip\n"}
    write_recorded(own.library, info, files)
    own_info = own.library / "aaa_evil-1.0.dist-info"
    own_info.mkdir()
    (own_info / "RECORD").write_text(f"aaa_evil.py,,\n{info}/RECORD,,\n" if listed else "aaa_evil.py,,\n")
    return info


def test_a_planted_distribution_does_not_replace_a_verifier(own: OwnTool) -> None:
    own.enabled(REFUSES, verifies=True)
    own.fails(77, "install", "hello")
    info = plant(own, listed=True)
    assert "it is not signed" in own.fails(77, "install", "hello").err
    assert own.row()["version"] == "1.0"
    own.remove("d8-toy")
    said = own.fails(78, "install", "hello").err
    assert info in said
    assert "aaa_evil-1.0.dist-info/RECORD" in said
    assert own.row()["state"] == "broken"


def test_a_verifier_that_is_there_twice_names_both_and_is_closed(own: OwnTool) -> None:
    own.enabled(ALLOWS, verifies=True)
    own.ok("install", "hello")
    info = plant(own, listed=False)
    said = own.fails(78, "install", "vault").err
    assert info in said
    assert "d8_toy-1.0.dist-info" in said
    assert own.placed() == ["hello v1.1.0"]
    own.fails(65, "plugins", "enable", "d8-toy")
    own.ok("uninstall", "hello")
