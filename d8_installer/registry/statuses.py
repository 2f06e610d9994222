"""What a registry's statuses and error bodies mean to a person (distribution-spec, Error Codes). No I/O."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, NotAllowedError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.registry.retry import is_passing

if TYPE_CHECKING:
    from d8_installer.errors import D8Error


def verdict(status: int, code: str, host: object) -> tuple[type[D8Error], str]:
    """Return the error that a status and its error code mean, and what to do about it."""
    if status in (401, 403, 405):
        return NotAllowedError, f"check that this account may do this, or log in: docker login {host}"
    if status == 404:
        return NotFoundError, "check the image's name and tag, and the registry's root"
    if is_passing(status):
        return TryAgainError, "run the same command again later"
    if code in ("DIGEST_INVALID", "SIZE_INVALID", "MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN"):
        return MismatchError, "publish again: the registry did not get what was announced"
    return UnreachableError, f"check that {host} is an OCI registry"


def spec_error(body: bytes) -> tuple[str, str]:
    """Return the code of an error body, and ``: CODE message`` to show; two empty texts if it is none."""
    try:
        first = json.loads(body)["errors"][0]
        code, message = str(first.get("code", "")), str(first.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""
    return code, ": " + re.sub(r"[^ -~]+", " ", f"{code} {message}").strip()[:200]
