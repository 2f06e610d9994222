"""A command's view of a cluster, in this process: for what no command shows alone, such as one request to the API."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from d8_installer.model.secrets import Secrets
from d8_installer.pipeline.cluster_access import ClusterAccess
from d8_installer.pipeline.scope import Options, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from d8_installer.pipeline.reporter import Task

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class Listener:
    """A reporter that remembers what it hears."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def task(self, name: str, total: int) -> Task:
        """Nothing is transferred."""
        raise AssertionError(name)

    def note(self, text: str) -> None:
        """Remember it."""
        self.said.append(text)

    detail = warn = note


def access(
    file: Path | None = None,
    *,
    context: str | None = None,
    env: Mapping[str, str] | None = None,
    insecure: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    closing: ExitStack | None = None,
    listener: Listener | None = None,
) -> ClusterAccess:
    """Return the cluster of a command that was typed with ``--kubeconfig`` and ``--context`` in this environment."""
    options = Options(kubeconfig=None if file is None else str(file), context=context, insecure=insecure)
    environ = {"HOME": "/nowhere", "PATH": os.environ["PATH"]} | dict(env or {})
    scope = Scope(options=options, environ=environ, clock=clock, directory=os.getcwd(), secrets=Secrets())
    return ClusterAccess(scope=scope, reporter=listener or Listener(), closing=closing or ExitStack())


@contextmanager
def reading(file: Path | None = None, **how: Any) -> Iterator[ClusterAccess]:
    """Return ``access``, whose connections are closed at the end."""
    with ExitStack() as closing:
        yield access(file, closing=closing, **how)


def who(cluster: ClusterAccess) -> str:
    """Return whom the API server takes the context's user for."""
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer: Any = cluster.api().post(REVIEW, asked)
    name: str = answer["status"]["userInfo"]["username"]
    return name
