"""Documents: any text is read or refused, soon, and a complaint names file, key path and line."""

from __future__ import annotations

import time
import tomllib
from typing import TYPE_CHECKING

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.model.document import Table, decode_utf8, editable_toml, parse_toml
from d8_installer.model.toml_positions import line_of_long_key, places
from tests.reaching import reached, reaches, spoilt
from tests.strategies import any_bytes, json_values, near_toml, steady

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 1 << 20
PARTS = 1 << 14  # of a key: tomllib takes 10 s for so many


def read(text: str) -> Table:
    return parse_toml(decode_utf8(text.encode(), "d8.toml"), "d8.toml", limit=LIMIT)


def complaint(text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read(text)
    return caught.value


# -- any text ------------------------------------------------------------------------------------------------


@reaches("read", "refused")
@steady
@given(any_bytes | spoilt([b'a = 1\n[b.c]\n"d" = ["x"] # y\n']))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        table = parse_toml(decode_utf8(raw, "d8.toml"), "d8.toml", limit=LIMIT)
    except DocumentError as error:
        reached("refused")
        assert error.file == "d8.toml"
        assert error.line is None or 1 <= error.line <= raw.count(b"\n") + 1
        return
    reached("read" if table.data else "empty")
    assert places(table.origin.text).keys() >= set(table.data)


@steady
@given(near_toml)
def test_the_places_of_any_text_are_found_or_not(text: str) -> None:
    assert line_of_long_key(text, 2) in {None, *range(1, text.count("\n") + 2)}


@pytest.mark.parametrize(
    "text",
    [
        "a." * PARTS + "a=1",
        "[" + "a." * PARTS + "a]",
        "x={" + "a." * PARTS + "a=1}",
        '"\\"".' * PARTS + "a=1",
        "'a' . " * PARTS + "a=1",
        "x=" + "[" * (LIMIT - 2),
        "x=" + "[" * 40 + "]" * 40,
        "x=" + "{a=" * 40 + "1" + "}" * 40,
        "x=0x" + "f" * (LIMIT - 4),
        "x=" + "1" * (LIMIT - 2),
        "x=9223372036854775808",
        "x=[1, {y=-9223372036854775809}]",
        "a." * 20 + "a={" + "a." * 20 + "a=1}",
    ],
    ids=range(13),
)
def test_extremes_are_refused_soon(text: str) -> None:
    started = time.process_time()
    error = complaint(text)
    assert time.process_time() - started < 2
    assert len(error.message) < 500


@pytest.mark.parametrize(
    "text",
    [
        "x=[\n[" + " " * (LIMIT // 8) + "\n1]]\n",
        'x="""' + '\\"' * (LIMIT // 16) + '."""\ny=1\n',
        "# " + "a. " * (LIMIT // 8) + "\nx=1\n",
        "x='" + "a." * (LIMIT // 8) + "'\n",
        ".".join("a" * 32) + "=1\n",
        "x=[9223372036854775807, -9223372036854775808]",
    ],
    ids=range(6),
)
def test_odd_but_harmless_text_is_read_soon(text: str) -> None:
    started = time.process_time()
    assert read(text).origin.line_of("x") in {1, 2, None}
    assert time.process_time() - started < 2


def test_more_than_the_limit_is_not_read() -> None:
    with pytest.raises(DocumentError, match=r"^f has 11 characters; at most 10 are read$"):
        parse_toml("#" * 11, "f", limit=10)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_what_powershell_writes_is_called_by_its_name(encoding: str) -> None:
    with pytest.raises(DocumentError, match=r"d8\.toml is UTF-16 text") as caught:
        decode_utf8("\ufeffschema = 1".encode(encoding), "d8.toml")
    assert caught.value.hint is not None and caught.value.hint.startswith("save it as UTF-8")


@pytest.mark.parametrize(("raw", "line"), [(b"\xff", 1), (b"a=1\n# \xc3", 2), (b"\n\r\n'\xed\xa0\x80'", 3)])
def test_bytes_that_are_no_text_have_a_line(raw: bytes, line: int) -> None:
    with pytest.raises(DocumentError, match="is not UTF-8 text") as caught:
        decode_utf8(raw, "f")
    assert (caught.value.file, caught.value.line) == ("f", line)


# -- syntax errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("=", 1),
        ("a=1\nb\n", 2),
        ("a=1\r\n\r\nb=\r\n", 3),
        ("a='''\n\n'''\nb=?", 4),
        ("a=1\na=2", 2),
        ("a=1\n[a]\n", 2),
        ("a=[\n1,\n2 3]", 3),
        ("a=[\n1,\n", 3),
        ("a='x", 1),
        ("a='\r'", 1),
        ("# \u2028 \x85\nb=?", 2),
        ("a='\x0c'", 1),
        ("a=2024-13-45", 1),
        # keys that look like a place
        ('a=1\n\n"x (at line 1, column 1)" = [1]\n[["x (at line 1, column 1)"]]', 4),
        ('a=1\n\n"x (at end of document)" = {}\n["x (at end of document)".b]', 4),
        ("a." * 32 + "a=1", 1),
        ("x='.'\n\n" + "a." * 40 + "a=1", 3),
    ],
)
def test_syntax_errors_have_the_line(text: str, line: int) -> None:
    error = complaint(text)
    assert (error.file, error.line) == ("d8.toml", line)
    assert error.message.startswith(f"d8.toml:{line}: ")


def test_a_syntax_error_is_a_clause_with_its_column() -> None:
    assert complaint("a=1\n  b\n").message == "d8.toml:2: expected '=' after a key in a key/value pair (column 4)"
    assert complaint("a=").message == "d8.toml:1: invalid value at the end of the file"


# -- where values stand --------------------------------------------------------------------------------------

EVERY_WAY = '''\
schema = 1  # [[images]]
note = """
[[images]]
name = "no" \\"""
"""""
raw = \'\'\'
[[images]]\'\'\'
[[images]]
# [[images]]
name = "a"
platforms = [  # ]
  "linux-amd64", "]",

  [1.5, 1979-05-27 07:32:00],  # [[images]]
  { os = "x", deep = [ { y = 1 } ] },
]
binaries.d8 = "plugin"
binaries."d8.x" = "[[images]]"
[[ "images" ]]
  name = \'b\'
  [images . binaries]
  "\\u0061" = "p"
[[images.more]]
x = 1
[[images.more]]
x = 2
[images.more.sub]
[[images]]
[[images.more]]
x = 3
[other."a b".c]
images = [{ name = 1 }, { name = 2 }]
"multi\\nline" = 1
'''
EVERY_PLACE = {
    "schema": 1,
    "note": 2,
    "raw": 6,
    "images": 8,
    "images[0]": 8,
    "images[0].name": 10,
    "images[0].platforms": 11,
    "images[0].platforms[0]": 12,
    "images[0].platforms[1]": 12,
    "images[0].platforms[2]": 14,
    "images[0].platforms[2][0]": 14,
    "images[0].platforms[2][1]": 14,
    "images[0].platforms[3]": 15,
    "images[0].platforms[3].os": 15,
    "images[0].platforms[3].deep": 15,
    "images[0].platforms[3].deep[0]": 15,
    "images[0].platforms[3].deep[0].y": 15,
    "images[0].binaries": 17,
    "images[0].binaries.d8": 17,
    "images[0].binaries.d8.x": 18,
    "images[1]": 19,
    "images[1].name": 20,
    "images[1].binaries": 21,
    "images[1].binaries.a": 22,
    "images[1].more": 23,
    "images[1].more[0]": 23,
    "images[1].more[0].x": 24,
    "images[1].more[1]": 25,
    "images[1].more[1].x": 26,
    "images[1].more[1].sub": 27,
    "images[2]": 28,
    "images[2].more": 29,
    "images[2].more[0]": 29,
    "images[2].more[0].x": 30,
    "other": 31,
    "other.a b": 31,
    "other.a b.c": 31,
    "other.a b.c.images": 32,
    "other.a b.c.images[0]": 32,
    "other.a b.c.images[0].name": 32,
    "other.a b.c.images[1]": 32,
    "other.a b.c.images[1].name": 32,
    "other.a b.c.multi\nline": 33,
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_value_has_its_line(end: str) -> None:
    assert places(EVERY_WAY.replace("\n", end)) == EVERY_PLACE
    assert read(EVERY_WAY).origin.line_of("images[0].platforms[3].os") == 15


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("images[1].digest", 19),
        ("images[0].platforms[9]", 11),
        ("images[7].name", 8),
        ("other.nothing[3].x", 31),
        ("none.at.all", None),
        ("", None),
    ],
)
def test_what_is_not_in_the_text_has_the_line_of_what_is_around_it(path: str, line: int | None) -> None:
    assert read(EVERY_WAY).origin.line_of(path) == line


def paths_of(value: object, path: str = "") -> set[str]:
    """Every path in a document."""
    if isinstance(value, dict):
        return {path for path in [path] if path}.union(
            *(paths_of(inner, f"{path}.{key}" if path else key) for key, inner in value.items())
        )
    if isinstance(value, list):
        return {path}.union(*(paths_of(inner, f"{path}[{number}]") for number, inner in enumerate(value)))
    return {path}


toml_values: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=4) | st.datetimes(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=10,
    ),
    max_size=4,
)


@steady
@given(toml_values, st.booleans())
def test_every_written_value_has_a_line(document: dict[str, object], multiline: bool) -> None:
    text = tomli_w.dumps(document, multiline_strings=multiline)
    expected = paths_of(tomllib.loads(text)) - {""}
    assert expected <= places(text).keys() | {path for path in expected if path.startswith(".")}


@steady
@given(st.lists(st.tuples(st.text("\n #[]='\"\\", max_size=8), st.integers(0, 3)), min_size=1, max_size=5))
def test_lines_are_counted_through_whatever_stands_between(parts: list[tuple[str, int]]) -> None:
    text, expected = "", {}
    for number, (note, blank) in enumerate(parts):
        text += "\n" * blank + f"[[images]] # {note!r}\n" + tomli_w.dumps({"note": note}, multiline_strings=True)
        expected[f"images[{number}].name"] = text.count("\n") + 1
        text += f"name = {number}\n"
    found = places(text)
    assert {path: found[path] for path in expected} == expected


# -- tables --------------------------------------------------------------------------------------------------

TABLE = "text = 'x'\nnumber = 1\nflag = true\nlist = [1, 2]\n[sub]\nkey = 1\n[[subs]]\n"


def parse_even(value: object) -> int:
    if not isinstance(value, int) or value % 2:
        raise DocumentError("must be even", hint="double it")
    return value


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda t: t.text("number"), "d8.toml:2: number: must be text in quotes"),
        (lambda t: t.text("absent"), "d8.toml: `absent` is missing"),
        (lambda t: t.optional("flag", int, "a number"), "d8.toml:3: flag: must be a number"),
        (lambda t: t.required("absent", int, "a number"), "d8.toml: `absent` is missing"),
        (lambda t: t.parsed("number", parse_even), "d8.toml:2: number: must be even"),
        (lambda t: t.need("absent", parse_even), "d8.toml: `absent` is missing"),
        (lambda t: t.list_of("text", parse_even), "d8.toml:1: text: must be a list"),
        (lambda t: t.list_of("list", parse_even), "d8.toml:4: list[0]: must be even"),
        (lambda t: t.table("text"), "d8.toml:1: text: must be a table"),
        (lambda t: t.tables("text"), "d8.toml:1: text: must be a list of tables, each under [[text]]"),
        (lambda t: t.tables("list"), "d8.toml:4: list: must be a list of tables, each under [[list]]"),
        (lambda t: t.table("sub").text("key"), "d8.toml:6: sub.key: must be text in quotes"),
        (lambda t: t.table("sub").text("none"), "d8.toml:5: sub: `none` is missing"),
        (lambda t: t.tables("subs")[0].text("none"), "d8.toml:7: subs[0]: `none` is missing"),
        (lambda t: t.tables("subs")[0].fail("no"), "d8.toml:7: subs[0]: no"),
    ],
)
def test_complaints_name_the_place(ask: Callable[[Table], object], message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        ask(read(TABLE))
    assert caught.value.message == message


def test_what_is_there_and_right_is_handed_out() -> None:
    table = read(TABLE)
    assert (table.text("text"), table.optional("number", int, ""), table.optional("flag", bool, "")) == ("x", 1, True)
    assert (table.list_of("list", int), table.list_of("none", int)) == ((1, 2), None)  # type: ignore[arg-type]
    assert (table.table("none"), table.tables("none"), table.parsed("none", parse_even)) == (None, [], None)
    assert ("text" in table, "none" in table) == (True, False)
    assert dict(table.table("sub").items()) == {"key": 1}  # type: ignore[union-attr]
    assert [entry.path for entry in table.tables("subs")] == ["subs[0]"]
    table.close()


def test_a_null_of_json_is_not_an_absent_value() -> None:
    table = Table(data={"x": None}, origin=read("").origin)
    with pytest.raises(DocumentError, match="must be a number"):
        table.optional("x", int, "a number")


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("platform", "did you mean `platforms`?"),
        ("Name", "did you mean `name`?"),
        ("verison", "did you mean `version`?"),
        ("zzz", "known keys: extra, name, platforms, version"),
        ("k" * 100_000, "known keys: extra, name, platforms, version"),
    ],
)
def test_unknown_keys_name_the_nearest_known_one(key: str, hint: str) -> None:
    table = read(f"name = 1\n\n{key} = 2\n")
    for known in ("name", "version", "platforms"):
        table.optional(known, int, "")
    assert table.unknown() == {key: 2}
    with pytest.raises(DocumentError) as caught:
        table.close("extra")
    assert (caught.value.key, caught.value.line, caught.value.hint) == (key[:100], 3, hint)
    assert caught.value.problem == f"unknown key `{key[:100]}`"


def test_keys_that_are_not_bare_are_shown_in_quotes() -> None:
    """So that no newline in one begins a line of its own, and no dot looks like a step."""
    table = read('[a."b\\nc"]\n"d.e" = 1\n')
    inner = table.table("a")
    assert inner is not None
    inner = inner.table("b\nc")
    assert inner is not None
    with pytest.raises(DocumentError) as caught:
        inner.text("d.e")
    assert caught.value.message == 'd8.toml:2: a."b\\nc"."d.e": must be text in quotes'
    with pytest.raises(DocumentError, match=r'unknown key `"x\\ny"`') as caught:
        read('"x\\ny" = 1\n').close()
    assert caught.value.line == 1


def test_facts_that_are_known_stay() -> None:
    error = DocumentError("no", file="a", key="k", line=1, hint="h").at(file="b", key="l", line=2)
    assert (error.message, error.hint) == ("a:1: k: no", "h")
    assert DocumentError("no").at(key="l", line=2).message == ":2: l: no"


@steady
@given(near_toml)
def test_any_text_can_be_edited_or_not(text: str) -> None:
    try:
        document = editable_toml(text)
    except DocumentError as error:
        assert error.hint == "edit the file by hand"
        return
    assert document.as_string() == text


@steady
@given(json_values)
def test_tables_of_any_values_complain_and_never_break(value: object) -> None:
    table = Table(data={"x": value}, origin=read("").origin)
    asks: list[Callable[[], object]] = [
        lambda: table.text("x"),
        lambda: table.list_of("x", parse_even),
        lambda: table.tables("x"),
        lambda: table.parsed("x", parse_even),
    ]
    for ask in asks:
        try:
            assert ask() is not None
        except DocumentError as error:
            assert error.key is not None
