"""Passes: which programs of a profile passed the gate, and what that rests on. The next run need not judge again.

To judge, a contract, a lock and the facts are parsed. A pass rests on files that do not change unnoticed: the number of
the generation (generations never change), the settings, the kubeconfigs and the kept facts. If one of them is another
one now, or the facts are older than five minutes, the pass does not count.

The quick way of ``run`` imports this module, so it imports little.
"""

from __future__ import annotations

import os

from d8_installer.store import kept_facts, private_document
from d8_installer.store.kept_facts import FRESH_SECONDS, SeenKubeconfigs, file_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.store.kubeconfig_choice import KubeconfigChoice
    from d8_installer.store.paths import Home, ProfilePaths

    Pass = Mapping[str, object]
    """What one program's pass rests on."""


class PassFile:
    """The file with the passes of one generation, and the settings and kubeconfigs that count for the command."""

    __slots__ = ("choice", "home", "number", "paths", "settings")

    def __init__(self, home: Home, paths: ProfilePaths, number: int, choice: KubeconfigChoice, settings: str) -> None:
        self.home = home
        self.paths = paths
        self.number = number
        self.choice = choice
        self.settings = settings

    @property
    def path(self) -> str:
        """The path; a profile has one file, for its newest generation that passed."""
        return self.home.passes(os.path.basename(self.paths.root))


def has_passed(file: PassFile, binary: str, now: float) -> bool:
    """Whether the binary passed, and all that this rests on is as it was."""
    found = _passes(file).get(binary)
    if not isinstance(found, dict) or found.get("settings") != file_state(file.settings):
        return False
    rests_on = found.get("rests_on")
    if rests_on == "plugins":
        return True
    seen = SeenKubeconfigs(file.choice)
    if found.get("kubeconfigs") != [seen.name, seen.states]:
        return False
    return rests_on == "kubeconfigs" or (rests_on == "facts" and _are_same_facts(file.home, found, now))


def _are_same_facts(home: Home, found: Mapping[str, object], now: float) -> bool:
    key, since, state = found.get("key"), found.get("since"), found.get("facts")
    if not isinstance(key, str) or not isinstance(since, (int, float)) or state is None:
        return False
    return 0 <= now - since <= FRESH_SECONDS and kept_facts.state_of(home, key) == state


# -- making passes ---------------------------------------------------------------------------------------------


def by_plugins(file: PassFile) -> Pass:
    """Return the pass of a program that asks nothing of a cluster: it holds as long as the generation is there."""
    return {"rests_on": "plugins", "settings": file_state(file.settings)}


def unchecked(file: PassFile) -> Pass:
    """Return the pass of a program where settings or kubeconfigs name no cluster to check it with."""
    seen = SeenKubeconfigs(file.choice)
    return {**by_plugins(file), "rests_on": "kubeconfigs", "kubeconfigs": [seen.name, seen.states]}


def by_facts(file: PassFile, facts: kept_facts.KeptFacts) -> Pass:
    """Return the pass of a program that was judged by *facts*, which are kept themselves."""
    state = kept_facts.state_of(file.home, facts.key)
    return {**unchecked(file), "rests_on": "facts", "key": facts.key, "since": facts.time, "facts": state}


def keep(file: PassFile, passes: Mapping[str, Pass]) -> None:
    """Keep the passes of binaries, but nothing in a home that another user owns."""
    if passes and kept_facts.is_for_keeping(file.home):
        private_document.write(file.path, {"number": file.number, "passes": {**_passes(file), **passes}})


def _passes(file: PassFile) -> Mapping[str, object]:
    document = private_document.read(file.path)
    passes = None if document is None or document.get("number") != file.number else document.get("passes")
    return passes if isinstance(passes, dict) else {}
