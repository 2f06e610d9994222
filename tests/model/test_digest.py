"""Digests: one spelling, and nothing else passes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.model.digest import Digest
from tests.strategies import digests, flipped, json_values, steady

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@steady
@given(digests)
def test_parse_undoes_str(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest
    assert digest.short == digest.hex[:12]


@steady
@given(st.binary())
def test_of_is_sha256(data: bytes) -> None:
    assert str(Digest.of(data)) == "sha256:" + hashlib.sha256(data).hexdigest()


def test_of_nothing() -> None:
    assert str(Digest.of(b"")) == EMPTY


@steady
@given(digests, st.integers(7, 70))
def test_one_digit_makes_another(digest: Digest, place: int) -> None:
    assert Digest.parse(flipped(str(digest), place)) != digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        EMPTY[7:],
        EMPTY[:-1],
        EMPTY + "0",
        EMPTY + "\n",
        " " + EMPTY,
        EMPTY.upper(),
        EMPTY.replace("e", "E"),
        EMPTY.replace("sha256", "sha512"),
        EMPTY.replace("sha256", "md5"),
        EMPTY.replace("e3", "\uff45\u0663"),
        None,
        7,
        [EMPTY],
        EMPTY.encode(),
    ],
)
def test_no_digest(text: object) -> None:
    with pytest.raises(DocumentError, match="is not a digest") as caught:
        Digest.parse(text)
    assert caught.value.hint == "write sha256: and 64 lower-case hexadecimal digits"


@steady
@given(json_values)
def test_anything_is_refused_shortly(value: object) -> None:
    with pytest.raises(DocumentError) as caught:
        Digest.parse(value)
    assert len(caught.value.message) < 500
