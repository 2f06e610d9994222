"""Asks hooks: one implementation at a time, so that the guilty has a name. Opens sources and destinations by URL.

First-party modules stand in tables and are imported on use, so that a slow one costs only those who use it; from then
on they are plugins as any other. Holds no state of its own; pluggy is imported late.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from d8_installer.errors import ConfigError, D8Error
from d8_installer.model.address import hides, shown
from d8_installer.model.value import Struct
from d8_installer.plugin.source_records import DestinationScheme, SourceScheme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pluggy

    from d8_installer.model.source import Destination, Source
    from d8_installer.plugin.source_records import Access

FIRST_PARTY = {
    "http": "rpp",
    "https": "rpp",
    "oci": "oci_registry",
    "oci+https": "oci_registry",
    "oci+http": "oci_registry",
    "oci-layout": "oci_layout",
    "bundle": "bundle",
}
"""Scheme -> module of ``d8_hooks`` that has it."""

_OF_FILES = ("bundle", "oci-layout")
_WRITABLE = ("oci", "oci+https", "oci+http", "oci-layout")
"""The schemes of FIRST_PARTY that ``publish`` writes to."""

PLUGIN_HINT = "go on without plugins by --no-plugins, or disable it: `d8-installer plugins disable NAME`"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):.+", re.ASCII | re.DOTALL)


class Named(Protocol):
    """A record that a hook returns."""

    @property
    def name(self) -> str:
        """What it is found by."""


Record = TypeVar("Record", bound=Named)
Result = TypeVar("Result")


class Owned(Struct, Generic[Record], frozen=True):
    """A record, and what a person calls the plugin that it is from."""

    owner: str
    record: Record


def scheme_of(url: str, known: Iterable[str] = FIRST_PARTY) -> str:
    """Return the scheme that *url* begins with; a ConfigError names the *known* ones where there is none."""
    match = _SCHEME.fullmatch(url)
    if match is None:
        raise ConfigError(f"{shown(url)!r} has no scheme", hint=_spelling(known))
    return match[1]


def scheme_of_destination(url: str) -> str:
    """As ``scheme_of``, for a place to publish to."""
    return scheme_of(url, _WRITABLE)


def open_source(url: str, access: Access, plugins: Mapping[str, object] | None = None) -> Source:
    """Open the source that *url* names; ConfigError for an unknown scheme.

    *plugins* are loaded ones that are asked too: what a person calls each (``name version``) -> it.
    """
    name = scheme_of(url)
    schemes = collect(_hooks(name, plugins or {}).hook.d8_sources, SourceScheme)
    chosen = _pick(schemes, url, "source")
    return guarded(f"the source {name!r}", "open", lambda: chosen.open(url, access))


def open_destination(url: str, access: Access, plugins: Mapping[str, object] | None = None) -> Destination:
    """Open the destination that *url* names; as ``open_source``."""
    name = scheme_of_destination(url)
    schemes = collect(_hooks(name, plugins or {}).hook.d8_destinations, DestinationScheme)
    chosen = _pick(schemes, url, "destination")
    return guarded(f"the destination {name!r}", "open", lambda: chosen.open(url, access))


def new_manager(plugins: Mapping[str, object]) -> pluggy.PluginManager:
    """Return a manager with our hookspecs and *plugins*; one with a hook that we do not know is a ConfigError."""
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
                f"plugin {name} does not fit: {' '.join(str(error).split())[:300]}", hint=PLUGIN_HINT
            ) from error
    return manager


def collect(
    hook: pluggy.HookCaller,
    kind: type[Record],
    facts: Mapping[str, object] | None = None,
    report: Callable[[D8Error], None] | None = None,
) -> dict[str, Record]:
    """Ask every plugin for the records of *hook*, all *kind*, and return them by name; as ``collect_owned``."""
    return {name: owned.record for name, owned in collect_owned(hook, kind, facts, report).items()}


def collect_owned(
    hook: pluggy.HookCaller,
    kind: type[Record],
    facts: Mapping[str, object] | None = None,
    report: Callable[[D8Error], None] | None = None,
) -> dict[str, Owned[Record]]:
    """Ask every plugin for the records of *hook*, by name, with whose each is; *facts* are the hook's arguments.

    A plugin that fails, or offers what another one offers, is a ConfigError that names the guilty; with *report* it is
    told there and the rest goes on.
    """
    found: dict[str, Owned[Record]] = {}
    for implementation in _in_order(hook):
        try:
            records = _checked(hook.name, implementation, kind, _ask(hook.name, implementation, facts or {}))
            _refuse_twins(hook.name, found, implementation.plugin_name, records)
        except D8Error as error:
            if report is None:
                raise
            report(error)
            continue
        found |= {record.name: Owned(implementation.plugin_name, record) for record in records}
    return found


def call_each(hook: pluggy.HookCaller, facts: Mapping[str, object]) -> Iterable[tuple[str, D8Error | None]]:
    """Call every implementation of a hook that returns nothing; yields whose it was and how it failed, if it did."""
    for implementation in _in_order(hook):
        try:
            _ask(hook.name, implementation, facts)
        except D8Error as error:
            yield implementation.plugin_name, error
        else:
            yield implementation.plugin_name, None


def guarded(
    owner: str, what: str, action: Callable[[], Result], *, secret: bool = False, keep_stdout: bool = False
) -> Result:
    """Run code of a plugin: a D8Error passes, anything else is a ConfigError that names *owner*.

    What it prints goes to stderr, since stdout is data, unless *keep_stdout*. *secret*: an exception's text is kept
    back.
    """
    try:
        with contextlib.nullcontext() if keep_stdout else _away_from_stdout:
            return action()
    except D8Error:
        raise
    except BaseException as error:
        if ends_the_command(error):
            raise
        said = "" if secret else f": {_text_of(error)}"
        raise ConfigError(f"plugin {owner} failed in {what}: {type(error).__name__}{said}", hint=PLUGIN_HINT) from (
            None if secret else error
        )


class _AwayFromStdout:
    """Sends what is printed to stderr while code of any plugin runs, in whichever threads.

    ``contextlib.redirect_stdout`` restores what it found: of two threads the later one would leave stderr behind.
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


_away_from_stdout = _AwayFromStdout()
"""One for the process, as ``sys.stdout`` is."""


def _text_of(error: BaseException) -> str:
    """Return what an exception of a plugin says; its own text is code of the plugin too."""
    try:
        return " ".join(str(error).split())[:300]
    except BaseException as worse:
        if ends_the_command(worse):
            raise
        return "it cannot say why"


def ends_the_command(error: BaseException) -> bool:
    """Whether *error* is Ctrl-C or a signal that ends the command, and not a failure of the plugin."""
    return isinstance(error, KeyboardInterrupt)


def _in_order(hook: pluggy.HookCaller) -> list[pluggy.HookImpl]:
    return sorted(hook.get_hookimpls(), key=lambda implementation: implementation.plugin_name)


def _ask(hook: str, implementation: pluggy.HookImpl, facts: Mapping[str, object]) -> object:
    """Call one implementation alone: an exception out of pluggy's own loop does not say whose it is."""
    arguments = [facts[name] for name in implementation.argnames]
    return guarded(implementation.plugin_name, hook, lambda: implementation.function(*arguments))


def _checked(hook: str, implementation: pluggy.HookImpl, kind: type[Record], answer: object) -> list[Record]:
    if not isinstance(answer, list):
        wrong = "a generator" if inspect.isgenerator(answer) else type(answer).__name__
    elif strangers := sorted({type(record).__name__ for record in answer if not isinstance(record, kind)}):
        wrong = f"a list with {', '.join(strangers)} in it"
    elif not all(isinstance(record.name, str) and record.name for record in answer):
        wrong = "one whose name is not text"
    else:
        return answer
    raise ConfigError(
        f"plugin {implementation.plugin_name} failed in {hook}: it must return a list of {kind.__name__}, not {wrong}",
        hint=PLUGIN_HINT,
    )


def _refuse_twins(hook: str, found: Mapping[str, Owned[Record]], owner: str, records: Iterable[Record]) -> None:
    names = set()
    for record in records:
        other = owner if record.name in names else found[record.name].owner if record.name in found else None
        if other is not None:
            raise ConfigError(
                f"{hook}: {record.name!r} is offered by both {other} and {owner}",
                hint="disable one of them: `d8-installer plugins disable NAME`",
            )
        names.add(record.name)


def _hooks(scheme: str, plugins: Mapping[str, object]) -> pluggy.PluginManager:
    module = FIRST_PARTY.get(scheme)
    ours = {} if module is None else {f"d8_hooks.{module}": import_module(f"d8_hooks.{module}")}
    return new_manager({**ours, **plugins})


def _pick(schemes: dict[str, Record], url: str, kind: str) -> Record:
    name = scheme_of(url)
    scheme = schemes.get(name)
    if scheme is None:
        # Before a colon may stand a user or a token, too.
        told = name if name.isalpha() and "@" not in url else shown(url)
        raise ConfigError(
            f"no {kind} is known for {told!r}",
            hint=_spelling({*(_WRITABLE if kind == "destination" else FIRST_PARTY), *schemes}),
        )
    if name in _OF_FILES and hides(url):
        raise ConfigError(f"{shown(url)!r} is not a path of this machine", hint=f"write {name}:PATH")
    return scheme


def _spelling(names: Iterable[str]) -> str:
    return f"write a URL that begins with one of {', '.join(f'{name}:' for name in sorted(names))}"
