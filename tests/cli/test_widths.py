"""On a terminal of any width, lines break between words, and a command in backticks can be copied."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.cli.text.table import table
from d8_installer.cli.wrapping import wrapped
from tests.person import Person
from tests.strategies import steady
from tests.terminal import Seen, Terminal, forked

WIDTHS = [40, 60, 80, 120]
NAMES = ["tool", "stronghold", "another-tool-that-is-called-so"]


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    root = tmp_path_factory.mktemp("widths")
    person = Person(root / "home", root / "home/reg")
    for name in NAMES:
        person.publish(name, "v1.0.0", "v1.1.0")
    person.ok("config", "set", "endpoint", person.endpoint)
    person.ok("install", "tool==1.0.0", "stronghold", f"{NAMES[-1]}>=1.0,<2.0.0")
    return person


COMMANDS = [
    *("install", "install nothing", "list", "list --outdated", "doctor", "history", "plugins", "show stronghold"),
    *("which nothing", "add", "config set sources", "lock --explain tool", "upgrade --all --dry-run", "versions tool"),
    *(
        "--offline versions tool",
        "--kubeconfig missing facts",
        "sync --project",
        "nonsense",
        "help stale-lock",
        "self uninstall --dry-run",
    ),
]


@pytest.fixture(scope="module")
def plain(person: Person) -> dict[str, str]:
    """What each command says where no terminal is."""
    return {command: person.run(*command.split()).shown for command in COMMANDS}


@pytest.mark.parametrize("columns", WIDTHS)
def test_messages_do_not_break_words(person: Person, plain: dict[str, str], columns: int) -> None:
    for command in COMMANDS:
        words = {word for word in plain[command].split() if len(word) < columns}
        seen = on_terminal(person, columns, *command.split())
        whole = {word for line in seen.lines for word in line.split()}
        assert words - whole <= known_to_differ(command), (command, columns, seen.lines)
        assert seen.is_usable()


def known_to_differ(command: str) -> set[str]:
    """Return words that a narrow terminal does without: the heads of columns that say nothing."""
    return {"NEWEST", "RANGE"} if command.startswith("list") else set()


def on_terminal(person: Person, columns: int, *words: str) -> Seen:
    with Terminal(columns, 200) as terminal:
        env = {**person.variables, "TERM": "xterm"}
        forked(*words, home=str(person.home), env=env, files=(terminal.child,) * 3).wait()
        return terminal.seen()


# --- one line ----------------------------------------------------------------------------------------------------

WORDS = st.lists(st.text("abc-", min_size=1, max_size=12), min_size=1, max_size=6).map(" ".join)
LINES = st.lists(WORDS | WORDS.map(lambda text: f"`{text}`"), min_size=1, max_size=8).map(" ".join)


@given(LINES, st.sampled_from([20, 40, 60]), st.sampled_from(["", "  ", "warning  "]))
@steady
def test_every_word_stays_whole_and_in_its_place(line: str, columns: int, begin: str) -> None:
    text = wrapped(f"{begin}{line}", columns)
    assert text.split() == f"{begin}{line}".split()
    for row in text.split("\n"):
        parts = [row[at : at + columns] for at in range(0, len(row), columns)]
        assert not [one for one, two in pairwise(parts) if one[-1] != " " and two[0] != " "], parts
    for command in re.findall(r"`[^`]*`", line):
        spaces = re.escape(command).replace(r"\ ", " +")
        assert re.search(spaces, text), "a command is one line for the terminal that copies it"


def test_what_is_quoted_in_a_command_stays_whole() -> None:
    line = "hint: type `d8-installer install 'stronghold >=1.4, <2' another` and it's done"
    first = "hint: type `d8-installer install".ljust(40)
    assert wrapped(line, 40) == f"{first}'stronghold >=1.4, <2' another` and\n  it's done"


def test_a_line_that_fits_stays_as_it_is() -> None:
    assert wrapped("x" * 40, 40) == "x" * 40
    assert wrapped("a  b " + "c" * 35, 40) == "a  b " + "c" * 35


def test_a_row_goes_on_in_its_second_column() -> None:
    assert wrapped("warning  " + "word " * 10, 40).split("\n") == [
        "warning  " + " ".join(["word"] * 6),
        "         " + " ".join(["word"] * 4),
    ]


# --- tables ------------------------------------------------------------------------------------------------------


def fitted(columns: int, *rows: tuple[str, ...]) -> list[str]:
    return [part for line in table(("NAME", "TEXT"), rows) for part in getattr(line, "fitted")(columns)]  # noqa: B009


def test_a_table_that_fits_stays_as_it_is() -> None:
    rows = [("tool", "one two three"), ("x", "")]
    assert fitted(19, *rows) == list(map(str, table(("NAME", "TEXT"), rows)))


def test_cells_go_on_in_their_column() -> None:
    assert fitted(14, ("tool", "one two three")) == ["NAME  TEXT", "tool  one two", "      three"]


def test_what_fits_in_no_column_stands_in_lines_of_its_own() -> None:
    assert fitted(30, ("a-name-of-twenty-five-let", "one two three four five"), ("b", "")) == [
        *("NAME\n  a-name-of-twenty-five-let", "TEXT  one two three four five"),
        *("", "NAME  b"),
    ]
