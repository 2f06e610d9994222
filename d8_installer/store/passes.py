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


class PassDesk:
    """Where the passes of one generation are, and the settings and kubeconfigs of the command that asks for them."""

    __slots__ = ("choice", "home", "number", "paths", "settings")

    def __init__(self, home: Home, paths: ProfilePaths, number: int, choice: KubeconfigChoice, settings: str) -> None:
        self.home = home
        self.paths = paths
        self.number = number
        self.choice = choice
        self.settings = settings

    @property
    def file(self) -> str:
        """The file with the passes of the profile."""
        return self.home.passes(os.path.basename(self.paths.root))


def has_passed(desk: PassDesk, binary: str, now: float) -> bool:
    """Whether the binary passed, and all that this rests on is as it was."""
    found = _passes(desk).get(binary)
    if not isinstance(found, dict) or found.get("settings") != file_state(desk.settings):
        return False
    rests_on = found.get("rests_on")
    if rests_on == "plugins":
        return True
    seen = SeenKubeconfigs(desk.choice)
    if found.get("kubeconfigs") != [seen.name, seen.states]:
        return False
    return rests_on == "kubeconfigs" or (rests_on == "facts" and _are_same_facts(desk.home, found, now))


def _are_same_facts(home: Home, found: Mapping[str, object], now: float) -> bool:
    key, since, state = found.get("key"), found.get("since"), found.get("facts")
    if not isinstance(key, str) or not isinstance(since, (int, float)) or state is None:
        return False
    return 0 <= now - since <= FRESH_SECONDS and kept_facts.state_of(home, key) == state


# -- making passes ---------------------------------------------------------------------------------------------


def by_plugins(desk: PassDesk) -> Pass:
    """Return the pass of a program that asks nothing of a cluster: it holds as long as the generation is there."""
    return {"rests_on": "plugins", "settings": file_state(desk.settings)}


def unchecked(desk: PassDesk) -> Pass:
    """Return the pass of a program where settings or kubeconfigs name no cluster to check it with."""
    seen = SeenKubeconfigs(desk.choice)
    return {**by_plugins(desk), "rests_on": "kubeconfigs", "kubeconfigs": [seen.name, seen.states]}


def by_facts(desk: PassDesk, facts: kept_facts.KeptFacts) -> Pass:
    """Return the pass of a program that was judged by *facts*, which are kept themselves."""
    state = kept_facts.state_of(desk.home, facts.key)
    return {**unchecked(desk), "rests_on": "facts", "key": facts.key, "since": facts.time, "facts": state}


def keep(desk: PassDesk, passes: Mapping[str, Pass]) -> None:
    """Keep the passes of binaries, but nothing in a home that another user owns."""
    if passes and kept_facts.is_for_keeping(desk.home):
        private_document.write(desk.file, {"number": desk.number, "passes": {**_passes(desk), **passes}})


def _passes(desk: PassDesk) -> Mapping[str, object]:
    document = private_document.read(desk.file)
    passes = None if document is None or document.get("number") != desk.number else document.get("passes")
    return passes if isinstance(passes, dict) else {}
