"""Plugins that verify images and check installations, end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.cli.hooking import VERIFIER, an_own
from tests.command import ended
from tests.installed import add_launchers, install, manifest, running_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.own import OwnTool


@pytest.fixture
def own(tmp_path: Path) -> OwnTool:
    return an_own(tmp_path)


# -- verifiers ------------------------------------------------------------------------------------------------


def test_a_verifier_sees_each_new_image_once_and_no_other(own: OwnTool) -> None:
    own.enabled(VERIFIER, verifies=True)
    host = images.host_platform()

    def seen(*words: str) -> list[str]:
        before = len(own.log())
        own.ok(*words)
        return own.log()[before:]

    line = "deckhouse-cli/plugins/{} {} {} oci-layout True"
    assert seen("install", "hello=1.0.0", "vault") == [
        line.format("hello", "v1.0.0", host),
        line.format("vault", "v1.0.0", host),
    ]
    assert seen("sync") == seen("list") == seen("sync", "--prune") == []
    assert seen("install", "hello>=1") == []
    assert seen("upgrade", "hello") == [line.format("hello", "v1.1.0", host)]
    assert seen("use", "hello", "v1.0.0") == [line.format("hello", "v1.0.0", host)]  # though the store has it
    assert seen("uninstall", "vault") == []
    assert seen("run", "vault") == [line.format("vault", "v1.0.0", host)]
    assert len(seen("sync", "--to", "out")) == 1
    assert seen("install", "vault", "--dry-run") == []


@pytest.mark.parametrize(("refusal", "code", "says"), [("v1.1.0", 77, "it is not signed"), ("boom", 78, "boom")])
def test_a_verifier_refuses_before_anything_is_fetched(own: OwnTool, refusal: str, code: int, says: str) -> None:
    own.enabled(VERIFIER, verifies=True)
    own.ok("install", "hello=1.0.0")
    before = own.files()
    own.env["REFUSE"] = refusal
    said = own.fails(code, "install", "hello>=1.1").err
    assert "d8-toy 1.0" in said
    assert says in said
    assert "fetching" not in said
    assert (own.files(), own.placed()) == (before, ["hello v1.0.0"])
    own.ok("uninstall", "hello")


@pytest.mark.parametrize(
    "code",
    [
        "raise RuntimeError('why')",
        "raise SystemExit('why')",
        "@hookimpl\ndef d8_verifers(): return []  # why",
        "def d8_verifiers(): return []  # why",
        None,
    ],
    ids=["raises", "exits", "misspelt", "unmarked", "vanished"],
)
def test_a_verifier_that_cannot_be_asked_fails_closed(own: OwnTool, code: str | None) -> None:
    own.ok("install", "vault")
    own.enabled(VERIFIER if code is None else code, verifies=True)
    if code is None:
        own.remove("d8-toy")
    before = own.files()
    said = own.fails(78, "install", "hello").err
    assert "d8-toy may verify images and cannot be asked, so nothing new is placed" in said
    assert "plugins disable d8-toy" in said
    own.fails(78, "sync", "--to", "out")
    assert (own.files(), own.placed()) == (before, ["vault v1.0.0"])
    assert own.run("doctor").code == 1
    assert own.row()["state"] == ("not found" if code is None else "broken")
    for words in (("list",), ("sync",), ("config",), ("which", "vault"), ("uninstall", "vault")):
        own.ok(*words)
    assert "images are not verified by d8-toy" in own.ok("install", "hello", "--no-plugins").err
    own.ok("plugins", "disable", "d8-toy")
    own.ok("install", "vault")


def test_a_verifier_that_was_enabled_by_hand_is_missed_too(own: OwnTool) -> None:
    own.plugin(VERIFIER, verifies=True)
    own.ok("config", "set", "plugins", "d8_toy")
    own.ok("install", "vault")
    own.remove("d8-toy")
    own.fails(78, "install", "hello")
    own.ok("config", "unset", "plugins")
    own.ok("install", "hello")


def test_a_launcher_whose_environment_lacks_the_verifier_places_nothing(own: OwnTool, tmp_path: Path) -> None:
    own.enabled(VERIFIER, verifies=True)
    text = manifest("hello")
    prefix = own.home / ".local/share/pipx/venvs/d8-plug-hello"
    install(running_environment(prefix), "d8-plug-hello", "1.0", text)
    add_launchers(prefix, text)
    launcher = [str(prefix / "bin/hello")]
    done = ended(launcher, home=str(own.home), env=own.variables)
    assert (done.code, "d8-toy may verify images and cannot be asked" in done.err) == (78, True)
    assert "d8-installer sync" in done.err
    own.ok("sync")
    assert len(own.log()) == 1
    assert ended(launcher, home=str(own.home), env=own.variables).out.startswith("hello v1.1.0")


def test_a_verifier_refuses_one_plugins_image_and_the_rest_goes_on(own: OwnTool) -> None:
    refusing = """
    def verify(subject):
        if subject.image.endswith("vault"):
            raise MismatchError("is not signed")

    @hookimpl
    def d8_verifiers():
        return [Verifier("signatures", verify=verify)]
    """
    own.enabled(refusing, verifies=True)
    own.data_plugin("d8-plug-vault", manifest("vault"))
    assert "what d8-plug-vault asks for there is left out" in own.ok("install", "hello").err
    assert own.placed() == ["hello v1.1.0"]
    assert "is not signed" in own.fails(76, "sync").err
    assert "is not signed" in own.fails(76, "install", "vault").err, "what a person asks for is not left out"
    assert own.placed() == ["hello v1.1.0"]


def test_a_verifier_that_returns_rubbish_fails_closed(own: OwnTool) -> None:
    own.enabled("@hookimpl\ndef d8_verifiers():\n    return None", verifies=True)
    assert "d8-toy 1.0 failed in d8_verifiers" in own.fails(78, "install", "hello").err
    assert own.placed() == []


# -- checks ---------------------------------------------------------------------------------------------------


def test_an_error_of_a_check_ends_an_install_and_nothing_else(own: OwnTool) -> None:
    own.ok("install", "vault")
    own.enabled(
        """
        def look(context):
            assert (context.moment, context.generation) in {("doctor", 1), ("install", 1), ("doctor", 2)}
            assert context.binaries == ("vault",) or context.generation == 2
            return [Finding("error", "no proxy is set", hint="export HTTPS_PROXY")]

        @hookimpl
        def d8_checks():
            return [Check("toy", run=look, moments=("doctor", "install"))]
        """
    )
    said = own.fails(1, "install", "hello").err
    assert said.endswith("error[check-failed]: toy: no proxy is set\nhint: export HTTPS_PROXY\n")
    assert "error    toy: no proxy is set" in own.run("doctor").out
    assert own.placed() == ["vault v1.0.0"]
    own.ok("sync")
    own.ok("uninstall", "vault")
