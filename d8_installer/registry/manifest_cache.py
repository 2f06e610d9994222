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

    def __init__(self, most: int = SOURCE_BYTES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], ManifestBytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, str]) -> ManifestBytes | None:
        """Return the manifest, or None."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: tuple[str, str], manifest: ManifestBytes) -> None:
        """Keep a manifest whose digest is the one in *key*."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = manifest
                self._bytes += len(manifest.raw)
            while self._bytes > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped.raw)

    def add(self, image: str, manifest: ManifestBytes) -> ManifestBytes:
        """Keep a manifest by the digest of its bytes, whatever was requested, and return it."""
        self.put((image, str(manifest.digest)), manifest)
        return manifest
