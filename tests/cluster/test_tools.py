"""``dev.py cluster-tools``: the programs are built once for what they are made of, whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.tools import MODULE, PROGRAMS
from tests.command import SYSTEM_PATH

ROOT = Path(__file__).resolve().parents[2]
GO = """#!/bin/sh
echo "$1" >> "$LOG"
[ "$1" = version ] && echo "go version go1 $GO_SAYS" && exit
while [ "$1" != -o ]; do shift; done
mkdir -p "$2" && touch "$2/kube-apiserver"
[ -z "$GO_FAILS" ] && touch "$2/kubectl" "$2/authorizing-front"
"""


@dataclass(frozen=True)
class Machine:
    """A checkout with the Go module, and a compiler that only makes empty files and counts how often."""

    root: Path

    def start(self, **env: str) -> subprocess.Popen[str]:
        variables = {
            "PATH": f"{self.root / 'path'}:{SYSTEM_PATH}",
            "LOG": str(self.root / "log"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
        }
        module = [sys.executable, "-m", "tests.cluster.tools"]
        return subprocess.Popen(
            module,
            cwd=self.root / "checkout",
            env=variables | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, **env: str) -> tuple[int, str]:
        with self.start(**env) as process:
            said, _ = process.communicate(timeout=60)
        return process.returncode, said

    @property
    def builds(self) -> int:
        return (self.root / "log").read_text().splitlines().count("build")

    @property
    def places(self) -> list[Path]:
        return [path for path in (self.root / "cache/d8-installer-parts").iterdir() if path.is_dir()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    here = tmp_path / "checkout/tests/cluster"
    shutil.copytree(MODULE, here / "parts")
    for name in ("__init__.py", "tools.py"):
        shutil.copy(MODULE.parent / name, here / name)
    for name in ("__init__.py", "parts.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "checkout/tests" / name)
    (tmp_path / "path").mkdir()
    for name, text in (("go", GO), ("etcd", "#!/bin/sh\n")):
        (tmp_path / "path" / name).write_text(text)
        (tmp_path / "path" / name).chmod(0o755)
    return Machine(tmp_path)


def test_they_are_built_once(machine: Machine) -> None:
    assert machine.run()[0] == 0
    code, said = machine.run()
    assert (code, machine.builds) == (0, 1)
    (place,) = machine.places
    assert f"{place}/" in said
    assert {path.name for path in place.iterdir()} == set(PROGRAMS)


def test_two_that_begin_at_once_build_once(machine: Machine) -> None:
    with machine.start() as one, machine.start() as other:
        for process in (one, other):
            process.communicate(timeout=60)
    assert (one.returncode, other.returncode, machine.builds) == (0, 0, 1)


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "authorizing-front/main.go", "compiler"])
def test_what_they_are_made_of_makes_their_place(machine: Machine, changed: str) -> None:
    machine.run()
    if changed == "compiler":
        machine.run(GO_SAYS="another")
    else:
        with (machine.root / "checkout/tests/cluster/parts" / changed).open("a") as file:
            file.write("\n// changed\n")
        machine.run()
    assert (machine.builds, len(machine.places)) == (2, 2)


def test_a_build_that_fails_leaves_nothing(machine: Machine) -> None:
    code, said = machine.run(GO_FAILS="1")
    assert code == 1
    assert "the build failed" in said
    assert machine.places == []
    assert machine.run()[0] == 0


def test_what_nobody_uses_is_removed(machine: Machine) -> None:
    machine.run()
    (old,) = machine.places
    os.utime(old, (0, 0))
    machine.run(GO_SAYS="newer")
    assert old not in machine.places
    assert len(machine.places) == 1


def test_a_missing_compiler_is_named(machine: Machine) -> None:
    (machine.root / "path/go").unlink()
    code, said = machine.run(PATH=f"{machine.root / 'path'}")
    assert (code, said) == (1, "cluster-tools: go is not on PATH, and builds kube-apiserver\n")
