"""How a word is quoted for shells: plain words stay, and what programs of Windows read is what was meant."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.model.shell_words import called, for_posix, for_windows, joined, quoted


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        ("ruff", "ruff"),
        ("ruff==1.2", "ruff==1.2"),
        ("ruff>=1,<2", '"ruff>=1,<2"'),
        ("a,b", '"a,b"'),
        (r"C:\x\d8.toml", r"C:\x\d8.toml"),
        (r"C:\Мой проект (1)", r'"C:\Мой проект (1)"'),
        ("C:\\my dir\\", '"C:\\my dir\\\\"'),
        ("@x", '"@x"'),
        ("", '""'),
    ],
)
def test_a_word_for_windows(word: str, typed: str) -> None:
    assert for_windows(word) == typed


def arguments(line: str) -> list[str]:
    """Split a command line as programs of Windows do (Microsoft: Parsing C command-line arguments), without \\\"."""
    words = re.findall(r'(?:"(?:[^"\\]|\\(?!"|\\+")|(?:\\\\)+(?="))*"|[^" ]+)+', line)
    return [re.sub(r'(\\+)(?=")', lambda found: found[1][::2], word).replace('"', "") for word in words]


@given(st.text(st.characters(codec="utf-8", exclude_characters='"', exclude_categories=["Cc", "Cs"]), min_size=1))
def test_a_program_of_windows_reads_the_word_that_was_meant(word: str) -> None:
    assert arguments(for_windows(word)) == [word]


def test_powershell_calls_a_quoted_program() -> None:
    text = 'type `"C:\\my dir\\x.exe" list`, or `y "a b"`'
    assert called(text) == 'type `& "C:\\my dir\\x.exe" list`, or `y "a b"`'


@given(st.lists(st.text(min_size=1), min_size=1))
def test_a_shell_of_posix_reads_the_words_that_were_meant(words: list[str]) -> None:
    assert shlex.split(" ".join(map(for_posix, words))) == words


def test_this_system_has_one_way() -> None:
    assert joined(["x", "a b"]) == f"x {quoted('a b')}"
