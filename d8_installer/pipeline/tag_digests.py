"""What locked tags mean at the source while their bytes are placed. Each tag is asked for once a command.

A tag that was moved or is gone does not stop the locked bytes from being placed: they are asked for by digest, with
one warning. Only what the source confirms is remembered in ``tags.json``.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.model.source import Traced
from d8_installer.model.value import Struct
from d8_installer.pipeline.tag_memory import source_name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.source import LayerRequest, ManifestBytes
    from d8_installer.pipeline.provenance import Manifests
    from d8_installer.pipeline.session import Session

_BY_DIGEST = "the locked bytes are taken by digest"
Key = tuple[str, str]
"""A repository path and a tag."""


class LockedTags:
    """The locked tags of one command; safe for threads.

    ``confirmed`` are those, by repository path and tag, that mean at the source what the lock says.
    """

    def __init__(self, session: Session, source: Manifests, asked: Mapping[Key, ManifestBytes] | None = None) -> None:
        """*asked* are the manifests that tags led to when this command asked *source* for them before."""
        self._session = session
        self._source = source
        self._asked = asked or {}
        self._lock = threading.Lock()
        self._asking: dict[Key, threading.Lock] = {}
        self._known: dict[tuple[Key, Digest], ManifestBytes] = {}
        self._told: set[Key] = set()
        self.confirmed: dict[Key, Digest] = {}

    def manifests_for(self, request: LayerRequest) -> Manifests:
        """Return the source's manifests. The manifest that the tag was locked with is asked for by tag first."""
        return _TagFirst(self, self._source, request)

    def manifest(self, request: LayerRequest, locked: Digest) -> ManifestBytes:
        """Return the manifest with which the request's tag was *locked*; raise what the source raises.

        The caller compares the bytes with *locked*.
        """
        key = request.image, request.tag
        with self._lock:
            alone = self._asking.setdefault(key, threading.Lock())
        with alone:
            known = self._known.get((key, locked))
            if known is None:
                known = self._known[key, locked] = self._ask(request, locked)
        return known

    def is_by_tag(self, request: LayerRequest, body: object) -> bool:
        """Whether the tag alone led to *body*. If the source took a detour by digest, warn of the tag."""
        if not isinstance(body, Traced):
            return False
        if body.detour is not None:
            what = "is gone" if isinstance(body.detour, NotFoundError) else "was moved"
            self._warn_once(request, f"{what} at {self._session.source.name}: {_BY_DIGEST}")
        return body.by_tag

    def tell_of_other_bytes(self, request: LayerRequest) -> None:
        """Warn of a moved tag that only its bytes gave away, after the bytes by digest turned out right."""
        self._warn_once(request, f"leads to other bytes at {self._session.source.name}: {_BY_DIGEST}")

    def _warn_once(self, request: LayerRequest, problem: str) -> None:
        key = request.image, request.tag
        with self._lock:
            is_news = key not in self._told
            self._told.add(key)
        if is_news:
            name = request.image.rpartition("/")[2]
            self._session.reporter.warn(f"{name}:{request.tag} {problem}")

    def _ask(self, request: LayerRequest, locked: Digest) -> ManifestBytes:
        key = request.image, request.tag
        try:
            answer = self._asked.get(key) or self._source.manifest(*key)
        except (NotFoundError, MismatchError) as error:
            why = f"is {'gone' if isinstance(error, NotFoundError) else 'no image any more'} at {self._name(request)}"
        else:
            if answer.digest == locked:
                self.confirmed[key] = locked
                return answer
            why = f"is {locked} in the lock, and {answer.digest} at {self._name(request)}"
        by_digest = self._source.manifest(request.image, str(locked))
        self._warn_once(request, f"{why}: {_BY_DIGEST}")
        return by_digest

    def _name(self, request: LayerRequest) -> str:
        return source_name_of(self._session, request.image, request.tag)


class _TagFirst(Struct, frozen=True):
    tags: LockedTags
    source: Manifests
    request: LayerRequest

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        locked = self.request.top
        return self.tags.manifest(self.request, locked) if ref == str(locked) else self.source.manifest(image, ref)
