"""What `install` shows on a real terminal: every number of images, form, place of stdout and way to end.

Each case is compared with the whole stdout, with what the terminal shows in the end, and with the state it is left in.
"""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING, NamedTuple

import pytest

from d8_installer.model.platform import Platform
from d8_installer.testing.faults import FaultServer, fault_server, flipped, stalled
from d8_installer.testing.memory import MemorySource
from tests.command import TIMEOUT
from tests.images import host_platform
from tests.matrix.layers import program
from tests.terminal import Seen, Terminal, forked, on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = "abcdefgh"
ENDS = {"done": 0, "error": 76, "SIGINT": 130, "SIGTERM": 143}


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultServer]:
    """Eight images for this host."""
    images = MemorySource()
    for name in NAMES:
        images.add_index(f"deckhouse-cli/plugins/{name}", "v1.0.0", {Platform.parse(host_platform()): program(name)})
    with fault_server(images) as running:
        yield running


class Case(NamedTuple):
    """One of the 72."""

    images: int
    as_json: bool
    place: str
    end: str

    def __str__(self) -> str:
        return f"{self.images}-{'json' if self.as_json else 'text'}-{self.place}-{self.end}"


CASES = [
    Case(images, as_json, place, end)
    for images in (1, 2, 8)
    for as_json in (False, True)
    for place in ("terminal", "file", "pipe")
    for end in ENDS
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_install(proxy: FaultServer, tmp_path: Path, case: Case) -> None:
    prepare(proxy, case)
    out, other = opened(case.place, tmp_path)
    with terminal_for(case) as terminal:
        files = (terminal.child, terminal.child if out is None else out, terminal.child)
        env = {"D8_RPP_ENDPOINT": proxy.url, "TERM": "xterm"}
        started = forked(*words(case), home=str(tmp_path), env=env, files=files)
        interfere(proxy, terminal, case, started.pid)
        code = started.wait()
        check(case, (proxy.url, str(tmp_path)), (code, read(out, other), terminal.seen()))


REAL = [
    case
    for case in CASES
    if (case.images == 8 and case.end == "done") or (case.images == 2 and case.as_json and case.place == "terminal")
]


@pytest.mark.parametrize("case", REAL, ids=str)
def test_the_installed_command(proxy: FaultServer, tmp_path: Path, case: Case) -> None:
    """The same for processes that start from nothing, and end as Python ends."""
    prepare(proxy, case)
    out, other = opened(case.place, tmp_path)
    env = {"D8_RPP_ENDPOINT": proxy.url}
    with terminal_for(case) as terminal:
        with on(terminal, *words(case), home=str(tmp_path), env=env, stdout=out) as process:
            interfere(proxy, terminal, case, process.pid)
        check(case, (proxy.url, str(tmp_path)), (process.returncode, read(out, other), terminal.seen()))


def prepare(proxy: FaultServer, case: Case) -> None:
    proxy.reset()
    if case.end == "error":
        proxy.on("layer", flipped(), times=1)
    elif case.end != "done":
        proxy.on("layer", stalled())


def words(case: Case) -> list[str]:
    return ["--json"] * case.as_json + ["install", *NAMES[: case.images]]


def terminal_for(case: Case) -> Terminal:
    """A terminal on which nothing breaks or scrolls away."""
    return Terminal(columns=300, rows=180 if case.as_json and case.place == "terminal" else 30)


def interfere(proxy: FaultServer, terminal: Terminal, case: Case, number: int) -> None:
    """Send the signal, once transfers have begun and the bars are up."""
    if case.end.startswith("SIG"):
        assert proxy.stalling.wait(TIMEOUT)
        terminal.wait_for(b"0 B/")
        os.kill(number, signal.Signals[case.end])


def check(case: Case, where: tuple[str, str], ended: tuple[int, str, Seen]) -> None:
    """Compare the exit code, all of stdout, what the terminal shows, and the state that it is left in."""
    code, written, seen = ended
    assert code == ENDS[case.end], seen.lines
    assert seen.is_usable(), seen.raw
    assert b"\x1b[?25l" not in seen.raw, "a cursor that is hidden stays so where the process is killed"
    talk, data = told(case, *where)
    shown = [plain(line) for line in seen.lines]
    if case.place == "terminal":
        written = "".join(f"{line}\n" for line in shown[len(talk) :])
        shown = shown[: len(talk)]
    assert shown == talk
    assert (json.loads(plain(written)) if case.as_json else written) == data


def opened(place: str, directory: Path) -> tuple[int | None, int | None]:
    """Return what stdout is to be, None for the terminal, and of a pipe the end to read from."""
    if place == "terminal":
        return None, None
    if place == "file":
        return os.open(directory / "out", os.O_RDWR | os.O_CREAT), None
    reader, writer = os.pipe()
    return writer, reader


def read(out: int | None, reader: int | None) -> str:
    """Return what was written there."""
    if out is None:
        return ""
    if reader is None:
        os.lseek(out, 0, os.SEEK_SET)
        reader = out
    else:
        os.close(out)
    with os.fdopen(reader, encoding="utf-8") as file:
        return file.read()


def told(case: Case, url: str, home: str) -> tuple[list[str], object]:
    """Return the lines of talk, and what stdout has to say: text, or the JSON document."""
    names = NAMES[: case.images]
    bin_directory = f"{home}/.local/share/d8-installer/bin"
    first = ", ".join(f"{name}:v1.0.0" for name in names[:5]) + " and 3 more" * (case.images == 8)
    talk = [
        "changing your profile (~/.local/share/d8-installer)",
        f"trusting {url} for the first lock of {first}",
    ]
    if case.end == "done":
        talk += ["fetched", "~/.local/share/d8-installer/bin is not on your PATH: type `d8-installer ensurepath`"]
        installed = [f"installed {name} ({name} v1.0.0)" for name in names]
        text = "\n".join([*installed, "generation 1: ~/.local/share/d8-installer/bin", ""])
        return talk, installed_json(names, bin_directory) if case.as_json else text
    said, kind = {
        "error": (
            [
                "error[wrong-bytes]: SPOILT",
                "hint: the tag may have been moved or the source is damaged; compare with another source",
            ],
            "Mismatch",
        ),
        "SIGINT": (["interrupted"], "Interrupted"),
        "SIGTERM": (["ended by SIGTERM"], "Terminated"),
    }[case.end]
    if not case.as_json:
        return [*talk, *said], ""
    message, hint = said[0].removeprefix("error[wrong-bytes]: "), said[-1].removeprefix("hint: ")
    if case.end != "error":
        talk, hint = [*talk, *said], "type the same command again"
    error = {
        "kind": kind,
        "code": "wrong-bytes" if case.end == "error" else kind.lower(),
        "message": message,
        "hint": hint,
        "exit_code": ENDS[case.end],
    }
    command = "install" if case.end == "error" else None
    return talk, envelope(command, "error", ENDS[case.end], {}, [error])


def installed_json(names: str, bin_directory: str) -> dict[str, object]:
    fetched = [{"action": "fetch", "image": name, "version": "v1.0.0", "bytes": 0} for name in names]
    linked = [
        {"action": "link", "binary": name, "image": name, "version": "v1.0.0", "replaces": None} for name in names
    ]
    data: dict[str, object] = {
        "changed": True,
        "profile": {"kind": "user", "path": f"{os.path.dirname(bin_directory)}/profiles/user"},
        "platform": host_platform(),
        "generation": 1,
        "bin": bin_directory,
        "dry_run": False,
        "changes": [*fetched, *linked],
        "skipped": [],
        "withheld": [],
        "left_out": [],
        "manifest": f"{bin_directory.partition('/.local/')[0]}/.config/d8-installer/d8.toml",
        "lock": f"{os.path.dirname(bin_directory)}/profiles/user/d8.lock",
        "laid_out": None,
        "environments": [],
    }
    return envelope("install", "ok", 0, data, [])


def envelope(command: str | None, status: str, exit_code: int, data: object, errors: list[object]) -> dict[str, object]:
    return {
        "schema": 1,
        "command": command,
        "status": status,
        "exit_code": exit_code,
        "data": data,
        "errors": errors,
    }


def plain(text: str) -> str:
    """Return *text* without what differs from run to run: sizes and times, and which image was the spoilt one."""
    text = re.sub(r"^fetched [\d.]+ \w+ in [\d.]+ s$", "fetched", text, flags=re.MULTILINE)
    text = re.sub(r'"bytes": \d+', '"bytes": 0', text)
    return re.sub(r"[a-h] v1\.0\.0: the layer's bytes have the digest sha256:\w+, not sha256:\w+", "SPOILT", text)
