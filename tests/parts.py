"""What tests need and is built once for each machine: in ``~/.cache/d8-installer-parts/``, outside the checkout."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FORGOTTEN = 14 * 86400
"""Seconds after which an unused part is removed."""


def place(name: str) -> Path:
    """Return the directory of the part *name*, which says by a hash what the part is made of."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache, "d8-installer-parts", name)


def built(part: Path, build: Callable[[Path], None], lock: str) -> Path:
    """Build the part if it is missing, and return it; of the processes with the same *lock*, only one builds."""
    part.parent.mkdir(parents=True, exist_ok=True)
    with (part.parent / lock).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not part.is_dir():
            build(part)
        os.utime(part)
        _remove_forgotten(part)
    return part


def _remove_forgotten(part: Path) -> None:
    for other in part.parent.iterdir():
        if other.is_dir() and other != part and time.time() - other.stat().st_mtime > _FORGOTTEN:
            shutil.rmtree(other, ignore_errors=True)
