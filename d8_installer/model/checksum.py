"""The checksum of the tool's own records: it shows damage, such as a bit that changed on the disk.

It is no protection from malice: whoever can write into a home can write the checksum too. ``store.stamp`` has its own,
because a no-op ``sync`` imports no module of the model.
"""

from __future__ import annotations

import json
from binascii import crc32


def checksum(data: bytes) -> str:
    """Return the checksum of *data*, eight hexadecimal digits."""
    return f"{crc32(data):08x}"


def checksum_of(value: object) -> str:
    """Return the checksum of a JSON value, whatever the order of its keys."""
    return checksum(json.dumps(value, sort_keys=True).encode())


_LAST_KEY = b',\n "checksum": "'


def with_checksum(text: str) -> str:
    """Return the text of a JSON object, indented by one, with the checksum of all before it as its last key."""
    text = text.removesuffix("\n}")
    return f'{text}{_LAST_KEY.decode()}{checksum(text.encode())}"\n}}'


def has_checksum(raw: bytes) -> bool:
    """Whether *raw* has a checksum as its last key."""
    return _LAST_KEY in raw


def ends_with_checksum(raw: bytes) -> bool:
    """Whether *raw* has a checksum as its last key, and is as it was written."""
    text, found, rest = raw.rpartition(_LAST_KEY)
    return bool(found) and rest == f'{checksum(text)}"\n}}'.encode()
