"""Adds a directory to the PATH that Windows's registry keeps, and removes exactly that again. Text to text.

Whether the text ended in a ``;`` can be seen from what was added: then it still does. So the text without the directory
is the old one, character by character, unless it was edited since.
"""

from __future__ import annotations

from d8_installer.model.windows_program import parts_between_semicolons


def with_directory(text: str | None, directory: str) -> str:
    """Return *text* with *directory* at its end. *text* is None if there is no such value."""
    if text is None:
        return directory
    return f"{text}{directory};" if not text or text.endswith(";") else f"{text};{directory}"


def without_directory(text: str, directory: str) -> str | None:
    """Return *text* without what ``with_directory`` added, or None if there was no value before."""
    parts = parts_between_semicolons(text)
    if directory not in parts:
        return text
    parts.reverse()
    parts.remove(directory)  # the last one: what is before it is the person's own
    return ";".join(reversed(parts)) if parts else None
