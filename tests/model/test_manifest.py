"""``d8.toml``: what it says, where it is wrong, and edits that leave a person's text alone."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import D8Error, DocumentError
from d8_installer.model.digest import Digest
from d8_installer.model.manifest import Manifest, with_request, without_request
from d8_installer.model.reference import ImageName
from d8_installer.model.requirement import Request
from tests.reaching import reached, reaches, spoilt
from tests.strategies import (
    LINUX,
    MAC,
    any_bytes,
    built,
    image_names,
    manifest_text,
    manifests,
    near_toml,
    ranges,
    steady,
)

DIGEST = "sha256:" + "ab" * 32
FULL = f"""\
schema = 1
[[images]]
name      = "stronghold"
version   = "===v1.4.2"
binaries  = {{ d8-stronghold = "plugin", a = "b" }}
platforms = ["linux-amd64", "darwin-arm64"]
optional  = true
digest    = "{DIGEST}"
[[images]]
name = "deckhouse-cli"
"""


def parse(text: str) -> Manifest:
    return Manifest.parse(text.encode(), "d8.toml")


# -- what it says --------------------------------------------------------------------------------------------


def test_every_key_and_every_default() -> None:
    full, plain = parse(FULL).requests
    assert (str(full.name), full.version.exact_tag, full.optional) == ("stronghold", "v1.4.2", True)
    assert full.binaries == (("a", "b"), ("d8-stronghold", "plugin"))
    assert (full.platforms, full.digest) == ((LINUX, MAC), Digest("ab" * 32))
    assert plain == Request.of(ImageName("deckhouse-cli"))
    assert plain.binaries == (("d8", "d8"),)


@steady
@given(manifests)
def test_parse_undoes_render(manifest: Manifest) -> None:
    assert parse(manifest_text(manifest)) == manifest


@reaches("a manifest", "refused")
@steady
@given(any_bytes.map(lambda raw: b"schema = 1\n" + raw) | spoilt([FULL.encode()], near_toml.map(str.encode)))
def test_any_bytes_are_a_manifest_or_refused(raw: bytes) -> None:
    try:
        manifest = Manifest.parse(raw, "d8.toml")
    except DocumentError as error:
        reached("refused")
        assert error.file == "d8.toml"
        assert error.message.startswith("d8.toml")
    else:
        reached("a manifest" if manifest.requests else "no request")
        assert parse(manifest_text(manifest)).requests == manifest.requests


def test_requirements_and_find() -> None:
    manifest = parse(FULL)
    assert [r.requester for r in manifest.requirements("x")] == ["x", "x"]
    assert manifest.find(ImageName("stronghold")) is manifest.requests[0]
    assert manifest.find(ImageName("other")) is None
    assert parse("schema = 1").requests == ()


def test_an_image_with_the_name_of_a_device_may_have_another_binary() -> None:
    (request,) = parse("schema = 1\n[[images]]\nname = 'nul'\nbinaries = { null = 'plugin' }").requests
    assert request.binaries == (("null", "plugin"),)


@pytest.mark.parametrize("platforms", ["['linux-amd64']", "['linux-amd64', 'darwin-arm64']"])
def test_what_is_one_file_on_windows_may_be_two_elsewhere(platforms: str) -> None:
    text = "schema = 1\n[[images]]\nname = 'a'\n"
    long = f"[[images]]\nname = 'b'\nplatforms = {platforms}\nbinaries = {{'a.exe' = 'plugin'}}"
    assert len(parse(text + long).requests) == 2


# -- where it is wrong ---------------------------------------------------------------------------------------


def entry(lines: str) -> str:
    return f'schema = 1\n[[images]]\nname = "first"\n[[images]]\n{lines}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "d8.toml: `schema` is missing"),
        ("\n\nschema = 2", "d8.toml:3: schema: is 2; this tool knows 1"),
        ("schema = true", "d8.toml:1: schema: must be the number 1"),
        ("schema = 1\nimages = 3", "d8.toml:2: images: must be a list of tables, each under [[images]]"),
        ("schema = 1\nimages = [\n1]", "d8.toml:2: images: must be a list of tables, each under [[images]]"),
        ("schema = 1\n[images]", "d8.toml:2: images: must be a list of tables, each under [[images]]"),
        ("schema = 1\n\nextra = 1", "d8.toml:3: extra: unknown key `extra`"),
        (entry("version = '1'"), "d8.toml:4: images[1]: `name` is missing"),
        (entry("name = 3"), "d8.toml:5: images[1].name: '3' is not an image name"),
        (entry("name = '../x'"), "d8.toml:5: images[1].name: '../x' is not an image name"),
        (entry("\nname = 'first'"), "d8.toml:6: images[1].name: 'first' is asked for twice in this file"),
        (entry("name = 'a'\nversion = 1.4"), "d8.toml:6: images[1].version: must be text in quotes"),
        (entry("name = 'a'\nversion = '>>1'"), "d8.toml:6: images[1].version: '>>1' is not a version specifier"),
        (entry("name = 'a'\noptional = 'no'"), "d8.toml:6: images[1].optional: must be true or false"),
        (entry("name = 'a'\nplatforms = 'all'"), "d8.toml:6: images[1].platforms: must be a list"),
        (entry("name = 'a'\nplatforms = []"), "d8.toml:6: images[1].platforms: is empty, so nothing would be"),
        (
            entry("name = 'a'\nplatforms = [\n  'linux-amd64', # [\n  'linux/arm64',\n]"),
            "d8.toml:8: images[1].platforms[1]: 'linux/arm64' is not a platform",
        ),
        (entry("name = 'a'\nbinaries = 'x'"), "d8.toml:6: images[1].binaries: must be a table"),
        (entry("name = 'a'\n[images.binaries]"), "d8.toml:6: images[1].binaries: is empty, so nothing would be placed"),
        (entry("name = 'a'\nbinaries.x = 'y//z'"), "d8.toml:6: images[1].binaries.x: 'y//z' is not a path"),
        (entry("name = 'a'\nbinaries = { x = 'y', \"A b\" = 'z' }"), 'd8.toml:6: images[1].binaries."A b": '),
        (entry("name = 'a'\n[images.binaries]\nx = 'y'\nnul = 'z'"), "d8.toml:8: images[1].binaries.nul: 'nul' is a"),
        (entry("name = 'a'\ndigest = 'x'"), "d8.toml:6: images[1].digest: 'x' is not a digest"),
        (
            entry(f"name = 'a'\nversion = '=1.4.2'\ndigest = '{DIGEST}'"),
            "d8.toml:7: images[1].digest: needs an exact version beside it",
        ),
        (entry("name = 'nul'"), "d8.toml:5: images[1].name: the binary of image 'nul' needs another name"),
        (
            entry("name = 'a'\n[images.binaries]\nx = 'y'\n\"x.exe\" = 'z'"),
            "d8.toml:6: images[1].binaries: 'x.exe' and 'x' are one file on Windows",
        ),
        (
            entry("name = 'a'\nbinaries = {'first.exe' = 'plugin'}"),
            "d8.toml:6: images[1].binaries: 'first.exe' and 'first' are one file on Windows",
        ),
        (entry("name = 'a'\nplatform = 1"), "d8.toml:6: images[1].platform: unknown key `platform`"),
        ("schema = 1\nimages = [ {name = 'a'}, {name = 'a'} ]", "d8.toml:2: images[1].name: 'a' is asked for twice"),
        ("note = '''\n[[images]]\n'''\nschema = 1", "d8.toml:1: note: unknown key `note`"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_complaints(text: str, message: str, end: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text.replace("\n", end))
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("schema = 2", "upgrade d8-installer"),
        (entry("name = 'a'\nbinarys = {}"), "did you mean `binaries`?"),
        (entry("name = 'a'\nplatforms = []"), "leave it out to take every platform"),
        (entry(f"name = 'a'\ndigest = '{DIGEST}'"), 'write version = "===TAG"'),
    ],
)
def test_hints(text: str, hint: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert caught.value.hint == hint


def test_a_hint_survives_having_no_file() -> None:
    with pytest.raises(DocumentError) as caught:
        parse(entry("name = 'A'"))
    assert "lower-case" in str(caught.value.hint)


def test_too_many_entries() -> None:
    text = "schema = 1\n" + "".join(f"[[images]]\nname = 'a{number}'\n" for number in range(4097))
    with pytest.raises(DocumentError, match=r"^d8.toml:2: images: has 4097 entries; at most 4096 are read$"):
        parse(text)
    assert len(parse(text[: text.rindex("[[")]).requests) == 4096


# -- edits ---------------------------------------------------------------------------------------------------

COMMENTED = """\
# top
schema = 1  # the format

# about a
[[images]]  # here
name = "a"  # its name
version = "^1"  # its range

# about b
[[images]]
name = "b"
# inside b
[images.binaries]
b = "plugin"  # its file

# about c
[[images]]
name = 'c'
platforms = [ # some
  "linux-amd64", # one
]
# the end
"""
INLINE = """\
schema = 1
images = [  # all
  # about a
  {name = "a", version = "^1"},  # its name
  {name = "b", binaries = {b = "plugin"}},
  {name = "c"}  # no comma
]
"""
TEXTS = {
    "commented": COMMENTED,
    "inline": INLINE,
    "one line": "schema = 1\nimages = [ {name = 'a'}, {name = 'b'} ] # end",
    "empty list": "schema = 1\nimages = []\n",
    "empty": "",
    "nothing yet": "schema = 1",
    "no last newline": "schema = 1\n[[images]]\nname = 'a'",
    "crlf": COMMENTED.replace("\n", "\r\n"),
    "quoted": "schema = 1\n[[ 'images' ]]\n\"name\" = 'a'\n",
    "dotted": "schema = 1\n[[images]]\nname = 'a'\nbinaries.a = 'x'\nbinaries.'b.c' = 'y'\n",
    "text in text": 'schema = 1\n[[images]]\nversion = """\n^1"""\nname = \'\'\'a\'\'\'\n[[images]]\nname = "b"\n',
}
texts = st.sampled_from(sorted(TEXTS)).map(TEXTS.__getitem__) | manifests.map(manifest_text)
edited_names = st.sampled_from("abcz").map(ImageName) | image_names
edits = built(Request.of, edited_names, ranges)


def comments(text: str) -> list[str]:
    # A version's own comment goes with it.
    return re.findall(r"# (?!its range)[a-z ]+[a-z]", text)


def requests_in(text: str) -> dict[ImageName, Request]:
    """What the text asks for; an absent manifest asks for nothing."""
    return {request.name: request for request in (parse(text).requests if text else ())}


@steady
@given(texts, edits)
def test_with_request_changes_one_version(text: str, request: Request) -> None:
    before, edited = requests_in(text), with_request(text, request)
    if request.name in before and before[request.name].digest is not None:
        # A demanded digest is that of one tag: whoever types a range has to take it out first.
        with pytest.raises(DocumentError, match="needs an exact version beside it"):
            parse(edited)
        return
    after = requests_in(edited)
    assert not text or parse(edited).platforms == parse(text).platforms
    assert {name: entry for name, entry in after.items() if name != request.name} == {
        name: entry for name, entry in before.items() if name != request.name
    }
    assert after[request.name].version == request.version
    assert after[request.name].binaries == before.get(request.name, request).binaries
    assert comments(edited) == comments(text)
    assert with_request(edited, request) == edited
    assert list(after) == [*before, *({request.name} - before.keys())]


@steady
@given(texts, edited_names)
def test_without_request_takes_one_entry(text: str, name: ImageName) -> None:
    before, edited = requests_in(text), without_request(text, name)
    assert requests_in(edited) == {other: entry for other, entry in before.items() if other != name}
    assert without_request(edited, name) == edited
    if name not in before:
        assert edited == text


@steady
@given(texts, edits, st.data())
def test_whatever_is_installed_and_uninstalled(text: str, request: Request, data: st.DataObject) -> None:
    for name in data.draw(st.permutations([*requests_in(text), request.name])):
        text = without_request(text, name)
    assert requests_in(text) == {}
    text = with_request(text, request)
    assert requests_in(text) == {request.name: request}


def test_a_new_manifest_is_plain() -> None:
    text = with_request("", Request.of(ImageName("a"), ">=1"))
    assert text == 'schema = 1\n\n[[images]]\nname = "a"\nversion = ">=1"\n'
    text = with_request(text, Request.of(ImageName("b")))
    assert text.endswith('\nversion = ">=1"\n\n[[images]]\nname = "b"\n')
    assert without_request(without_request(text, ImageName("a")), ImageName("b")) == "schema = 1\n"


def test_a_last_line_is_ended_first() -> None:
    text = "schema = 1\n[[images]]\nname = 'a'"
    assert with_request(text, Request.of(ImageName("b"))) == text + '\n\n[[images]]\nname = "b"\n'


def test_an_entry_goes_with_its_own_comments_only() -> None:
    assert without_request(COMMENTED, ImageName("b")) == COMMENTED.replace(
        '[[images]]\nname = "b"\n# inside b\n[images.binaries]\nb = "plugin"  # its file\n', ""
    )
    assert without_request(COMMENTED, ImageName("c")).endswith("# about c\n# the end\n")
    assert comments(without_request(INLINE, ImageName("b"))) == comments(INLINE)


def test_a_version_alone_changes() -> None:
    assert with_request(COMMENTED, Request.of(ImageName("a"), "~2")) == COMMENTED.replace('"^1"', '"~2"')
    assert with_request(COMMENTED, Request.of(ImageName("b"))) == COMMENTED
    assert with_request(INLINE, Request.of(ImageName("a"), "~2")) == INLINE.replace('"^1"', '"~2"')
    assert "version" not in with_request(INLINE, Request.of(ImageName("a")))


@steady
@given(texts.filter(lambda text: text.endswith("\n")), edits)
def test_what_was_put_in_and_taken_out_leaves_no_trace(text: str, request: Request) -> None:
    if request.name not in requests_in(text) and "images = []" not in text and "[  # all" not in text:
        assert without_request(with_request(text, request), request.name) == text


def test_line_ends_stay() -> None:
    edited = with_request(TEXTS["crlf"], Request.of(ImageName("z"), "1"))
    assert edited.count("\r\n") == edited.count("\n")
    assert requests_in(edited).keys() == {ImageName(name) for name in "abcz"}


@pytest.mark.parametrize("text", ["images = 3", "images = [1]", "[images]", "=", "x=" + "[" * 5000])
def test_what_is_no_manifest_is_not_edited(text: str) -> None:
    with pytest.raises(DocumentError):
        with_request(text, Request.of(ImageName("a")))
    with pytest.raises(DocumentError):
        without_request(text, ImageName("a"))


@steady
@given(near_toml | st.text(max_size=30), edits)
def test_any_text_is_edited_or_refused(text: str, request: Request) -> None:
    try:
        edited = with_request(text, request)
        without_request(edited, request.name)
    except D8Error:
        return
    assert tomllib.loads(edited)["images"]
