"""A cache of received manifests, by their own digest, so that none is requested twice. In memory only."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d8_installer.model.source import ManifestBytes

SOURCE_BYTES = 8 << 20
"""The capacity of one source's cache, in bytes of manifests."""


class ManifestCache:
    """Manifests by image and digest; safe for threads. The least recently used ones are dropped first."""

    def __init__(self, capacity: int = SOURCE_BYTES) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], ManifestBytes] = OrderedDict()
        self._bytes = 0

    def get(self, image: str, ref: str) -> ManifestBytes | None:
        """Return the manifest of the digest *ref*, or None, also if *ref* is a tag."""
        with self._lock:
            found = self._kept.get((image, ref))
            if found is not None:
                self._kept.move_to_end((image, ref))
            return found

    def add(self, image: str, manifest: ManifestBytes) -> ManifestBytes:
        """Keep a manifest by the digest of its bytes, whatever was requested, and return it."""
        key = (image, str(manifest.digest))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = manifest
                self._bytes += len(manifest.raw)
            while self._bytes > self._capacity:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped.raw)
        return manifest
