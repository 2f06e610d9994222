"""``--json``: exactly one document on stdout, always of the documented shape, whatever becomes of the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from d8_installer.cli import render
from d8_installer.cli.context import Outcome
from d8_installer.cli.screen import Screen
from d8_installer.cli.verbs import VERBS
from d8_installer.errors import ConflictError
from tests import command, images
from tests.person import Person
from tests.publish import wheels

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = Path(__file__).parents[2] / "docs/reference"
SCHEMA = json.loads((PAGES / "json-envelope.schema.json").read_text(encoding="utf-8"))
RAW = {"run", "proxy", "pip", "pipx", "uv"}
"""Their stdout belongs to others."""
Envelope = dict[str, Any]


def problems(document: object) -> list[str]:
    """Return what the schema says against *document*."""
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(document)]


def envelope(done: command.Completed) -> Envelope:
    """Return the one document on stdout, checked against schema and exit code."""
    document: Envelope = json.loads(done.out)  # more than one document, or a progress line, is no JSON
    assert problems(document) == [], done
    assert document["exit_code"] == done.code
    assert "Traceback" not in done.err
    return document


class Publisher(Person):
    """Somebody with a registry that has two versions of one image, and a program to publish."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "registry")
        for tag in ("v1.4.1", "v1.4.2"):
            images.add_image(str(self.source), "stronghold", tag, images.executables(tag))
        self.program = self.home / "program"
        self.program.write_bytes(images.script("published"))
        self.program.chmod(0o755)

    def envelope(self, *words: str) -> Envelope:
        return envelope(self.run("--json", *words))


@pytest.fixture
def person(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def test_the_schema_is_one_and_refuses() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    good: Envelope = {"schema": 1, "command": "env", "status": "ok", "exit_code": 0, "errors": []}
    here = {"kind": "user", "path": "/h/profiles/user"}
    good |= {"data": {"profile": here, "directory": "d", "lines": ["x"]}}
    failed = {"kind": "Usage", "code": "usage", "message": "m", "hint": None, "exit_code": 2}
    assert problems(good) == []
    spoilt: list[Envelope] = [
        {"schema": 2},
        {"command": "nonsense"},
        {"command": None},
        {"command": "run"},
        {"status": "fine"},
        {"exit_code": 1},
        {"data": {}},
        {"data": {"profile": here, "directory": "d", "lines": ["x"], "more": 1}},
        {"data": {"profile": "the user's profile", "directory": "d", "lines": ["x"]}},
        {"errors": [failed]},
        {"status": "error", "exit_code": 2, "errors": [failed]},
        {"status": "error", "exit_code": 3, "data": {}, "errors": [failed]},
        {"status": "error", "exit_code": 2, "data": {}, "errors": []},
        {"status": "error", "exit_code": 2, "data": {}, "errors": [failed | {"kind": "Other"}]},
        {"status": "error", "exit_code": 2, "data": {}, "errors": [failed | {"code": "Not A Code"}]},
        {"more": 1},
    ]
    assert [wrong for wrong in spoilt if not problems(good | wrong)] == []


def test_the_schema_knows_every_command_and_its_data() -> None:
    assert set(SCHEMA["properties"]["command"]["enum"]) - {None} == set(VERBS)
    described = {rule["if"]["properties"]["command"]["const"] for rule in SCHEMA["allOf"][2:]}
    assert described == set(VERBS) - RAW


def test_a_day_of_a_program(person: Publisher) -> None:
    """Every command in one life, each answer of its shape, and what matters in it right."""
    assert person.envelope("list")["data"]["binaries"] == []
    assert person.envelope("install", "stronghold=1.4.1", "--dry-run")["data"]["dry_run"] is True
    changes = person.envelope("install", "stronghold=1.4.1")["data"]["changes"]
    assert [change["action"] for change in changes] == ["fetch", "link"]
    assert person.envelope("install", "stronghold>=1.4.1")["data"]["generation"] == 2
    assert person.envelope("list", "--outdated")["data"]["binaries"][0]["newest"] == "v1.4.2"
    assert person.envelope("versions", "stronghold")["data"]["versions"] == ["v1.4.2", "v1.4.1"]
    switched = person.envelope("use", "stronghold", "v1.4.2")["data"]["changes"][-1]
    assert (switched["version"], switched["replaces"]) == ("v1.4.2", "v1.4.1")
    assert Path(person.envelope("which", "stronghold")["data"]["path"]).is_file()
    assert person.envelope("upgrade", "--all")["data"]["changes"] == []
    assert [entry["active"] for entry in person.envelope("history")["data"]["generations"]] == [True, False, False]
    assert person.envelope("rollback", "1")["data"]["generation"] == 1
    assert person.envelope("rollback", "3")["data"]["changes"][0]["after"] == "v1.4.2"
    assert person.envelope("lock")["data"]["images"] == 1
    assert person.envelope("lock", "--check")["data"]["written"] is False
    assert person.envelope("lock", "--explain", "stronghold")["data"]["explanation"]["chosen"] == "v1.4.2"
    exported = [person.envelope("export", "--format", one)["data"] for one in ("cyclonedx", "json", "requirements")]
    assert exported[-1]["document"] == ["stronghold===v1.4.2"]
    for more in ((), ("--locked",), ("--frozen",), ("--dry-run",), ("--prune",)):
        assert person.envelope("sync", *more)["data"]["changes"] == []
    assert person.envelope("sync", "--to", "out")["data"]["generation"] is None
    laid_out = person.envelope("sync", "--layout", "d8", "--plugins-dir", "d8")["data"]["laid_out"]
    assert [(one["image"], one["version"]) for one in laid_out["placed"]] == [("stronghold", "v1.4.2")]
    (imported,) = person.envelope("import", "d8", "--plugins-dir", "d8")["data"]["plugins"]
    assert (imported["status"], imported["version"]) == ("present", "v1.4.2")
    assert person.envelope("sync", "--layout", "none")["data"]["laid_out"]["removed"] == ["stronghold"]
    for words in ((), ("list",), ("path",), ("get", "endpoint"), ("set", "retention", "5"), ("unset", "retention")):
        assert person.envelope("config", *words)["data"]["file"].endswith("config.toml")
    assert person.envelope("logout", "--all")["data"]["changed"] is False
    assert person.envelope("plugins")["data"] == {"manifests": [], "plugins": [], "changed": False, "dry_run": False}
    assert {one["check"] for one in person.envelope("doctor")["data"]["findings"]} >= {"binaries", "endpoint", "path"}
    assert person.envelope("ensurepath")["data"]["files"]
    project = person.home / "project"
    project.mkdir()
    made = envelope(person.run("--json", "init", "stronghold<1.4.2", cwd=project))["data"]
    assert (made["file"], made["written"]) == (f"{project}/d8.toml", True)
    added = envelope(person.run("--json", "add", "stronghold", cwd=project))["data"]
    assert added["profile"] == {"kind": "project", "path": str(project)}
    assert envelope(person.run("--json", "remove", "stronghold", cwd=project))["data"]["changes"][0]["replaces"] is None
    assert person.envelope("completion", "fish", "--install")["data"]["changed"] is True
    assert person.envelope("manifest", "init", "stronghold^1", "--file", "m.toml")["data"]["written"] is True
    checked = person.envelope("manifest", "check", "m.toml", "--resolve")["data"]["images"]
    assert [(image["range"], image["version"]) for image in checked] == [("^1", "v1.4.2")]
    assert person.envelope("env", "--shell", "fish")["data"]["lines"][0].startswith("set -gx PATH")
    assert person.envelope("uninstall", "stronghold")["data"]["changes"][0]["action"] == "unlink"
    would = person.envelope("gc", "--keep", "1", "--older-than", "0s", "--dry-run")["data"]
    assert {one["kind"] for one in would["removed"]} == {"generation", "layer", "executable"}
    assert person.envelope("gc", "--keep", "1")["data"]["bytes"] > 0
    assert person.envelope("verify")["data"]["findings"] == []
    assert person.envelope("verify", "--fix")["data"]["files"] == 0
    assert person.envelope("self", "uninstall", "--dry-run")["data"]["removed"]
    assert person.envelope("self", "uninstall", "--yes")["data"]["kept"] == []


def test_what_verify_finds_is_data_and_an_error(person: Publisher) -> None:
    person.envelope("install", "stronghold=1.4.1")
    stored = Path(person.envelope("which", "stronghold")["data"]["path"])
    stored.chmod(0o755)
    document = person.envelope("verify")
    assert (document["status"], document["exit_code"]) == ("partial", 76)
    assert [one["kind"] for one in document["data"]["findings"]] == ["mode"]


def test_publish(person: Publisher) -> None:
    words = ("publish", f"{images.host_platform()}={person.program}", "--image", "mine", "--version", "v1.0.0")
    target = ("--to", f"oci-layout:{person.source}")
    assert [person.envelope(*words, *target)["data"]["changed"] for _ in range(2)] == [True, False]
    assert person.envelope(*words, "--to", "nonsense:x")["exit_code"] == 78


def test_bundle(person: Publisher) -> None:
    assert person.envelope("install", "stronghold=1.4.1")["status"] == "ok"
    data = person.envelope("bundle", "create", "-o", "b", "--platform", images.host_platform())["data"]
    assert (data["images"], data["layers"], data["platforms"]) == (1, 1, [images.host_platform()])
    assert Path(data["file"]).stat().st_size == data["size"]


def test_wheel(person: Publisher) -> None:
    manifest = person.home / "d8.toml"
    manifest.write_text('schema = 1\n[[images]]\nname = "stronghold"\n')
    words = ("wheel", str(manifest), "--parts", "parts", "--manifest", "d8_plug/d8.toml")
    thin = person.envelope(*words)["data"]
    assert (thin["platform_tag"], thin["manifests"]) == ("any", {"d8_plug": "d8_plug:d8.toml"})
    fat = person.envelope(*words, "--mode", "fat", "--platform", "windows-amd64")["data"]
    assert (fat["platform_tag"], list(fat["scripts"]), fat["manifests"]) == ("win_amd64", ["stronghold.exe"], {})
    built = wheels.save(person.home / "built", wheels.package(manifest.read_bytes()))
    assert [len(person.envelope("wheel", built, *more)["data"]["wheels"]) for more in ((), ("--mode", "fat"))] == [3, 1]


FAILURES: dict[str, tuple[tuple[str, ...], int]] = {
    "install": (("install", "nothing"), 69),
    "uninstall": (("uninstall", "nothing"), 69),
    "upgrade": (("upgrade",), 2),
    "use": (("use", "nothing", "v1"), 69),
    "add": (("add", "nothing"), 2),
    "remove": (("remove", "nothing"), 2),
    "init": (("init",), 2),
    "history": (("history", "--project"), 2),
    "rollback": (("rollback",), 69),
    "gc": (("gc", "--older-than", "soon"), 2),
    "verify": (("verify", "--fix", "--home", "/dev/null/x"), 73),
    "self": (("self", "uninstall"), 2),
    "manifest": (("manifest", "check"), 65),
    "list": (("list", "--project"), 2),
    "which": (("which", "nothing"), 69),
    "show": (("show", "nonsense!"), 2),
    "versions": (("versions", "nothing"), 69),
    "run": (("run", "nothing"), 69),
    "lock": (("lock", "--check"), 65),
    "export": (("export", "--format", "json"), 65),
    "sync": (("sync", "--frozen"), 65),
    "import": (("import", "d8"), 69),
    "config": (("config", "get", "nonsense"), 2),
    "login": (("login", "nonsense"), 2),
    "logout": (("logout", "nonsense"), 2),
    "plugins": (("plugins", "enable", "nothing"), 2),
    "doctor": (("doctor", "--project"), 2),
    "ensurepath": (("ensurepath", "--home", "/dev/null/x"), 73),
    "env": (("env", "--project"), 2),
    "completion": (("completion", "nonsense"), 2),
    "wheel": (("wheel", "nonsense.whl"), 2),
    "publish": (("publish", "nonsense", "--image", "x", "--version", "v1", "--to", "oci-layout:x"), 2),
    "check": (("check", "nothing"), 69),
    "facts": (("facts",), 78),
    "bundle": (("bundle", "create", "-o", "x"), 65),
    "proxy": (("proxy", "serve", "--from", "nonsense:x", "--listen", "127.0.0.1:0"), 78),
}


def test_every_command_has_a_failure_below() -> None:
    assert set(FAILURES) == {verb.name for verb in VERBS.values() if not verb.is_manager}


@pytest.mark.parametrize("name", FAILURES)
def test_failure(person: Publisher, name: str) -> None:
    words, code = FAILURES[name]
    if name == "ensurepath":
        (person.home / ".profile").mkdir()
        words = ("ensurepath",)
    document = person.envelope(*words)
    assert (document["status"], document["exit_code"], document["data"]) == ("error", code, {})
    assert document["command"] in {name, None}
    assert [error["exit_code"] for error in document["errors"]] == [code]
    assert document["errors"][0]["hint"]


def after(*words: str) -> tuple[str, ...]:
    return (*words, "--json")


@pytest.mark.parametrize(
    "words",
    [
        ("--json",),
        ("--json", "nonsense"),
        after("nonsense"),
        after("lits"),
        after("list", "--nonsense"),
        after("--nonsense", "list"),
        after("list", "too", "many"),
        after("install"),
        after("use", "stronghold"),
        after("config", "nonsense"),
        after("config", "set", "endpoint"),
        after("--connections", "0", "list"),
        after("install", "../x"),
    ],
    ids=" ".join,
)
def test_command_lines_that_make_no_sense(person: Publisher, words: tuple[str, ...]) -> None:
    document = envelope(person.run(*words))
    assert (document["status"], document["exit_code"]) == ("error", 2)
    assert document["errors"][0]["hint"]


@pytest.mark.parametrize("place", [lambda *words: ("--json", *words), after], ids=["before", "after"])
def test_the_option_may_stand_before_and_after(person: Publisher, place: Callable[..., tuple[str, ...]]) -> None:
    for words in (("list",), ("config", "get", "endpoint"), ("config", "set", "retention", "7")):
        assert envelope(person.run(*place(*words)))["status"] == "ok"


def test_partial(person: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    """What could be done is the data, and what could not is an error beside it."""
    data = person.envelope("install", "stronghold=1.4.1")["data"] | {"left_out": ["x wants y"]}
    code = render.outcome(
        Screen.of_process(), "sync", Outcome(data, [], [ConflictError("left out: x wants y")]), as_json=True
    )
    document = envelope(command.Completed(code, *capsys.readouterr()))
    assert (document["status"], document["exit_code"]) == ("partial", 65)


def test_without_json_stdout_has_no_talk(person: Publisher) -> None:
    done = person.run("-v", "install", "stronghold=1.4.1")
    assert done.out.splitlines()[0] == "installed stronghold (stronghold v1.4.1)"
    assert "fetching" in done.err
    assert "fetch" not in done.out


def test_control_characters_reach_neither_form(person: Publisher) -> None:
    done = person.run("--json", "which", "\x1b[2Jx")
    assert "\x1b" not in done.out + done.err
    assert envelope(done)["exit_code"] == 69
    assert "\x1b" not in person.run("which", "\x1b[2Jx").err
