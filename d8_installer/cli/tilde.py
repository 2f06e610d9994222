"""Paths below HOME as people write them: ``~/work/app``. For text that people read, never for what scripts read."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_BEFORE = frozenset(" \t\n(`[,;")
"""What a word begins after. After a quote or an equals sign a shell does not replace ``~``, so the path stays whole."""
_SCHEMES = ("oci-layout:", "bundle:")
"""Addresses in which the tool itself replaces ``~``."""


def _is_quoted(before: str) -> bool:
    """Return whether *before* ends with a quote that begins a word of prose, and not of a command in backticks."""
    return before[-1] in "'\"" and (len(before) == 1 or before[-2] in " (") and before.count("`") % 2 == 0


def with_tilde(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return *text* with ``~`` for HOME wherever a path below it is a word of its own; HOME itself stays as it is.

    So a command in a hint still works when it is pasted. The shells of Windows leave ``~`` as it is: nothing is done.
    """
    home = "" if sys.platform == "win32" else environ.get("HOME", "").rstrip("/")
    if not home.startswith("/") or home not in text:
        return text
    shown, *parts = text.split(home)
    for part in parts:
        begins = not shown or shown[-1] in _BEFORE or shown.endswith(_SCHEMES) or _is_quoted(shown)
        shown += f"{'~' if begins and part[:1] == '/' else home}{part}"
    return shown
