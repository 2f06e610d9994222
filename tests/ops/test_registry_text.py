"""A PATH of Windows as its registry has it: without what was added, the text is the old one, whatever it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.model.windows_program import parts_between_semicolons
from d8_installer.ops.shell.registry_text import with_directory, without_directory
from d8_installer.pipeline.search_path import entries

OWN = r"C:\Users\ann\AppData\Local\d8-installer\bin"
_PARTS = ["", ";", r"C:\a b", r"%SystemRoot%\x", '"', '"C:\\a;b"', "é"]
_TEXTS = st.none() | st.lists(st.sampled_from(_PARTS)).map("".join)


@given(_TEXTS.filter(lambda text: text is None or text.count('"') % 2 == 0))
def test_what_was_added_goes_without_a_trace(text: str | None) -> None:
    added = with_directory(text, OWN)
    assert entries(added, ";")[-1] == OWN
    assert added.startswith(text or "")
    assert without_directory(added, OWN) == text


@given(_TEXTS.filter(lambda text: text is None or text.count('"') % 2 == 0))
def test_what_others_append_later_stays(text: str | None) -> None:
    added = with_directory(text, OWN)
    later = f"{added.removesuffix(';')};C:\\later"
    left = without_directory(later, OWN)
    assert left is not None
    assert entries(left, ";") == [*entries(text or "", ";"), "C:\\later"]


@given(st.text(alphabet='a;" '))
def test_the_parts_are_the_text(text: str) -> None:
    assert ";".join(parts_between_semicolons(text)) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", []),
        (r"C:\a;;C:\b\;", ["C:\\a", "C:\\b\\"]),
        (r'"C:\a;b";C:\c', [r"C:\a;b", r"C:\c"]),
        (r'C:\"Program Files"\x', [r"C:\Program Files\x"]),
    ],
)
def test_entries(path: str, found: list[str]) -> None:
    assert entries(path, ";") == found


def test_another_spelling_is_the_persons_own() -> None:
    own = OWN.upper()
    assert without_directory(f"{own};{OWN}", OWN) == own
    assert without_directory(f"{own};C:\\x", OWN) == f"{own};C:\\x"
