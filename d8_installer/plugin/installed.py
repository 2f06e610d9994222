"""The tool's own environment: which distributions in it have hooks. Reads text; imports nothing of them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import d8_installer
from d8_installer.plugin.discovery import scan
from d8_installer.plugin.dist_info import HOOKS, VERIFIERS
from d8_installer.plugin.environments import Environment, libraries_of

if TYPE_CHECKING:
    from d8_installer.plugin.dist_info import Distribution

OWN = "d8-installer's own"


def distributions_with_hooks() -> dict[str, Distribution]:
    """Return the distributions of the tool's own environment that have hooks, by name.

    That is the libraries of ``sys.prefix``, and the one that this package was installed into (a user site); of two the
    first on ``sys.path`` counts. One that does not count as its own (``problem``) is returned where no other does.
    """
    libraries = dict.fromkeys(map(os.path.realpath, (*libraries_of(sys.prefix), *_ours())))
    found: dict[str, Distribution] = {}
    for distribution in scan([Environment(sys.prefix, OWN, tuple(libraries))]).distributions:
        known = found.get(distribution.name)
        if {HOOKS, VERIFIERS} & distribution.groups.keys() and (
            known is None or (known.problem and not distribution.problem)
        ):
            found[distribution.name] = distribution
    return found


def _ours() -> list[str]:
    library = os.path.dirname(os.path.dirname(os.path.abspath(d8_installer.__file__)))
    return [library] if os.path.basename(library) in {"site-packages", "dist-packages"} else []
