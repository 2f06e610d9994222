"""Points in time: the ``created`` annotation of images (RFC 3339), and a cut-off typed as a date or an age."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from d8_installer.errors import UsageError

_DAY, _TIME, _ZONE = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\d", r"[Zz]|[+-]\d\d:\d\d"
_RFC3339 = rf"({_DAY})(?:[Tt ]({_TIME})(\.\d{{1,9}})?({_ZONE}))?"
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def parse_date(text: str) -> datetime | None:
    """Return RFC 3339's date-time, or the midnight (UTC) of a date alone; None if *text* is neither."""
    match = re.fullmatch(_RFC3339, text, re.ASCII)
    if match is None:
        return None
    day, time, fraction, zone = match.groups()
    spelled = day if time is None else f"{day}T{time}{(fraction or '')[:7]}{zone.upper()}"
    try:
        date = datetime.fromisoformat(spelled)
        return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def typed_cutoff(text: str, now: datetime) -> datetime:
    """Return the date that a person typed, or *now* less an age (``12h``, ``7d``, ``2w``); else raise a UsageError."""
    age = re.fullmatch(r"(\d{1,5})([hdw])", text, re.ASCII)
    try:
        date = now - timedelta(**{_UNITS[age[2]]: int(age[1])}) if age is not None else parse_date(text)
    except OverflowError:
        date = None
    if date is None:
        raise UsageError(
            f"{text[:100]!r} is neither a date nor an age", hint="such as 2026-10-01, 2026-10-01T12:00:00Z, 7d, 12h"
        )
    return date.astimezone(UTC)


def spelled(date: datetime) -> str:
    """Return *date* as RFC 3339 in UTC, without fractions of a second."""
    return f"{date.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"
