"""The registry root that serves an image: the configured repository, or the one above its edition (rpp.md §2.6).

This module has the candidates, their order, and the memory of the last success. No I/O: the caller passes the attempt.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import D8Error, NotAllowedError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

# cse is intentionally missing (rpp.md §2.6).
_EDITIONS = frozenset(["ce", "be", "se", "se-plus", "ee", "fe"])

T = TypeVar("T")


def trimmed_root(repository: str) -> str:
    """Return *repository* without its last segment if that is an edition, and a host and a path remain."""
    repository = repository.rstrip("/")
    root, _, last = repository.rpartition("/")
    host, _, path = root.partition("/")
    return root if last in _EDITIONS and host and path else repository


def candidate_roots(repository: str) -> tuple[str, ...]:
    """Return the roots to probe, in order: the repository itself, then its trimmed root if that differs."""
    repository = repository.rstrip("/")
    root = trimmed_root(repository)
    return (repository,) if root == repository else (repository, root)


class RootProbe:
    """Tries the candidates of a repository and remembers, in memory, the root that answered last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._memo: tuple[str, str] | None = None

    def remembered(self, repository: str) -> str | None:
        """Return the root that is tried first for *repository*, or None."""
        memo = self._memo
        return memo[1] if memo is not None and memo[0] == repository.rstrip("/") else None

    def remember(self, repository: str, root: str) -> None:
        """Try *root* first for *repository* from now on."""
        with self._lock:
            self._memo = (repository.rstrip("/"), root)

    def order(self, repository: str) -> tuple[str, ...]:
        """Return the candidates, the remembered one first."""
        first = self.remembered(repository)
        return tuple(sorted(candidate_roots(repository), key=lambda root: root != first))

    def run(self, repository: str, attempt: Callable[[str], T]) -> T:
        """Return the result of the first *attempt* that succeeds (rpp.md §2.6).

        If all fail, raises the first error, in probe order, that is not a NotFoundError, else the last NotFoundError. A
        success is remembered only if every root skipped before it gave a definitive miss (404, 401, 403).
        """
        errors: list[D8Error] = []
        for root in self.order(repository):
            try:
                found = attempt(root)
            except D8Error as error:
                errors.append(error)
                continue
            if all(isinstance(error, NotFoundError | NotAllowedError) for error in errors):
                self.remember(repository, root)
            return found
        raise next((error for error in errors if not isinstance(error, NotFoundError)), errors[-1])
