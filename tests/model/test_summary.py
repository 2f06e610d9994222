"""The summary of a generation: what is written is read again, and only while nothing of it or of its record changed."""

from __future__ import annotations

from binascii import crc32
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from d8_installer.model.summary import Summary, speaks_against
from d8_installer.store.generations import summary_of
from tests.strategies import any_bytes, generations, steady

if TYPE_CHECKING:
    from d8_installer.model.generation import Generation


def facts(summary: Summary) -> tuple[object, ...]:
    rows = [(one.binary, one.version, one.digest, one.file, one.directories) for one in summary.binaries]
    return summary.number, rows, summary.lock


@steady
@given(generations)
def test_parse_undoes_render(generation: Generation) -> None:
    record, summary = generation.render().encode(), summary_of(generation)
    read = Summary.parse(summary.render(record), record)
    assert read is not None
    assert facts(read) == facts(summary)
    assert (read.number, read.lock) == (generation.number, generation.lock)
    assert {
        p.placement.binary: (p.placement.version, p.digest.hex) for p in generation.placed if p.placement.in_bin
    } == (read.in_bin)


@steady
@given(any_bytes, any_bytes)
def test_other_bytes_do_not_count(raw: bytes, record: bytes) -> None:
    assert Summary.parse(raw, record) is None


@steady
@given(generations, st.data())
def test_a_changed_bit_of_summary_or_record_is_seen(generation: Generation, data: st.DataObject) -> None:
    record = generation.render().encode()
    summary = summary_of(generation).render(record)
    both = [bytearray(summary), bytearray(record)]
    changed = both[data.draw(st.integers(0, 1))]
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert Summary.parse(bytes(both[0]), bytes(both[1])) is None
    assert speaks_against(bytes(both[0]), bytes(both[1])) == (bytes(both[1]) != record)
    cut = data.draw(st.integers(0, len(summary) - 1))
    assert Summary.parse(summary[:cut], record) is None


def test_lines_that_count_and_say_nonsense_are_no_summary() -> None:
    sound = Summary(1, [], "lock").render(b"{}")
    assert Summary.parse(sound, b"{}") is not None
    assert Summary.parse(_marked("1\n0\nlock"), b"{}") is not None
    for text in ("", "1", "x\n0\n", "1\n5\nlock", "1\n-1\nlock", "1\n1\na\tb\nlock", "1\n1\na\tb\tc\td"):
        assert Summary.parse(_marked(text), b"{}") is None


def _marked(text: str) -> bytes:
    kind, _, of_record, _ = Summary(1, [], "").render(b"{}").split(b"\n", 3)
    rest = of_record + b"\n" + text.encode()
    return b"\n".join([kind, f"{len(rest)} {crc32(rest):08x}".encode(), rest])
