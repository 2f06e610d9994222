"""Several sources as one: they are asked in their order until one has the answer. The lock names none of them.

The next source is asked if a source does not answer (no connection, 5xx on every try), is not there (a local source
whose disk is not mounted), or lacks the content. A source that announces another layer than the locked one, before the
first byte, lacks it too. A refusal (401, 403), a damaged source and wrong bytes end the command with the source's name:
an attacker who can make one source lie must not be able to choose which source is believed.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from d8_installer.errors import (
    AbsentSourceError,
    D8Error,
    MismatchError,
    NotAllowedError,
    NotFoundError,
    TryAgainError,
    UnreachableError,
)
from d8_installer.model.address import shown
from d8_installer.model.digest import Digest
from d8_installer.model.oci import parse_manifest
from d8_installer.model.source import Resumable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from d8_installer.model.source import Body, LayerRequest, ManifestBytes, Source

T = TypeVar("T")
_NEXT_HINT = "see `d8-installer config get sources`, or name one source with --endpoint URL"


class Candidate:
    """One source of a fallback, opened at first use."""

    def __init__(self, url: str, open_source: Callable[[str], Source]) -> None:
        self._url = url
        self._open = open_source
        self._source: Source | None = None
        self._lock = threading.Lock()
        self.is_down = False
        self.has_other_bytes = False
        """Whether it was found to have other bytes than the locked ones, and the person was warned."""

    @property
    def name(self) -> str:
        """The source's own name once it is open; before that, its URL as it may be shown."""
        return shown(self._url) if self._source is None else self._source.name

    @property
    def source(self) -> Source:
        """The source, opened if it is not open yet; raises what opening it raises."""
        with self._lock:
            if self._source is None:
                self._source = self._open(self._url)
            return self._source

    def close(self) -> None:
        """Close it if it was opened."""
        if self._source is not None:
            self._source.close()


class _Given(NamedTuple, Generic[T]):
    """An answer, and the candidate that gave it."""

    by: Candidate
    answer: T


class _Failure(NamedTuple):
    candidate: Candidate
    error: D8Error


class FallbackSource:
    """A Source over several candidates, in their order; safe for threads.

    *say* is called once for each candidate that does not answer, *warn* once for each that is not there or has other
    bytes than the locked ones.
    """

    def __init__(
        self, candidates: Sequence[Candidate], say: Callable[[str], None], warn: Callable[[str], None] | None = None
    ) -> None:
        self._candidates = tuple(candidates)
        self._say = say
        self._warn = say if warn is None else warn
        self._cut: dict[Digest, int] = {}
        self._given_by: dict[tuple[str, str], str] = {}

    @property
    def name(self) -> str:
        """The names of all candidates, in their order."""
        return ", ".join(candidate.name for candidate in self._candidates)

    def tags(self, image: str) -> Sequence[str]:
        """Return the tags of *image* from the first source that has it."""
        return self._first(lambda source: source.tags(image)).answer

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest from the first source that has it; MismatchError if it is malformed or another one."""
        given = self._first(lambda source: _manifest(source, image, ref))
        self._given_by[image, ref] = given.by.name
        return given.answer

    def giver(self, image: str, ref: str) -> str:
        """Return the name of the source that gave this manifest, or all names if none has given it yet."""
        return self._given_by.get((image, ref), self.name)

    def layer(self, request: LayerRequest) -> AbstractContextManager[Body]:
        """Open the layer at the first source that has it."""
        return self._layer(request, lambda source: source.layer(request))

    def layer_from(self, request: LayerRequest, start: int, etag: str | None) -> AbstractContextManager[Body]:
        """Open the layer at byte *start* at the first source that has it; whole if that source has no ranges."""

        def opened(source: Source) -> AbstractContextManager[Body]:
            if isinstance(source, Resumable):
                return source.layer_from(request, start, etag)
            return source.layer(request)

        return self._layer(request, opened)

    @contextmanager
    def _layer(self, request: LayerRequest, opened: Callable[[Source], AbstractContextManager[Body]]) -> Iterator[Body]:
        with ExitStack() as stack:
            cuts = self._cut.get(request.layer, 0)
            given = self._first(lambda source: stack.enter_context(opened(source)), skip=cuts, locked=True)
            try:
                yield given.answer
            except TryAgainError:
                self._cut[request.layer] = cuts + 1  # the next try begins at the next source
                raise
            except MismatchError as error:
                raise _named(given.by, error) from error

    def first(self, ask: Callable[[Source], T]) -> T:
        """Return the result of *ask* for the first source that has it, for questions that need several answers of one.

        *ask* compares with a lock: a source whose bytes differ (MismatchError) lacks the locked ones.
        """
        return self._first(ask, locked=True).answer

    def close(self) -> None:
        """Close every source that was opened."""
        for candidate in self._candidates:
            candidate.close()

    def _first(self, ask: Callable[[Source], T], *, skip: int = 0, locked: bool = False) -> _Given[T]:
        """Ask one candidate after the other; with *locked* a lock proves the answer, so a wrong one is passed over."""
        failures: list[_Failure] = []
        at = skip % len(self._candidates)
        candidates = (*self._candidates[at:], *self._candidates[:at])
        for candidate in sorted(candidates, key=lambda one: one.is_down):  # stable: the silent ones come last
            try:
                return _Given(candidate, ask(candidate.source))
            except NotAllowedError as error:
                raise _named(candidate, error) from error
            except MismatchError as error:
                if not locked:
                    raise _named(candidate, error) from error
                failures.append(_Failure(candidate, error))
                self._warn_of_other_bytes(candidate, error)
            except NotFoundError as error:
                failures.append(_Failure(candidate, error))
            except (UnreachableError, TryAgainError, AbsentSourceError) as error:
                failures.append(_Failure(candidate, error))
                self._pass_over(candidate, error)
        raise _joined(failures)

    def _pass_over(self, candidate: Candidate, error: D8Error) -> None:
        if candidate.is_down or len(self._candidates) == 1:
            return
        candidate.is_down = True
        if isinstance(error, AbsentSourceError):
            self._warn(f"{candidate.name} is not there, so the other sources are asked first: {error}")
        else:
            self._say(f"{candidate.name} does not answer, so the other sources are asked first: {error}")

    def _warn_of_other_bytes(self, candidate: Candidate, error: MismatchError) -> None:
        if not candidate.has_other_bytes and len(self._candidates) > 1:
            candidate.has_other_bytes = True
            self._warn(
                f"{candidate.name} has other bytes than the locked ones, so the other sources are asked: {error}"
            )


def _manifest(source: Source, image: str, ref: str) -> ManifestBytes:
    """Check the manifest here, where its source is still known by name."""
    answer = source.manifest(image, ref)
    parse_manifest(answer.raw)
    if not ref.startswith("sha256:"):
        return answer
    try:
        return answer.require(Digest.parse(ref))
    except MismatchError as error:
        hint = f"this source is damaged or lies: take it out of `sources`, or {_NEXT_HINT}"
        raise error.within(image, hint=hint) from error


def _named(candidate: Candidate, error: D8Error) -> D8Error:
    """Return the error with the source's name in its message."""
    if candidate.name in error.message:
        return error
    return error.within(candidate.name, hint=error.hint or _NEXT_HINT)


def _joined(failures: Sequence[_Failure]) -> D8Error:
    """Return one error for all failures; a NotFoundError only if every source said that it lacks the content."""
    if len(failures) == 1:
        return failures[0].error
    kinds = (MismatchError, TryAgainError, UnreachableError, AbsentSourceError)
    worst = next((kind for kind in kinds if _any(failures, kind)), NotFoundError)
    clauses = "; ".join(_named(one.candidate, one.error).message for one in failures)
    first = next(one.error for one in failures if isinstance(one.error, worst))
    message = f"no source has the answer: {clauses}"
    if worst is AbsentSourceError:
        return UnreachableError(message, hint=first.hint or _NEXT_HINT)
    return worst(message, hint=first.hint or _NEXT_HINT, code=first.code)


def _any(failures: Sequence[_Failure], kind: type[D8Error]) -> bool:
    return any(isinstance(one.error, kind) for one in failures)
