"""Versions and specifiers: SemVer as Masterminds/semver v3.4.0 reads it, and pip's spellings of a range besides.

Tags of images are versions, and a requester asks for a specifier. Both are made by ``parse`` and keep the text as
typed, because a tag is requested by its own spelling (rpp.md §6). This module also says which version is the newest,
and which is released. ``resolve`` chooses one, and ``registry`` reads the tags.

``compat="go"`` is the rule of the Go tools, ``compat="d8"`` (the default) is this tool's (docs, Versions).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, NotFoundError
from d8_installer.model.reference import is_tag
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    Compat = Literal["d8", "go"]
    SortKey = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]

# Far above any real tag (an OCI tag has at most 128 characters), and too low for a hostile text to cost time.
MAX_VERSION = 256
MAX_SPECIFIER = 1024
_MAX_UINT64 = 2**64 - 1

_IDS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_GENUINE = ("alpha", "beta", "rc", "pre", "preview", "snapshot")


# Each regular expression is compiled when it is first used: most commands read `*` and a few tags, or neither.


@cache
def _version() -> re.Pattern[str]:
    return re.compile(rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-({_IDS}))?(?:\+({_IDS}))?", re.ASCII)


class Version(Struct, frozen=True):
    """One version, as spelled and as understood: ``v1.2-rc.1`` is (1, 2, 0, "rc.1", "").

    ``==`` and the hash compare all fields, the spelling too: ``v1.2.0`` and ``1.2.0`` are two tags. Precedence ignores
    ``v`` and the build part (rpp.md §6.1); it is ``compare`` and ``sort_key``. There is no ``<``, because
    ``not a < b and not b < a`` would not mean ``a == b``.
    """

    text: str
    major: int
    minor: int
    patch: int
    prerelease: str = ""
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Return the version that ``text`` spells; raise DocumentError if it is not a version (rpp.md §6.1)."""
        version = cls.try_parse(text)
        if version is None:
            raise DocumentError(
                f"{_clip(text)} is not a version", hint="write it like 1.2.3 or v1.2.3-rc.1", code="bad-range"
            )
        return version

    @classmethod
    def try_parse(cls, text: str) -> Version | None:
        """Return the version that ``text`` spells, or None; many tags are not versions (``latest``)."""
        found = _version().fullmatch(text) if len(text) <= MAX_VERSION else None
        if found is None:
            return None
        major, minor, patch = (int(part or "0") for part in found.group(1, 2, 3))
        prerelease, build = found[4] or "", found[5] or ""
        if max(major, minor, patch) > _MAX_UINT64 or any(map(_has_leading_zero, prerelease.split("."))):
            return None
        return cls(text, major, minor, patch, prerelease, build)

    def __str__(self) -> str:
        return self.text

    @property
    def canonical(self) -> str:
        """The full spelling without ``v``: ``1.2.0-rc.1+b``."""
        core = f"{self.major}.{self.minor}.{self.patch}"
        return core + (self.prerelease and f"-{self.prerelease}") + (self.build and f"+{self.build}")

    @property
    def sort_key(self) -> SortKey:
        """A key that orders by SemVer precedence, oldest first; equal versions have equal keys."""
        ids = tuple(map(_identifier_key, self.prerelease.split("."))) if self.prerelease else ()
        return self.major, self.minor, self.patch, not self.prerelease, ids

    @property
    def preference_key(self) -> tuple[SortKey, str]:
        """A total order whose greatest is preferred: the newest, and of equal ones ``v1.2.0`` before ``1.2.0``.

        Use it with ``max``, or ``sorted(…, reverse=True)``. Between equal versions the spelling decides: ``v`` is above
        any digit.
        """
        return self.sort_key, self.text

    def compare(self, other: Version) -> Literal[-1, 0, 1]:
        """Return -1, 0 or 1: this version is older than the other, equal to it, or newer."""
        mine, theirs = self.sort_key, other.sort_key
        if mine == theirs:
            return 0
        return 1 if mine > theirs else -1

    def is_stable(self, compat: Compat = "d8") -> bool:
        """Whether it may be chosen unasked: no pre-release part, or for Go's plugins one like ``-main`` (§6.3)."""
        return not self.prerelease or (compat == "go" and not is_genuine_prerelease(self.prerelease))


def is_genuine_prerelease(prerelease: str) -> bool:
    """Whether the part after ``-`` means "not released yet", and is not the name of a build like ``-main`` (§6.3)."""
    return prerelease.split(".", 1)[0].lower().startswith(_GENUINE)


def latest_release(tags: Iterable[str], image: str) -> Version:
    """Return the newest of the tags that has no pre-release part; raise NotFoundError if there is none (§13)."""
    versions = [version for tag in tags if (version := Version.try_parse(tag)) and version.is_stable()]
    if not versions:
        hint = f"type `d8-installer versions {image}` to see every published tag"
        raise NotFoundError(f"no released {image} versions found", hint=hint, code="no-such-version")
    return max(versions, key=lambda version: version.preference_key)


def is_newer(candidate: Version, running: str) -> bool:
    """Whether the candidate is strictly newer. A running text that is not a version (``dev``) is the oldest (§13)."""
    current = Version.try_parse(running)
    return current is None or candidate.compare(current) > 0


class Specifier(Struct, frozen=True):
    """A range of versions, or with ``===`` one tag by its exact spelling, with the text as typed."""

    text: str
    exact_tag: str | None = None
    _groups: tuple[tuple[_Comparator, ...], ...] = ()

    @classmethod
    def parse(cls, text: str, compat: Compat = "d8") -> Specifier:
        """Return the range that ``text`` means; raise DocumentError if it is malformed.

        "go" reads Masterminds' language and nothing else (rpp.md §6.2). "d8" knows ``==``, ``~=`` and ``===`` besides.
        """
        if len(text) > MAX_SPECIFIER:
            raise _improper(text, f"is longer than {MAX_SPECIFIER} characters")
        if compat == "d8" and "===" in text:
            return cls(text, _exact_tag(text))
        if text == "*":
            return cls(text, None, ((_Comparator("", Version("0.0.0", 0, 0, 0), "major"),),))
        masterminds = _from_pip(text) if compat == "d8" else text
        return cls(text, None, _parse_groups(masterminds, text))

    @classmethod
    def any(cls) -> Specifier:
        """Return ``*``: every version without a pre-release part."""
        return cls.parse("*")

    def __str__(self) -> str:
        return self.text

    @property
    def allows_prerelease(self) -> bool:
        """Whether pre-releases are asked for: a comparator has one, or a tag is spelled exactly."""
        return self.exact_tag is not None or any(map(_wants_prerelease, self._groups))

    def allows(self, version: Version) -> bool:
        """Whether the version is in the range: all comparators of one ``||`` group allow it."""
        if self.exact_tag is not None:
            return version.text == self.exact_tag
        return any(_group_allows(group, version) for group in self._groups)


# -- Masterminds' constraint language (rpp.md §6.2) ------------------------------------------------------

# Go's \s, which unlike Python's has no vertical tab.
_BLANKS = "\t\n\f\r "
_WS = rf"[{_BLANKS}]"
_WILD = (None, "x", "X", "*")
# The '|' in the class is Masterminds' slip; it matters only in parts that are then ignored: `1.x.|`.
# No group is possessive: before 3.11.5, Python goes on behind what such a group had begun to match.
_PART = r"[0-9|xX*]++"
_LOOSE = rf"v?{_PART}(?:\.{_PART})?(?:\.{_PART})?(?:-{_IDS})?(?:\+{_IDS})?"
_OPERATOR = r"=>|=<|=|!=|>=|>|<=|<|~>|~|\^|"
if TYPE_CHECKING:
    _Free = Literal["none", "patch", "minor", "major"]


@cache
def _range() -> re.Pattern[str]:
    return re.compile(rf"{_WS}*+({_LOOSE}){_WS}++-{_WS}++({_LOOSE}){_WS}*+", re.ASCII)


@cache
def _comparator_pattern() -> re.Pattern[str]:
    parts = rf"({_PART})(?:\.({_PART}))?(?:\.({_PART}))?"
    return re.compile(rf"({_OPERATOR}){_WS}*+v?{parts}(-{_IDS})?(?:\+{_IDS})?", re.ASCII)


@cache
def _separator() -> re.Pattern[str]:
    return re.compile(rf"{_WS}*+,{_WS}*+|{_WS}++", re.ASCII)


class _Comparator(Struct, frozen=True):
    """An operator and a bound; ``free`` is the first part that is left out or a wildcard (and 0 in the bound)."""

    operator: str
    bound: Version
    free: _Free


def _parse_groups(masterminds: str, text: str) -> tuple[tuple[_Comparator, ...], ...]:
    groups = []
    for segment in _rewrite_ranges(masterminds).split("||"):
        group = _parse_group(segment.strip(_BLANKS))
        if group is None:
            raise _improper(text, "is not a version specifier")
        groups.append(group)
    return tuple(groups)


def _rewrite_ranges(text: str) -> str:
    """Return *text* with ``>= A, <= B`` for each ``A - B``, before the split at ``||`` and by first occurrence.

    All this is as Go does it, and so is the trailing space, which makes ``1 - 2<3`` well-formed.
    """
    if "-" not in text:
        return text
    rewritten = text
    for found in _range().finditer(text):
        rewritten = rewritten.replace(found[0], f">= {found[1]}, <= {found[2]} ", 1)
    return rewritten


def _parse_group(segment: str) -> tuple[_Comparator, ...] | None:
    # Token by token: Masterminds' one regex for the whole group backtracks exponentially in Python.
    comparators, at = [], 0
    while found := _comparator_pattern().match(segment, at):
        comparator = _comparator(*found.group(1, 2, 3, 4, 5))
        if comparator is None:
            return None
        comparators.append(comparator)
        if found.end() == len(segment):
            return tuple(comparators)
        separator = _separator().match(segment, found.end())
        if separator is None:
            return None
        at = separator.end()
    return None


def _comparator(
    operator: str, major: str, minor: str | None, patch: str | None, prerelease: str | None
) -> _Comparator | None:
    """Return the comparator, or None if a part before the first wildcard is not a number."""
    core, free = _bound(major, minor, patch)
    bound = Version.try_parse(core + (prerelease or ""))
    return None if bound is None else _Comparator(operator, bound, free)


def _bound(major: str, minor: str | None, patch: str | None) -> tuple[str, _Free]:
    if major in _WILD:
        return "0.0.0", "major"
    if minor in _WILD:
        return f"{major}.0.0", "minor"
    if patch in _WILD:
        return f"{major}.{minor}.0", "patch"
    return f"{major}.{minor}.{patch}", "none"


def _wants_prerelease(group: tuple[_Comparator, ...]) -> bool:
    return any(comparator.bound.prerelease for comparator in group)


def _group_allows(group: tuple[_Comparator, ...], version: Version) -> bool:
    # One comparator with a pre-release opens the whole AND group to them (§6.2).
    if version.prerelease and not _wants_prerelease(group):
        return False
    return all(_OPERATORS[comparator.operator](version, comparator) for comparator in group)


def _not_equal(version: Version, comparator: _Comparator) -> bool:
    bound = comparator.bound
    if comparator.free == "minor":
        return version.major != bound.major
    if comparator.free == "patch":
        return _upto_minor(version) != _upto_minor(bound) or version.prerelease != bound.prerelease
    return version.compare(bound) != 0


def _greater(version: Version, comparator: _Comparator) -> bool:
    bound = comparator.bound
    if comparator.free == "minor":
        return version.major > bound.major
    if comparator.free == "patch":
        return _upto_minor(version) > _upto_minor(bound)
    return version.compare(bound) > 0


def _less_or_equal(version: Version, comparator: _Comparator) -> bool:
    bound = comparator.bound
    if comparator.free == "none":
        return version.compare(bound) <= 0
    if comparator.free == "minor":
        return version.major <= bound.major
    # `<=*` lands here too and so means 0.0.z: Masterminds' quirk.
    return _upto_minor(version) <= _upto_minor(bound)


def _tilde(version: Version, comparator: _Comparator) -> bool:
    bound = comparator.bound
    if version.compare(bound) < 0:
        return False
    # `~0.0.0` takes all, like `~*`, whose bound it shares: Masterminds' quirk.
    if comparator.free in ("none", "major") and (bound.major, bound.minor, bound.patch) == (0, 0, 0):
        return True
    if comparator.free == "minor":
        return version.major == bound.major
    return _upto_minor(version) == _upto_minor(bound)


def _equal(version: Version, comparator: _Comparator) -> bool:
    if comparator.free == "none":
        return version.compare(comparator.bound) == 0
    return _tilde(version, comparator)


def _caret(version: Version, comparator: _Comparator) -> bool:
    bound = comparator.bound
    if version.compare(bound) < 0 or version.major != bound.major:
        return False
    if bound.major > 0 or comparator.free == "minor":
        return True
    if bound.minor > 0 or comparator.free == "patch":
        return version.minor == bound.minor
    # `^0.0.3` is one patch; so is `^*`, whose bound is 0.0.0: Masterminds' quirk.
    return (version.minor, version.patch) == (bound.minor, bound.patch)


def _upto_minor(version: Version) -> tuple[int, int]:
    return version.major, version.minor


_OPERATORS: dict[str, Callable[[Version, _Comparator], bool]] = {
    "": _equal,
    "=": _equal,
    "!=": _not_equal,
    ">": _greater,
    "<": lambda version, comparator: version.compare(comparator.bound) < 0,
    ">=": lambda version, comparator: version.compare(comparator.bound) >= 0,
    "=>": lambda version, comparator: version.compare(comparator.bound) >= 0,
    "<=": _less_or_equal,
    "=<": _less_or_equal,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}

# -- pip's spellings, put into Masterminds' ----------------------------------------------------------


@cache
def _pip() -> re.Pattern[str]:
    # Whole comparators only, or `>==1.2` would become `>=1.2`.
    version = rf"(v?[0-9]++(?:\.[0-9]++)*)(\.\*)?(-{_IDS})?(\+{_IDS})?"
    return re.compile(rf"(?<![^{_BLANKS},])(==|~=){_WS}*+{version}(?=[{_BLANKS},]|\Z)", re.ASCII)


def _from_pip(text: str) -> str:
    if "==" not in text and "~=" not in text:
        return text
    return "||".join(_pip().sub(_translate, group) for group in text.split("||"))


def _translate(found: re.Match[str]) -> str:
    operator, core, star, prerelease = found[1], found[2], found[3] or "", found[4] or ""
    parts = core.count(".") + 1
    if operator == "==":
        # pip's `==1.2` is 1.2.0 and nothing else, while Masterminds' `=1.2` is all of 1.2.
        return f"~{core}{star}{prerelease}" if star else f"={core}{'.0' * (3 - parts)}{prerelease}"
    if parts == 1 or star:
        raise _improper(found[0], "says no range", hint="write ~=1.4 for 1.4 up to 2, or ~=1.4.2 for 1.4.2 up to 1.5")
    if parts == 2:
        ceiling = int(core.removeprefix("v").split(".")[0]) + 1
        # A pre-release opens the group to pre-releases: the ceiling's own must stay out.
        return f">={core}{prerelease}, <{ceiling}{prerelease and '-0'}"
    # Masterminds' `~0.0.0` takes every version; `~0.0` is what is meant.
    return f"~{core if parts > 3 or core.strip('v0.') else '0.0'}{prerelease}"


def _exact_tag(text: str) -> str:
    tag = text.strip(_BLANKS).removeprefix("===").strip(_BLANKS)
    if not is_tag(tag):
        raise _improper(text, "names no single tag", hint="write === and one tag, nothing else: ===v1.2.3")
    return tag


def _has_leading_zero(identifier: str) -> bool:
    return len(identifier) > 1 and identifier[0] == "0" and identifier.isdigit()


def _identifier_key(identifier: str) -> tuple[bool, int, str]:
    # Numbers before words. Beyond uint64 Go takes digits for a word, and so does the order of tags.
    if identifier.isdigit() and (number := int(identifier)) <= _MAX_UINT64:
        return False, number, ""
    return True, 0, identifier


def _clip(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _improper(text: str, problem: str, hint: str | None = None) -> DocumentError:
    return DocumentError(
        f"{_clip(text)} {problem}",
        hint=hint or "write it like '>=1.2, <2', '~1.2', '==1.2.3' or '*' for any",
        code="bad-range",
    )
