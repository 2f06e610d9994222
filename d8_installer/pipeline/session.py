"""Session: the parts that a verb works with, wired once for one command."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.cluster_access import ClusterAccess
from d8_installer.pipeline.cluster_checks import ClusterChecks
from d8_installer.pipeline.events import Announcer
from d8_installer.pipeline.plugin_host import PluginHost
from d8_installer.pipeline.profile_access import ProfileAccess, Workspace
from d8_installer.pipeline.sources import Sources

if TYPE_CHECKING:
    from d8_installer.model.platform import Platform
    from d8_installer.model.source import Source
    from d8_installer.pipeline.reporter import Reporter
    from d8_installer.pipeline.scope import Scope
    from d8_installer.store.store import Store


class Session(Struct, frozen=True, kw_only=True):
    """The parts, each of which knows the scope. As a context manager it closes the sources that were opened."""

    scope: Scope
    profiles: ProfileAccess
    sources: Sources
    plugins: PluginHost
    cluster: ClusterAccess
    reporter: Announcer
    checks: ClusterChecks

    def __enter__(self) -> Session:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self.sources.closing.close()
        self.reporter.finish(error)

    @property
    def store(self) -> Store:
        """The home's store."""
        return self.profiles.store

    @property
    def source(self) -> Source:
        """The source of images: the only one, or all of them as one."""
        return self.sources.combined

    @property
    def platform(self) -> Platform:
        """The platform to install for: ``--platform``, else the host's."""
        return self.scope.chosen_platform or self.plugins.host_platform

    def with_scope(self, scope: Scope) -> Session:
        """Return a session of the same command in another scope. It keeps nothing that was read for this one."""
        return _wired(scope, self.reporter, self.sources.closing, self.cluster.in_scope(scope))

    def held_by(self, what: str) -> Session:
        """Return a session that contacts no cluster because of *what*, an option, unless the settings demand it."""
        return replace(self, checks=self.checks.held_by(what))

    def keeping_platform(self, workspace: Workspace) -> Session:
        """Return a session for the active generation's platform, so that no plugin has to be asked to uninstall."""
        active = None
        if self.scope.config.plugins and self.scope.options.platform is None:
            with contextlib.suppress(DocumentError):  # a damaged record is repaired later on
                active = workspace.generations.active()
        if active is None:
            return self
        return replace(self, scope=self.scope.with_options(platform=str(active.platform)))


def wire(scope: Scope, reporter: Reporter) -> Session:
    """Return the session of a command; *reporter* is the person's.

    A file of ``--facts`` that cannot be read is an error, even if nothing is compared with it.
    """
    announcer, closing = Announcer(reporter), contextlib.ExitStack()
    session = _wired(scope, announcer, closing, ClusterAccess(scope=scope, reporter=announcer, closing=closing))
    session.checks.read_typed()
    return session


def _wired(scope: Scope, announcer: Announcer, closing: contextlib.ExitStack, cluster: ClusterAccess) -> Session:
    plugins = PluginHost(scope, announcer)
    return Session(
        scope=scope,
        profiles=ProfileAccess(scope, announcer),
        sources=Sources(scope=scope, plugins=plugins, cluster=cluster, reporter=announcer, closing=closing),
        plugins=plugins,
        cluster=cluster,
        reporter=announcer,
        checks=ClusterChecks(scope, cluster, announcer),
    )
