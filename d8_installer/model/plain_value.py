"""``Struct`` without msgspec: the same class definitions, made by dataclasses. Only ``value`` imports it.

It is for platforms without a wheel of msgspec. Definitions and instances take longer; the behaviour is the same.
"""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, replace
from typing import Any, cast

__all__ = ["Struct", "asdict", "field", "replace"]

_OPTIONS = ("frozen", "order")


class _Meta(type):
    """Makes a dataclass of each subclass. ``frozen`` and ``order`` are inherited; ``kw_only`` is for its own fields."""

    _options: dict[str, bool]
    __struct_fields__: tuple[str, ...]

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: bool) -> _Meta:
        """Define the class, then let dataclasses add what a record needs."""
        made = super().__new__(cls, name, bases, namespace)
        inherited = getattr(made, "_options", dict.fromkeys(_OPTIONS, False))
        made._options = {option: options.get(option, inherited[option]) for option in _OPTIONS}
        if not bases:  # Struct itself: a frozen dataclass cannot inherit from one that is not frozen
            made.__struct_fields__ = ()
            return made
        define: Any = dataclasses.dataclass(**made._options, kw_only=options.get("kw_only", False))
        record: _Meta = define(made)
        if "__eq__" in namespace and namespace.get("__hash__") is None:
            record.__hash__ = None  # type: ignore[assignment]  # dataclasses would make one for a frozen class
        record.__struct_fields__ = tuple(each.name for each in dataclasses.fields(cast("Any", record)))
        return record

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **_options: bool) -> None:
        super().__init__(name, bases, namespace)


class Struct(metaclass=_Meta):
    """A record; see ``msgspec.Struct``."""


def field(**options: Any) -> Any:
    """Return the definition of a field: ``default`` or ``default_factory``."""
    return dataclasses.field(**options)
