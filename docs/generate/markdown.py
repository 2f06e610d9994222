"""Markdown for both readers of the pages, GitHub and MyST."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CODE = re.compile(r"(`[^`]*`)")
_WORDS_OF_CODE = re.compile(
    r"(?<![\w`-])(--[a-z][a-z-]*|D8_[A-Z_]+|KUBECONFIG|DECKHOUSE_CLI_PATH|d8\.(?:toml|lock))(?![\w`])"
)


def code(text: str) -> str:
    """Return *text* as a code span."""
    return f"`{text}`"


def prose(text: str) -> str:
    """Return plain text as Markdown; options, variables and file names become code spans."""
    parts = _CODE.split(text)
    return "".join(part if part.startswith("`") else _prose(part) for part in parts)


def from_docstring(text: str) -> str:
    """Return a docstring's text as Markdown: a name between asterisks is an argument, double backticks are code."""
    return prose(re.sub(r"``([^`]+)``|\*(\w+)\*", lambda found: code(found[1] or found[2]), text))


def _prose(text: str) -> str:
    spans = _WORDS_OF_CODE.split(text)
    return "".join(
        code(part) if number % 2 else re.sub(r"([*\\]|<(?=[A-Za-z/!]))", r"\\\1", part)
        for number, part in enumerate(spans)
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar in a cell is escaped."""
    head_line, *others = (f"| {' | '.join(map(_cell, line))} |" for line in [head, *rows])
    return "\n".join([head_line, f"|{'---|' * len(head)}", *others])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def sentence(text: str) -> str:
    """Return a clause as a sentence."""
    return f"{text[0].upper()}{text[1:]}."
