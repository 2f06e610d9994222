"""The manifests that plugins add to a profile by the hook ``d8_manifests``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DocumentError
from d8_installer.model.manifest import MAX_MANIFEST_TOML, Manifest
from d8_installer.model.plurals import sized
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.value import Struct, field
from d8_installer.plugin.dist_info import normalised
from d8_installer.plugin.records import ManifestsRequest, ManifestText

if TYPE_CHECKING:
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session

_LONGEST_NAME = 128


class HookedManifests(Struct, frozen=True):
    """The manifests by requester, and the problems of those that were left out."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    problems: tuple[D8Error, ...] = ()


def hooked_manifests(session: Session, profile: Profile) -> HookedManifests:
    """Ask the enabled plugins for manifests. One that cannot be read is left out, and its problem is returned."""
    hooks = session.plugins.hooks
    if not hooks.implements("d8_manifests"):
        return HookedManifests()
    problems: list[D8Error] = []
    request = ManifestsRequest(profile.kind, profile.project)
    manifests: dict[str, Manifest] = {}
    for offer in hooks.records("d8_manifests", ManifestText, {"request": request}, problems.append):
        try:
            name = _requester(offer.record)
            manifest = _parsed(offer.record)
            if name in manifests:
                raise DocumentError(f"{name} has two manifests", file=offer.record.file, code="plugin-left-out")
            manifests[name] = manifest
        except DocumentError as error:
            problems.append(
                DocumentError(
                    f"plugin {offer.plugin}: a manifest is left out: {error}", hint=error.hint, code="plugin-left-out"
                )
            )
    return HookedManifests(manifests, tuple(problems))


def _requester(record: ManifestText) -> str:
    name = normalised(record.name)
    words = name.split("-")
    is_name = all(word and word.isascii() and word.isalnum() and word == word.lower() for word in words)
    if not is_name or len(name) > _LONGEST_NAME or record.name == OWN_MANIFEST:
        raise DocumentError(
            f"{record.name[:100]!r} is not a requester's name", hint="name it as a distribution", code="plugin-left-out"
        )
    return name


def _parsed(record: ManifestText) -> Manifest:
    if not isinstance(record.text, str) or not isinstance(record.file, str):
        raise DocumentError("is not text", code="plugin-left-out")
    raw = record.text.encode("utf-8", "replace")
    if len(raw) > MAX_MANIFEST_TOML:
        raise DocumentError(
            f"has more than {sized(MAX_MANIFEST_TOML)}", file=record.file, about_file=True, code="plugin-left-out"
        )
    return Manifest.parse_plugins(raw, record.file)
