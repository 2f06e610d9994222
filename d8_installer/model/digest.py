"""The sha256 digest: the one name of bytes, before and after they are trusted."""

from __future__ import annotations

import hashlib

from d8_installer.errors import DocumentError
from d8_installer.model.value import Struct

_PREFIX = "sha256:"
_HEX_DIGITS = "0123456789abcdef"


def is_sha256_hex(text: str) -> bool:
    """Whether *text* is 64 lower-case hexadecimal digits."""
    return len(text) == 64 and not text.strip(_HEX_DIGITS)


class Digest(Struct, frozen=True, order=True):
    """A sha256 digest; ``hex`` is 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md#sha-256)."""

    hex: str

    @classmethod
    def parse(cls, text: object) -> Digest:
        """Read ``sha256:<64 lower-case hex digits>``; anything else is a DocumentError."""
        if isinstance(text, str) and text.startswith(_PREFIX) and is_sha256_hex(text[len(_PREFIX) :]):
            return cls(text[len(_PREFIX) :])
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
