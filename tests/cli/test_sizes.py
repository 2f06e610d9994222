"""Sizes have one style, in messages and where they are typed: one decimal, in units of 1000 bytes."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.cli.options import size
from d8_installer.model.plurals import sized
from tests.cli.test_own_command import ROOT, texts
from tests.strategies import steady

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER_UNITS = re.compile(r"\b(?:KB|Kb|KiB|MiB|GiB|TiB|Mb|Gb)\b|\d[KMG]\b")


@given(st.integers(1000, 10**12))
@steady
def test_a_size_is_typed_as_it_is_shown(number: int) -> None:
    shown = sized(number)
    assert re.fullmatch(r"\d+\.\d [kMG]B", shown)
    assert size(shown) == pytest.approx(number, rel=0.06)
    assert size(shown.replace(" ", "").lower()) == size(shown)


@pytest.mark.parametrize(
    "text", ["", "1", "MB", "-5MB", "1 MiB", "1.MB.2MB", "1e3MB", "1001GB", "²MB", "1TB", "999999999999MB"]
)
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"500MB|1000GB"):
        size(text)


def test_no_message_has_another_unit() -> None:
    assert {text for text in spoken() if OTHER_UNITS.search(text)} == set()


def spoken() -> Iterator[str]:
    for folder in ("d8_installer", "hooks"):
        for file in (ROOT / folder).rglob("*.py"):
            yield from texts(file.read_text())
