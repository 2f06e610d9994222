"""Names from outside: what passes is harmless in a path and in a URL on every system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import D8Error, DocumentError, UsageError
from d8_installer.model.reference import (
    ImageName,
    is_allowed_image,
    is_manifest_ref,
    is_tag,
    parse_binary_name,
    parse_member,
    parse_member_name,
    split_requirement,
)
from d8_installer.model.shell_words import quoted
from tests.strategies import binary_names, image_names, steady

if TYPE_CHECKING:
    from collections.abc import Callable

HEX = "a" * 64
near_names = st.text(st.sampled_from("aA0._-+/\\:~ \n\x00é"), max_size=8) | st.text(max_size=300)


@pytest.mark.parametrize("text", ["a", "0", "stronghold", "d8-plug.in_x", "a" * 128, "con"])
def test_image_names(text: str) -> None:
    assert str(ImageName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "A", ".a", "a.", "a..b", "a__b", "a-_b", "-a", "a/b", "../x", "a b", "a\n", "é", "a" * 129, None, 1, ["a"]],
)
def test_no_image_names(text: object) -> None:
    with pytest.raises(DocumentError, match="is not an image name"):
        ImageName.parse(text)


def test_paths_and_default_binaries() -> None:
    assert (ImageName("deckhouse-cli").path, ImageName("a").path) == ("deckhouse-cli", "deckhouse-cli/plugins/a")
    assert ImageName("deckhouse-cli").default_binary == ("d8", "d8")
    assert ImageName("a").default_binary == ("a", "plugin")


@steady
@given(image_names)
def test_the_proxy_serves_every_image(name: ImageName) -> None:
    assert is_allowed_image(name.path)


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        ("deckhouse-cli", True),
        ("deckhouse-cli/plugins/x", True),
        ("deckhouse-cli/plugins/..", True),  # refused later, by the registry
        ("deckhouse-cli/plugins/", False),
        ("deckhouse-cli/plugins", False),
        ("deckhouse-cli/plugins/x/y", False),
        ("deckhouse-cli/", False),
        ("x", False),
        ("", False),
    ],
)
def test_allowed_images(image: str, allowed: bool) -> None:
    assert is_allowed_image(image) is allowed


@pytest.mark.parametrize(
    ("ref", "tag", "manifest_ref"),
    [
        ("v1.2.3", True, True),
        ("_x", True, True),
        ("A" * 128, True, True),
        ("A" * 129, False, False),
        ("", False, False),
        (".x", False, False),
        ("1.0+build", False, False),
        ("a/b", False, False),
        ("v1\n", False, False),
        (f"sha256:{HEX}", False, True),
        (f"sha256:{HEX.upper()}", False, True),
        (f"SHA256:{HEX}", False, False),
        ("sha256:abc", False, False),
        (f"sha512:{HEX}{HEX}", False, True),
        ("sha256:" + "a" * 250, False, False),
    ],
)
def test_tags_and_manifest_refs(ref: str, tag: bool, manifest_ref: bool) -> None:
    assert (is_tag(ref), is_manifest_ref(ref)) == (tag, manifest_ref)


@pytest.mark.parametrize(
    "text", ["d8", "d8-stronghold", "a.b", "g++", "0", "a" * 64, "x_y", "console", "com10", "nul-x"]
)
def test_binary_names(text: str) -> None:
    assert parse_binary_name(text) == text


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "../x", "a/b", "a\\b", "a b", "A", "x.", ".x", "-x", "+x", "a" * 65, "a\n", "a\x00", "é", "\u0131",
     "a:b", "~", None, 3, ["d8"]],
)  # fmt: skip
def test_no_binary_names(text: object) -> None:
    with pytest.raises(DocumentError, match="is not a binary name"):
        parse_binary_name(text)


@pytest.mark.parametrize("text", ["con", "nul", "aux", "prn", "com1", "lpt9", "con.txt", "nul.tar.gz", "aux.c"])
def test_device_names_of_windows(text: str) -> None:
    with pytest.raises(DocumentError, match="device name on Windows") as caught:
        parse_binary_name(text)
    assert caught.value.hint == "choose another binary name"


@steady
@given(binary_names)
def test_the_strategy_makes_binary_names(name: str) -> None:
    assert parse_binary_name(name) == name


@pytest.mark.parametrize("text", ["plugin", "a b", ".hidden", "é", "x" * 255, "...", "C:x"])
def test_member_names(text: str) -> None:
    assert parse_member_name(text) == text


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "/", "a\\b", "a\x00", "a\n", "\x7f", "x" * 256, None, 1])
def test_no_member_names(text: object) -> None:
    with pytest.raises(DocumentError, match="is not a file name in an image") as caught:
        parse_member_name(text)
    assert "base name" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "member"),
    [
        ("plugin", "plugin"),
        ("usr/bin/d8", "usr/bin/d8"),
        ("/usr/bin/d8", "usr/bin/d8"),
        ("/plugin", "/plugin"),
        ("a b/é", "a b/é"),
    ],
)
def test_a_member_is_a_base_name_or_a_path_in_one_spelling(text: str, member: str) -> None:
    assert parse_member(text) == member
    assert parse_member(member) == member


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "//x",
        "a//b",
        "a/",
        "./a",
        "a/./b",
        "../a",
        "a/../../b",
        "a/..",
        "a\\b/c",
        "a/\x00",
        "a/\n",
        "x/" * 600 + "x",
    ],
)
def test_hostile_paths_are_no_members(text: str) -> None:
    with pytest.raises(DocumentError, match="is not a path in an image") as caught:
        parse_member(text)
    assert "usr/bin/d8" in str(caught.value.hint)


@pytest.mark.parametrize("parse", [ImageName.parse, parse_binary_name, parse_member_name])
@steady
@given(text=near_names)
def test_what_passes_is_one_harmless_segment(parse: Callable[[object], object], text: str) -> None:
    try:
        name = str(parse(text))
    except DocumentError as error:
        assert len(error.message) < 1000
        return
    assert name == text
    assert name not in {"", ".", ".."}
    assert not re.search(r"[/\\\x00-\x1f]", name)


@pytest.mark.parametrize(
    ("text", "name", "specifier"),
    [
        ("stronghold", "stronghold", ""),
        (" stronghold ", "stronghold", ""),
        ("stronghold>=1.4,<2", "stronghold", ">=1.4,<2"),
        ("stronghold >=1.4", "stronghold", ">=1.4"),
        ("a.b-c_d==1.2", "a.b-c_d", "==1.2"),
        ("a===v1.0.0-rc.1", "a", "===v1.0.0-rc.1"),
        ("a~=1.4", "a", "~=1.4"),
        ("a-^1", "a", "-^1"),
        ("a*", "a", "*"),
    ],
)
def test_split_requirement(text: str, name: str, specifier: str) -> None:
    assert split_requirement(text) == (ImageName(name), specifier)


@pytest.mark.parametrize("text", ["", " ", ">=1.4", "-a", "ÜBER", "../x", "a" * 129])
def test_split_requirement_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="is not a requirement") as caught:
        split_requirement(text)
    assert quoted("stronghold>=1.4,<2") in str(caught.value.hint)


@steady
@given(near_names)
def test_any_requirement_is_split_or_refused(text: str) -> None:
    try:
        name, specifier = split_requirement(text)
    except D8Error:
        return
    assert ImageName.parse(str(name)) == name
    rest = text.strip().removeprefix("deckhouse-cli/plugins/").removeprefix(str(name))
    assert rest.strip() == specifier or rest.strip()[:1] == "@"
