"""The header that leads to the next page, as RFC 8288 writes it."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import MismatchError
from d8_installer.registry.oci_registry import next_page
from tests.strategies import steady

URL = "https://host:5000/v2/a/tags/list?n=1000"


@pytest.mark.parametrize(
    "header",
    [
        '</v2/b?x>; rel="next"',
        "</v2/b?x>; rel=next",
        "</v2/b?x>;rel=Next",
        "</v2/b?x> ; REL = NEXT ;",
        '</v2/b?x>; rel="prev next"',
        '</v2/b?x>; rel="next prev"',
        '</v2/b?x>; title="a, b; rel=\\"prev\\""; rel="next"',
        '</v2/c>; rel="prev", </v2/b?x>; rel="next"',
        '</v2/c>; rel="prev", , </v2/b?x>; rel="next",',
        '</v2/b?x>; rel="next", </v2/c>; rel="last"',
        '</v2/c>; title="<x>; rel=next, <y>; rel=next"; rel=prev, </v2/b?x>; rel=next',
        '</v2/c>; rel="next"; anchor="#other", </v2/b?x>; rel="next"',
        "</v2/b?x>; crossorigin; rel=next",
        "</v2/b?x>; rel=next; rel=prev",
        "<../../b?x>; rel=next",
        "<https://elsewhere/v2/b?x#fragment>; rel=next",
        "<http://elsewhere:80/v2/b?x>; rel=next",
    ],
)
def test_the_next_page_is_found(header: str) -> None:
    assert next_page(header, URL) == "https://host:5000/v2/b?x"


@pytest.mark.parametrize("header", ["", " ", "</v2/c>; rel=prev", "</v2/c>", "</c>; rel=prev; rel=next", "</c>; rel"])
def test_there_is_no_next_page(header: str) -> None:
    assert next_page(header, URL) is None


@pytest.mark.parametrize(
    "header",
    [
        "/v2/b; rel=next",
        "</v2/b; rel=next",
        "</v2/b> rel=next",
        '</v2/b>; rel="next',
        "</v2/b>; rel=next </v2/c>; rel=prev",
        "<<</v2/b>; rel=next",
        "<file:b>; rel=next",
        "<http://[::1/x>; rel=next",
        "</v2/b?\x7f>; rel=next",
        "</v2/\N{CYRILLIC SMALL LETTER A}>; rel=next",
    ],
)
def test_what_cannot_be_read_is_not_the_last_page(header: str) -> None:
    with pytest.raises(MismatchError):
        next_page(header, URL)


@pytest.mark.parametrize(
    "part",
    ["<", "<a>", "<a>;", "<a>;a", '<a>;a="', "<a>; ", "<a>,", ",", " ", '<a>;a="\\', "<a>;a=b;", "<a>;a = "],
)
def test_time_is_linear(part: str) -> None:
    begin = time.process_time()
    for header in (part * (100_000 // len(part)), part + " " * 100_000 + "x"):
        with contextlib.suppress(MismatchError):
            next_page(header, URL)
    assert time.process_time() - begin < 2


@steady
@given(st.text(st.sampled_from('<>;,=" \\abrelnext/?:'), max_size=40))
def test_any_text_gives_an_address_here_or_an_error(header: str) -> None:
    try:
        found = next_page(header, URL)
    except MismatchError:
        return
    assert found is None or found.startswith("https://host:5000/")
