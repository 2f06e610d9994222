"""Reads the values of a kubeconfig with their types. An error names file and key, and never quotes a value."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, NoReturn

from d8_installer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HINT = "correct the kubeconfig: `kubectl config view` reads it too"


class Entry:
    """A mapping of a kubeconfig. ``where`` names its file and key in errors; a missing key and null are the same."""

    def __init__(self, values: Mapping[object, object], where: str) -> None:
        self._values = values
        self.where = where

    @classmethod
    def of(cls, value: object, where: str) -> Entry:
        """Return *value* as an entry; null is an empty one, anything but a mapping a ConfigError."""
        if value is None:
            return cls({}, where)
        if not isinstance(value, dict):
            raise ConfigError(f"{where.removesuffix(': ')} is not a mapping", hint=_HINT, code="bad-kubeconfig")
        return cls(value, where)

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are text."""
        return tuple(key for key in self._values if isinstance(key, str))

    def text(self, key: str) -> str:
        """Return the text at *key*, ``""`` if there is none."""
        value = self._values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse(key, "is not text: put it into quotes")
        if "\0" in value:
            self.refuse(key, "has a NUL character")
        return value

    def required(self, key: str) -> str:
        """Return the text at *key*, which must not be empty."""
        return self.text(key) or self.refuse(key, "is missing")

    def flag(self, key: str) -> bool:
        """Return the truth value at *key*, False if there is none."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, bool):
            self.refuse(key, "is neither true nor false")
        return bool(value)

    def data(self, key: str) -> bytes | None:
        """Return the bytes of the base64 text at *key*, None if there is none. As in Go, line ends are skipped."""
        text = self.text(key).replace("\r", "").replace("\n", "")
        try:
            return base64.b64decode(text, validate=True) or None
        except (binascii.Error, ValueError):
            self.refuse(key, "is not base64")

    def table(self, key: str) -> Entry | None:
        """Return the mapping at *key*, None if there is none."""
        value = self._values.get(key)
        return None if value is None else Entry.of(value, self._of(key))

    def entries(self, key: str) -> Iterator[Entry]:
        """Yield the mappings in the list at *key*."""
        for number, value in enumerate(self._list(key)):
            yield Entry.of(value, f"{self._of(key)}[{number}]")

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts in the list at *key*."""
        values = self._list(key)
        if not all(isinstance(value, str) and "\0" not in value for value in values):
            self.refuse(key, "is not a list of texts: put each into quotes")
        return tuple(map(str, values))

    def raw(self, key: str) -> object:
        """Return the value at *key* as it is."""
        return self._values.get(key)

    def _list(self, key: str) -> list[object]:
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(key, "is not a list")
        return value

    def refuse(self, key: str, why: str, hint: str = _HINT) -> NoReturn:
        """Raise the ConfigError that says what is wrong with the value at *key*."""
        raise ConfigError(f"{self._of(key)} {why}", hint=hint, code="bad-kubeconfig")

    def _of(self, key: str) -> str:
        return f"{self.where}{key}" if self.where.endswith(" ") else f"{self.where}.{key}"
