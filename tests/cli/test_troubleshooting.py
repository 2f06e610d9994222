"""Each kind of error has a code: in text, in JSON, and with an entry that `help CODE` prints without a network."""

from __future__ import annotations

import ast
import io
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from d8_installer import errors
from d8_installer.cli import render, troubleshooting
from d8_installer.cli.parser import parse
from d8_installer.cli.screen import Screen
from d8_installer.cli.verbs import VERBS
from d8_installer.errors import D8Error, NotFoundError, UsageError
from d8_installer.publish import contract
from tests.command import ON_PATH
from tests.person import Person
from tests.terminal import Terminal, on

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted((ROOT / "d8_installer").rglob("*.py")), *sorted((ROOT / "hooks").rglob("*.py"))]
ENTRIES = troubleshooting.entries()
IN_SCRIPTS = re.compile(r"error\[([a-z][a-z0-9-]*)\]: ")
"""The launchers and wrappers, which are sh, and the hooks of managers write their errors themselves."""


class Classes:
    """The error classes of the code: for each name its code and exit code, as Python resolves them."""

    def __init__(self) -> None:
        self.bases: dict[str, list[str]] = {}
        self.own: dict[str, dict[str, object]] = {}
        for tree in TREES.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    self.bases[node.name] = [_name(base) for base in node.bases]
                    self.own[node.name] = dict(_attributes(node))

    def is_error(self, name: str) -> bool:
        return name == "D8Error" or any(map(self.is_error, self.bases.get(name, ())))

    def value(self, name: str, attribute: str) -> object:
        """Return a class attribute: an error's bases are searched as far as they are errors, the last one first."""
        if attribute in self.own[name]:
            return self.own[name][attribute]
        found = [self.value(base, attribute) for base in self.bases[name] if self.is_error(base)]
        return found[-1] if found else None


def _attributes(node: ast.ClassDef) -> Iterator[tuple[str, object]]:
    for one in node.body:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            value = one.value
            if isinstance(value, ast.Constant):
                yield one.targets[0].id, value.value
            elif isinstance(value, ast.Name):  # EXIT_BUG
                yield one.targets[0].id, getattr(errors, value.id, None)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
CLASSES = Classes()


def literals(node: ast.expr) -> list[str] | None:
    """Return the codes that an argument can be, or None if it is computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        either, other = literals(node.body), literals(node.orelse)
        return None if either is None or other is None else either + other
    return None


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, _name(node.func)


def in_tables(tree: ast.AST) -> Iterator[str]:
    """Return the codes that a file looks up: in a table named ``_CODES``, or returned by ``code_for``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _name(node.targets[0]) == "_CODES" and isinstance(node.value, ast.Dict):
            yield from (code for value in node.value.values for code in literals(value) or ())
        if isinstance(node, ast.FunctionDef) and node.name == "code_for":
            yield from (
                code
                for inner in ast.walk(node)
                if isinstance(inner, ast.Return) and isinstance(inner.value, ast.IfExp)
                for code in literals(inner.value.body) or ()
            )


def raised() -> dict[str, set[str]]:
    """Return each code that the code names, with where."""
    found: dict[str, set[str]] = {}
    for path, tree in TREES.items():
        for call, _ in calls(tree):
            for keyword in call.keywords:
                for code in (literals(keyword.value) or ()) if keyword.arg == "code" else ():
                    found.setdefault(code, set()).add(f"{path.name}:{call.lineno}")
        for code in in_tables(tree):
            found.setdefault(code, set()).add(path.name)
        for code in IN_SCRIPTS.findall(path.read_text(encoding="utf-8")):
            found.setdefault(code, set()).add(path.name)
    for name in CLASSES.bases:
        if CLASSES.is_error(name):
            found.setdefault(str(CLASSES.value(name, "code")), set()).add(name)
    return found


def test_every_code_has_an_entry_and_every_entry_is_raised() -> None:
    named = raised()
    assert sorted(set(named) - set(ENTRIES)) == []
    assert sorted(set(ENTRIES) - set(named)) == []


def test_every_error_that_is_made_has_a_code_that_can_be_read_off() -> None:
    """A code is a literal, one of two literals, looked up, or passed through from a parameter or another error."""
    computed = []
    for path, tree in TREES.items():
        for call, name in calls(tree):
            if not CLASSES.is_error(name):
                continue
            for keyword in call.keywords:
                value = keyword.value.func if isinstance(keyword.value, ast.Call) else keyword.value
                is_passed = _name(value) in {"code", "code_for"} or isinstance(value, ast.BoolOp)
                if keyword.arg == "code" and not is_passed and literals(keyword.value) is None:
                    computed.append(f"{path.name}:{call.lineno}")
    assert computed == []


def test_a_code_has_one_exit_code() -> None:
    """A script may decide by either; so the same code never has two."""
    wrong = []
    for path, tree in TREES.items():
        for call, name in calls(tree):
            if not CLASSES.is_error(name):
                continue
            typed = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
            codes = (literals(typed[0]) or ()) if typed else (str(CLASSES.value(name, "code")),)
            exit_code = str(CLASSES.value(name, "exit_code"))
            wrong += [
                f"{path.name}:{call.lineno}: {code} is {exit_code}"
                for code in codes
                if code in ENTRIES and ENTRIES[code].exit_code.isdecimal() and ENTRIES[code].exit_code != exit_code
            ]
    assert wrong == []


def test_no_code_is_a_command() -> None:
    """`help WORD` explains a command or a code, never the one in place of the other."""
    words = {*VERBS, *(word for verb in VERBS.values() for word in verb.other_words), "help", "version"}
    assert words & set(ENTRIES) == set()
    assert [code for code in ENTRIES if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", code)] == []
    assert troubleshooting.codes() == list(ENTRIES)


def commands(text: str) -> Iterator[list[str]]:
    """Return the commands of ours in a text, as words."""
    for part in text.split("`")[1::2]:
        if part.startswith("d8-installer "):
            yield shlex.split(part.removeprefix("d8-installer "))


@pytest.mark.parametrize("code", ENTRIES)
def test_an_entry_says_what_to_do_in_words_that_can_be_typed(code: str) -> None:
    entry = ENTRIES[code]
    texts = [*entry.means, *entry.causes, *entry.actions]
    assert entry.means and entry.actions
    assert not entry.title.endswith(".") and entry.title[0] == entry.title[0].lower()
    assert len(f"{code}: {entry.title}") <= 100
    for text in texts:
        assert text.endswith((".", "`")) and text.count("`") % 2 == 0, text
        assert "\n" not in text and "  " not in text, text
        assert "docs/" not in text, "a person who installed the tool has no docs/"
        for words in commands(text):
            if words[0] == "COMMAND":
                continue
            try:
                parse(words)
            except UsageError as error:
                pytest.fail(f"{text}: {error}")
            except SystemExit:
                pass  # --help


# -- as a person meets them


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path / "home", "http://127.0.0.1:9")


def test_text_and_json_name_the_code_and_help_explains_it(person: Person) -> None:
    said = person.fails(65, "sync", "--locked").err
    assert re.search(r"^error\[stale-lock\]: .*d8\.lock is missing$", said, re.MULTILINE)
    told = person.json("sync", "--locked", code=65)
    assert told == {}
    explained = person.ok("--offline", "help", "stale-lock").out
    assert explained.startswith("stale-lock: ")
    assert "(exit code 65)" in explained
    assert "Likely causes:\n  - " in explained
    assert "What to do:\n  - " in explained
    assert person.ok("help", "error[stale-lock]:").out == explained, "as it is copied from the message"


def test_a_code_that_is_misspelled_is_found(person: Person) -> None:
    said = person.fails(2, "help", "stalelock").err
    assert "error[unknown-command]: 'stalelock' is neither a command nor the code of an error" in said
    assert "hint: did you mean `d8-installer help stale-lock`?" in said
    assert "hint: did you mean `d8-installer install`?" in person.fails(2, "help", "instal").err
    assert person.ok("help", "install").out.startswith("usage: d8-installer install")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (NotFoundError("gone"), "hint: `d8-installer help not-found` explains this kind of error\n"),
        (NotFoundError("gone", hint="look elsewhere"), "hint: look elsewhere\n"),
        (NotFoundError("gone", code="of-a-plugin"), ""),
    ],
)
def test_an_error_without_a_hint_leads_to_its_entry(error: D8Error, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", ON_PATH)
    err = io.StringIO()
    assert render.failure(Screen(io.StringIO(), err), None, error, as_json=False) == 69
    assert err.getvalue() == f"error[{error.code}]: gone\n{hint}"


@pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal")
@pytest.mark.parametrize("columns", [40, 80])
def test_an_entry_is_as_wide_as_the_terminal(person: Person, columns: int) -> None:
    with Terminal(columns=columns, rows=100) as terminal:
        with on(terminal, "help", "stale-lock", home=str(person.home)):
            pass
        lines = terminal.seen().lines
    assert "What to do:" in lines
    assert max(map(len, lines)) < columns
    for command in commands(" ".join(ENTRIES["stale-lock"].actions)):
        assert any(" ".join(["`d8-installer", *command]) in line for line in lines), "a command can be copied"
    words = " ".join(" ".join(lines).split())
    assert all(" ".join(text.split()) in words for text in ENTRIES["stale-lock"].actions)


def test_the_kinds_of_errors_have_codes_of_their_own() -> None:
    """Each class that a hook can raise is told from the others by its code."""
    made = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, D8Error)]
    assert len({one.code for one in made}) == len(made)


def test_the_entry_of_a_contract_has_every_key() -> None:
    """A hint of `publish` leads there, since a person who installed the tool has no page at hand."""

    def keys(shape: object) -> set[str]:
        if isinstance(shape, list):
            return keys(shape[0])
        return set() if not isinstance(shape, dict) else set(shape).union(*map(keys, shape.values()))

    words = set(re.findall(r"[A-Za-z]+", " ".join(ENTRIES["bad-contract"].means)))
    assert keys(contract._SHAPE) - words == set()


def test_the_hint_of_a_rollback_is_about_the_same_profile(person: Person, tmp_path: Path) -> None:
    place = str(tmp_path / "elsewhere")
    said = person.fails(69, "--home", place, "rollback").err
    assert f"hint: see `d8-installer --home {place} history`\n" in said
    said = person.fails(69, "--global", "rollback", D8_INSTALLER_GLOBAL_HOME=place).err
    assert "hint: see `d8-installer --global history`\n" in said
