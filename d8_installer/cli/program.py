"""Becoming the program that ``run`` names: its arguments as typed, and this process given over to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def verbatim(typed: argparse.Namespace) -> list[str]:
    """Return what was typed after NAME, with the ``--`` that argparse takes away from its beginning."""
    after: list[str] = typed.program_arguments
    before = typed.rest[: len(typed.rest) - len(after)]
    taken = len(before) > 1 and before[-1] == "--" and before[-2] == typed.name
    return ["--", *after] if taken else after


def execute_file(path: str, command: list[str]) -> None:
    """Replace this process; a file that the system cannot execute is an error of ours, not a traceback."""
    from d8_installer.errors import DiskError, MismatchError

    try:
        # Whoever runs a tool gives it no credentials of the proxy.
        env = {name: value for name, value in os.environ.items() if name != "D8_RPP_TOKEN"}
        os.execve(path, command, env)  # noqa: S606 - no shell is wanted
    except FileNotFoundError as error:
        raise DiskError(f"{path} is gone", hint="type `d8-installer sync`, which fetches it again") from error
    except OSError as error:
        raise MismatchError(
            f"the system cannot execute {path}: {error.strerror}", hint="see whether it is right for this machine"
        ) from error
