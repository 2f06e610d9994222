"""The sha256 digest: the one name of bytes, before and after they are trusted."""

from __future__ import annotations

import hashlib
import re
from functools import cache

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct


@cache
def _sha256() -> re.Pattern[str]:
    # A lock of 1,000 images has 10,000 digests, for which this is twice as fast as methods of str.
    return re.compile("sha256:([a-f0-9]{64})")


class Digest(Struct, frozen=True, order=True):
    """A sha256 digest; ``hex`` is 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md#sha-256)."""

    hex: str

    @classmethod
    def parse(cls, text: object) -> Digest:
        """Read ``sha256:<64 lower-case hex digits>``; anything else is a DocumentError."""
        match = _sha256().fullmatch(text) if isinstance(text, str) else None
        if match is not None:
            return cls(match[1])
        raise DocumentError(
            f"{str(text)[:100]!r} is not a digest",
            hint="write sha256: and 64 lower-case hexadecimal digits",
        )

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Return the digest of *data*."""
        return cls(hashlib.sha256(data).hexdigest())

    @property
    def short(self) -> str:
        """The first 12 hexadecimal digits, for people."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"sha256:{self.hex}"
