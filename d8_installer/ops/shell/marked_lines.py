"""Our lines in somebody's text file: adding one, and taking exactly that out again. Text to text.

Above each line is a mark, a comment that says what was there before: a file without an end of its last line, or no file
at all. So the text that is left is what it was, byte for byte, unless somebody has edited it since.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_MARK = "# added by d8-installer ensurepath"
_GAP = ", with the line end before it"
_MAKING = ", which made this file"
_ANY_MARK = re.compile(rf"{_MARK}({_GAP}|{_MAKING}(?: and [0-9]+ above it)?)?")


def with_line(text: str | None, line: str, older: str, made: int = 0) -> str | None:
    """Return *text* with *line* at its end, or in the place of *older*; None where it has the line.

    *text* is None where there is no file; *made* is the number of directories that have to be made for it.
    """
    rows = [] if text is None else text.split("\n")
    if line in rows:
        tidy = without_lines("\n".join(rows), [older])
        return None if tidy == text else tidy
    for number, row in enumerate(rows[:-1]):
        if _ANY_MARK.fullmatch(row) and rows[number + 1] == older:
            return "\n".join([*rows[: number + 1], line, *rows[number + 2 :]])
    if text is None:
        return f"{_MARK}{_MAKING}{f' and {made} above it' if made else ''}\n{line}\n"
    has_gap = bool(text) and not text.endswith("\n")
    return f"{text}\n{_MARK}{_GAP}\n{line}\n" if has_gap else f"{text}{_MARK}\n{line}\n"


def without_lines(text: str, lines: Collection[str]) -> str | None:
    """Return *text* without what ``with_line`` added for *lines*; None where nothing is left of a file that it made.

    What our first line in the file says of the text before it holds for the next one, once the first is gone.
    """
    rows, kept = text.split("\n"), list[str]()
    before = ""  # what the mark that went last says
    number = 0
    while number < len(rows):
        mark = _ANY_MARK.fullmatch(rows[number]) if number + 1 < len(rows) else None
        if mark is None:
            kept.append(rows[number])
            before = before if before.startswith(_MAKING) else ""
            number += 1
        elif rows[number + 1] in lines:
            before, number = mark[1] or before, number + 2
            if rows[number:] in ([""], []):
                kept += [] if before == _GAP else [""]
                number += 1
        else:
            inherits = bool(before) and not mark[1]
            kept += [f"{_MARK}{before}" if inherits else rows[number], rows[number + 1]]
            before, number = "", number + 2
    left = "\n".join(kept)
    return None if before.startswith(_MAKING) and not left else left


def directories_made(text: str) -> int:
    """Return how many directories were made for the file that we made, by the mark in *text*."""
    found = re.search(rf"^{_MARK}{_MAKING} and ([0-9]+) above it$", text, re.MULTILINE)
    return 0 if found is None else int(found[1])
