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
