"""Changes to a wheel's metadata: ``entry_points.txt``, ``METADATA`` and ``WHEEL``, as bytes. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.plugin.dist_info import HOOKS, VERIFIERS, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OURSELVES = "d8-installer"
"""The distribution's name, and the requirement that thin mode adds."""

CONSOLE = "console_scripts"
GUI = "gui_scripts"
LAUNCH = "d8_installer.launch:console"
"""The function of a console script that stands in for a launcher."""

EntryPoints = dict[str, dict[str, str]]
_REQUIREMENT = re.compile(rb"requires-dist:\s*([A-Za-z0-9._-]+)(.*)", re.IGNORECASE | re.DOTALL)
_VALUE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*:\s*([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})", re.ASCII)


def parse_entry_points(raw: bytes, file: str) -> EntryPoints:
    """Return the entries (name to value) by group; a line outside of the specification is a DocumentError."""
    groups: EntryPoints = {}
    current: dict[str, str] | None = None
    for number, line in enumerate(map(str.strip, raw.decode("utf-8", "replace").splitlines()), 1):
        if not line or line[0] in "#;":
            continue
        if line.startswith("[") and line.endswith("]"):
            current = groups.setdefault(line[1:-1].strip(), {})
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if current is None or not equals or current.setdefault(name, value) != value:
            raise DocumentError(
                "is not an entry of a group, or has the name of another entry",
                file=file,
                line=number,
                hint=_AGAIN,
                code="bad-wheel",
            )
    return groups


_AGAIN = "correct the project's entry points, then build the wheel again"


def render_entry_points(groups: EntryPoints) -> bytes:
    """Return the text, with sorted groups and entries, without empty groups."""
    blocks = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in sorted(entries.items())), ""])
        for group, entries in sorted(groups.items())
        if entries
    ]
    return "\n".join(blocks).encode()


def holds_hooks(groups: Mapping[str, object]) -> bool:
    """Whether the wheel ships code that imports ``d8_installer``."""
    return bool(groups.get(HOOKS) or groups.get(VERIFIERS))


def manifest_path(value: str, file: str) -> str:
    """Return the path in the wheel for an entry point's value (``pkg.sub:d8.toml``)."""
    match = _VALUE.fullmatch(value)
    if match is None:
        raise DocumentError(
            f"{value[:100]!r} is not PACKAGE:FILE", file=file, hint="such as d8_plug_vault:d8.toml", code="bad-wheel"
        )
    return f"{match[1].replace('.', '/')}/{match[2]}"


def manifest_value(path: str) -> str:
    """Return the entry point's value for a manifest at *path* in the wheel; DocumentError if it cannot have one."""
    package, _, name = path.rpartition("/")
    value = f"{package.replace('/', '.')}:{name}"
    if _VALUE.fullmatch(value) is None or manifest_path(value, path) != path:
        raise DocumentError(
            "is not inside a Python package, so no entry point can name it",
            file=path[:200],
            hint="put it beside the package's __init__.py, such as d8_plug_vault/d8.toml",
            about_file=True,
            code="bad-wheel",
        )
    return value


def with_requirement(metadata: bytes) -> bytes:
    """Return METADATA that requires d8-installer. An unconditional requirement that exists is kept."""
    lines, body = _split(metadata)
    if any(name == OURSELVES and b";" not in rest for name, rest in map(_required, lines)):
        return metadata
    at = max((number for number, line in enumerate(lines, 1) if _required(line)[0]), default=len(lines))
    return _join([*lines[:at], f"Requires-Dist: {OURSELVES}".encode(), *lines[at:]], body)


def without_requirement(metadata: bytes) -> bytes:
    """Return METADATA without the line that ``with_requirement`` adds. A requirement with a range is the author's."""
    lines, body = _split(metadata)
    return _join([line for line in lines if _required(line) != (OURSELVES, b"")], body)


def _split(metadata: bytes) -> tuple[list[bytes], bytes]:
    """Return the header's fields, each with its folded lines, and the description with the empty line before it."""
    head, empty, body = metadata.replace(b"\r\n", b"\n").partition(b"\n\n")
    return re.split(rb"\n(?![ \t])", head.rstrip(b"\n")), empty + body


def _join(lines: Iterable[bytes], body: bytes) -> bytes:
    return b"\n".join(lines) + (body or b"\n")


def _required(line: bytes) -> tuple[str, bytes]:
    match = _REQUIREMENT.fullmatch(line)
    return ("", b"") if match is None else (normalised(match[1].decode("ascii")), match[2].strip())


def is_known_format(wheel: bytes) -> bool:
    """Whether WHEEL declares the first major version of the format."""
    return re.search(rb"^wheel-version:\s*1\.\d+\s*$", wheel, re.IGNORECASE | re.MULTILINE) is not None


def with_tags(wheel: bytes, tags: Iterable[str], *, pure: bool) -> bytes:
    """Return WHEEL with these tags only, and with ``Root-Is-Purelib`` for *pure*."""
    lines, _ = _split(wheel)
    changed = (b"tag:", b"root-is-purelib:")
    kept = [line for line in lines if line.strip() and not line.lower().startswith(changed)]
    purelib = f"Root-Is-Purelib: {'true' if pure else 'false'}"
    return _join([*kept, purelib.encode(), *(f"Tag: {tag}".encode() for tag in tags)], b"")
