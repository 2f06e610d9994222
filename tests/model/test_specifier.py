"""Specifiers: tables for the rules of rpp.md §6.2 and docs/architecture.md, properties for what always holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.model.version import MAX_SPECIFIER, Specifier, Version

if TYPE_CHECKING:
    from d8_installer.model.version import Compat

UINT64 = 2**64 - 1

# -- what ranges look like -------------------------------------------------------------------------------

# Few and small, so that versions meet the bounds often.
small = st.integers(0, 3)


@st.composite
def small_texts(draw: st.DrawFn) -> str:
    suffix = draw(st.sampled_from(["", "", "-0", "-rc.1", "-rc.2", "-main"]))
    return f"{draw(small)}.{draw(small)}.{draw(small)}{suffix}"


small_versions = small_texts().map(Version.parse)
operators = st.sampled_from(["", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^"])
loose_parts = st.sampled_from(["0", "1", "2", "x", "X", "*"])


@st.composite
def comparators(draw: st.DrawFn) -> str:
    core = ".".join(draw(st.lists(loose_parts, min_size=1, max_size=3)))
    return draw(operators) + core + draw(st.sampled_from(["", "", "-0", "-rc.1"]))


ranges = st.lists(st.lists(comparators(), min_size=1, max_size=3).map(" ".join), min_size=1, max_size=2).map("||".join)

# Text close to the grammar finds more than any text does.
near_texts = st.text(st.sampled_from("0123 vxX*|.,-+=!<>~^\t\v\nrc_é\u0663"), max_size=40)
any_texts = st.text() | near_texts


def allows(specifier: str, version: str, compat: Compat = "d8") -> bool:
    return Specifier.parse(specifier, compat).allows(Version.parse(version))


# -- specifiers, Masterminds' language -------------------------------------------------------------------

LANGUAGES: tuple[Compat, ...] = ("d8", "go")


@pytest.mark.parametrize(
    ("specifier", "yes", "no"),
    [
        (">=1.0.0", "1.0.0 v2.0.0 1.0.0+b", "0.9.9 1.0.0-rc.1 2.0.0-rc.1"),
        (">1", "2.0.0", "1.9.9 1.0.0"),
        (">1.2", "1.3.0 2.0.0", "1.2.9 0.9.0"),
        (">1.2.3", "1.2.4", "1.2.3"),
        (">*", "0.0.1 1.0.0", "0.0.0"),
        ("<1.x", "0.9.9", "1.0.0"),
        ("<*", "", "0.0.0 1.0.0"),
        ("<=1", "0.1.0 1.9.9", "2.0.0"),
        ("<=1.2", "1.2.9 0.3.0", "1.3.0"),
        ("<=1.2.3", "1.2.3", "1.2.4"),
        ("<=*", "0.0.9", "0.1.0 1.0.0"),
        ("=>1.2.3 =<2", "1.2.3 2.9.9", "3.0.0 1.2.2"),
        ("1.2.3", "1.2.3 v1.2.3+b", "1.2.4"),
        ("=1.2", "1.2.0 1.2.9", "1.3.0"),
        ("1", "1.9.0", "2.0.0 0.9.0"),
        ("*", "0.0.0 9.9.9", "1.0.0-rc.1"),
        ("x.1.2", "0.0.0 9.9.9", ""),
        ("!=1", "0.9.0 2.0.0", "1.0.0 1.5.0 2.0.0-rc.1"),
        ("!=1.2", "1.3.0 2.2.0", "1.2.0 1.2.9"),
        ("!=1.2-rc.1", "1.2.0-rc.2 1.2.0 1.3.0", "1.2.0-rc.1 1.2.7-rc.1"),
        ("!=1.2.3", "1.2.4", "1.2.3"),
        ("!=*", "0.0.1 1.0.0", "0.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0 2.2.3"),
        ("~>1.2", "1.2.0", "1.3.0"),
        ("~1", "1.0.0 1.9.0", "2.0.0"),
        ("~*", "0.0.0 9.9.9", ""),
        ("~0.0.0", "0.0.0 9.9.9", ""),
        ("~0.0", "0.0.9", "0.1.0 1.0.0"),
        ("~0", "0.9.9", "1.0.0"),
        ("^1.2.3", "1.2.3 1.9.0", "2.0.0 1.2.2"),
        ("^0.2.3", "0.2.9", "0.3.0 1.2.3"),
        ("^0.0.3", "0.0.3", "0.0.4 0.0.2 0.1.3"),
        ("^0.0", "0.0.9", "0.1.0"),
        ("^0", "0.9.9", "1.0.0"),
        ("^*", "0.0.0", "0.0.1 9.9.9"),
        ("1.2 - 2.3", "1.2.0 2.3.9", "1.1.9 2.4.0"),
        ("1.2.3 - 2.3.4 || 5", "2.3.4 5.1.0", "2.3.5"),
        ("1 - 2<2.5", "1.0.0 2.4.0", "2.5.0"),
        (">=1.0, <2.0", "1.5.0", "2.0.0 0.9.0"),
        (">= 1.0\t,\n<2.0", "1.5.0", "2.0.0"),
        (" >=1  <2||>=3 ", "1.5.0 3.0.0", "2.0.0"),
        (">=1.0.0-0 <2.0.0", "1.0.0-0 2.0.0-rc.1", "2.0.0 0.9.0-rc.1"),
        (">=1 || >=3-0", "1.0.0 3.0.0-rc.1", "2.0.0-rc.1"),
        ("^1.2.0-rc.1", "1.2.0-rc.1 1.3.0-beta", "1.2.0-beta 2.0.0-rc.1"),
        ("*-0", "1.0.0-rc.1", ""),
        ("01.02.3", "1.2.3", "1.2.4"),
        ("1.x.3", "1.0.0 1.9.9", "2.0.0"),
        ("1.x.|", "1.9.9", "2.0.0"),
        ("v1.2.3+01", "1.2.3", ""),
    ],
)
@pytest.mark.parametrize("compat", LANGUAGES)
def test_range(specifier: str, yes: str, no: str, compat: Compat) -> None:
    assert [version for version in yes.split() if not allows(specifier, version, compat)] == []
    assert [version for version in no.split() if allows(specifier, version, compat)] == []


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "||", ">=1.0 ||", "|| 1", ">=1.0<2.0", ">>1", "> >1", "!1", "1.2.3.4", ">=V1", ">=1,", ",1", "1,,2"),
        *("1 -2", "1- 2", "1 - 2 - 3", "~1 - 2", ">=1.2|3", "1.2.3-01", "1.2.3-", "1-a..b", "1.2.3_4", "xx", "1.xx"),
        *("> 1.2.3 foo", "latest", "1\v", "1\u00a02", f"{UINT64 + 1}", "1" * (MAX_SPECIFIER + 1), "=", "~", "==x"),
    ],
)
@pytest.mark.parametrize("compat", LANGUAGES)
def test_no_range(text: str, compat: Compat) -> None:
    with pytest.raises(DocumentError) as caught:
        Specifier.parse(text, compat)
    assert caught.value.hint
    assert len(str(caught.value)) < 120


@given(any_texts, st.sampled_from(LANGUAGES), small_versions)
def test_any_text_is_a_specifier_or_an_error(text: str, compat: Compat, version: Version) -> None:
    try:
        specifier = Specifier.parse(text, compat)
    except DocumentError as error:
        assert error.hint
    else:
        assert str(specifier) == specifier.text == text
        assert specifier == Specifier.parse(text, compat)
        assert isinstance(specifier.allows(version), bool)


@given(ranges, small_texts())
def test_v_and_build_do_not_count_in_a_range(text: str, version: str) -> None:
    assert allows(text, version) == allows(text, f"v{version}+b")


@given(ranges, small_versions)
def test_ours_reads_all_of_masterminds_alike(text: str, version: Version) -> None:
    assert Specifier.parse(text).allows(version) == Specifier.parse(text, "go").allows(version)


@given(ranges, ranges, small_versions)
def test_either_side_of_the_bars_is_enough(one: str, two: str, version: Version) -> None:
    either = Specifier.parse(one).allows(version) or Specifier.parse(two).allows(version)
    assert Specifier.parse(f"{one} || {two}").allows(version) == either


@given(ranges, small_versions)
def test_a_prerelease_passes_only_where_asked_for(text: str, version: Version) -> None:
    specifier = Specifier.parse(text)
    if specifier.allows(version) and version.prerelease:
        assert specifier.allows_prerelease
    assert specifier.allows_prerelease == ("-" in text)


@given(small_versions)
def test_any_takes_every_release(version: Version) -> None:
    assert Specifier.any().text == "*"
    assert Specifier.any().allows(version) is version.is_stable()


# -- specifiers, pip's spellings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pip", "masterminds"),
    [
        ("==1.2.3", "=1.2.3"),
        ("== v1.2.3-rc.1+b", "=1.2.3-rc.1"),
        ("==1.2", "=1.2.0"),
        ("==1", "=1.0.0"),
        ("==1.2.*", "~1.2"),
        ("==1.*", "~1"),
        ("==0.0.*", ">=0.0.0, <0.1.0"),
        ("!=1.2.*", "!=1.2.x"),
        ("~=1.4", ">=1.4, <2"),
        ("~=0.0", ">=0.0, <1"),
        ("~=1.4.2", "~1.4.2"),
        ("~=1.0.2", "~1.0.2"),
        ("~=0.0.0", ">=0.0.0, <0.1.0"),
        ("~= v1.4", ">=1.4, <2"),
        ("~=1.4-rc.1", ">=1.4.0-rc.1, <2.0.0-0"),
        ("~=1.2.0-rc.1", "~1.2.0-rc.1"),
        ("~=0.0.0-rc.1", ">=0.0.0-rc.1, <0.1.0-0"),
        (">=1,==1.2.*", ">=1 ~1.2"),
        ("==1.2.0 || ~=2.1", "1.2.0 || >=2.1 <3"),
        ("==1.2.0||==2.1.0", "1.2.0 || 2.1.0"),
        ("!=1.2.1,~=1.2", "!=1.2.1 ^1.2"),
    ],
)
@given(version=small_versions)
def test_pip_spelling(pip: str, masterminds: str, version: Version) -> None:
    ours, theirs = Specifier.parse(pip), Specifier.parse(masterminds, "go")
    assert ours.allows(version) == theirs.allows(version)
    assert ours.text == pip
    if "==" in pip or "~=" in pip:
        with pytest.raises(DocumentError):
            Specifier.parse(pip, "go")


@given(small, small, small, small_versions)
def test_pip_operators_mean_what_pip_says(major: int, minor: int, patch: int, version: Version) -> None:
    release = version.is_stable()
    mine, theirs = (version.major, version.minor, version.patch), (major, minor, patch)
    for text, want in {
        f"=={major}.{minor}.{patch}": mine == theirs,
        f"=={major}.{minor}": mine == (major, minor, 0),
        f"=={major}.{minor}.*": mine[:2] == theirs[:2],
        f"=={major}.*": mine[:1] == theirs[:1],
        f"~={major}.{minor}": mine[:1] == theirs[:1] and mine >= (major, minor, 0),
        f"~={major}.{minor}.{patch}": mine[:2] == theirs[:2] and mine >= theirs,
    }.items():
        assert Specifier.parse(text).allows(version) == (release and want), text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "~=1",
            "~=v1",
            "~=1.*",
            "~=1.4.*",
            "~=1.2.3.4",
            "==1.2.3.4",
            "==1.2.3.*",
            "==*",
            "==",
            "~=",
            "==1.x",
            "====1",
        ),
        *(">==1.2", "<==1.2", "!==1.2", "> ==1.2", "~ =1.2", "~=1.4<3", "==1.2<3", "==1.2 - 1.3", "1.2 - ==1.3"),
        *("~=1.4 - 2", "==1.2-", "==1.2-01", "~=1.2|3", "~=1.4.", f"~={UINT64}.0", "=1==1", "==1.*.5"),
    ],
)
def test_no_pip_spelling(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        Specifier.parse(text)
    assert caught.value.hint


def test_a_compatible_release_of_one_part_is_explained() -> None:
    with pytest.raises(DocumentError) as caught:
        Specifier.parse(">=1, ~=1")
    assert caught.value.message == "'~=1' says no range"
    assert caught.value.hint == "write ~=1.4 for 1.4 up to 2, or ~=1.4.2 for 1.4.2 up to 1.5"


@pytest.mark.parametrize("tag", ["v1.2.3", "1.2.3-rc.1", "latest", "_", "sha256-abc.att", "a" * 128])
def test_exact_tag(tag: str) -> None:
    specifier = Specifier.parse(f" === {tag} ")
    assert specifier == Specifier(f" === {tag} ", exact_tag=tag)
    assert specifier.allows_prerelease


def test_an_exact_tag_allows_only_its_own_spelling() -> None:
    specifier = Specifier.parse("===v1.2.3")
    assert specifier.allows(Version.parse("v1.2.3"))
    assert not specifier.allows(Version.parse("1.2.3"))
    assert Specifier.parse("==1.2.3").exact_tag is None


@pytest.mark.parametrize(
    "text",
    [
        *("===", "=== ", "===v1 v2", "===v1,>=1", ">=1, ===v1", "===v1 || ===v2", "===-a", "===.a", "===a/b"),
        *("====v1", "===v1\n===v2", "===é", "===" + "a" * 129),
    ],
)
def test_no_exact_tag(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        Specifier.parse(text)
    assert caught.value.hint == "write === and one tag, nothing else: ===v1.2.3"


def test_go_knows_no_exact_tag() -> None:
    with pytest.raises(DocumentError):
        Specifier.parse("===v1.2.3", "go")


# -- hostile text ----------------------------------------------------------------------------------------

HOSTILE = [
    "1  ",
    "1 - 1 ",
    "1-a.",
    "1.",
    "=",
    "v",
    " ",
    "x",
    "1,",
    "||",
    "1||",
    "1-",
    "==1 ",
    "~=1.1,",
    "0",
    "9",
    "\t,",
]


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("end", ["", "!", " 1 - 1", "\n=="])
def test_hostile_text_costs_no_time(unit: str, end: str) -> None:
    started = time.process_time()
    for length in (MAX_SPECIFIER, 1_000_000):
        text = (unit * (length // len(unit)))[: length - len(end)] + end
        for compat in LANGUAGES:
            try:
                Specifier.parse(text, compat).allows(Version.parse("1.0.0"))
            except DocumentError:
                continue
    assert time.process_time() - started < 1
