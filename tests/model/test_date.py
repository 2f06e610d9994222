"""Points in time: what RFC 3339 says, ages, and nothing else."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import D8Error, UsageError
from d8_installer.model.date import parse_date, spelled, typed_cutoff
from tests.strategies import steady

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01", "2026-10-01T00:00:00Z"),
        ("2026-10-01T12:30:00Z", "2026-10-01T12:30:00Z"),
        ("2026-10-01t12:30:00z", "2026-10-01T12:30:00Z"),
        ("2026-10-01 12:30:00Z", "2026-10-01T12:30:00Z"),
        ("2026-10-01T12:30:00.123456789Z", "2026-10-01T12:30:00Z"),
        ("2026-10-01T00:30:00+02:00", "2026-09-30T22:30:00Z"),
        ("12h", "2026-11-24T00:00:00Z"),
        ("7d", "2026-11-17T12:00:00Z"),
        ("2w", "2026-11-10T12:00:00Z"),
    ],
)
def test_a_cutoff_as_typed(text: str, expected: str) -> None:
    assert spelled(typed_cutoff(text, NOW)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "7", "d", "7y", "-7d", "2026-13-01", "2026-10-01T25:00:00Z", "2026-10-01T12:30:00", "999999w", "\u0667d"],
)
def test_what_is_no_cutoff(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        typed_cutoff(text, NOW)
    assert "neither a date nor an age" in caught.value.message
    assert parse_date(text) is None


@steady
@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"))
def test_any_text_is_a_date_or_none(text: str) -> None:
    parse_date(text)
    with contextlib.suppress(D8Error):
        typed_cutoff(text, NOW)


def test_early_years_have_four_digits() -> None:
    assert spelled(datetime(110, 5, 20, tzinfo=UTC)) == "0110-05-20T00:00:00Z"


@steady
@given(st.integers(-(6 * 10**10), 10**11).map(lambda seconds: EPOCH + timedelta(seconds=seconds)))
def test_what_is_spelled_is_read(date: datetime) -> None:
    assert parse_date(spelled(date)) == date
