"""How numbers are spelled."""

from __future__ import annotations

import pytest

from d8_installer.model.plurals import counted, sized


@pytest.mark.parametrize(
    ("size", "text"),
    [
        *((0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.0 kB"), (8_249, "8.2 kB"), (99_999, "100.0 kB")),
        *((999_949, "999.9 kB"), (999_950, "1.0 MB"), (64_430_080, "64.4 MB"), (999_949_999, "999.9 MB")),
        *((999_950_000, "1.0 GB"), (1_000_000_000, "1.0 GB"), (5_400_000_000_000, "5400.0 GB")),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert sized(size) == text


def test_things() -> None:
    assert (counted(1, "file"), counted(2, "file"), counted(0, "file")) == ("1 file", "2 files", "0 files")
