"""Versions: tables for the rules of rpp.md §6, properties for what always holds."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError, NotFoundError
from d8_installer.model.version import (
    MAX_VERSION,
    Version,
    is_genuine_prerelease,
    is_newer,
    latest_release,
)

UINT64 = 2**64 - 1

# -- what versions look like -----------------------------------------------------------------------------

# Few and small, so that equal and neighbouring versions meet often.
small = st.integers(0, 3)
numbers = small | st.sampled_from([10, UINT64])
words = st.sampled_from(["alpha", "rc", "rc1", "main", "RC", "-", "0a", "linux-amd64"])
identifiers = words | numbers.map(str) | st.sampled_from(["99999999999999999999999", "100000000000000000000"])
dotted = st.lists(identifiers, min_size=1, max_size=3).map(".".join)
suffixes = st.just("") | dotted.map("-{}".format)
builds = st.just("") | dotted.map("+{}".format)


@st.composite
def version_texts(draw: st.DrawFn) -> str:
    core = ".".join(map(str, draw(st.lists(numbers, min_size=1, max_size=3))))
    return draw(st.sampled_from(["", "v"])) + core + draw(suffixes) + draw(builds)


versions = version_texts().map(Version.parse)
any_texts = st.text() | st.text(st.sampled_from("0123 vV.-+rc_\n\u0663"), max_size=30)


# -- versions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("1", (1, 0, 0, "", "")),
        ("v1.2", (1, 2, 0, "", "")),
        ("1.2.3", (1, 2, 3, "", "")),
        ("001.02.0003", (1, 2, 3, "", "")),
        ("20260101", (20260101, 0, 0, "", "")),
        ("1.2-rc.1", (1, 2, 0, "rc.1", "")),
        ("1+b", (1, 0, 0, "", "b")),
        ("v1.2.3-rc.1+b.01", (1, 2, 3, "rc.1", "b.01")),
        ("1.2.3-0", (1, 2, 3, "0", "")),
        ("1.2.3-0a.-", (1, 2, 3, "0a.-", "")),
        ("1.2.3--+-", (1, 2, 3, "-", "-")),
        (f"{UINT64}.0.0", (UINT64, 0, 0, "", "")),
    ],
)
def test_version_is_read(text: str, want: tuple[int, int, int, str, str]) -> None:
    assert Version.parse(text) == Version(text, *want)


@pytest.mark.parametrize(
    "text",
    [
        *("", "v", "V1.2.3", "1.2.3.4", " 1.2.3", "1.2.3 ", "1.2.3\n", "1.2.3-", "1.2.3+", "1.2.3-a..b", "1.2.3-.a"),
        *("1.2.3-01", "1.2.3-rc.01", "1.2.3-00", "1.2.3-a_b", "1..2", "1.", ".1", "1.x", "-1", "latest", "\u0661.2.3"),
        *(f"{UINT64 + 1}", f"0.{UINT64 + 1}", f"0.0.{UINT64 + 1}", "1" * (MAX_VERSION + 1)),
    ],
)
def test_no_version(text: str) -> None:
    assert Version.try_parse(text) is None
    with pytest.raises(DocumentError, match="is not a version") as caught:
        Version.parse(text)
    assert caught.value.hint
    assert len(str(caught.value)) < 100


# SemVer's own example (§11) between ours: words in ASCII order, digits beyond uint64 as Go sorts them.
ASCENDING = [
    *("0.0.0-0", "0.0.0", "0.0.1", "0.1.0", "0.10.0", "1.0.0--", "1.0.0-RC", "1.0.0-alpha", "1.0.0-alpha.1"),
    *("1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-linux-amd64", "1.0.0-rc.1"),
    *("1.0.0-windows-amd64", "1.0.0", "1.0.1-1", "1.0.1-2", "1.0.1-10", f"1.0.1-{UINT64}"),
    *("1.0.1-100000000000000000000", "1.0.1-99999999999999999999", "1.0.1-a", "1.0.1", f"{UINT64}.0.0"),
]


@pytest.mark.parametrize(("older", "newer"), list(pairwise(ASCENDING)))
def test_precedence(older: str, newer: str) -> None:
    assert Version.parse(older).compare(Version.parse(newer)) == -1
    assert Version.parse(newer).compare(Version.parse(older)) == 1


@given(version_texts())
def test_a_version_renders_as_it_was_typed(text: str) -> None:
    assert str(Version.parse(text)) == text


@given(versions)
def test_the_canonical_spelling_means_the_same(version: Version) -> None:
    again = Version.parse(version.canonical)
    assert again.canonical == version.canonical
    assert (again.compare(version), again.build) == (0, version.build)


@given(version_texts())
def test_v_does_not_count_but_is_kept(text: str) -> None:
    bare, spelled = (Version.parse(prefix + text.removeprefix("v")) for prefix in ("", "v"))
    assert bare.compare(spelled) == 0
    assert bare != spelled
    assert max(bare, spelled, key=lambda version: version.preference_key) is spelled


@given(versions, dotted)
def test_the_build_part_does_not_count(version: Version, build: str) -> None:
    assert Version.parse(f"{version.canonical.split('+')[0]}+{build}").compare(version) == 0


@given(versions, versions, versions)
def test_precedence_is_a_total_order(one: Version, two: Version, three: Version) -> None:
    assert one.compare(one) == 0
    assert one.compare(two) == -two.compare(one)
    assert (one.compare(two) == 0) == (one.sort_key == two.sort_key)
    oldest, middle, newest = sorted((one, two, three), key=lambda version: version.sort_key)
    assert oldest.compare(middle) <= 0 >= middle.compare(newest)
    assert oldest.compare(newest) <= 0


@given(st.permutations(["1.0.0", "v1.0.0", "v1.0.0-rc.1", "v1.0", "v0.9.0", "1.0.0-rc.1"]))
def test_preference_does_not_depend_on_the_order_of_tags(tags: list[str]) -> None:
    ranked = sorted(map(Version.parse, tags), key=lambda version: version.preference_key, reverse=True)
    assert [version.text for version in ranked] == [*("v1.0.0", "v1.0", "1.0.0", "v1.0.0-rc.1", "1.0.0-rc.1", "v0.9.0")]


@given(any_texts)
def test_any_text_is_a_version_or_an_error(text: str) -> None:
    version = Version.try_parse(text)
    if version is None:
        with pytest.raises(DocumentError):
            Version.parse(text)
    else:
        assert version == Version.parse(text)


# -- released and stable ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prerelease", ["rc", "rc1", "RC.1", "alphabet", "preview", "precise", "Snapshot-1", "beta"])
def test_genuine(prerelease: str) -> None:
    assert is_genuine_prerelease(prerelease)
    assert not Version.parse(f"1.0.0-{prerelease}").is_stable("go")


@pytest.mark.parametrize("prerelease", ["main", "linux-amd64", "0.rc.1", "k3s1", "-rc", "al", "hotfix.rc"])
def test_not_genuine(prerelease: str) -> None:
    version = Version.parse(f"1.0.0-{prerelease}")
    assert not is_genuine_prerelease(prerelease)
    assert version.is_stable("go")
    assert not version.is_stable()


def test_without_a_prerelease_part_it_is_stable_for_all() -> None:
    assert not is_genuine_prerelease("")
    assert Version.parse("1.0.0+rc").is_stable()
    assert Version.parse("1.0.0+rc").is_stable("go")


@pytest.mark.parametrize(
    ("tags", "want"),
    [
        (["v0.9.0", "v0.10.0", "latest", "v0.11.0-rc.1", "v0.11.0-main"], "v0.10.0"),
        (["1.0.0", "v1.0.0"], "v1.0.0"),
        (["v1.0.0", "1.0.0"], "v1.0.0"),
    ],
)
def test_latest_release(tags: list[str], want: str) -> None:
    assert latest_release(tags, "stronghold").text == want


@pytest.mark.parametrize("tags", [[], ["latest"], ["v1.0.0-rc.1", "v1.0.0-main"]])
def test_no_release(tags: list[str]) -> None:
    with pytest.raises(NotFoundError) as caught:
        latest_release(tags, "deckhouse-cli")
    assert caught.value.message == "no released deckhouse-cli versions found"
    assert caught.value.hint == "type `d8-installer versions deckhouse-cli` to see every published tag"


@pytest.mark.parametrize(
    ("running", "want"),
    [("v0.9.0", True), ("dev", True), ("", True), ("v1.0.0-rc.1", True), ("1.0.0+b", False), ("v1.0.1", False)],
)
def test_is_newer(running: str, want: bool) -> None:
    assert is_newer(Version.parse("v1.0.0"), running) is want


@pytest.mark.parametrize("unit", ["1", "0", "1.", "v", "1-a.", "1-", "1+a.", "1--", "a", " ", "\n"])
@pytest.mark.parametrize("end", ["", "!"])
def test_hostile_text_costs_no_time(unit: str, end: str) -> None:
    started = time.process_time()
    for length in (MAX_VERSION, 1_000_000):
        Version.try_parse((unit * (length // len(unit)))[: length - len(end)] + end)
    assert time.process_time() - started < 1
