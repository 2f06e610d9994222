"""Find an installed program that may run now: nothing third-party is imported, and no TOML or YAML is parsed.

Every doubt ends here with None, and the long way decides: ``ops.run``. That is so for an image without an installation,
for a program that was altered, and for a contract that has to be judged.
"""

from __future__ import annotations

import json
import os

from d8_installer.fast.profile import find_profile
from d8_installer.model.checksum import ends_with_checksum
from d8_installer.model.run_gate import is_checked
from d8_installer.store import passes, status, trusted_directories
from d8_installer.store import paths as home_paths
from d8_installer.store.generation_place import GenerationPlace, place_of_wrapper
from d8_installer.store.kubeconfig_choice import KubeconfigChoice
from d8_installer.store.run_environment import environment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.fast.argv import TypedRun
    from d8_installer.store.paths import Home, ProfilePaths

_MOST_BYTES = 16 << 20
_HEX_DIGITS = 64
SKIP_VARIABLE = "D8_PLUGINS_SKIP_CLUSTER_CHECKS"


class ReadyProgram:
    """A program that may run now: the path of its file, and its environment."""

    __slots__ = ("environ", "path")

    def __init__(self, path: str, environ: dict[str, str]) -> None:
        self.path = path
        self.environ = environ


class _Run:
    """A run of one binary. *kubeconfig* is the absolute path that was typed."""

    __slots__ = ("arguments", "binary", "choice", "environ", "kubeconfig")

    def __init__(
        self,
        binary: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        choice: KubeconfigChoice,
        kubeconfig: str | None,
    ) -> None:
        self.binary = binary
        self.arguments = arguments
        self.environ = environ
        self.choice = choice
        self.kubeconfig = kubeconfig


def ready(typed: TypedRun, environ: Mapping[str, str], directory: str, now: float) -> ReadyProgram | None:
    """Return the program that ``run`` was typed for, if it is installed and passes the gate without being judged."""
    chosen = home_paths.chosen_home(typed.home, environ)
    home = home_paths.Home(chosen or home_paths.default_home(environ))
    found = find_profile(typed.profile, home, environ, directory, is_chosen=chosen is not None)
    if found is None:
        return None
    project = found.profile.project
    if project is not None and trusted_directories.foreign_owner_of_project(project, environ) is not None:
        return None
    number = _active(found.paths)
    if number is None:
        return None
    place = GenerationPlace(home, found.paths, number, found.bin, home_paths.settings_file(home, chosen, environ))
    choice = KubeconfigChoice.of(typed.kubeconfig, typed.context, environ, directory)
    kubeconfig = choice.files[0] if typed.kubeconfig else None
    return _program(place, _Run(typed.name, typed.arguments, environ, choice, kubeconfig), now)


def gated(words: Sequence[str], environ: Mapping[str, str], directory: str, now: float) -> ReadyProgram | None:
    """Return the program of a gated wrapper's call: the wrapper's DIRECTORY, the BINARY and its arguments."""
    if len(words) < 2:
        return None
    place = place_of_wrapper(words[0], environ)
    if place is None:
        return None
    choice = KubeconfigChoice.of(None, None, environ, directory)
    return _program(place, _Run(words[1], words[2:], environ, choice, None), now)


# -- the generation --------------------------------------------------------------------------------------------


def _active(paths: ProfilePaths) -> int | None:
    """Return the number of the active generation, or None if ``current`` is not a link to one."""
    try:
        above, _, number = os.readlink(paths.current).partition("/")
    except OSError:
        return None
    return int(number) if above == "generations" and number.isdecimal() else None


def _program(place: GenerationPlace, run: _Run, now: float) -> ReadyProgram | None:
    entry = _entry(place, run.binary)
    digest = _text(entry, "digest").removeprefix("sha256:")
    size = entry.get("size")
    if not entry or len(digest) != _HEX_DIGITS or digest.strip("0123456789abcdef") or not isinstance(size, int):
        return None
    directory = place.home.executables(digest)
    path = place.home.executable(digest, run.binary)
    is_foreign = trusted_directories.foreign_owner_of_home((directory, path), place.home.root, run.environ) is not None
    if is_foreign or status.altered(path, size) is not None or not _passes(place, run, entry, now):
        return None
    wrapper = entry.get("wrapper")
    env = wrapper.get("env") if isinstance(wrapper, dict) else []
    names = [name for name in env if isinstance(name, str)] if isinstance(env, list) else []
    return ReadyProgram(path, environment_of(names, run.environ, place.bin, run.kubeconfig))


def _passes(place: GenerationPlace, run: _Run, entry: dict[str, object], now: float) -> bool:
    """Whether the run needs no judgement: nothing is to be checked, or the same run passed a moment ago."""
    if "contract" not in entry or not is_checked(run.arguments):
        return True
    if run.environ.get(SKIP_VARIABLE):
        return False
    file = passes.PassFile(place.home, place.paths, place.number, run.choice, place.settings)
    return passes.has_passed(file, run.binary, now)


def _entry(place: GenerationPlace, binary: str) -> dict[str, object]:
    """Return what the generation's record says of *binary*, or nothing if it is not sound or does not have it."""
    document = _record(place)
    entries = document.get("binaries")
    named = [one for one in entries if one.get("binary") == binary] if isinstance(entries, list) else []
    if len(named) != 1 or _schema(place.home) != b"1":  # two images can offer one name
        return {}
    entry: dict[str, object] = named[0]
    return entry


def _record(place: GenerationPlace) -> dict[str, object]:
    try:
        raw = _read(place.paths.record(place.number), _MOST_BYTES)
        if not ends_with_checksum(raw):
            return {}
        document = json.loads(raw)
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) and document.get("schema") == 1 else {}


def _schema(home: Home) -> bytes:
    try:
        return _read(home.schema, 64).strip()
    except OSError:
        return b""


def _read(path: str, limit: int) -> bytes:
    with open(path, "rb", opener=_at_once) as file:
        return file.read(limit)


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _text(entry: dict[str, object], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""
