"""Finds the plugins in environments. Reads text: no other Python starts, and nothing of a plugin is imported.

A plugin is a distribution that names its manifest in ``entry_points.txt``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct
from d8_installer.plugin.dist_info import MANIFESTS, read_distribution
from d8_installer.plugin.dist_ownership import with_problems
from d8_installer.plugin.shipped_manifest import TELL_THE_AUTHOR, read_manifest, refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.model.manifest import Manifest
    from d8_installer.plugin.dist_info import Distribution
    from d8_installer.plugin.environments import Environment


class DiscoveredPlugin(Struct, frozen=True, kw_only=True):
    """A plugin, its manifest, and the manifest's file. ``editable``: no RECORD vouches for the manifest."""

    distribution: Distribution
    file: str
    manifest: Manifest
    editable: bool = False

    @property
    def name(self) -> str:
        """Return the requester's name."""
        return self.distribution.name


class BrokenPlugin(Struct, frozen=True):
    """A plugin that ships a manifest which does not count, and why."""

    distribution: Distribution
    error: DocumentError


class Scan(Struct, frozen=True):
    """What the environments hold, in their order. ``distributions`` are all that have one of our groups."""

    distributions: tuple[Distribution, ...] = ()
    plugins: tuple[DiscoveredPlugin, ...] = ()
    broken: tuple[BrokenPlugin, ...] = ()


def scan(found: Iterable[Environment]) -> Scan:
    """Read every environment. What cannot be read is not a plugin; a plugin that does not count is ``broken``."""
    distributions, plugins, broken = [], list[DiscoveredPlugin](), list[BrokenPlugin]()
    for environment in found:
        for distribution in _distributions(environment):
            distributions.append(distribution)
            if MANIFESTS in distribution.groups:
                plugin = _read(distribution)
                if isinstance(plugin, BrokenPlugin):
                    broken.append(plugin)
                else:
                    plugins.append(plugin)
    return Scan(tuple(distributions), tuple(plugins), tuple(broken))


def _read(distribution: Distribution) -> DiscoveredPlugin | BrokenPlugin:
    try:
        shipped = read_manifest(distribution)
    except DocumentError as error:
        return BrokenPlugin(distribution, error.within(hint=error.hint or TELL_THE_AUTHOR))
    except (OSError, ValueError, RecursionError) as error:
        problem = f"cannot be read: {type(error).__name__}: {str(error)[:200]}"
        return BrokenPlugin(distribution, refused(distribution.directory, problem))
    return DiscoveredPlugin(
        distribution=distribution, file=shipped.file, manifest=shipped.manifest, editable=shipped.is_editable
    )


def _distributions(environment: Environment) -> list[Distribution]:
    """Return the environment's distributions with our groups; of one name in several libraries, the first that counts.

    The libraries are in the order of the environment's ``sys.path``, so Python would import that one.
    """
    found, directories = [], []
    for library in environment.libraries:
        for directory in _dist_infos(library):
            directories.append(directory)
            distribution = read_distribution(environment, library, directory)
            if distribution is not None:
                found.append(distribution)
    if not found:
        return []
    judged = with_problems(found, directories)
    first: dict[str, str] = {}
    for distribution in judged:
        if not distribution.problem:
            first.setdefault(distribution.name, distribution.library)
    return [d for d in judged if d.problem or first[d.name] == d.library]


def _dist_infos(library: str) -> list[str]:
    try:
        names = os.listdir(library)
    except OSError:
        return []
    base = os.path.join(library, "")
    return [base + name for name in sorted(names) if name.endswith(".dist-info")]
