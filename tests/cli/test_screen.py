"""The screen's promises beyond the 72 ways of an install: narrow and dumb terminals, colours, ways to be cut off."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli import parser as grammar
from d8_installer.testing.faults import FaultServer, fault_server, flipped, stalled
from d8_installer.testing.memory import MemorySource
from tests.command import PROGRAM, TIMEOUT, ended, environment, run
from tests.installed import add_launchers, install, manifest, running_environment
from tests.matrix.layers import HOST, program
from tests.own import OwnTool
from tests.terminal import Seen, Terminal, forked, on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("another-tool-with-a-long-name", "tool")
UNMEASURED = {"D8_TEST_COVERAGE": ""}
"""What measures commands answers SIGTERM in its own way."""


@pytest.fixture(scope="module")
def images() -> MemorySource:
    source = MemorySource()
    for name in NAMES:
        source.add_index(f"deckhouse-cli/plugins/{name}", "v1.0.0", {HOST: program(name)})
    return source


@pytest.fixture(scope="module")
def server(images: MemorySource) -> Iterator[FaultServer]:
    with fault_server(images) as running:
        yield running


@pytest.fixture
def proxy(server: FaultServer) -> FaultServer:
    server.reset()
    return server


# --- bars ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [12, 29, 40, 59, 60, 75, 100])
def test_a_bar_is_one_line_however_narrow_the_terminal_is(proxy: FaultServer, tmp_path: Path, columns: int) -> None:
    proxy.on("layer", stalled())
    with Terminal(columns) as terminal:
        files = (terminal.child,) * 3
        env = {"D8_RPP_ENDPOINT": proxy.url, "TERM": "xterm"}
        started = forked("install", NAMES[0], home=str(tmp_path), env=env, files=files)
        terminal.wait_for(b"0 B/" if columns >= 30 else b"0%")
        shown = Seen(bytes(terminal.raw), columns, 24)
        os.kill(started.pid, signal.SIGINT)
        assert started.wait() == 130
        assert terminal.seen().is_usable()
    assert shown.lines[-2].endswith("1.0.0"), "above the bar is the end of a note"
    assert shown.is_usable(), "a process that is killed at this moment leaves the terminal so"
    bar = shown.lines[-1]
    assert bar.startswith("another-t" if columns >= 29 else "anoth"), bar
    assert ("━" in bar, "B/" in bar) == (columns >= 50, columns >= 30)
    assert shown.colours_drawn() <= {"0", "36", "90", "2K", "1A"}, "calm colours: red is for failures"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_a_process_that_is_killed_leaves_a_usable_terminal(
    proxy: FaultServer, tmp_path: Path, number: signal.Signals
) -> None:
    proxy.on("layer", stalled())
    with Terminal(100) as terminal:
        env = {"D8_RPP_ENDPOINT": proxy.url, "TERM": "xterm"}
        started = forked("install", *NAMES, home=str(tmp_path), env=env, files=(terminal.child,) * 3)
        terminal.wait_for(b"0 B/")
        os.kill(started.pid, number)
        assert started.wait() == -number
        assert terminal.seen().is_usable()


def test_a_second_signal_ends_the_command_at_once(proxy: FaultServer, tmp_path: Path) -> None:
    proxy.on("layer", stalled())
    with Terminal(100) as terminal:
        env = {"D8_RPP_ENDPOINT": proxy.url, "TERM": "xterm"}
        started = forked("install", *NAMES, home=str(tmp_path), env=env, files=(terminal.child,) * 3)
        terminal.wait_for(b"0 B/")
        os.kill(started.pid, signal.SIGINT)
        os.kill(started.pid, signal.SIGTERM)
        assert started.wait() in {130, 143}
        seen = terminal.seen()
    assert seen.is_usable()
    assert b"Traceback" not in seen.raw


TALKING = """
import sys, threading
from d8_installer.cli.screen import Screen
from d8_installer.cli.talk import Talk
screen = Screen.of_process()
talk = Talk(screen, quiet=False, verbose=False)
def work(name):
    for step in range(20):
        task = talk.task(f"{name} {step}", 1000)
        task.advance(1000)
        sys.stderr.write(f"plugin {name}")
        sys.stderr.write(f" {step}\\n")
        talk.note(f"note {name} {step}")
        task.finish(is_whole=True)
ours = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
for thread in ours: thread.start()
for thread in ours: thread.join()
talk.close()
screen.write("the result")
screen.close()
"""


def test_lines_of_many_threads_and_of_plugins_never_mix_with_bars(tmp_path: Path) -> None:
    with Terminal(100, 400) as terminal:
        with on(terminal, "-c", TALKING, home=str(tmp_path), command=(sys.executable,)) as process:
            pass
        seen = terminal.seen()
    assert process.returncode == 0, seen.lines
    assert seen.is_usable()
    notes = [f"note {name} {step}" for name in "abcdefgh" for step in range(20)]
    assert sorted(line for line in seen.lines if line.startswith("note")) == sorted(notes)
    assert seen.raw.count(b"plugin") == len(notes)
    assert seen.lines[-2].startswith("fetched 160.0 kB in ")
    assert seen.lines[-1] == "the result"
    assert all(line.startswith(("note", "plugin", "fetched", "the result")) for line in seen.lines), seen.lines


# --- colours ---------------------------------------------------------------------------------------------------


def shown(tmp_path: Path, *words: str, **env: str) -> Seen:
    with Terminal(100) as terminal:
        with on(terminal, *words, home=str(tmp_path), env=env):
            pass
        return terminal.seen()


def test_labels_have_colours_on_a_terminal_that_shows_them(proxy: FaultServer, tmp_path: Path) -> None:
    here = {"D8_RPP_ENDPOINT": proxy.url}
    failed = shown(tmp_path, "which", "nothing")
    assert {word.partition("[")[0]: colour for word, colour in failed.colours.items()} == {
        "error": "red",
        "hint:": "cyan",
    }
    assert failed.lines[1].startswith("hint: ")
    for variable in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert b"\x1b" not in shown(tmp_path, "which", "nothing", **variable).raw
    dumb = shown(tmp_path, "install", *NAMES, **here, TERM="dumb")
    assert (b"\x1b" in dumb.raw, b"fetching tool v1.0.0 (" in dumb.raw) == (False, True)
    listed = shown(tmp_path, "list")
    assert listed.colours["BINARY"] == "cyan"
    assert listed.colours["tool"] == "default"
    assert "\x1b" not in run("list", home=str(tmp_path)).out


# --- the other end has gone, or is full ------------------------------------------------------------------------


@pytest.mark.parametrize("is_hung_up", [True, False], ids=["SIGHUP", "ignored"])
def test_a_terminal_that_is_closed(proxy: FaultServer, images: MemorySource, tmp_path: Path, is_hung_up: bool) -> None:
    """Its processes get SIGHUP, and end; one that ignores it does its work, whatever becomes of its talk."""
    begin = threading.Event()

    def wait_for_it(_at: int) -> None:
        begin.wait(TIMEOUT)

    images.before_chunk = wait_for_it
    command = (PROGRAM,) if is_hung_up else ("/bin/sh", "-c", 'trap "" HUP; exec "$0" "$@"', PROGRAM)
    words = ("--json", "install", *NAMES)
    out = tmp_path / "out"
    env = {"D8_RPP_ENDPOINT": proxy.url, **UNMEASURED}
    with contextlib.ExitStack() as stack:
        stack.callback(begin.set)
        terminal, file = stack.enter_context(Terminal(100)), stack.enter_context(open(out, "wb"))
        process = stack.enter_context(
            on(terminal, *words, home=str(tmp_path), env=env, stdout=file.fileno(), command=command)
        )
        terminal.wait_for(b"0 B/")
        terminal.hang_up()
        if not is_hung_up:
            begin.set()
    images.before_chunk = None
    document = json.loads(out.read_text())
    expected = 128 + signal.SIGHUP if is_hung_up else 0
    assert (process.returncode, document["exit_code"]) == (expected, expected)
    if is_hung_up:
        assert document["errors"][0]["message"] == "ended by SIGHUP"


def test_ctrl_c_typed_while_bars_are_up(proxy: FaultServer, tmp_path: Path) -> None:
    proxy.on("layer", stalled())
    with Terminal(100) as terminal:
        with on(terminal, "install", *NAMES, home=str(tmp_path), env={"D8_RPP_ENDPOINT": proxy.url}) as process:
            terminal.wait_for(b"0 B/")
            terminal.type("\x03")
        seen = terminal.seen()
    assert (process.returncode, seen.lines[-1], seen.is_usable()) == (130, "interrupted", True)


@pytest.mark.parametrize("words", [("install", "tool"), ("--json", "install", "tool"), ("which", "nothing")])
@pytest.mark.parametrize("where", ["2>/dev/full", ">&- 2>&-", "2>&1 | true", "| true"])
def test_talk_that_reaches_nobody_changes_nothing(
    proxy: FaultServer, tmp_path: Path, words: tuple[str, ...], where: str
) -> None:
    """The exit code is that of the work, and a pipe that was closed is not worth a word."""
    line = f'set -o pipefail; {PROGRAM} "$@" {where}'
    done = ended(["bash", "-c", line, "bash", *words], home=str(tmp_path), env={"D8_RPP_ENDPOINT": proxy.url})
    assert done.code == (69 if "nothing" in words else 0), done
    assert "Traceback" not in done.err
    assert "pipe" not in done.err
    assert (tmp_path / ".local/share/d8-installer/bin/tool").exists() == ("tool" in words)


@pytest.mark.parametrize("words", [("install", "tool"), ("--json", "install", "tool"), ("--help",), ("lock", "--help")])
def test_a_full_disk_behind_stdout(proxy: FaultServer, tmp_path: Path, words: tuple[str, ...]) -> None:
    line = f'{PROGRAM} "$@" >/dev/full'
    done = ended(["sh", "-c", line, "sh", *words], home=str(tmp_path), env={"D8_RPP_ENDPOINT": proxy.url})
    assert done.code == 73, done
    assert done.err.splitlines()[-2:] == [
        "error[output-lost]: cannot write the output: no space left on device",
        "hint: check what stdout is redirected to",
    ]


# --- prompts, servers, launchers -------------------------------------------------------------------------------


@pytest.mark.parametrize(("typed", "code"), [("n\n", 2), ("\x03", 130), ("y\n", 0)])
def test_self_uninstall_asks_on_a_terminal(proxy: FaultServer, tmp_path: Path, typed: str, code: int) -> None:
    assert run("install", "tool", home=str(tmp_path), env={"D8_RPP_ENDPOINT": proxy.url}).code == 0
    with Terminal(100) as terminal:
        with on(terminal, "self", "uninstall", home=str(tmp_path)) as process:
            terminal.wait_for(b"[y/N]")
            terminal.type(typed)
        seen = terminal.seen()
    assert (process.returncode, seen.is_usable()) == (code, True), seen.lines
    assert (tmp_path / ".local/share/d8-installer").exists() == (code != 0)


@pytest.mark.parametrize("quiet", [(), ("--quiet",)], ids=["log", "quiet"])
def test_a_server_that_is_stopped_on_a_terminal(tmp_path: Path, quiet: tuple[str, ...]) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    with Terminal(100) as terminal:
        words = ("proxy", "serve", "--from", f"oci-layout:{layout}", "--listen", "127.0.0.1:0", *quiet)
        with on(terminal, *words, home=str(tmp_path)) as process:
            terminal.wait_for(b"listening on")
            terminal.type("\x03")
        seen = terminal.seen()
    assert (process.returncode, seen.is_usable()) == (0, True), seen.lines


def test_a_first_run_shows_what_it_fetches_and_fetches_the_asked_image_first(
    proxy: FaultServer, tmp_path: Path
) -> None:
    prefix, home = tmp_path / "venv", tmp_path / "home"
    home.mkdir()
    text = manifest(NAMES[0]) + manifest("tool").removeprefix("schema = 1\n")
    install(running_environment(prefix), "d8-plug-two", "1.0", text)
    add_launchers(prefix, text)
    with Terminal(100) as terminal:
        env = {"D8_RPP_ENDPOINT": proxy.url}
        with on(terminal, home=str(home), env=env, command=(str(prefix / "bin/tool"),)) as process:
            pass
        seen = terminal.seen()
    assert process.returncode == 0, seen.lines
    assert b"tool v1.0.0  " in seen.raw, "a bar"
    assert seen.lines == [f"d8-installer: installed {NAMES[0]} v1.0.0, tool v1.0.0 for d8-plug-two", "tool"]
    assert seen.is_usable()
    layers = [request.target for request in proxy.seen("layer")]
    assert [name in path for name, path in zip(("tool", "another"), layers, strict=True)] == [True, True], layers


# --- names that are not UTF-8 ----------------------------------------------------------------------------------

ODD = [
    *(("install", "tool"), ("list",), ("which", "tool"), ("which", "no\udcff"), ("install", "no\udcff"), ("history",)),
    *(("lock",), ("sync",), ("verify",), ("gc",), ("doctor",), ("config", "path"), ("env",), ("ensurepath",)),
    *(("no\udcffcommand",), ("wheel", "no\udcff.whl"), ("manifest", "check", "no\udcff"), ("rollback",)),
    *(("bundle", "create", "-o", "b\udcff"), ("--endpoint", "bundle:no\udcff", "versions", "tool")),
    *(("--home", "h\udcff", "list"), ("self", "uninstall", "--dry-run")),
]


def test_a_home_that_is_not_utf_8(proxy: FaultServer, tmp_path: Path) -> None:
    """Text has the bytes as they are, JSON has U+FFFD for each (RFC 8259 §8.2), and no form has Python's spelling."""
    home = tmp_path / "h\udcff\udce9"
    home.mkdir()
    env = {"D8_RPP_ENDPOINT": proxy.url}
    for words in [words for odd in ODD for words in (odd, ("--json", *odd))]:
        with open(tmp_path / "out", "w+b") as out, open(tmp_path / "err", "w+b") as err:
            with open(os.devnull, "rb") as nothing:
                started = forked(*words, home=str(home), env=env, files=(nothing.fileno(), out.fileno(), err.fileno()))
                code = started.wait()
            written, said = (tmp_path / "out").read_bytes(), (tmp_path / "err").read_bytes()
        assert b"\\udc" not in written + said, (words, written, said)
        assert b"Traceback" not in said, (words, said)
        if words[0] == "--json":
            document = json.loads(written)
            json.dumps(document, ensure_ascii=False).encode()  # no lone surrogate
            assert document["exit_code"] == code
        elif words == ("which", "tool"):
            assert written.startswith(os.fsencode(str(home)))


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_c_locale(proxy: FaultServer, tmp_path: Path, as_json: bool) -> None:
    """Without Python's help of a UTF-8 mode either: the same bytes."""
    home = tmp_path / "hé\udcff"
    home.mkdir()
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "D8_RPP_ENDPOINT": proxy.url}
    words = (*["--json"] * as_json, "install", "tool")
    done = subprocess.run(
        [PROGRAM, *words], env=environment(str(home), **env), cwd=home, capture_output=True, timeout=TIMEOUT, check=True
    )
    assert b"\\udc" not in done.stderr + done.stdout
    if as_json:
        assert json.loads(done.stdout)["data"]["bin"].startswith(str(tmp_path / "hé\N{REPLACEMENT CHARACTER}"))
    else:
        assert b" ~/.local" in done.stdout
        command = [PROGRAM, "which", "tool"]
        found = subprocess.run(command, env=environment(str(home), **env), capture_output=True, check=True)
        assert found.stdout.startswith(os.fsencode(str(home)))


# --- help ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 59, 60, 80, 300])
def test_help_breaks_between_words_alone(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    whole = {name: words(text) for name, text in helps().items()}
    monkeypatch.setenv("COLUMNS", str(columns))
    for name, text in helps().items():
        assert max(map(len, text.splitlines())) <= columns, f"{name}\n{text}"
        assert words(text) == whole[name], "a word was cut"


def words(text: str) -> set[str]:
    """Return the words of a text, without the backslash by which a command of a shell goes on in the next line."""
    return set(text.split()) - {"\\"}


def helps() -> dict[str, str]:
    commands = grammar.whole_parser()._subparsers
    assert commands is not None
    (choices,) = [action.choices for action in commands._group_actions]
    return {"": grammar.whole_parser().format_help(), "-h": grammar.short_help()} | {
        name: parser.format_help() for name, parser in dict(choices or {}).items()
    }


def test_help_is_as_wide_as_the_terminal(tmp_path: Path) -> None:
    with Terminal(45, 200) as terminal:
        with on(terminal, "--help", home=str(tmp_path)):
            pass
        seen = terminal.seen()
    assert max(map(len, seen.raw.decode().replace("\r", "").split("\n"))) <= 45
    assert seen.is_usable()


# --- plugins ---------------------------------------------------------------------------------------------------

TALKATIVE = """
def flood(arguments, context):
    for number in range(20000):
        print("a line of the plugin's", number)
    return 7

@hookimpl
def d8_commands():
    return [Command("flood", "flood", run=flood)]
"""
PRINTS_IN_THREADS = """
import threading
from d8_installer.plugin.calling import guarded
outside, inside = sys.stdout, threading.Barrier(2)

def long():
    inside.wait()      # both are inside
    inside.wait()      # the other one has left
    print("from a plugin")

def first():
    guarded("toy", "first", inside.wait)
    inside.wait()

threads = [threading.Thread(target=first), threading.Thread(target=guarded, args=("toy", "long", long))]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("restored" if sys.stdout is outside else "lost")
"""


def test_a_plugins_command_whose_reader_has_gone(tmp_path: Path) -> None:
    own = OwnTool(tmp_path)
    own.enabled(TALKATIVE)
    line = f"{own.root}/own/bin/python -m d8_installer flood | head -1; exit ${{PIPESTATUS[0]}}"
    done = ended(["bash", "-c", line], home=str(own.home), env=own.env)
    assert (done.code, done.out, done.err) == (141, "a line of the plugin's 0\n", "")
    assert own.run("flood").code == 7


def test_what_plugins_print_in_threads_stays_away_from_stdout(tmp_path: Path) -> None:
    done = ended([sys.executable, "-c", f"import sys\n{PRINTS_IN_THREADS}"], home=str(tmp_path))
    assert (done.out, done.err) == ("restored\n", "from a plugin\n")


# --- the total -------------------------------------------------------------------------------------------------


def test_no_total_is_told_of_what_brought_nothing(proxy: FaultServer, tmp_path: Path) -> None:
    """`verify --fix` that cannot repair: it ends with 76 and no "fetched 0 B"."""
    env = {"D8_RPP_ENDPOINT": proxy.url}
    assert run("install", "tool", home=str(tmp_path), env=env).code == 0
    (stored,) = (tmp_path / ".local/share/d8-installer/store/sha256").glob("*/tool")
    stored.parent.chmod(0o755)
    stored.unlink()
    proxy.on("layer", flipped())
    failed = run("verify", "--fix", home=str(tmp_path), env=env)
    assert failed.code == 76, failed
    assert "fetching tool v1.0.0" in failed.err
    assert not [line for line in failed.err.splitlines() if line.startswith("fetched")]
    proxy.reset()
    mended = run("verify", "--fix", home=str(tmp_path), env=env)
    assert (mended.code, "\nfetched " in mended.err) == (0, True), mended
