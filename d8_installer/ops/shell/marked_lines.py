"""Adds lines to a person's text file, and removes exactly these lines again. Text to text.

Above each line is a comment that records the text before it: whether the last line had a line end, and whether there
was a file at all. So the text without the line is the old one, byte for byte, unless it was edited since.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_COMMENT = "# added by d8-installer "
_GAP = ", with the line end before it"
_MAKING = ", which made this file"
_ANY_COMMENT = rf"({_COMMENT}(?:ensurepath|completion))({_GAP}|{_MAKING}(?: and [0-9]+ above it)?)?"


def with_line(
    text: str | None, line: str, older: str | None, made: int = 0, *, command: str = "ensurepath"
) -> str | None:
    """Return *text* with *line* at its end, or in the place of the line *older*. Return None if it has the line.

    *text* is None if there is no file. *made* is the number of directories to make for it. *command* is ours that adds
    the line.
    """
    comment = f"{_COMMENT}{command}"
    rows = [] if text is None else text.split("\n")
    if line in rows:
        tidy = without_lines("\n".join(rows), [older])
        return None if tidy == text else tidy
    for number, row in enumerate(rows[:-1]):
        if re.fullmatch(_ANY_COMMENT, row) and rows[number + 1] == older:
            return "\n".join([*rows[: number + 1], line, *rows[number + 2 :]])
    if text is None:
        return f"{comment}{_MAKING}{f' and {made} above it' if made else ''}\n{line}\n"
    has_gap = bool(text) and not text.endswith("\n")
    return f"{text}\n{comment}{_GAP}\n{line}\n" if has_gap else f"{text}{comment}\n{line}\n"


def without_lines(text: str, lines: Collection[str | None]) -> str | None:
    """Return *text* without what ``with_line`` added for *lines*, or None if that leaves nothing of a file it made.

    What the comment of the first line records is passed on to the next one, once the first is removed.
    """
    rows, kept = text.split("\n"), list[str]()
    before = ""  # what the comment removed last records
    number = 0
    while number < len(rows):
        comment = re.fullmatch(_ANY_COMMENT, rows[number]) if number + 1 < len(rows) else None
        if comment is None:
            kept.append(rows[number])
            before = before if before.startswith(_MAKING) else ""
            number += 1
        elif rows[number + 1] in lines:
            before, number = comment[2] or before, number + 2
            if rows[number:] in ([""], []):
                kept += [] if before == _GAP else [""]
                number += 1
        else:
            inherits = bool(before) and not comment[2]
            kept += [f"{comment[1]}{before}" if inherits else rows[number], rows[number + 1]]
            before, number = "", number + 2
    left = "\n".join(kept)
    return None if before.startswith(_MAKING) and not left else left


def directories_made(text: str) -> int:
    """Return how many directories were made for the file, by the comment in *text*."""
    found = re.search(rf"^{_COMMENT}[a-z]+{_MAKING} and ([0-9]+) above it$", text, re.MULTILINE)
    return 0 if found is None else int(found[1])
