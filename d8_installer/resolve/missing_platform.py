"""The error for a platform that a version lacks, with the newest allowed version that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.model.oci import ImageIndex, parse_manifest
from d8_installer.model.resolution import Answers, ManifestOf, TagsOf
from d8_installer.model.version import Version

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from d8_installer.model.platform import Platform
    from d8_installer.model.resolution import Choice, Needs, Wanted
    from d8_installer.model.source import ManifestBytes

MAX_ASKED = 32
"""How many versions are checked for a platform, the newest first, before the search ends."""
_ROUND = 8


def explain_missing(
    choice: Choice, platform: Platform, index: ImageIndex, wanted: Wanted
) -> Generator[Needs, Answers, NotFoundError]:
    """Return the error that names the image, the version and the platform; its hint has the newest version with it."""
    need = TagsOf(choice.name.path)
    answers = yield (need,)
    others = _allowed(choice, answers.tags.get(need, ()))
    newest = None
    for start in range(0, min(len(others), MAX_ASKED), _ROUND):
        needs = tuple(
            ManifestOf(image=need.image, ref=tag, may_fail=True)
            for tag in others[start : min(start + _ROUND, MAX_ASKED)]
        )
        answers = yield needs
        newest = next((one.ref for one in needs if _has(answers.manifests.get(one), platform)), None)
        if newest is not None:
            break
    offered = ", ".join(map(str, index.platforms)) or "no platform at all"
    return NotFoundError(
        f"{choice.name} {choice.tag} has no build for {platform}",
        hint=f"it has {offered}; {_result(newest, len(others))}; {_way_out(choice, platform, wanted)}",
        code="no-build-for-platform",
    )


def _way_out(choice: Choice, platform: Platform, wanted: Wanted) -> str:
    asked = any(platform in (requirement.request.platforms or ()) for requirement in choice.requirements)
    if platform in wanted.adds and platform not in wanted.platforms and not asked:
        return f"leave `--platform {platform}` out, or set `optional = true`"
    return f"drop {platform} from `platforms`, or set `optional = true`"


def _allowed(choice: Choice, tags: Sequence[str]) -> list[str]:
    versions = [
        version
        for tag in tags
        if tag != choice.tag
        and all(requirement.allows(tag) for requirement in choice.requirements)
        and (version := Version.try_parse(tag)) is not None
    ]
    return [version.text for version in sorted(versions, key=lambda version: version.preference_key, reverse=True)]


def _has(manifest: ManifestBytes | None, platform: Platform) -> bool:
    if manifest is None:
        return False
    try:
        document = parse_manifest(manifest.raw)
    except MismatchError:
        return False
    return isinstance(document, ImageIndex) and document.child_for(platform) is not None


def _result(newest: str | None, others: int) -> str:
    if newest is not None:
        return f"the newest allowed version that has it is {newest}"
    if not others:
        return "no other version is allowed"
    if others == 1:
        return "the only other version that is allowed has no build for it either"
    if others > MAX_ASKED:
        return f"none of the {MAX_ASKED} newest other versions that are allowed has it, and older ones were not asked"
    return f"none of the {others} other versions that are allowed has it"
