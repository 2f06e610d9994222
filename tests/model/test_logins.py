"""``logins.json``: what is written is read again, and any bytes give logins or an error that shows none of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.model.logins import KeptLogin, Logins

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
KEPT = st.builds(KeptLogin, origin=WORDS, cluster=st.none() | WORDS, token=st.none() | WORDS)
LOGINS = st.lists(KEPT, unique_by=lambda one: one.name, max_size=4).map(lambda kept: Logins(tuple(kept)))


@given(LOGINS)
def test_what_is_written_is_read_again(logins: Logins) -> None:
    again = Logins.parse(logins.render(), "f")
    assert sorted(again.kept, key=lambda one: one.name) == sorted(logins.kept, key=lambda one: one.name)
    assert again.render() == logins.render()


@given(st.binary(max_size=60) | LOGINS.map(lambda logins: logins.render()[:-3]))
def test_any_bytes_give_logins_or_an_error_without_them(raw: bytes) -> None:
    try:
        Logins.parse(raw, "logins.json")
    except DocumentError as error:
        assert error.message == "logins.json is damaged"
        assert error.__cause__ is None


def test_a_newer_format_is_no_damage() -> None:
    with pytest.raises(DocumentError, match="a newer d8-installer wrote it"):
        Logins.parse(b'{"schema": 2, "logins": []}', "logins.json")


def test_no_token_is_in_a_repr() -> None:
    assert "secret" not in repr(Logins((KeptLogin(origin="o", token="secret"),)))


def test_a_login_counts_with_its_cluster() -> None:
    plain, bound = KeptLogin(origin="o", token="1"), KeptLogin(origin="o", cluster="c", token="2")
    both = Logins((plain, bound))
    assert (both.find("o", None), both.find("o", "c"), both.find("o", "other")) == (plain, bound, None)
    assert both.find("p", None) is None
    assert both.without(plain).find("o", None) == bound, "the person named the origin"
    assert both.without(bound).find("o", "c") is None
