"""Each hook but verifiers and checks, end to end: a plugin in the tool's environment, and what it does to a command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import fault_server
from d8_installer.testing.memory import MemorySource
from tests import images
from tests.cli.hooking import an_own
from tests.own import LOGGING, OwnTool
from tests.registry.servers import Answer, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry.servers import Received


@pytest.fixture
def own(tmp_path: Path) -> OwnTool:
    return an_own(tmp_path)


# -- sources and destinations ---------------------------------------------------------------------------------


def test_a_source_and_a_destination(own: OwnTool, tmp_path: Path) -> None:
    own.enabled(
        f"""
        from d8_installer.registry.oci_layout import LayoutDestination, LayoutSource

        @hookimpl
        def d8_sources():
            return [SourceScheme("share", open=lambda url, access: LayoutSource({str(own.source)!r}))]

        @hookimpl
        def d8_destinations():
            return [DestinationScheme("share", open=lambda url, access: LayoutDestination({str(own.source)!r}))]
        """
    )
    own.ok("config", "set", "endpoint", "share:x")
    own.source = ""
    own.ok("install", "hello")
    program = tmp_path / "program"
    program.write_bytes(images.script("published"))
    program.chmod(0o755)
    build = f"{images.host_platform()}={program}"
    own.ok("publish", build, "--image", "mine", "--version", "v1.0.0", "--to", "share:x")
    own.ok("install", "mine")
    said = own.fails(78, "--no-plugins", "install", "vault").err
    assert "no source is known for 'share'" in said
    for words in (("list",), ("uninstall", "hello", "--no-plugins"), ("plugins", "disable", "d8-toy")):
        own.ok(*words)
    assert own.placed() == ["mine v1.0.0"]


# -- manifests ------------------------------------------------------------------------------------------------

MANIFESTS = """
@hookimpl
def d8_manifests(request):
    if os.environ.get("BROKEN") == "boom":
        raise RuntimeError("boom")
    if os.environ.get("NONE"):
        return []
    name = os.environ.get("REQUESTER", "our-company")
    text = "nonsense = [" if os.environ.get("BROKEN") else 'schema = 1\\n[[images]]\\nname = "vault"\\n'
    return [ManifestText(name, "what everybody has", text)]
"""


def test_a_manifest_of_a_hook_is_one_as_any_other(own: OwnTool) -> None:
    own.enabled(MANIFESTS)
    own.ok("install", "hello")
    assert own.placed() == ["hello v1.1.0", "vault v1.0.0"]
    assert '"our-company"' in own.files()["d8.lock"].decode().replace("our-company =", '"our-company" =')
    assert own.ok("sync").out == "nothing to do\n"
    own.env["NONE"] = "1"
    assert (
        "asked for by our-company, not installed here" in own.ok("sync").err
    )  # no quick way hides what a hook says now
    own.ok("sync", "--prune")
    assert own.placed() == ["hello v1.1.0"]


@pytest.mark.parametrize("broken", ["boom", "text"])
def test_a_broken_manifest_of_a_hook_is_named_and_nothing_of_it_is_dropped(own: OwnTool, broken: str) -> None:
    own.enabled(MANIFESTS)
    own.ok("sync")
    own.env["BROKEN"] = broken
    for words in (("sync",), ("sync", "--prune"), ("lock",)):
        said = own.run(*words)
        assert said.code in {65, 78}, said
        assert "d8-toy 1.0" in said.err
    own.ok("install", "hello")
    assert own.placed() == ["hello v1.1.0", "vault v1.0.0"]
    own.ok("sync", "--prune", "--no-plugins")
    own.ok("uninstall", "hello")
    assert own.placed() == ["vault v1.0.0"]


@pytest.mark.parametrize("requester", ["d8.toml", "../x", "", "a" * 129, "image:hello"])
def test_a_requester_that_is_no_name_is_refused(own: OwnTool, requester: str) -> None:
    own.enabled(MANIFESTS)
    own.env["REQUESTER"] = requester
    done = own.run("sync")
    assert done.code in {65, 78}
    assert "d8-toy 1.0" in done.err
    assert own.placed() == []


def test_a_hook_cannot_speak_for_a_plugin_that_ships_a_manifest(own: OwnTool) -> None:
    own.data_plugin("our-company", 'schema = 1\n[[images]]\nname = "hello"\n')
    own.enabled(MANIFESTS)
    assert "our-company, which ships one itself" in own.fails(65, "sync").err
    assert own.placed() == ["hello v1.1.0"]


# -- platforms ------------------------------------------------------------------------------------------------

PLATFORM = """
from d8_installer.model.platform import Platform

@hookimpl
def d8_platforms(host):
    return [PlatformChoice("NAME", Platform.parse(os.environ["NAME"]))] if os.environ.get("NAME") else []
"""


def test_a_platform_of_a_hook(own: OwnTool) -> None:
    own.enabled(PLATFORM.replace("NAME", "FIRST"))
    own.env["FIRST"] = "darwin-arm64"
    assert own.json("install", "hello")["platform"] == "darwin-arm64"
    assert own.json("sync")["platform"] == "darwin-arm64"
    # Taking something away asks no plugin, and does not change platforms on the way.
    own.ok("install", "vault")
    assert own.json("uninstall", "vault", "--no-plugins")["changes"][0]["action"] == "unlink"
    own.env["FIRST"] = ""
    assert own.json("sync")["platform"] == images.host_platform()
    assert own.json("uninstall", "hello")["platform"] == images.host_platform()


def test_platforms_that_differ_name_both_and_the_option_wins(own: OwnTool) -> None:
    for name in ("first", "second"):
        own.enabled(PLATFORM.replace("NAME", name.upper()), f"d8-{name}")
    own.env |= {"FIRST": "linux-amd64", "SECOND": "linux-arm64"}
    said = own.fails(78, "install", "hello").err
    assert "d8-first 1.0 chooses linux-amd64 and d8-second 1.0 chooses linux-arm64" in said
    assert own.json("sync", "--platform", "linux-arm64")["platform"] == "linux-arm64"
    own.env["SECOND"] = "linux-amd64"
    assert own.json("install", "hello", "--home", str(own.root / "another"))["platform"] == "linux-amd64"
    own.env["SECOND"] = "linux-arm64"
    assert "cannot agree on a platform" in own.run("doctor").out


# -- credentials ----------------------------------------------------------------------------------------------

CREDENTIAL = (
    LOGGING
    + """
def token(request):
    log("asked for", request.endpoint)
    if os.environ.get("TOY") == "boom":
        raise RuntimeError("the token is hunter2")
    return os.environ.get("TOY") or None

@hookimpl
def d8_credentials():
    return [Credential("toy", token=token)]
"""
)


def test_credentials_in_their_order(own: OwnTool) -> None:
    source = MemorySource()
    layer = images.layer_of({"plugin": images.script("x")})
    source.add_image("deckhouse-cli/plugins/hello", "v1.0.0", layer)
    own.enabled(CREDENTIAL)
    with fault_server(source) as server:
        own.env["D8_RPP_ENDPOINT"] = server.url

        def sent(*words: str, **env: str) -> set[str | None]:
            own.env |= {"TOY": "", "D8_RPP_TOKEN": ""} | env
            before = len(server.seen())
            done = own.run(*words, "versions", "hello")
            assert not {"hunter2", "of-the-env", "of-a-file", "of-the-plugin"} & set(done.out + done.err)
            assert all(secret not in done.out + done.err for secret in ("hunter2", "of-the-", "of-a-file"))
            return {request.headers.get("authorization") for request in server.seen()[before:]}

        file = own.root / "token"
        file.write_text("of-a-file\n")
        assert sent() == {None}
        assert sent(TOY="of-the-plugin") == {"Bearer of-the-plugin"}
        assert sent(TOY="of-the-plugin", D8_RPP_TOKEN="of-the-env") == {"Bearer of-the-env"}
        assert sent("--token-file", str(file), D8_RPP_TOKEN="of-the-env") == {"Bearer of-a-file"}
        assert sent("--no-plugins", TOY="of-the-plugin") == {None}
        for words in (("login", "--token-file", str(file)), ("config", "set", "token_file", str(file))):
            own.run(*words)
            assert sent(TOY="of-the-plugin") == {"Bearer of-the-plugin"}
            assert sent() == {"Bearer of-a-file"}
        own.run("config", "unset", "token_file")
        own.run("logout")
        assert sent(TOY="of-the-plugin hunter2") == set()
        assert sent(TOY="boom") == set()
        assert own.log().count(f"asked for {server.url}") == 8
        own.env |= {"TOY": "of-the-plugin"}
        asked = len(own.log())
        own.run("install", "hello")  # many requests
        assert len(own.log()) == asked + 1
        own.env["TOY"] = "boom"
        said = own.fails(78, "versions", "hello").err
        assert "d8-toy 1.0 failed in the credential 'toy': RuntimeError" in said
        assert "hunter2" not in said


IDENTITY = (
    LOGGING
    + """
from d8_installer.plugin import Identity

def token(request):
    refused = request.refused.token if request.refused else None
    log("after", refused, "for", request.endpoint.partition(":")[0])
    return Identity(token={None: "first-token", "first-token": "second-token"}.get(refused, refused))

@hookimpl
def d8_credentials():
    return [Credential("toy", token=token)]
"""
)


@pytest.mark.parametrize(("accepted", "code"), [("first-token", 0), ("second-token", 0), ("none", 77)])
def test_a_credential_is_asked_again_for_an_identity_that_is_refused(own: OwnTool, accepted: str, code: int) -> None:
    def answer(received: Received) -> Answer:
        if received.headers["authorization"] != f"Bearer {accepted}":
            return Answer(401, b"Unauthorized\n")
        return Answer.json({"name": "deckhouse-cli/plugins/hello", "tags": ["v1.0.0"]})

    own.enabled(IDENTITY)
    with serving(answer) as server:
        own.env["D8_RPP_ENDPOINT"] = server.url
        done = own.run("versions", "hello")
        assert done.code == code
        assert "-token" not in done.out + done.err
        sent = [received.headers["authorization"] for received in server.received]
    expected = ["first-token"] if accepted == "first-token" else ["first-token", "second-token"]
    assert sent == [f"Bearer {token}" for token in expected]
    asked = ["after None for http", "after first-token for http"]
    assert [line for line in own.log() if line.startswith("after")] == asked[: len(expected)]


# -- reporters ------------------------------------------------------------------------------------------------

REPORTER = (
    LOGGING
    + """
def event(event):
    log(event.kind, *sorted(event.facts.items()))
    if os.environ.get("FAIL") == event.kind:
        raise RuntimeError("boom")

@hookimpl
def d8_reporters():
    return [EventReporter("toy", event=event)]
"""
)


def test_reporters_hear_what_happens(own: OwnTool) -> None:
    own.enabled(REPORTER)
    own.ok("install", "hello", "vault")
    kinds = [line.split()[0] for line in own.log()]
    assert sorted(kinds[-7:-2]) == ["note", "transfer-begun", "transfer-begun", "transfer-done", "transfer-done"]
    assert kinds[-2:] == ["switched", "finished"]
    assert "('generation', 1)" in own.log()[-2]
    own.fails(69, "install", "no-such")
    assert own.log()[-1].startswith("finished ('error', ")
    assert "no-such" in own.log()[-1]


def test_a_reporter_that_fails_is_named_once_and_dropped(own: OwnTool) -> None:
    own.enabled(REPORTER)
    own.env["FAIL"] = "transfer-begun"
    said = own.ok("install", "hello", "vault").err
    assert said.count("d8-toy 1.0 failed in the reporter 'toy': RuntimeError: boom; it is told nothing more") == 1
    assert [line.split()[0] for line in own.log()].count("transfer-begun") == 1


# -- the switch -----------------------------------------------------------------------------------------------

SWITCH = (
    LOGGING
    + """
def facts(switch):
    return (switch.profile.split()[-1], switch.before, switch.after, switch.added, switch.changed, switch.removed)

@hookimpl
def d8_before_switch(switch):
    log("before", *facts(switch))
    if os.environ.get("STOP") == "refuse":
        raise NotAllowedError("not on a Friday", hint="wait")
    if os.environ.get("STOP"):
        raise RuntimeError("boom")

@hookimpl
def d8_after_switch(switch):
    log("after", *facts(switch), os.path.exists(switch.bin_directory))
    if os.environ.get("AFTER"):
        raise RuntimeError("boom")
"""
)


def test_the_switch_is_told_before_and_after(own: OwnTool) -> None:
    own.enabled(SWITCH)
    own.ok("install", "hello=1.0.0", "vault")
    own.ok("install", "hello>=1.1")
    own.ok("sync")
    own.ok("uninstall", "vault")
    own.ok("rollback")
    assert own.log() == [
        "before profile None 1 ('hello', 'vault') () ()",
        "after profile None 1 ('hello', 'vault') () () True",
        "before profile 1 2 () ('hello',) ()",
        "after profile 1 2 () ('hello',) () True",
        "after profile 2 3 () () ('vault',) True",  # nobody can stop what only takes away
        "after profile 3 2 ('vault',) () () True",  # nor a rollback
    ]


@pytest.mark.parametrize(("stop", "code", "says"), [("refuse", 77, "not on a Friday"), ("boom", 78, "boom")])
def test_a_switch_that_is_stopped_has_changed_nothing(own: OwnTool, stop: str, code: int, says: str) -> None:
    own.enabled(SWITCH)
    own.ok("install", "hello=1.0.0")
    before = own.files()
    own.env["STOP"] = stop
    said = own.fails(code, "install", "hello>=1.1", "vault").err
    assert "d8-toy 1.0" in said
    assert says in said
    assert (own.files(), own.placed()) == (before, ["hello v1.0.0"])
    assert os.listdir(own.home / ".local/share/d8-installer/profiles/user/generations") == ["1"]
    own.ok("uninstall", "hello")


def test_what_fails_after_the_switch_is_a_warning(own: OwnTool) -> None:
    own.enabled(SWITCH)
    own.env["AFTER"] = "1"
    assert "warning: plugin d8-toy 1.0 failed in d8_after_switch: RuntimeError: boom" in own.ok("install", "hello").err
    assert own.placed() == ["hello v1.1.0"]
