"""The distributions in d8-installer's own environment that have hooks. Reads text, and imports nothing of them."""

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

MANAGER = "d8-installer's own"
"""What messages call the manager of the environment that d8-installer runs in."""


def distributions_with_hooks() -> dict[str, Distribution]:
    """Return the distributions with hooks in d8-installer's own environment, by name.

    The environment consists of the libraries of ``sys.prefix`` and of the library that d8-installer is installed in,
    which may be a user site. Of two with the same name, the first on ``sys.path`` counts. One with a ``problem`` is
    returned only if there is no other.
    """
    libraries = dict.fromkeys(map(os.path.realpath, (*libraries_of(sys.prefix), *_own_library())))
    found: dict[str, Distribution] = {}
    for distribution in scan([Environment(sys.prefix, MANAGER, tuple(libraries))]).distributions:
        known = found.get(distribution.name)
        if {HOOKS, VERIFIERS} & distribution.groups.keys() and (
            known is None or (known.problem and not distribution.problem)
        ):
            found[distribution.name] = distribution
    return found


def _own_library() -> list[str]:
    library = os.path.dirname(os.path.dirname(os.path.abspath(d8_installer.__file__)))
    return [library] if os.path.basename(library) in {"site-packages", "dist-packages"} else []
