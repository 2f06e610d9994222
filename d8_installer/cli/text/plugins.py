"""Plugins, their manifests, and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.text.table import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.ops.config import Settings
    from d8_installer.ops.manifest import ManifestResult
    from d8_installer.ops.plugins import PluginRow, PluginsResult

_MANY = 4


def plugin_lines(result: PluginsResult) -> list[str]:
    """Return the table of manifests and that of plugins with code."""
    manifests = [(m.name, m.version, m.manager, _few(m.images), m.why or m.environment) for m in result.manifests]
    coded = [(row.name, row.version or "-", _hooks(row), _state(row)) for row in result.rows]
    lines = table(("PLUGIN", "VERSION", "FOUND BY", "IMAGES", "WHERE"), manifests) if manifests else []
    if coded:
        lines += [*([""] if lines else []), *table(("WITH CODE", "VERSION", "HOOKS", "STATE"), coded)]
    return lines or ["no plugins"]


def changed_line(result: PluginsResult) -> str:
    """Return what became of the plugin that was enabled or disabled."""
    (row,) = result.rows
    verb = "is already" if not result.changed else "would be" if result.dry_run else "is now"
    return f"{row.name} {verb} {row.state}"


def _hooks(row: PluginRow) -> str:
    return "-" if row.hooks is None else ",".join(hook.removeprefix("d8_") for hook in row.hooks)


def _state(row: PluginRow) -> str:
    if row.state == "not found":
        return "enabled, not found"
    return row.state if row.why is None else f"{row.state}: {row.why}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")


def manifest_lines(result: ManifestResult) -> list[str]:
    """Return the file, and its images with their ranges and binaries."""
    lines = [_manifest(result)]
    for request, version in result.images:
        binaries = ", ".join(binary for binary, _ in request.binaries)
        lines.append(f"  {request.name} {request.version.text}{f' -> {version}' if version else ''}: {binaries}")
    return lines


def _manifest(result: ManifestResult) -> str:
    if result.changed:
        return f"{'would write' if result.dry_run else 'wrote'} {result.file}"
    return f"{result.file} is a manifest"


def written_lines(result: Settings) -> list[str]:
    """Return the line about the file that was written, or that has the value already."""
    if not result.changed:
        return [f"nothing to do: {result.file} says so already"]
    return [f"{'would write' if result.dry_run else 'wrote'} {result.file}"]


def setting_lines(result: Settings) -> list[str]:
    """Return the value of one setting, or every setting with its value."""
    if result.key is not None:
        return [_value(result.values[result.key])]
    return [f"{key} = {_value(value)}" for key, value in result.values.items()]


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={owner}" for key, owner in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
