"""The kind of value that every floor uses: an immutable record with named fields, compared by what it holds.

``msgspec.Struct`` is defined in a sixtieth of a dataclass's time, and an install defines about a hundred of them. Where
no wheel of msgspec exists, ``plain_value`` stands in, with dataclasses underneath.
What the no-op ``sync`` imports uses plain classes instead (``store.paths``, ``store.stamp``, ``plugin.environments``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msgspec import Struct, field
    from msgspec.structs import asdict, replace
else:
    try:
        from msgspec import Struct, field
        from msgspec.structs import asdict, replace
    except ImportError:
        from d8_installer.model.plain_value import Struct, asdict, field, replace

__all__ = ["Struct", "asdict", "field", "field_names", "replace", "repr_without"]


def field_names(record: Struct | type[Struct]) -> tuple[str, ...]:
    """Return the names of the fields, in the order of their definition. No annotation is evaluated."""
    return record.__struct_fields__


def repr_without(value: Struct, *hidden: str) -> str:
    """Return the repr of *value* without the fields *hidden*, which hold secrets or say nothing to a reader."""
    shown = (f"{name}={getattr(value, name)!r}" for name in field_names(value) if name not in hidden)
    return f"{type(value).__name__}({', '.join(shown)})"
