"""Bad moments: Ctrl-C while the other side has gone quiet, and a reader of our output who has left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import Resource, stalled
from tests import command
from tests.matrix.layers import HOST, program
from tests.matrix.machine import NAME, NEW, TO_NEW

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.matrix.machine import Machine

_PATIENT = {"D8_PATIENCE": "600"}
"""A stalled read by itself would take that long."""


def interrupt(machine: Machine, *words: str) -> command.Completed:
    """Run the command until an answer has stalled, then press Ctrl-C."""
    process = command.start(*words, home=str(machine.home), env=machine.variables | _PATIENT)
    assert machine.proxy.stalling.wait(command.TIMEOUT)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=command.TIMEOUT)
    assert time.monotonic() - pressed < command.SOON
    return command.Completed(process.returncode, out, err)


@pytest.mark.parametrize("resource", ["tags", "index", "child", "layer"])
def test_interrupted(machine: Machine, resource: Resource) -> None:
    before = machine.state()
    machine.proxy.on(resource, stalled())
    done = interrupt(machine, *TO_NEW)
    assert done.code == 130, done
    assert done.err.endswith("interrupted\n")
    assert "Traceback" not in done.err
    assert machine.state() == before
    assert machine.leftovers() == []
    machine.proxy.reset()
    machine.succeeds(*TO_NEW)
    assert machine.say() == f"{NEW} {HOST} !\n"


def test_interrupted_while_several_layers_come(machine: Machine) -> None:
    before = machine.state()
    names = [f"other-{number}" for number in range(3)]
    for name in names:
        machine.images.add_index(f"deckhouse-cli/plugins/{name}", "v1.0.0", {HOST: program(name)})
    machine.proxy.on("layer", stalled())
    done = interrupt(machine, "install", *names)
    assert done.code == 130, done
    assert "Traceback" not in done.err, done
    assert machine.state() == before
    assert machine.leftovers() == []


def test_interrupted_with_json(machine: Machine) -> None:
    machine.proxy.on("layer", stalled())
    done = interrupt(machine, "--json", *TO_NEW)
    document = json.loads(done.out)
    assert (done.code, document["status"], document["exit_code"]) == (130, "error", 130)


# --- output that goes nowhere ---------------------------------------------------------------------------------


def into(machine: Machine, stdout: int, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command.PROGRAM, *words],
        env=command.environment(str(machine.home), **machine.variables),
        cwd=machine.home,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=command.TIMEOUT,
        check=False,
    )


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("--help",), ("completion", "bash"), TO_NEW])
def test_reader_who_has_gone(machine: Machine, words: Sequence[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = into(machine, writer, *words)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "error" not in done.stderr
    assert machine.say() == f"{NEW if words == TO_NEW else 'v1.4.1'} {HOST} !\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "words", [("list",), ("list", "--json"), ("completion", "bash"), ("which", "nothing", "--json")]
)
def test_full_disk_behind_stdout(machine: Machine, words: Sequence[str]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = into(machine, full.fileno(), *words)
    assert done.returncode == 73, done.stderr
    assert done.stderr.count("error[output-lost]: cannot write the output: no space left on device") == 1
    lost = "'nothing' is not in place" in done.stderr  # what the JSON would have said is said here
    assert lost == ("nothing" in words)
    assert done.stderr.count("hint: ") == 1 + lost
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(machine: Machine, tmp_path: Path, closed: str) -> None:
    line = f"exec {command.PROGRAM} install {NAME}=1.4.2 {closed}"
    environment = {**machine.variables, "TMPDIR": str(tmp_path)}
    done = command.ended(["/bin/sh", "-c", line], home=str(machine.home), env=environment)
    assert done.code == 0, done
    assert "Traceback" not in done.err
    assert machine.say() == f"{NEW} {HOST} !\n"
