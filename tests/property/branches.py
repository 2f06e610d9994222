"""Random edits of a project on two branches, and what their merge must come to, by a rule written down apart from ours.

A project is a manifest (name to Want) and the versions that are locked; its lock follows from both by resolving anew.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import tomli_w

from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock, LockedImage, Pin
from d8_installer.model.manifest import Manifest
from d8_installer.model.reference import ImageName
from d8_installer.model.requirement import OWN_MANIFEST
from d8_installer.model.resolution import Trust, Wanted
from d8_installer.pipeline.driver import drive
from d8_installer.registry.oci_layout import LayoutSource
from d8_installer.resolve.choose import resolve
from d8_installer.resolve.pin import pin
from tests.images import add_image, executables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

NAMES = "abcdef"
PLATFORMS = ("darwin-arm64", "linux-amd64", "linux-arm64")
VERSIONS = ("v1.0.0", "v1.1.0", "v1.2.0", "v2.0.0")
RANGES = ("*", "^1", ">=1.1", "~1.2", "<1.2")
_NOTHING = Digest("0" * 64)
NEEDED = "n"
"""An image that no manifest asks for: others need it, always so that its newest version is right."""
NEEDS = {
    **{("a", version): "" for version in VERSIONS},
    ("b", "v1.1.0"): ">=1",
    ("b", "v2.0.0"): ">=1.1",
    ("c", "v1.0.0"): "^2",
}
"""What versions of images need of it."""


@dataclass(frozen=True)
class Want:
    """What a manifest asks of one image."""

    range: str = "*"
    platforms: tuple[str, ...] | None = None
    binaries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Branch:
    """The state of a project on a branch."""

    wants: Mapping[str, Want]
    lock: Lock

    @property
    def manifest(self) -> str:
        return manifest_text(self.wants)

    @property
    def versions(self) -> dict[str, str]:
        return {str(image.name): image.version for image in self.lock.images}


def manifest_text(wants: Mapping[str, Want]) -> str:
    images = []
    for name in sorted(wants):
        want = wants[name]
        more = {"platforms": list(want.platforms)} if want.platforms is not None else {}
        binaries = dict.fromkeys((name, *want.binaries), "plugin")
        images.append({"name": name, "version": want.range, "binaries": binaries, **more})
    return tomli_w.dumps({"schema": 1, "images": images})


def contract(name: str, version: str, constraint: str) -> dict[str, str]:
    """Return the annotation of an image that needs NEEDED."""
    needs = [{"name": NEEDED, "constraint": constraint}]
    document = {"name": name, "version": version, "requirements": {"plugins": {"mandatory": needs}}}
    return {"contract": base64.b64encode(json.dumps(document).encode()).decode()}


class World:
    """A registry on disk, read as the command reads it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._tops = {}
        for name in (*NAMES, NEEDED):
            for version in VERSIONS:
                builds = executables(f"{name} {version}", *PLATFORMS)
                constraint = NEEDS.get((name, version))
                annotations = {} if constraint is None else contract(name, version, constraint)
                self._tops[name, version] = add_image(root, name, version, builds, annotations)
        self._source = LayoutSource(root)

    def branch(self, wants: Mapping[str, Want], versions: Mapping[str, str]) -> Branch:
        """Return a project whose images are locked at *versions*, where its ranges allow them."""
        manifest = Manifest.parse(manifest_text(wants).encode(), "d8.toml")
        pinned = Lock.of(self._pinned(name, version) for name, version in versions.items() if name in wants)
        wanted = Wanted(
            requirements=manifest.requirements(OWN_MANIFEST), present=frozenset([OWN_MANIFEST]), locked=pinned
        )
        resolution = drive(resolve(wanted), lambda: self._source, 1)
        return Branch(wants, drive(pin(resolution, wanted, Trust({})), lambda: self._source, 1))

    def _pinned(self, name: str, version: str) -> LockedImage:
        """Return an entry that says the version and is otherwise of no use, so that all the rest is made anew."""
        image = ImageName(name)
        pins = (("linux-amd64", Pin(child=_NOTHING, layer=_NOTHING, size=1)),)
        return LockedImage(
            name=image,
            version=version,
            index=self._tops[name, version],
            binaries=(image.default_binary,),
            requests=((OWN_MANIFEST, _NOTHING),),
            platforms=pins,
        )


def random_branch(world: World, random: Random) -> Branch:
    """Return a project to branch off from."""
    names = random.sample(NAMES, random.randint(2, 5))
    versions = {name: random.choice(VERSIONS) for name in names}
    return world.branch({name: random_want(random) for name in names}, versions)


def random_want(random: Random) -> Want:
    return Want(random.choice(RANGES), random_platforms(random), random_binaries(random))


def random_platforms(random: Random) -> tuple[str, ...] | None:
    return random.choice([None, None, PLATFORMS[:1], PLATFORMS[1:], PLATFORMS])


def random_binaries(random: Random) -> tuple[str, ...]:
    return tuple(random.sample(("x1", "y1"), random.randint(0, 2)))


def edited(world: World, base: Branch, random: Random) -> Branch:
    """Return *base* after one to four edits: add, remove, upgrade, or another range, platforms or binaries."""
    wants, versions = dict(base.wants), base.versions
    for _ in range(random.randint(1, 4)):
        name = random.choice(NAMES)
        if name not in wants:
            wants[name] = random_want(random)
            continue
        edit = random.randrange(5)
        if edit == 0:
            del wants[name]
        elif edit == 1:
            versions[name] = random.choice(VERSIONS)
        else:
            wants[name] = [
                replace(wants[name], range=random.choice(RANGES)),
                replace(wants[name], platforms=random_platforms(random)),
                replace(wants[name], binaries=random_binaries(random)),
            ][edit - 2]
    return world.branch(wants, versions)


# -- what the merge must come to -----------------------------------------------------------------------------


def conflicting(base: Branch, ours: Branch, theirs: Branch) -> set[str]:
    """Return the images that both sides changed so that only a person can tell."""
    found = set()
    for name in NAMES:
        was, mine, other = (branch.lock.find(ImageName(name)) for branch in (base, ours, theirs))
        if mine == other or was in (mine, other):
            continue
        versions = {image.version for image in (mine, other) if image is not None}
        removed = None in (mine, other)
        if removed or (len(versions) == 2 and (was is None or was.version not in versions)):
            found.add(name)
    return found


def joined_wants(base: Branch, ours: Branch, theirs: Branch, random: Random) -> dict[str, Want]:
    """Merge the manifests as a person would: what one side changed counts, and any of the two where both did."""
    joined = {}
    for name in NAMES:
        was, mine, other = (branch.wants.get(name) for branch in (base, ours, theirs))
        if mine is None or other is None:
            gone = was is not None and was in (mine, other)
            want = None if gone else (mine or other if was is None else random.choice([mine, other]))
        else:
            before = was or mine
            before = was or mine
            want = Want(
                mine.range if mine.range != before.range else other.range,
                mine.platforms if mine.platforms != before.platforms else other.platforms,
                mine.binaries if mine.binaries != before.binaries else other.binaries,
            )
        if want is not None:
            joined[name] = want
    return joined


def joined_versions(base: Branch, ours: Branch, theirs: Branch) -> dict[str, str]:
    """Return the versions that are no question: the side's that moved it."""
    before, mine, other = base.versions, ours.versions, theirs.versions
    joined = {}
    for name in mine.keys() | other.keys():
        moved = mine if other.get(name) in (None, before.get(name)) and name in mine else other
        joined[name] = (moved if name in moved else mine)[name]
    return joined
