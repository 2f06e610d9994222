"""Several sources as one: asked in their order until one has the answer. The lock names none of them.

The next one is asked where a source does not answer (no connection, 5xx to the end), is not there (a local one whose
disk is not mounted) or lacks what was asked for; one that says, before the first byte of a layer, that it has another
layer than the locked one lacks it. A refusal (401, 403), a source that is damaged or is none, and bytes that are not
the promised ones end the command with the source's name: whoever can make one source lie must not choose which of them
is believed.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

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
    """One source of a chain, opened at first use."""

    def __init__(self, url: str, open_source: Callable[[str], Source]) -> None:
        self._url = url
        self._open = open_source
        self._source: Source | None = None
        self._lock = threading.Lock()
        self.is_down = False
        self.has_others = False
        """Whether it was said already that it has other bytes than the locked ones."""

    @property
    def name(self) -> str:
        """The source's own name once it is open; before, what may be shown of its URL."""
        return shown(self._url) if self._source is None else self._source.name

    @property
    def source(self) -> Source:
        """The source; what opening it raises."""
        with self._lock:
            if self._source is None:
                self._source = self._open(self._url)
            return self._source

    def close(self) -> None:
        """Close it if it was opened."""
        if self._source is not None:
            self._source.close()


class FallbackSource:
    """Sources in their order; safe for threads.

    *say* is told once of each that does not answer, *warn* of each that is not there or has other bytes than locked.
    """

    def __init__(
        self, links: Sequence[Candidate], say: Callable[[str], None], warn: Callable[[str], None] | None = None
    ) -> None:
        self._links = tuple(links)
        self._say = say
        self._warn = say if warn is None else warn
        self._cut: dict[Digest, int] = {}
        self._gave: dict[tuple[str, str], str] = {}

    @property
    def name(self) -> str:
        """All names, in their order."""
        return ", ".join(link.name for link in self._links)

    def tags(self, image: str) -> Sequence[str]:
        """Return the tags of *image* as the first source that has it lists them."""
        return self._first(lambda source: source.tags(image))[1]

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        """Return the manifest from the first source that has it; a MismatchError if it is none, or another one."""
        link, answer = self._first(lambda source: _manifest(source, image, ref))
        self._gave[image, ref] = link.name
        return answer

    def giver(self, image: str, ref: str) -> str:
        """Return the name of the source that gave this manifest; before any did, all names."""
        return self._gave.get((image, ref), self.name)

    def layer(self, request: LayerRequest) -> AbstractContextManager[Body]:
        """Open the layer at the first source that has it."""
        return self._layer(request, lambda source: source.layer(request))

    def layer_from(self, request: LayerRequest, start: int, etag: str | None) -> AbstractContextManager[Body]:
        """Open the layer at byte *start* at the first source that has it, whole if that one has no ranges."""

        def opened(source: Source) -> AbstractContextManager[Body]:
            if isinstance(source, Resumable):
                return source.layer_from(request, start, etag)
            return source.layer(request)

        return self._layer(request, opened)

    @contextmanager
    def _layer(self, request: LayerRequest, opened: Callable[[Source], AbstractContextManager[Body]]) -> Iterator[Body]:
        with ExitStack() as stack:
            cuts = self._cut.get(request.layer, 0)
            link, body = self._first(lambda source: stack.enter_context(opened(source)), skip=cuts, locked=True)
            try:
                yield body
            except TryAgainError:
                self._cut[request.layer] = cuts + 1  # the next try begins at the next source
                raise
            except MismatchError as error:
                raise _named(link, error) from error

    def first(self, ask: Callable[[Source], T]) -> T:
        """Return what *ask* says of the first source that has it: for questions that take several answers of one.

        *ask* compares with a lock: a source where it finds other bytes lacks the locked ones.
        """
        return self._first(ask, locked=True)[1]

    def close(self) -> None:
        """Close every source that was opened."""
        for link in self._links:
            link.close()

    def _first(self, ask: Callable[[Source], T], *, skip: int = 0, locked: bool = False) -> tuple[Candidate, T]:
        """Ask one after the other; *locked*: the answer is proven by a lock, so that no lie of another is believed."""
        failures: list[tuple[Candidate, D8Error]] = []
        at = skip % len(self._links)
        links = (*self._links[at:], *self._links[:at])
        for link in sorted(links, key=lambda one: one.is_down):  # stable: those that did not answer come last
            try:
                return link, ask(link.source)
            except NotAllowedError as error:
                raise _named(link, error) from error
            except MismatchError as error:
                if not locked:
                    raise _named(link, error) from error
                failures.append((link, error))
                self._say_it_has_others(link, error)
            except NotFoundError as error:
                failures.append((link, error))
            except (UnreachableError, TryAgainError, AbsentSourceError) as error:
                failures.append((link, error))
                self._pass_by(link, error)
        raise _none(failures)

    def _pass_by(self, link: Candidate, error: D8Error) -> None:
        if link.is_down or len(self._links) == 1:
            return
        link.is_down = True
        if isinstance(error, AbsentSourceError):
            self._warn(f"{link.name} is not there, so the other sources are asked first: {error}")
        else:
            self._say(f"{link.name} does not answer, so the other sources are asked first: {error}")

    def _say_it_has_others(self, link: Candidate, error: MismatchError) -> None:
        if not link.has_others and len(self._links) > 1:
            link.has_others = True
            self._warn(f"{link.name} has other bytes than the locked ones, so the other sources are asked: {error}")


def _manifest(source: Source, image: str, ref: str) -> ManifestBytes:
    """Look at it here, where the source that gave it still has a name."""
    answer = source.manifest(image, ref)
    parse_manifest(answer.raw)
    if not ref.startswith("sha256:"):
        return answer
    try:
        return answer.require(Digest.parse(ref))
    except MismatchError as error:
        hint = f"this source is damaged or lies: take it out of `sources`, or {_NEXT_HINT}"
        raise error.within(image, hint=hint) from error


def _named(link: Candidate, error: D8Error) -> D8Error:
    """Return the error with the source's name in it."""
    if link.name in error.message:
        return error
    return error.within(link.name, hint=error.hint or _NEXT_HINT)


def _none(failures: Sequence[tuple[Candidate, D8Error]]) -> D8Error:
    """Return one error for all: that nobody has it only where everybody has said so."""
    if len(failures) == 1:
        return failures[0][1]
    kinds = (MismatchError, TryAgainError, UnreachableError, AbsentSourceError)
    worst = next((kind for kind in kinds if _any(failures, kind)), NotFoundError)
    said = "; ".join(_named(link, error).message for link, error in failures)
    hint = next(error.hint for _, error in failures if isinstance(error, worst))
    kind = UnreachableError if worst is AbsentSourceError else worst
    return kind(f"no source has the answer: {said}", hint=hint or _NEXT_HINT)


def _any(failures: Sequence[tuple[Candidate, D8Error]], kind: type[D8Error]) -> bool:
    return any(isinstance(error, kind) for _, error in failures)
