"""The sha256 digest: the only name that bytes have before and after they are trusted."""

from __future__ import annotations

import hashlib
import re

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct

_SHA256 = re.compile(r"sha256:([a-f0-9]{64})", re.ASCII)


class Digest(Struct, frozen=True, order=True):
    """A sha256 digest; ``hex`` is 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md#sha-256)."""

    hex: str

    @classmethod
    def parse(cls, text: object) -> Digest:
        """Read ``sha256:<64 lower-case hex digits>``; anything else is a DocumentError."""
        match = _SHA256.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise DocumentError(
                f"{str(text)[:100]!r} is not a digest",
                hint="write sha256: and 64 lower-case hexadecimal digits",
            )
        return cls(match[1])

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
