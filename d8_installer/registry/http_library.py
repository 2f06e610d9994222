"""Imports httpx2 and httpcore2 without two things that only cost time: about 7 ms of CPU time of a small install.

Both ask ``importlib.metadata`` for their own version, which imports zipfile, email and csv to read a directory's name;
and httpcore2 imports its backend for anyio, though an async client imports that itself when it connects. Nothing is
taken away from others in this process: whoever imports these modules later gets the real ones.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

_METADATA = "importlib.metadata"
_ASYNC_BACKEND = "httpcore2._backends.anyio"


@cache
def load() -> None:
    """Import httpx2 and httpcore2, before the first ``import httpx2`` of the process."""
    stand_ins: dict[str, ModuleType | None] = {_METADATA: _DirectoryNames(_METADATA), _ASYNC_BACKEND: None}
    added = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
    sys.modules.update(added)  # type: ignore[arg-type]  # None: importing the name is an ImportError
    try:
        import_module("httpx2")
        import_module("httpcore2")
    finally:
        for name, stand_in in added.items():
            if sys.modules.get(name) is stand_in:
                sys.modules.pop(name, None)


class _DirectoryNames(ModuleType):
    """``importlib.metadata`` with a quick ``version``; any other attribute is the real module's."""

    def version(self, name: str) -> str:
        """Return the version in the name of the distribution's ``.dist-info`` directory."""
        for directory in sys.path:
            with suppress(OSError):
                for entry in os.listdir(directory or os.curdir):
                    if entry.startswith(f"{name}-") and entry.endswith(".dist-info"):
                        return entry.removeprefix(f"{name}-").removesuffix(".dist-info")
        found: str = self.__getattr__("version")(name)
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system looks for __path__ and __spec__
            raise AttributeError(name)
        sys.modules.pop(_METADATA, None)
        return getattr(import_module(_METADATA), name)
