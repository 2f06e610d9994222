"""What is installed, and what could be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.text.table import table
from d8_installer.model.plurals import sized

if TYPE_CHECKING:
    from d8_installer.ops.list import InstalledBinary, ListResult
    from d8_installer.ops.versions import VersionsResult

_HEADER = ("BINARY", "VERSION", "SIZE", "IMAGE", "RANGE", "REQUESTER")


def list_lines(result: ListResult, *, outdated: bool) -> list[str]:
    """Return the table of binaries; *outdated* adds the newest version of each."""
    if not result.binaries:
        return ["nothing is outdated" if outdated else "nothing is installed"]
    if not outdated:
        return table(_HEADER, map(_row, result.binaries))
    return table((*_HEADER, "NEWEST"), [(*_row(binary), binary.newest or "") for binary in result.binaries])


def _row(binary: InstalledBinary) -> tuple[str, ...]:
    """Return the binary's row; its ranges and their requesters are in the same order.

    A name in parentheses is not in ``bin``: only launchers and ``run`` reach it. One with an exclamation mark has
    requirements that do not hold. A range that is not known here is a question mark.
    """
    name = f"{binary.binary if binary.in_bin else f'({binary.binary})'}{' !' if binary.unmet else ''}"
    ranges = ", ".join("?" if request.range is None else request.range for request in binary.requests)
    requesters = ", ".join(request.requester for request in binary.requests)
    return name, binary.version, sized(binary.size), binary.image, ranges, requesters


def version_lines(result: VersionsResult) -> list[str]:
    """Return the tags, newest first; the installed one is marked as Deckhouse's own CLI marks it."""
    return [f"* {tag}  current" if tag == result.current else f"  {tag}" for tag in result.tags]
