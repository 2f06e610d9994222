"""What a group is, and typed reads of a case's ``input``; no group's own rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Input = Mapping[str, object]
Output = dict[str, object]
Group = Callable[[Input], Output]
"""One group's adapter: from a case's ``input`` to the shape of its ``expected``."""


def text_of(values: Input, key: str) -> str:
    """Return the text under the key; raise TypeError if it is anything else."""
    value = values[key]
    if not isinstance(value, str):
        raise TypeError(f"{key}: want text, got {value!r}")
    return value


def texts_of(values: Input, key: str) -> list[str]:
    """Return the list of texts under the key; raise TypeError if it is anything else."""
    value = values[key]
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise TypeError(f"{key}: want a list of texts, got {value!r}")
    return value
