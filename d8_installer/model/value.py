"""The kind of value that every floor uses: an immutable record with named fields, compared by its fields.

The definition of a ``msgspec.Struct`` takes a sixtieth of the time that a dataclass takes, and an install defines about
a hundred of them. On a platform without a wheel of msgspec, ``plain_value`` stands in, with dataclasses underneath. The
modules that a no-op ``sync`` imports use plain classes instead (``store.paths``, ``store.stamp``,
``plugin.environments``).
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
    """Return the repr of *value* without the fields *hidden*, which hold secrets or are of no use to a reader."""
    shown = (f"{name}={getattr(value, name)!r}" for name in field_names(value) if name not in hidden)
    return f"{type(value).__name__}({', '.join(shown)})"
