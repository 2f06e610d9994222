"""What locked tags mean at the source while their bytes are placed: each is asked once (DESIGN, Trust).

A tag that was moved, or is gone, does not stop the locked bytes from being placed: they are asked for by digest, and
a person is told once. What the source confirms can be remembered; what it says otherwise never is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.model.source import Traced
from d8_installer.model.value import Struct
from d8_installer.pipeline.tag_memory import giver

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest
    from d8_installer.model.source import LayerRequest, ManifestBytes
    from d8_installer.pipeline.provenance import Manifests
    from d8_installer.pipeline.session import Session

_BY_DIGEST = "the locked bytes are taken by digest"
Key = tuple[str, str]
"""A repository path and a tag."""


class Tops:
    """The locked tags of one command; safe for threads. *source* is who is asked.

    ``confirmed`` holds those that mean at the source what the lock says, by repository path and tag.
    """

    def __init__(self, session: Session, source: Manifests) -> None:
        self._session = session
        self._source = source
        self._lock = threading.Lock()
        self._asking: dict[Key, threading.Lock] = {}
        self._known: dict[tuple[Key, Digest], ManifestBytes] = {}
        self._told: set[Key] = set()
        self.confirmed: dict[Key, Digest] = {}

    def of(self, request: LayerRequest) -> Manifests:
        """Return the source's manifests, where that of the request's top is asked for by its tag first."""
        return _TagFirst(self, self._source, request)

    def manifest(self, request: LayerRequest, top: Digest) -> ManifestBytes:
        """Return the manifest with the digest *top* that the request's tag was locked as; raises what the source does.

        The bytes are not compared with *top*: that is the caller's part.
        """
        key = request.image, request.tag
        with self._lock:
            alone = self._asking.setdefault(key, threading.Lock())
        with alone:
            known = self._known.get((key, top))
            if known is None:
                known = self._known[key, top] = self._ask(request, top)
        return known

    def is_by_tag(self, request: LayerRequest, body: object) -> bool:
        """Whether the tag alone led to *body*; a person is told where the source was asked by digest instead."""
        if not isinstance(body, Traced):
            return False
        if body.detour is not None:
            what = "is gone" if isinstance(body.detour, NotFoundError) else "was moved"
            self._tell(request, f"{what} at {self._session.source.name}: {_BY_DIGEST}")
        return body.by_tag

    def tell_of_other_bytes(self, request: LayerRequest) -> None:
        """Say of a tag that only the bytes showed that it was moved, and that those asked for by digest are right."""
        self._tell(request, f"leads to other bytes at {self._session.source.name}: {_BY_DIGEST}")

    def _tell(self, request: LayerRequest, consequence: str) -> None:
        """Say once of a tag that it does not lead to the locked bytes."""
        key = request.image, request.tag
        with self._lock:
            is_news = key not in self._told
            self._told.add(key)
        if is_news:
            name = request.image.rpartition("/")[2]
            self._session.reporter.warn(f"{name}:{request.tag} {consequence}")

    def _ask(self, request: LayerRequest, top: Digest) -> ManifestBytes:
        try:
            answer = self._source.manifest(request.image, request.tag)
        except (NotFoundError, MismatchError) as error:
            why = f"is {'gone' if isinstance(error, NotFoundError) else 'no image any more'} at {self._name(request)}"
        else:
            if answer.digest == top:
                self.confirmed[request.image, request.tag] = top
                return answer
            why = f"is {top} in the lock, and {answer.digest} at {self._name(request)}"
        by_digest = self._source.manifest(request.image, str(top))
        self._tell(request, f"{why}: {_BY_DIGEST}")
        return by_digest

    def _name(self, request: LayerRequest) -> str:
        return giver(self._session, request.image, request.tag)


class _TagFirst(Struct, frozen=True):
    tops: Tops
    source: Manifests
    request: LayerRequest

    def manifest(self, image: str, ref: str) -> ManifestBytes:
        top = self.request.top
        return self.tops.manifest(self.request, top) if ref == str(top) else self.source.manifest(image, ref)
