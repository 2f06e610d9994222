"""Kills, in this process, whatever uses ``store/fs.py``: from its n-th call on nothing happens any more.

That is what SIGKILL leaves on the disk, since the clean-up of a dying process calls ``fs`` too.
"""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from d8_installer.store import fs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class KilledError(BaseException):
    """No Exception: nobody may catch it and go on."""


_WITHOUT_DISK = frozenset(["final_name"])
"""Functions that only look at text: a process that dies there leaves what the call before it left."""


def _public() -> dict[str, Callable[..., Any]]:
    functions = inspect.getmembers(fs, inspect.isfunction)
    named = {name: call for name, call in functions if call.__module__ == fs.__name__ and not name.startswith("_")}
    return {name: call for name, call in named.items() if name not in _WITHOUT_DISK}


@contextlib.contextmanager
def killed_at(number: int) -> Iterator[list[str]]:
    """Let the *number*-th call (from 1) and all later ones raise KilledError, which ends here; yields the calls."""
    called: list[str] = []

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            called.append(name)
            if len(called) >= number:
                raise KilledError(name)
            return call(*arguments, **named)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for name, call in _public().items():
            patch.setattr(fs, name, counting(name, call))
        with contextlib.suppress(KilledError):
            yield called


def every_cut(steps: Callable[[int], Iterator[list[str]]], most: int = 500) -> int:
    """Run *steps* for the first call, the second and so on, until nothing is cut any more; return how many cuts.

    *steps* does its work in ``killed_at`` and yields what that yields once, before it looks at what is left.
    """
    for number in range(1, most):
        called: list[str] = []
        for found in steps(number):
            called = found
        if len(called) < number:
            return number - 1
    raise AssertionError(f"still cut at call {most}")
