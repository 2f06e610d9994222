"""Imports the enabled plugins, one by one, so that a plugin that fails is named and does not stop the others."""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from importlib import import_module
from inspect import isroutine
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error
from d8_installer.plugin.calling import Loaded, LoadedPlugin, UnusablePlugin, guarded, new_manager
from d8_installer.plugin.dist_info import HOOKS, VERIFIERS, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from d8_installer.plugin.dist_info import Distribution

_VALUE = r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\s*:\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*))?\s*(?:\[.*\])?"
"""The value of an entry point: ``MODULE`` or ``MODULE:NAME``, perhaps with extras (PyPA entry points specification)."""
_VERIFY = "d8_verifiers"


def load(enabled: Iterable[str], found: Mapping[str, Distribution], known: Mapping[str, bool] | None = None) -> Loaded:
    """Import the *enabled* plugins among the distributions *found* (by name). Return those that work and the others.

    *known* tells of plugins that were loaded before whether they verify images. A plugin that is not found, or whose
    distribution has a problem, counts as a verifier unless it is known not to be one.
    """
    plugins, unusable = [], []
    may_verify = known or {}
    for name in sorted(set(map(normalised, enabled))):
        distribution = found.get(name)
        if distribution is None:
            why = "it is enabled, and not installed in d8-installer's own environment"
            unusable.append(UnusablePlugin(name=name, version=None, why=why, verifies=may_verify.get(name, True)))
            continue
        verifies = VERIFIERS in distribution.groups or may_verify.get(name, bool(distribution.problem))
        if distribution.problem:
            why = f"{distribution.directory} {distribution.problem}"
            unusable.append(UnusablePlugin(name=name, version=distribution.version, why=why, verifies=verifies))
            continue
        try:
            plugins.append(_load_one(distribution))
        except D8Error as error:
            unusable.append(
                UnusablePlugin(name=name, version=distribution.version, why=error.message, verifies=verifies)
            )
    return Loaded(tuple(plugins), tuple(unusable))


def isolate_sys_path(directory: str) -> None:
    """Remove the script's and the working *directory*, and the entries of PYTHONPATH, from ``sys.path`` for good.

    Plugins and their imports then come from d8-installer's own environment only.
    """
    libraries = {os.path.realpath(entry) for entry in sys.path if "-packages" in os.path.basename(entry)}
    chosen = {os.path.realpath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    first = {os.path.realpath(directory), os.path.realpath(os.path.dirname(os.path.realpath(sys.argv[0])))}
    if not sys.flags.safe_path and sys.path and os.path.realpath(sys.path[0]) in first - libraries:
        del sys.path[0]
    if not sys.flags.ignore_environment:
        sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) not in chosen - libraries]


def examine(label: str, plugin: object) -> tuple[str, ...]:
    """Return the names of the hooks that *plugin* implements.

    Raise ConfigError for a misspelt hook, a missing ``@hookimpl``, a hook wrapper, or a plugin without any hook.
    """
    _refuse_unknown_hooks(label, plugin)
    manager = new_manager({label: plugin})
    callers = manager.get_hookcallers(plugin) or []
    for caller in callers:
        if any(implementation.hookwrapper or implementation.wrapper for implementation in caller.get_hookimpls()):
            raise _unfit(label, f"{caller.name} is a hook wrapper, and hooks are called one by one")
    for name in dir(plugin):
        value = getattr(plugin, name, None) if name.startswith("d8_") else None
        if isroutine(value) and manager.parse_hookimpl_opts(plugin, name) is None:
            raise _unfit(label, f"{name} looks like a hook and is not marked @hookimpl")
    if not callers:
        raise _unfit(label, "it implements no hook")
    return tuple(sorted(caller.name for caller in callers))


def _refuse_unknown_hooks(label: str, plugin: object) -> None:
    """Say in our words what pluggy says in its own: which hook or argument is not there, and what may be meant."""
    from inspect import signature

    import pluggy

    from d8_installer.plugin import hookspec

    manager = pluggy.PluginManager(hookspec.PROJECT)
    specs = {name: getattr(hookspec, name) for name in dir(hookspec) if name.startswith("d8_")}
    for name in dir(plugin):
        if not name.startswith("d8_") or manager.parse_hookimpl_opts(plugin, name) is None:
            continue
        if name not in specs:
            raise _unfit(label, f"{name} is not a hook{_meant(name, specs)}")
        known = signature(specs[name]).parameters
        for argument in signature(getattr(plugin, name)).parameters:
            if argument not in known and argument != "self":
                takes = f"takes {', '.join(known)}" if known else "takes no argument"
                raise _unfit(label, f"{name} has the argument {argument}, and that hook {takes}")


def _meant(name: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {near[0]}?" if near else ""


def _load_one(distribution: Distribution) -> LoadedPlugin:
    """Import the modules that the distribution names, and examine them. Raise ConfigError if one does not fit."""
    title = f"{distribution.name} {distribution.version}"
    values = dict.fromkeys(
        value for group in (HOOKS, VERIFIERS) for value in distribution.groups.get(group, {}).values()
    )
    objects: dict[str, object] = {}
    hooks: set[str] = set()
    for value in values:
        plugin = _imported(title, value)
        if any(plugin is one for one in objects.values()):
            continue
        label = title if not objects else f"{title} ({value})"
        hooks |= set(examine(label, plugin))
        objects[label] = plugin
    if _VERIFY in hooks and VERIFIERS not in distribution.groups:
        raise _unfit(title, f"it has verifiers, and must name itself in entry point group {VERIFIERS} too")
    if VERIFIERS in distribution.groups and _VERIFY not in hooks:
        raise _unfit(title, f"it is in entry point group {VERIFIERS}, and implements no {_VERIFY}")
    return LoadedPlugin(
        name=distribution.name, version=distribution.version, objects=objects, hooks=tuple(sorted(hooks))
    )


def _imported(title: str, value: str) -> object:
    match = re.fullmatch(_VALUE, value)
    if match is None:
        raise _unfit(title, f"its entry point {value[:100]!r} is not MODULE or MODULE:NAME")
    found: object = guarded(title, "its import", lambda: import_module(match[1]))
    for name in match[2].split(".") if match[2] else ():
        found = guarded(title, "its import", partial(getattr, found, name))
    return found


def _unfit(title: str, why: str) -> D8Error:
    from d8_installer.errors import ConfigError

    return ConfigError(f"plugin {title} cannot be used: {why}", hint="tell its author", code="plugin-failed")
