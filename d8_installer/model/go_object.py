"""An object of a JSON document as Go's ``encoding/json`` decodes it into a struct.

Names match in upper and lower case, unknown names are ignored, ``null`` changes nothing, and a name that stands there
in several spellings is read in the order of its spellings: a list or a text is replaced, an object is added to
(rpp.md §5.2; ``sigs.k8s.io/yaml`` sorts the names first).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping


class GoObject(Struct, frozen=True):
    """One object, or several that Go reads into the same struct, in their order. ``path`` leads there."""

    layers: tuple[Mapping[str, object], ...]
    path: str = ""

    @classmethod
    def of(cls, document: object, word: str) -> GoObject:
        """Return a whole document, which may be null; anything but an object is a DocumentError that names *word*."""
        if document is None:
            return cls(())
        if not isinstance(document, dict):
            raise DocumentError(f"{word} must be an object, and is {_kind(document)}")
        return cls((document,))

    def text(self, name: str) -> str:
        """Return the text *name*, empty if it is missing. Half of a surrogate pair becomes U+FFFD."""
        found = ""
        for value in self._values(name):
            if value is not None and not isinstance(value, str):
                self._fail(name, f"must be text, and is {_kind(value)}")
            found = found if value is None else value
        return found if found.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", found)

    def inner(self, name: str, form: str = "an object") -> GoObject:
        """Return the object *name*, empty if it is missing; *form* says in an error what it must be."""
        layers = []
        for value in self._values(name):
            if value is not None and not isinstance(value, dict):
                self._fail(name, f"must be {form}, and is {_kind(value)}")
            layers += [value] if value else []
        return GoObject(tuple(layers), self._path(name))

    def entries(self, name: str) -> tuple[GoObject, ...]:
        """Return the objects of the list *name*, none if it is missing. A null in the list is an empty object."""
        found: tuple[GoObject, ...] = ()
        for value in self._values(name):
            if value is not None and not isinstance(value, list):
                self._fail(name, f"must be a list, and is {_kind(value)}")
            found = tuple(self._entry(entry, f"{name}[{number}]") for number, entry in enumerate(value or ()))
        return found

    def _entry(self, entry: object, name: str) -> GoObject:
        if entry is not None and not isinstance(entry, dict):
            self._fail(name, f"must be an object, and is {_kind(entry)}")
        return GoObject((entry,) if entry else (), self._path(name))

    def _values(self, name: str) -> list[object]:
        folded = name.lower()
        return [layer[key] for layer in self.layers for key in sorted(layer) if key == name or _is_folded(key, folded)]

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _fail(self, name: str, problem: str) -> NoReturn:
        raise DocumentError(problem, key=self._path(name))


def _is_folded(key: str, folded: str) -> bool:
    # casefold() makes two letters of some, which Go does not.
    return len(key) == len(folded) and key.casefold() == folded


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    kinds = {str: "text", list: "a list", dict: "an object"}
    return next((word for kind, word in kinds.items() if isinstance(value, kind)), "null")
