"""Calls hooks: one implementation at a time, so that the plugin that fails can be named.

First-party modules are imported on use, so that a slow one costs only those who use it. Once imported they are called
like any plugin. pluggy is imported late. Opening sources and destinations is in ``schemes``.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from importlib import import_module
from types import GeneratorType
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from d8_installer.errors import ConfigError, D8Error
from d8_installer.model.value import Struct, repr_without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pluggy

FIRST_PARTY_HOOKS: Mapping[str, tuple[str, ...]] = {
    "d8_credentials": ("token", "kubeconfig"),
    "d8_checks": ("checks",),
}
"""Hook -> modules of ``d8_hooks`` that implement it. ``schemes.FIRST_PARTY`` has the modules of sources."""

_LABEL = r"([a-z0-9][a-z0-9-]*) [0-9].*"
"""How a plugin is named in messages: its distribution, its version, and perhaps its module."""
_SHOWN_CHARACTERS = 300


class Named(Protocol):
    """A record that a hook returns."""

    @property
    def name(self) -> str:
        """Return the name that the record is found by."""


Record = TypeVar("Record", bound=Named)
Result = TypeVar("Result")


class Offer(Struct, Generic[Record], frozen=True):
    """A record, and the plugin that offers it: its name and version, as messages show them."""

    plugin: str
    record: Record


class Failure(Struct, frozen=True):
    """An error, and the plugin that it came from."""

    plugin: str
    error: D8Error


class LoadedPlugin(Struct, frozen=True, kw_only=True):
    """A plugin that was imported without a fault: its objects by label, and the hooks that they implement."""

    name: str
    version: str
    objects: Mapping[str, object]
    hooks: tuple[str, ...]

    def __repr__(self) -> str:
        return repr_without(self, "objects")


class UnusablePlugin(Struct, frozen=True, kw_only=True):
    """An enabled plugin that is not called, and why. ``version`` is None if the plugin was not found.

    ``verifies`` is true if the plugin has verifiers, or may have some for all that is known.
    """

    name: str
    version: str | None
    why: str
    verifies: bool


class Loaded(Struct, frozen=True):
    """The enabled plugins, once imported: those that work and those that do not."""

    plugins: tuple[LoadedPlugin, ...] = ()
    unusable: tuple[UnusablePlugin, ...] = ()

    @property
    def objects(self) -> dict[str, object]:
        """Return every object that has hooks, by its plugin's name and version."""
        return {label: plugin for loaded in self.plugins for label, plugin in loaded.objects.items()}


class Hooks:
    """Calls the hooks of the loaded plugins and of the first-party modules."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    def implements(self, *hooks: str) -> bool:
        """Whether a loaded plugin has one of these hooks; first-party modules do not count."""
        return any(set(hooks) & set(plugin.hooks) for plugin in self.loaded.plugins)

    def records(
        self,
        hook: str,
        kind: type[Record],
        facts: Mapping[str, object] | None = None,
        report: Callable[[D8Error], None] | None = None,
    ) -> list[Offer[Record]]:
        """Return the records of *hook*, sorted by name.

        A failure is a ConfigError. With *report*, failures are passed to it instead, and the other plugins still count.
        """
        found = collect(self._caller(hook), kind, facts, report)
        return [found[name] for name in sorted(found)]

    def call(self, hook: str, facts: Mapping[str, object]) -> Iterable[Failure]:
        """Call a hook that returns nothing, plugin by plugin. Yield each failure before the next plugin is called."""
        for implementation in _in_order(self._caller(hook)):
            try:
                _call(hook, implementation, facts)
            except D8Error as error:
                yield Failure(implementation.plugin_name, error)

    def _caller(self, hook: str) -> pluggy.HookCaller:
        modules = (f"d8_hooks.{module}" for module in FIRST_PARTY_HOOKS.get(hook, ()))
        first_party = {name: import_module(name) for name in modules}
        caller: pluggy.HookCaller = getattr(new_manager({**first_party, **self.loaded.objects}).hook, hook)
        return caller


def new_manager(plugins: Mapping[str, object]) -> pluggy.PluginManager:
    """Return a manager with our hookspecs and *plugins*. A plugin with an unknown hook is a ConfigError."""
    import pluggy

    from d8_installer.plugin import hookspec

    manager = pluggy.PluginManager(hookspec.PROJECT)
    manager.add_hookspecs(hookspec)
    for name, plugin in plugins.items():
        try:
            manager.register(plugin, name)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise ConfigError(
                f"plugin {name} cannot be used: {_one_line(str(error))}", hint=hint_about(name), code="plugin-failed"
            ) from error
    return manager


def collect(
    hook: pluggy.HookCaller,
    kind: type[Record],
    facts: Mapping[str, object] | None = None,
    report: Callable[[D8Error], None] | None = None,
) -> dict[str, Offer[Record]]:
    """Call *hook* of every plugin and return its records by name. All must be of *kind*; *facts* are the arguments.

    A plugin that fails, or offers a name that another one offers, is a ConfigError that names it. With *report*, the
    error is passed to it instead, and the other plugins still count.
    """
    found: dict[str, Offer[Record]] = {}
    for implementation in _in_order(hook):
        try:
            records = _checked(hook.name, implementation, kind, _call(hook.name, implementation, facts or {}))
            _refuse_same_name(hook.name, found, implementation.plugin_name, records)
        except D8Error as error:
            if report is None:
                raise
            report(error)
            continue
        found |= {record.name: Offer(implementation.plugin_name, record) for record in records}
    return found


def hint_about(label: str) -> str:
    """Return what to type if the plugin *label*, as messages name it, fails."""
    return f"go on without plugins by --no-plugins, or disable it: {_to_disable(label)}"


def _to_disable(label: str) -> str:
    import re

    named = re.fullmatch(_LABEL, label)
    return f"`d8-installer plugins disable {named[1] if named else 'NAME'}`"


def guarded(
    plugin: str, what: str, action: Callable[[], Result], *, secret: bool = False, keep_stdout: bool = False
) -> Result:
    """Run code of a plugin. A D8Error passes; any other exception becomes a ConfigError that names *plugin*.

    What the code prints goes to stderr, since stdout is data, unless *keep_stdout*. With *secret*, the exception's text
    is not shown.
    """
    try:
        with contextlib.nullcontext() if keep_stdout else _stdout_to_stderr:
            return action()
    except D8Error:
        raise
    except BaseException as error:
        if _ends_the_command(error):
            raise
        text = "" if secret else f": {_text_of(error)}"
        raise ConfigError(
            f"plugin {plugin} failed in {what}: {type(error).__name__}{text}",
            hint=hint_about(plugin),
            code="plugin-failed",
        ) from (None if secret else error)


def failure_in(loaded: Loaded, error: Exception) -> ConfigError | None:
    """Return the ConfigError that names the plugin in whose module *error* was raised; None if no plugin's was.

    What a source or a body of a plugin does is called everywhere, so that no one place can guard it.
    """
    from inspect import ismodule
    from traceback import walk_tb

    packages = {}
    for label, plugin in loaded.objects.items():
        module = plugin.__name__ if ismodule(plugin) else getattr(plugin, "__module__", type(plugin).__module__)
        packages[module.partition(".")[0]] = label
    packages = {name: label for name, label in packages.items() if name not in sys.stdlib_module_names}
    frames = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    for label in (packages[name] for name in reversed(frames) if name in packages):
        return ConfigError(
            f"plugin {label} failed: {type(error).__name__}: {_text_of(error)}",
            hint=hint_about(label),
            code="plugin-failed",
        )
    return None


class _StdoutToStderr:
    """Sends what is printed to stderr while code of any plugin runs, in any thread.

    ``contextlib.redirect_stdout`` restores what it found. If two threads overlapped, the later one would restore
    stderr as stdout.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._stdout = sys.stdout

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._stdout, sys.stdout = sys.stdout, sys.stderr
            self._inside += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                sys.stdout = self._stdout


_stdout_to_stderr = _StdoutToStderr()
"""One for the whole process, because there is one ``sys.stdout``."""


def _text_of(error: BaseException) -> str:
    """Return the text of a plugin's exception. ``__str__`` is the plugin's code, so it may fail as well."""
    try:
        return _one_line(str(error))
    except BaseException as worse:
        if _ends_the_command(worse):
            raise
        return "it cannot say why"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_SHOWN_CHARACTERS]


def _ends_the_command(error: BaseException) -> bool:
    """Whether *error* is Ctrl-C or a signal that ends the command, rather than a failure of the plugin."""
    return isinstance(error, KeyboardInterrupt)


def _in_order(hook: pluggy.HookCaller) -> list[pluggy.HookImpl]:
    return sorted(hook.get_hookimpls(), key=lambda implementation: implementation.plugin_name)


def _call(hook: str, implementation: pluggy.HookImpl, facts: Mapping[str, object]) -> object:
    """Call one implementation alone: an exception from pluggy's own loop does not name the plugin."""
    arguments = [facts[name] for name in implementation.argnames]
    return guarded(implementation.plugin_name, hook, lambda: implementation.function(*arguments))


def _checked(hook: str, implementation: pluggy.HookImpl, kind: type[Record], answer: object) -> list[Record]:
    if not isinstance(answer, list):
        wrong = "a generator" if isinstance(answer, GeneratorType) else type(answer).__name__
    elif others := sorted({type(record).__name__ for record in answer if not isinstance(record, kind)}):
        wrong = f"a list with {', '.join(others)} in it"
    elif not all(isinstance(record.name, str) and record.name for record in answer):
        wrong = "one with a name that is not text"
    else:
        return answer
    raise ConfigError(
        f"plugin {implementation.plugin_name} failed in {hook}: it must return a list of {kind.__name__}, not {wrong}",
        hint=hint_about(implementation.plugin_name),
        code="plugin-failed",
    )


def _refuse_same_name(hook: str, found: Mapping[str, Offer[Record]], plugin: str, records: Iterable[Record]) -> None:
    names = set()
    for record in records:
        other = plugin if record.name in names else found[record.name].plugin if record.name in found else None
        if other is not None:
            raise ConfigError(
                f"{hook}: {record.name!r} is offered by both {other} and {plugin}",
                hint=f"disable one of them: {' or '.join(dict.fromkeys(map(_to_disable, (other, plugin))))}",
                code="plugins-disagree",
            )
        names.add(record.name)
