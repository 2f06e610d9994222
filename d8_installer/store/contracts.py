"""The contracts of placed images: ``store/contracts/<digest of the index>.json``, as the Go tool's cache has them.

A file is proven by the digest that a lock has of it. It is read from the source again if it is lost, so it is written
without fsync.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DocumentError
from d8_installer.model.contract import MAX_CONTRACT, Contract
from d8_installer.model.digest import Digest
from d8_installer.store import fs

if TYPE_CHECKING:
    from d8_installer.store.paths import Home

_LIMIT = 4 * MAX_CONTRACT
"""The bytes of a file; a contract has more of them in its spread form than in an annotation."""


def save(home: Home, top: Digest, contract: Contract) -> None:
    """Write the contract of the image whose index (or single manifest) is *top*."""
    fs.make_directories(home.contracts)
    fs.replace_file(home.contract(top.hex), contract.render().encode(), durable=False)


def load(home: Home, top: Digest, expected: Digest | None = None) -> Contract | None:
    """Return the contract of an image, or None if the file is missing, is damaged, or is not the *expected* one."""
    try:
        return read(home, top, expected)
    except D8Error:
        return None


def read(home: Home, top: Digest, expected: Digest | None = None) -> Contract | None:
    """Return what ``load`` does, and raise a DiskError or a DocumentError that says why a file cannot be read."""
    raw = fs.read(home.contract(top.hex), limit=_LIMIT)
    if raw is None or (expected is not None and Digest.of(raw) != expected):
        return None
    return Contract.parse_rendered(raw, "", "")


def stored(home: Home) -> list[Digest]:
    """Return the digests of the images whose contracts are stored; files with other names are not ours."""
    found = []
    for name in sorted(fs.list_directory(home.contracts)):
        try:
            found.append(Digest.parse(f"sha256:{name.removesuffix('.json')}"))
        except DocumentError:
            continue
    return found


def discard(home: Home, top: Digest) -> None:
    """Remove a contract. The caller holds the lock that keeps generations from being made."""
    fs.remove(home.contract(top.hex))
