"""The line about one file that a command wrote."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class OneFile(Protocol):
        """The result of a command that writes one file."""

        @property
        def file(self) -> str | None:
            """The file's path."""

        @property
        def changed(self) -> bool:
            """Whether the file has other bytes than before, or would have in a dry run."""

        @property
        def dry_run(self) -> bool:
            """Whether nothing was written."""


def file_line(result: OneFile) -> str:
    """Return whether the file was written, would be, or has these bytes already."""
    if not result.changed:
        return f"nothing to do: {result.file} has these bytes already"
    return f"{'would write' if result.dry_run else 'wrote'} {result.file}"
