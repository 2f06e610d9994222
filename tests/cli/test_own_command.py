"""What hints tell a person to type can be typed where it is read, also where no ``d8-installer`` is on PATH."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli import own_command
from tests.command import ON_PATH, PROGRAM, SYSTEM_PATH, environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PLACEHOLDER = re.compile(r"<[A-Za-z][^<>|=]*>")
COMMANDS = [path.stem for path in (ROOT / "d8_installer/cli/commands").glob("[a-z]*.py")]
BARE = re.compile(rf"(?<!`)(?<!-)d8-installer (?:{'|'.join(COMMANDS)})\b")
EXAMPLES = {"examples.py", "help_page.py"}
"""The modules with the lines that the help shows as examples."""
NOT_HINTS = {
    "# added by d8-installer ensurepath",  # a line in start-up files
    "d8-installer --global ensurepath",  # put between backticks by who shows it
    "d8-installer ensurepath",
    "d8-installer env",
    "<token>",  # docker's own name for a kind of login
}


def texts(source: str) -> Iterator[str]:
    """Yield the constant texts of a module that are no docstrings."""
    tree = ast.parse(source)
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


def offences(source: str) -> list[str]:
    return [text for text in texts(source) if text not in NOT_HINTS and is_offence(text)]


def is_offence(text: str) -> bool:
    if text.startswith("#!") or "(?P<" in text:  # a launcher, a regular expression
        return False
    return PLACEHOLDER.search(text) is not None or BARE.search(text) is not None


def test_no_text_has_a_placeholder_for_redirection_and_no_command_without_backticks() -> None:
    files = [file for folder in ("d8_installer", "hooks") for file in (ROOT / folder).rglob("*.py")]
    files = [file for file in files if file.name not in EXAMPLES]
    assert {str(file): bad for file in files if (bad := offences(file.read_text()))} == {}
    assert offences('x = error(hint="see d8-installer list")\ny = f"write <os>-<arch> as {x}"')


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("type `d8-installer sync`", "type `/a/d8 sync`"),
        ("see `d8-installer`, or `d8-installer list`", "see `/a/d8`, or `/a/d8 list`"),
        ('type `eval "$(d8-installer env)"`', 'type `eval "$(/a/d8 env)"`'),
        ("`d8-installer env | source`", "`/a/d8 env | source`"),
        ("`sudo d8-installer --global sync`", "`sudo /a/d8 --global sync`"),
        ("`pipx inject d8-installer d8-toy`", "`pipx inject d8-installer d8-toy`"),
        ("`uv tool install d8-installer --with d8-toy`", "`uv tool install d8-installer --with d8-toy`"),
        ("d8-installer is not here, upgrade d8-installer", "d8-installer is not here, upgrade d8-installer"),
        ("`a` d8-installer list `b`", "`a` d8-installer list `b`"),
        ("`d8-installer-x list`", "`d8-installer-x list`"),
        ("`no end d8-installer list", "`no end d8-installer list"),
    ],
)
def test_only_the_word_that_begins_a_command_is_replaced(
    monkeypatch: pytest.MonkeyPatch, text: str, becomes: str
) -> None:
    monkeypatch.setattr(own_command, "command_word", lambda _: "/a/d8")
    assert own_command.typeable(text) == becomes
    assert own_command.typeable_hints({"errors": [{"hint": text, "n": 1, "x": text}]}) == {
        "errors": [{"hint": becomes, "n": 1, "x": text}]
    }


def typed_in(text: str) -> str:
    """Return the first command between backticks."""
    return text.split("`")[1]


def test_a_program_on_path_is_typed_by_its_name(tmp_path: Path) -> None:
    assert "hint: see `d8-installer list`\n" in run("uninstall", "x", home=str(tmp_path)).err


@pytest.mark.parametrize("how", ["script", "module", "json"])
def test_a_program_that_is_not_on_path_is_typed_by_its_place(tmp_path: Path, how: str) -> None:
    lost = tmp_path / "lost"  # what pipx leaves when the Python of its environment was removed
    lost.mkdir()
    (lost / "d8-installer").write_text("#!/nowhere/bin/python\n")
    (lost / "d8-installer").chmod(0o755)
    env = environment(str(tmp_path), PATH=f"{lost}:{SYSTEM_PATH}")
    words = {"script": [PROGRAM], "module": [sys.executable, "-m", "d8_installer"], "json": [PROGRAM, "--json"]}[how]
    done = subprocess.run([*words, "uninstall", "x"], env=env, capture_output=True, text=True, check=False)
    hint = json.loads(done.stdout)["errors"][0]["hint"] if how == "json" else done.stderr
    assert shlex.split(typed_in(hint)) == [PROGRAM, "list"]
    again = subprocess.run(["sh", "-c", typed_in(hint)], env=env, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (0, "nothing is installed\n")
    env["PATH"] += f":{ON_PATH}"
    done = subprocess.run([*words, "uninstall", "x"], env=env, capture_output=True, text=True, check=False)
    assert "`d8-installer list`" in done.stderr + done.stdout
