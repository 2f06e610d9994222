"""docs/how-to/ansible.md: its playbook in check mode, then twice, then after a drift.

`ansible-playbook` plays it where that is on PATH. Without it, `Player` does what the modules of the playbook do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from tests import command
from tests.guides.desk import GUIDES
from tests.person import Person

PAGE = GUIDES / "ansible.md"
MANIFEST = 'schema = 1\n[[images]]\nname = "stronghold"\nversion = "<1.5"\n'
ANSIBLE = shutil.which("ansible-playbook")


def blocks(language: str) -> list[str]:
    """Return the page's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


class Machine(Person):
    """A machine, and the directory of the person who plays; the variables of the play are what is different here."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / "home", root / "registry")
        self.publish("stronghold", "v1.4.1", "v1.4.2", "v1.5.0")
        self.desk = self.project(MANIFEST, "desk")
        self.ok("lock", cwd=self.desk)
        (self.playbook,) = blocks("yaml")
        (self.desk / "tools.yml").write_text(self.playbook)
        self.variables_of_play = {"tools": str(self.home / "tools"), "endpoint": self.endpoint}
        programs = self.home / ".local/bin"
        programs.mkdir(parents=True)
        (programs / "d8-installer").symlink_to(command.PROGRAM)
        shutil.rmtree(self.data)

    @property
    def environ(self) -> dict[str, str]:
        return command.environment(str(self.home))


class Plays(Protocol):
    """One way to play the playbook: it returns the names of the tasks that changed something."""

    def __call__(self, machine: Machine, *, check: bool = False) -> list[str]: ...


def by_hand(machine: Machine, *, check: bool = False) -> list[str]:
    """Do what the modules of the playbook do."""
    (play,) = yaml.safe_load(machine.playbook)
    facts = {"ansible_env": machine.environ, "ansible_check_mode": check}
    variables = play["vars"] | machine.variables_of_play | facts
    return [task["name"] for task in play["tasks"] if _changes(machine, play, task, variables, check=check)]


def _changes(
    machine: Machine, play: dict[str, Any], task: dict[str, Any], variables: dict[str, Any], *, check: bool
) -> bool:
    templates = NativeEnvironment()
    templates.filters["from_json"] = json.loads

    def filled(value: Any, **more: Any) -> Any:
        own = {name: templates.from_string(text).render(variables) for name, text in task.get("vars", {}).items()}
        if isinstance(value, dict):
            return {key: filled(one, **more) for key, one in value.items()}
        return templates.from_string(value).render(variables | own | more) if isinstance(value, str) else value

    if "ansible.builtin.command" in task:
        asked = filled(task["ansible.builtin.command"])
        env = machine.environ | filled(play["environment"])
        done = subprocess.run(
            asked["argv"], cwd=asked.get("chdir"), env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done
        found = {task["register"]: {"stdout": done.stdout, "rc": done.returncode}}
        return bool(filled(f"{{{{ {task['changed_when']} }}}}", **found))
    if "ansible.builtin.file" in task:
        directory = filled(task["ansible.builtin.file"])["path"]
        is_there = os.path.isdir(directory)
        if not is_there and not check:
            os.makedirs(directory)
        return not is_there
    copied = [_copies(machine, filled(task["ansible.builtin.copy"], item=item), check=check) for item in task["loop"]]
    return any(copied)


def _copies(machine: Machine, asked: dict[str, str], *, check: bool) -> bool:
    data, there = (machine.desk / asked["src"]).read_bytes(), Path(asked["dest"])
    is_same = there.is_file() and there.read_bytes() == data
    if not is_same and not check:
        there.write_bytes(data)
    return not is_same


def by_ansible(machine: Machine, *, check: bool = False) -> list[str]:
    """Let ansible-playbook play it, on this machine."""
    assert ANSIBLE is not None
    env = machine.environ | {"ANSIBLE_HOME": str(machine.home / ".ansible")}
    env |= {
        "PATH": f"{os.path.dirname(ANSIBLE)}:{env['PATH']}",
        "LANG": "C.UTF-8",
        "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
    }
    words = [ANSIBLE, "-i", "web1,", "-c", "local", "-e", json.dumps(machine.variables_of_play), "tools.yml"]
    done = subprocess.run(
        [*words, *["--check"] * check], cwd=machine.desk, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    tasks = re.split(r"^TASK \[(.*)\] \*+$", done.stdout, flags=re.MULTILINE)[1:]
    return [
        name for name, said in zip(tasks[::2], tasks[1::2], strict=True) if re.search("^changed: ", said, re.MULTILINE)
    ]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


WAYS = [
    by_hand,
    pytest.param(by_ansible, marks=pytest.mark.skipif(ANSIBLE is None, reason="ansible-playbook is not on PATH")),
]


@pytest.mark.parametrize("plays", WAYS)
def test_the_playbook_changes_what_differs_and_says_so(machine: Machine, plays: Plays) -> None:
    every = ["Make the directory", "Copy the manifest and the lock", "Set the endpoint", "Place the tools"]
    assert plays(machine) == every
    assert machine.has(cwd="tools") == {"stronghold": "v1.4.2"}
    for check in (False, True):
        assert plays(machine, check=check) == []

    (machine.desk / "d8.toml").write_text(MANIFEST.replace("<1.5", "<1.4.2"))
    machine.ok("lock", cwd=machine.desk)
    assert plays(machine, check=True) == every[1:2], "the machine's own lock is what the sync looks at"
    assert plays(machine) == [every[1], every[3]]
    assert machine.has(cwd="tools") == {"stronghold": "v1.4.1"}


def test_the_command_that_looks_for_drift(machine: Machine) -> None:
    (typed,) = blocks("sh")
    words = typed.partition("'~/.local/bin/d8-installer ")[2].partition(" chdir=")[0].split()
    by_hand(machine)
    assert machine.ok(*words, cwd="tools").out == "nothing to do\n"
    shutil.rmtree(machine.data / "profiles")
    drifted = machine.fails(65, *words, cwd="tools")
    assert "error[out-of-sync]" in drifted.err
    assert "would install stronghold (stronghold v1.4.2)" in drifted.out
    (machine.home / "tools/d8.toml").write_text(MANIFEST.replace("<1.5", ">=1.5"))
    assert "error[stale-lock]" in machine.fails(65, *words, cwd="tools").err
    assert machine.json("uninstall", "stronghold", code=69) == {}
