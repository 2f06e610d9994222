"""The facts that requirements are compared with, each read at most once: from the cluster, or from the file of --facts.

``check_policy`` decides whether they are read. A command whose images require nothing of a cluster never asks for any,
and then nothing about a cluster is imported or read.
"""

from __future__ import annotations

import os
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, get_args

from d8_installer.errors import D8Error, DiskError, DocumentError
from d8_installer.model.value import replace
from d8_installer.pipeline.activation import warned_of
from d8_installer.pipeline.check_policy import SKIP_VARIABLE, CheckSettings, Occasion, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.model.facts import ClusterFacts, FactKind
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.check_policy import Connection, Purpose
    from d8_installer.pipeline.cluster_access import ClusterAccess
    from d8_installer.pipeline.reporter import Reporter
    from d8_installer.pipeline.scope import Scope
    from d8_installer.store.kept_facts import KeptFacts, SeenKubeconfigs

    AskFacts = Callable[[frozenset[FactKind]], ClusterFacts | None]
    """Returns facts of these kinds and perhaps more, or None if requirements are not checked."""

_ANEW = "write a new file with `d8-installer facts -o facts.json`"
_SKIPS = frozenset(["1", "true", "TRUE", "True"])
"""The values of the variable that skip the checks (rpp.md §9)."""


class ClusterChecks:
    """Gives one command its facts, and says once why there are none."""

    def __init__(self, scope: Scope, cluster: ClusterAccess, reporter: Reporter, held_by: str | None = None) -> None:
        """*held_by*: the option or command that contacts no cluster unless ``cluster_checks`` is always."""
        self._scope = scope
        self._cluster = cluster
        self._reporter = reporter
        self._held_by = held_by
        self._known: ClusterFacts | None = None
        self._said: set[str] = set()

    def held_by(self, what: str) -> ClusterChecks:
        """Return the checks of the same command, which contacts no cluster because of *what*."""
        return ClusterChecks(self._scope, self._cluster, self._reporter, what)

    @property
    def cluster(self) -> str | None:
        """The cluster whose facts were used, None if no facts were."""
        return None if self._known is None else self._known.cluster

    # -- what facts are for

    def choosing(self, profile: Profile, *, places: bool = True) -> AskFacts:
        """Return the facts by which the versions of *profile* are chosen; *places*: they are admitted afterwards."""
        occasion = self._occasion(is_shared=profile.kind == "project", places=places)
        return lambda kinds: self._facts(kinds, occasion, "choose")

    def admitting(self, kinds: frozenset[FactKind]) -> ClusterFacts | None:
        """Return the facts by which chosen versions are admitted."""
        return self._facts(kinds, self._occasion(), "admit")

    def reporting(self, kinds: frozenset[FactKind]) -> ClusterFacts | None:
        """Return the facts for a report; None only if a switch skips the checks. No cluster is a ConfigError."""
        return self._facts(kinds, self._occasion(), "report")

    def running(self, kinds: frozenset[FactKind]) -> ClusterFacts | None:
        """Return the facts by which a run is checked: kept ones that are fresh, else those that are read now.

        If a switch skips the check, nothing is said: what a person reads then is the program's.
        """
        from d8_installer.store.kept_facts import FRESH_SECONDS

        settings = self._settings()
        if settings.skipped_by is not None and not settings.has_facts_file:
            return None
        if settings.mode != "never" and not settings.has_facts_file:
            kept = self.kept(oldest=FRESH_SECONDS)
            if kept is not None and kinds <= kept.facts.kinds:
                return kept.facts
        return self._facts(kinds, self._occasion(), "admit", oldest=FRESH_SECONDS)

    @property
    def is_switched(self) -> bool:
        """Whether what the command was typed with, and not the settings or a cluster alone, decides about checks."""
        settings = self._settings()
        return settings.skipped_by is not None or settings.has_facts_file or self._scope.is_offline

    def every_fact(self) -> ClusterFacts:
        """Read all that requirements may ask for, from the cluster. No cluster is a ConfigError."""
        decide(self._settings(), self._occasion(), "read", self._connection)
        from d8_installer.model.facts import FactKind

        try:
            return self._of_cluster(frozenset(get_args(FactKind)))
        except D8Error as error:
            from d8_installer.cluster.facts import SKIP_HINT

            raise error.within(hint=(error.hint or "").removesuffix(f"; {SKIP_HINT}")) from error

    def kept(self, *, oldest: float | None = None) -> KeptFacts | None:
        """Return the facts of this cluster that some command read last, without asking it or parsing a kubeconfig.

        None if they are more than *oldest* seconds old.
        """
        from d8_installer.store import kept_facts

        return kept_facts.load(self._scope.home, self._cluster.choice, self._scope.clock(), oldest=oldest)

    # -- where they come from

    def _facts(
        self, kinds: frozenset[FactKind], occasion: Occasion, purpose: Purpose, *, oldest: float | None = None
    ) -> ClusterFacts | None:
        decision = decide(self._settings(), occasion, purpose, self._connection)
        if decision.said is not None and decision.said not in self._said:
            self._said.add(decision.said)
            self._reporter.note(decision.said)
        if decision.facts_from is None:
            return None
        if decision.facts_from == "file":
            return self._of_file(kinds)
        return self._kept_of_cluster(kinds, oldest) or self._of_cluster(kinds)

    def _settings(self) -> CheckSettings:
        options = self._scope.options
        skipped_by = "--skip-cluster-checks" if options.skip_cluster_checks else None
        if skipped_by is None and self._scope.environ.get(SKIP_VARIABLE) in _SKIPS:
            skipped_by = f"{SKIP_VARIABLE} is set"
        mode = self._scope.config.cluster_checks
        return CheckSettings(mode=mode, skipped_by=skipped_by, has_facts_file=options.facts is not None)

    def _occasion(self, *, is_shared: bool = False, places: bool = True) -> Occasion:
        offline = self._scope.is_offline
        return Occasion(held_by=self._held_by, is_offline=offline, is_shared=is_shared, places=places)

    def _connection(self) -> Connection:
        _ = self._seen  # as the files are before they are parsed
        context = self._cluster.context
        if context is None:
            return "none"
        return "account" if context.is_in_cluster else "kubeconfig"

    def _kept_of_cluster(self, kinds: frozenset[FactKind], oldest: float | None) -> ClusterFacts | None:
        """Return what is kept of this cluster, whichever kubeconfigs led to it; None if *oldest* is."""
        if oldest is None:
            return None
        from d8_installer.store import kept_facts

        kept = kept_facts.load_by_key(self._scope.home, self._cluster.key, self._scope.clock(), oldest=oldest)
        if kept is None or not kinds <= kept.facts.kinds:
            return None
        with warned_of("the next run parses the kubeconfig again", self._reporter.warn):
            kept_facts.remember(self._scope.home, kept.key, self._seen)
        return kept.facts

    def _of_cluster(self, kinds: frozenset[FactKind]) -> ClusterFacts:
        """Read the kinds that are not known yet, and keep them for ``run``, ``list`` and ``rollback``."""
        known = self._known
        missing = kinds if known is None else kinds - known.kinds
        if known is not None and not missing:
            return known
        from d8_installer.cluster.facts import read_facts

        now = self._scope.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        read = read_facts(self._cluster.api(), missing, read_at=now)
        with warned_of("the facts of the cluster are not kept", self._reporter.warn):
            self._keep(read)
        self._known = read if known is None else joined(known, read)
        return self._known

    def _keep(self, read: ClusterFacts) -> None:
        from d8_installer.store import kept_facts

        kept_facts.save(self._scope.home, self._cluster.key, self._seen, read, self._scope.clock())

    @cached_property
    def _seen(self) -> SeenKubeconfigs:
        from d8_installer.store.kept_facts import SeenKubeconfigs

        return SeenKubeconfigs(self._cluster.choice)

    def read_typed(self) -> None:
        """Read the file of ``--facts``, if one is typed."""
        typed = self._scope.options.facts
        if typed is None:
            return
        from d8_installer.model.facts import MAX_FACTS, ClusterFacts
        from d8_installer.store import fs

        raw = fs.read(os.path.join(self._scope.directory, typed), limit=MAX_FACTS)
        if raw is None:
            raise DiskError(f"there is no file {typed}", hint="`d8-installer facts -o facts.json` writes such a file")
        try:
            self._known = ClusterFacts.parse(raw, typed)
        except DocumentError as error:
            raise error.within(hint=error.hint or _ANEW) from error

    def _of_file(self, kinds: frozenset[FactKind]) -> ClusterFacts:
        if self._known is None:
            self.read_typed()
        known = self._known
        missing = sorted(kinds if known is None else kinds - known.kinds)
        if known is None or missing:
            raise DocumentError(
                f"has no {' and no '.join(missing)}, which requirements ask for",
                file=self._scope.options.facts,
                hint=_ANEW,
                about_file=True,
                code="bad-facts",
            )
        return known


def joined(known: ClusterFacts, read: ClusterFacts) -> ClusterFacts:
    """Return *known* with the kinds that were read besides."""
    return replace(
        read,
        kinds=known.kinds | read.kinds,
        kubernetes=read.kubernetes if "kubernetes" in read.kinds else known.kubernetes,
        deckhouse=read.deckhouse if "deckhouse" in read.kinds else known.deckhouse,
        modules=read.modules if "modules" in read.kinds else known.modules,
    )
