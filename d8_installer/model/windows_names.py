"""Names that no file on Windows can have (Microsoft, "Naming Files, Paths, and Namespaces").

They are refused where they are written down, on every system: in a manifest, by ``publish`` and by ``wheel``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.reference import is_device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FORBIDDEN = frozenset([*'<>:"/\\|?*', *map(chr, range(32))])


def windows_fault(name: str) -> str:
    """Return what is wrong with *name* for a file on Windows, as the end of a clause, or ``""``."""
    if is_device(name):
        return "is a device name on Windows"
    if name.endswith((".", " ")):
        return "ends with a dot or a space, which Windows leaves out"
    wrong = next((one for one in name if one in _FORBIDDEN), None)
    return "" if wrong is None else f"has {wrong!r}, which no file name on Windows can have"


def clashes(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each of *names* that Windows, which ignores case, takes for an earlier one, after that one."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.upper(), name)
        if first != name:
            yield first, name
