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
    from d8_installer.store.kubeconfig_choice import KubeconfigChoice
    from d8_installer.store.paths import Home, ProfilePaths


class Ticket:
    """One binary of one generation, and the settings and kubeconfigs with which its run was typed."""

    __slots__ = ("binary", "choice", "home", "number", "paths", "settings")

    def __init__(
        self, home: Home, paths: ProfilePaths, number: int, binary: str, choice: KubeconfigChoice, settings: str
    ) -> None:
        self.home = home
        self.paths = paths
        self.number = number
        self.binary = binary
        self.choice = choice
        self.settings = settings

    @property
    def file(self) -> str:
        """The file with the passes of the profile."""
        return self.home.passes(os.path.basename(self.paths.root))


def is_valid(ticket: Ticket, now: float) -> bool:
    """Whether the binary passed, and all that this rests on is as it was."""
    document = private_document.read(ticket.file)
    passes = {} if document is None or document.get("number") != ticket.number else document.get("passes")
    found = passes.get(ticket.binary) if isinstance(passes, dict) else None
    if not isinstance(found, dict) or found.get("settings") != file_state(ticket.settings):
        return False
    if found.get("asks") is not True:  # nothing is asked of a cluster
        return found.get("asks") is False
    seen = SeenKubeconfigs(ticket.choice)
    if found.get("kubeconfigs") != [seen.name, seen.states]:
        return False
    key, since, state = found.get("key"), found.get("since"), found.get("facts")
    if not isinstance(key, str) or not isinstance(since, (int, float)) or state is None:
        return False
    return 0 <= now - since <= FRESH_SECONDS and kept_facts.state_of(ticket.home, key) == state


def keep(ticket: Ticket, now: float, facts: kept_facts.KeptFacts | None) -> None:
    """Keep that the binary passed; *facts* are those that it was judged by, None if it asks nothing of a cluster.

    Nothing is written into a home that another user owns, or about facts that are not fresh.
    """
    if not private_document.is_own_directory(ticket.home.root) or not os.path.isfile(ticket.home.schema):
        return
    entry: dict[str, object] = {"settings": file_state(ticket.settings), "asks": facts is not None}
    if facts is not None:
        if not 0 <= now - facts.time <= FRESH_SECONDS:
            return
        seen = SeenKubeconfigs(ticket.choice)
        state = kept_facts.state_of(ticket.home, facts.key)
        entry |= {"kubeconfigs": [seen.name, seen.states], "key": facts.key, "since": facts.time, "facts": state}
    document = private_document.read(ticket.file) or {}
    before = document.get("passes") if document.get("number") == ticket.number else None
    passes = {**(before if isinstance(before, dict) else {}), ticket.binary: entry}
    private_document.write(ticket.file, {"number": ticket.number, "passes": passes})
