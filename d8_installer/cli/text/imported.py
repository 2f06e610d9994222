"""The lines of ``import d8``: one for each plugin of the Go tool, then what changed."""

from __future__ import annotations

from d8_installer.cli.text.changes import change_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from d8_installer.ops.import_d8 import Imported, Takeover


def import_lines(result: Imported) -> list[str]:
    """Return the lines."""
    lines = [_line(plugin, dry_run=result.dry_run) for plugin in result.plugins]
    return lines if result.applied is None else [*lines, *change_lines(result.applied)]


def _line(plugin: Takeover, *, dry_run: bool) -> str:
    if plugin.fate == "left":
        return f"{plugin.name}: left to d8, because {plugin.why}"
    what = "in place already" if plugin.fate == "present" else "would be taken over" if dry_run else "taken over"
    return f"{plugin.name} {plugin.version}: {what}"
