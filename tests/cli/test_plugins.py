"""``plugins``, and plugins that misbehave: each is named, and none stops what has nothing to do with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.own import LOGGING, OwnTool

PAGE = Path(__file__).parents[2] / "docs/reference/hooks.md"
GREETER = """
@hookimpl
def d8_commands():
    return [Command("greet", "greet", run=lambda arguments, context: print("hello") or 7)]
"""
CHECK = """
@hookimpl
def d8_checks():
    return [Check("toy", run=lambda context: [Finding("warning", "toy was here")], moments=("doctor", "install"))]
"""


@pytest.fixture
def own(tmp_path: Path) -> OwnTool:
    return OwnTool(tmp_path)


def test_a_plugin_is_listed_enabled_and_disabled(own: OwnTool) -> None:
    own.plugin(GREETER + CHECK)
    assert own.row() == {
        "name": "d8-toy",
        "version": "1.0",
        "environment": str(own.root / "own"),
        "hooks": None,
        "verifies": False,
        "state": "not enabled",
        "why": None,
    }
    assert "d8-toy is installed and not enabled" in own.ok("doctor").out
    assert own.ok("plugins", "enable", "D8_Toy").out == "d8-toy is now enabled\n"
    assert own.ok("plugins", "enable", "d8-toy").out == "d8-toy is already enabled\n"
    assert own.row() | {"state": "enabled", "hooks": ["d8_checks", "d8_commands"]} == own.row()
    assert own.ok("plugins").out.splitlines()[1].split() == ["d8-toy", "1.0", "checks,commands", "enabled"]
    assert "toy: toy was here" in own.ok("doctor").out
    assert own.ok("plugins", "disable", "d8.toy").out == "d8-toy is now not enabled\n"
    assert own.ok("plugins", "disable", "d8-toy").out == "d8-toy is already not enabled\n"
    assert "toy was here" not in own.ok("doctor").out


def test_only_what_is_there_can_be_enabled(own: OwnTool) -> None:
    said = own.fails(2, "plugins", "enable", "d8-toy").err
    assert "hint: type `" in said
    assert "pip install " in said
    assert " d8-toy`" in said
    own.data_plugin("d8-plug-data", 'schema = 1\n[[images]]\nname = "hello"\n')
    said = own.fails(2, "plugins", "enable", "d8-plug-data").err
    assert "hint: leave it out: d8-plug-data has no hooks, and its manifest counts without it" in said
    assert "pip install" not in said
    assert "WITH CODE" not in own.ok("plugins").out


def test_a_misspelled_plugin_is_named(own: OwnTool) -> None:
    own.plugin(CHECK)
    said = own.fails(2, "plugins", "enable", "d8-toyy").err
    assert re.search(r"hint: did you mean `d8-installer plugins enable d8-toy`\? If not, type `.*d8-toyy`\n", said), (
        said
    )
    assert "did you mean" not in own.fails(2, "plugins", "enable", "d8-verify").err
    assert (
        "hint: did you mean `d8-installer plugins disable d8-toy`?\n" in own.fails(2, "plugins", "disable", "d8-to").err
    )
    assert (
        "hint: did you mean `d8-installer plugins disable d8-toy`?\n" in own.fails(2, "plugins", "disable", "toy").err
    )
    own.ok("config", "set", "plugins", "company-verify")
    said = own.fails(2, "plugins", "disable", "compny-verify").err
    assert "hint: did you mean `d8-installer plugins disable company-verify`?\n" in said
    assert "type `d8-installer plugins enable d8-toy`" in own.fails(2, "plugin", "enable", "d8-toy").err


def test_the_hint_disables_the_plugin_that_failed(own: OwnTool) -> None:
    own.enabled("@hookimpl\ndef d8_checks():\n    return 5\n")
    assert "or disable it: `d8-installer plugins disable d8-toy`" in own.fails(1, "doctor").out


def test_what_is_not_enabled_is_not_imported_and_no_plugins_imports_none(own: OwnTool) -> None:
    own.plugin(LOGGING + "log('imported')\n" + GREETER + CHECK)
    for words in (("plugins",), ("doctor",), ("install", "hello"), ("greet",)):
        own.run(*words)
    assert own.log() == []
    own.ok("plugins", "enable", "d8-toy")
    for words in (("plugins",), ("doctor",), ("install", "vault"), ("greet",)):
        own.run("--no-plugins", *words)
    assert own.log() == []
    assert "is not a command" in own.fails(2, "greet", "--no-plugins").err
    assert own.log() == []
    own.ok("doctor")
    assert own.log() == ["imported"]


def test_the_quick_commands_import_no_plugin(own: OwnTool) -> None:
    own.enabled(LOGGING + "log('imported')\n" + CHECK)
    own.ok("install", "hello")
    own.ok("sync")
    before = own.log()
    for words in (("sync",), ("list",), ("which", "hello"), ("config",), ("--version",), ("env",)):
        own.ok(*words)
    assert own.log() == before


def test_a_command_of_a_plugin(own: OwnTool) -> None:
    own.enabled(
        """
        def configure(parser):
            parser.add_argument("word")

        def run(arguments, context):
            print(arguments.word, context.bin_directory)
            if arguments.word == "list":
                print(context.run("list").data["binaries"])
            if arguments.word == "refuse":
                raise NotAllowedError("not today", hint="tomorrow")
            if arguments.word == "fail":
                raise RuntimeError("boom")
            return {"seven": 7, "much": 700}.get(arguments.word, 0)

        @hookimpl
        def d8_commands():
            return [Command("say", "say it", run=run, configure=configure), Command("list", "steal", run=run)]
        """
    )
    assert own.ok("say", "it").out == f"it {own.home}/.local/share/d8-installer/bin\n"
    assert own.ok("say", "list").out.endswith("[]\n")
    assert own.run("say", "seven").code == 7
    assert own.fails(77, "say", "refuse").err.endswith("error[not-allowed]: not today\nhint: tomorrow\n")
    assert "d8-toy 1.0 failed in the command 'say': RuntimeError: boom" in own.fails(78, "say", "fail").err
    assert "0 to 255" in own.fails(78, "say", "much").err
    assert own.fails(2, "say").err.startswith("warning: ")
    assert "usage: d8-installer say" in own.ok("say", "--help").out
    assert own.ok("list").out == "nothing is installed\n"
    assert "plugins" in own.ok("--help").out


def test_two_commands_of_one_name_name_both(own: OwnTool) -> None:
    own.enabled(GREETER)
    own.enabled(GREETER, "d8-other")
    said = own.fails(78, "greet").err
    assert "'greet' is offered by both d8-other 1.0 and d8-toy 1.0" in said


HANGING_THREAD = """
import threading, time
def hang():
    while True: time.sleep(60)
threading.Thread(target=hang).start()
"""
UNUSABLE = {
    "raises at import": ("raise RuntimeError('boom')", "RuntimeError: boom"),
    "exits at import": ("raise SystemExit(0)", "SystemExit: 0"),
    "a BaseException of its own": ("class Mine(BaseException): pass\nraise Mine('mine')", "Mine: mine"),
    "is no Python": ("def d8_checks(:", "SyntaxError"),
    "a misspelt hook": (CHECK.replace("d8_checks", "d8_cheks"), "d8_cheks"),
    "a hook without its mark": ("def d8_checks(): return []" + GREETER, "d8_checks looks like a hook"),
    "a surplus argument": ("@hookimpl\ndef d8_checks(surplus): return []", "surplus"),
    "a hook wrapper": ("@hookimpl(wrapper=True)\ndef d8_checks():\n    return (yield)", "wrapper"),
    "no hook at all": ("x = 1", "it implements no hook"),
    "verifiers in the wrong group": ("@hookimpl\ndef d8_verifiers(): return []", "d8_installer.verifiers"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_an_unusable_plugin_is_named_and_passed_over(own: OwnTool, what: str) -> None:
    code, why = UNUSABLE[what]
    own.ok("install", "vault")
    own.enabled(code)
    own.enabled(CHECK, "d8-good")
    row = own.row()
    assert (row["state"], row["hooks"]) == ("broken", None)
    assert why in row["why"]
    assert f"the plugin d8-toy is left out: {row['why']}" in own.ok("install", "hello").err
    assert own.row("d8-good")["state"] == "enabled"
    done = own.run("doctor")
    assert (done.code, "toy: toy was here" in done.out) == (1, True)
    assert why in done.out
    for words in (("list",), ("which", "hello"), ("config",), ("rollback",), ("plugins",)):
        own.ok(*words)
    own.ok("install", "hello")
    own.ok("uninstall", "hello")
    assert own.placed() == ["vault v1.0.0"]
    own.ok("plugins", "disable", "d8-toy")
    own.ok("doctor")


FAILING = {
    "raises": ("raise RuntimeError('boom')", "RuntimeError: boom"),
    "exits": ("sys.exit(3)", "SystemExit: 3"),
    "returns nothing": ("return None", "not NoneType"),
    "returns a generator": ("yield Check('x', run=lambda context: [])", "not a generator"),
    "returns rubbish": ("return [7, 'x']", "a list with int, str in it"),
    "a name that is a number": ("return [Check(7, run=lambda context: [])]", "a name that is not text"),
    "fails in the check": ("return [Check('x', run=lambda context: 1 / 0)]", "ZeroDivisionError"),
    "rubbish from the check": ("return [Check('x', run=lambda context: ['bad'])]", "list of Finding"),
}


@pytest.mark.parametrize("what", FAILING)
def test_a_hook_that_fails_is_named(own: OwnTool, what: str) -> None:
    body, why = FAILING[what]
    own.ok("install", "vault")
    body = body.replace("run=", "moments=('doctor', 'install'), run=")
    own.enabled(f"@hookimpl\ndef d8_checks():\n    {body}\n")
    done = own.run("doctor")
    assert done.code == 1
    assert "d8-toy 1.0" in done.out
    assert why in done.out
    said = own.ok("install", "hello").err
    assert "warning: plugin d8-toy 1.0 failed in" in said
    assert why in said
    for words in (("list",), ("plugins",), ("uninstall", "hello")):
        own.ok(*words)


@pytest.mark.parametrize(
    "code",
    [
        "import atexit, time\n@atexit.register\ndef hang():\n    while True: time.sleep(60)\n",
        HANGING_THREAD,
        f"{HANGING_THREAD}raise RuntimeError('x')\n",
    ],
    ids=["an exit handler", "a thread", "a thread, and then it fails"],
)
def test_what_hangs_at_exit_holds_nobody(own: OwnTool, code: str) -> None:
    own.enabled(code + CHECK)
    assert "state" in own.ok("plugins", "--json").out  # all of what was printed arrives
    assert own.run("doctor").out
    own.ok("install", "hello")
    own.ok("uninstall", "hello")
    own.fails(2, "nonsense")


@pytest.mark.parametrize("words", [("uninstall", "hello"), ("rollback",)], ids=" ".join)
def test_what_takes_away_is_done_before_any_plugin_is_imported(own: OwnTool, words: tuple[str, ...]) -> None:
    own.ok("install", "vault")
    own.ok("install", "hello")
    own.enabled("import signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert own.run(*words).code == -9
    assert own.placed() == ["vault v1.0.0"]
    own.ok("plugins", "--no-plugins")
    own.ok("plugins", "disable", "d8-toy")


def test_what_a_plugin_prints_does_not_spoil_stdout(own: OwnTool) -> None:
    own.enabled("print('at import')\n" + CHECK.replace("    return", "    print('in a hook')\n    return"))
    done = own.run("--json", "doctor")
    assert json.loads(done.out)["command"] == "doctor"
    assert "at import\n" in done.err
    assert "in a hook\n" in done.err


def test_plugins_come_from_the_own_environment_and_nowhere_else(own: OwnTool, tmp_path: Path) -> None:
    own.enabled(CHECK)
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    for module in ("d8_toy", "d8_other"):
        (stranger / f"{module}.py").write_text("raise SystemExit('a stranger was imported')\n")
    info = stranger / "d8_other-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[d8_installer.hooks]\nx = d8_other\n")
    for env in ({}, {"PYTHONPATH": str(stranger)}):
        done = own.run("--json", "plugins", cwd=stranger, **env)
        assert [(row["name"], row["state"]) for row in json.loads(done.out)["data"]["plugins"]] == [
            ("d8-toy", "enabled")
        ]


def test_a_link_in_the_place_of_a_distribution_is_none(own: OwnTool, tmp_path: Path) -> None:
    own.plugin(CHECK)
    info = own.library / "d8_toy-1.0.dist-info"
    info.rename(tmp_path / "elsewhere")
    info.symlink_to(tmp_path / "elsewhere")
    said = own.ok("plugins").out
    assert f"broken: {info} is a symbolic link, so it is not a distribution's own" in said
    assert "is a symbolic link" in own.fails(65, "plugins", "enable", "d8-toy").err


def test_an_enabled_plugin_that_is_gone_is_named(own: OwnTool) -> None:
    own.enabled(CHECK)
    own.remove("d8-toy")
    assert own.row()["state"] == "not found"
    assert own.ok("plugins").out.splitlines()[1].endswith("enabled, not found")
    done = own.run("doctor")
    assert (done.code, " d8-toy`, or `d8-installer plugins disable d8-toy`" in done.out) == (1, True)
    assert "the plugin d8-toy is left out" in own.ok("install", "hello").err
    own.ok("plugins", "disable", "d8-toy")
    assert own.json("plugins")["plugins"] == []


def test_entry_points_that_are_none_are_named(own: OwnTool) -> None:
    own.plugin(CHECK)
    points = own.library / "d8_toy-1.0.dist-info/entry_points.txt"
    own.ok("plugins", "enable", "d8-toy")
    for value, why in (
        ("../evil", "not MODULE"),
        ("no_such_module", "ModuleNotFoundError"),
        ("d8_toy:x", "AttributeE"),
    ):
        points.write_text(f"[d8_installer.hooks]\ntoy = {value}\n")
        assert why in own.row()["why"], value
    points.write_text("[d8_installer.hooks]\ntoy = d8_toy\nagain = d8_toy\n")
    assert own.row()["state"] == "enabled"


HALF_A_SOURCE = """
class Half:
    name = "half"

    def tags(self, image):
        return {}["boom"]

    def manifest(self, image, ref):
        return None

    def layer(self, request):
        return None
"""
OPEN = """
@hookimpl
def d8_sources():
    return [SourceScheme("half", open=lambda url, access: Half())]
"""


def test_a_source_that_fails_is_its_plugins_failure(own: OwnTool) -> None:
    own.enabled(HALF_A_SOURCE + OPEN)
    said = own.fails(78, "versions", "hello", "--endpoint", "half:x").err
    assert "the source 'half' failed in open: it returned Half, which has no close" in said
    own.remove("d8-toy")
    own.enabled(HALF_A_SOURCE + "    def close(self):\n        raise OSError('torn')\n" + OPEN)
    said = own.fails(78, "versions", "hello", "--endpoint", "half:x").err
    assert "error[plugin-failed]: plugin d8-toy 1.0 failed: " in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("@hookimpl\ndef d8_source():\n    return []", "d8_source is not a hook: did you mean d8_sources?"),
        (
            "@hookimpl\ndef d8_checks(config):\n    return []",
            "d8_checks has the argument config, and that hook takes no argument",
        ),
        (
            "@hookimpl\ndef d8_platforms(machine):\n    return []",
            "d8_platforms has the argument machine, and that hook takes host",
        ),
    ],
)
def test_a_hook_that_does_not_fit_is_named_in_plain_words(own: OwnTool, code: str, why: str) -> None:
    own.enabled(code)
    assert own.row()["why"] == f"plugin d8-toy 1.0 cannot be used: {why}"


def test_a_moment_that_is_none_is_an_error_of_the_check(own: OwnTool) -> None:
    own.enabled(CHECK.replace('"doctor"', '"doctr"'))
    assert "in the check 'toy': 'doctr' is not a moment; there are doctor and install" in own.fails(1, "doctor").out


def test_the_python_of_the_page_of_hooks_runs(tmp_path: Path) -> None:
    """As an author does: the module and its tests in files, and pytest over them, without a warning."""
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    first, *_, of_the_check, of_a_source = examples  # between them are those of the hookspec, tested elsewhere
    for name, text in (("d8_toy", first), ("test_d8_toy", of_the_check), ("test_share", of_a_source)):
        (tmp_path / f"{name}.py").write_text(text)
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", ".", ".")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^(1[7-9]|[2-9]\d) passed", done.stdout, re.MULTILINE), done.stdout
