"""The groups about versions, ranges and what is released: adapters over ``d8_installer.model.version``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, NotFoundError
from d8_installer.model.version import (
    Specifier,
    Version,
    is_genuine_prerelease,
    is_newer,
    latest_release,
)
from tests.conformance.group import text_of, texts_of

if TYPE_CHECKING:
    from tests.conformance.group import Group, Input, Output


def _semver_parse(case: Input) -> Output:
    version = Version.try_parse(text_of(case, "version"))
    return {"valid": False} if version is None else {"valid": True, "canonical": version.canonical}


def _semver_order(case: Input) -> Output:
    left, right = Version.parse(text_of(case, "a")), Version.parse(text_of(case, "b"))
    return {"compare": left.compare(right)}


def _semver_constraint(case: Input) -> Output:
    try:
        specifier = Specifier.parse(text_of(case, "constraint"), compat="go")
    except DocumentError:
        return {"constraint_valid": False}
    version = Version.try_parse(text_of(case, "version"))
    if version is None:
        return {"constraint_valid": True, "version_valid": False, "matches": False}
    return {"constraint_valid": True, "version_valid": True, "matches": specifier.allows(version)}


def _genuine_prerelease(case: Input) -> Output:
    return {"genuine": is_genuine_prerelease(text_of(case, "prerelease"))}


def _selfupdate_latest(case: Input) -> Output:
    try:
        latest = latest_release(texts_of(case, "tags"), "deckhouse-cli")
    except NotFoundError as error:
        return {"error": error.message}
    return {"latest": latest.text, "newer": is_newer(latest, text_of(case, "running"))}


GROUPS: dict[str, Group] = {
    "genuine_prerelease": _genuine_prerelease,
    "selfupdate_latest": _selfupdate_latest,
    "semver_constraint": _semver_constraint,
    "semver_order": _semver_order,
    "semver_parse": _semver_parse,
}
