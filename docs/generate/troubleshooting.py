"""The kinds of errors, from the entries that ``d8-installer help CODE`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.troubleshooting import entries
from docs.generate.markdown import code, prose, table

if TYPE_CHECKING:
    from d8_installer.cli.troubleshooting import ErrorEntry


def every_entry() -> str:
    """Return the table of all codes, and a section for each."""
    every = sorted(entries().values(), key=lambda entry: (_number(entry), entry.code))
    rows = [[f"[{code(one.code)}](#{one.code})", one.exit_code, prose(one.title)] for one in every]
    return "\n\n".join([table(["code", "exit code", "means"], rows), *map(_section, every)])


def _number(entry: ErrorEntry) -> int:
    """Return the exit code to sort by; one that is not always the same comes last."""
    return int(entry.exit_code) if entry.exit_code.isdecimal() else 1000


def _section(entry: ErrorEntry) -> str:
    parts = [
        f"## {entry.code}",
        f"Exit code {entry.exit_code}: {prose(entry.title)}.",
        *map(prose, entry.means),
    ]
    for head, items in (("Likely causes:", entry.causes), ("What to do:", entry.actions)):
        if items:
            parts += [head, "\n".join(f"- {prose(item)}" for item in items)]
    return "\n\n".join(parts)
