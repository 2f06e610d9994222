"""What a lock entry must say to stay as it is. Asks nothing, decides no version."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from d8_installer.model.reference import is_tag
from d8_installer.model.resolution import Choice
from d8_installer.model.value import replace
from d8_installer.model.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import LockedImage
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted


def is_current(wanted: Wanted, locked: LockedImage, group: Sequence[Requirement]) -> bool:
    """Whether the lock's entry says exactly what *group* asks for, so that nothing has to be asked or written."""
    asked = {requirement.requester: requirement.request.hash for requirement in group}
    as_demanded = all(requirement.request.digest in (None, locked.top) for requirement in group)
    complete = not missing_binaries(locked, group) and not missing_platforms(locked, group)
    same = lines_here(wanted, locked) == asked and locked.demanded == wanted.platforms
    sound = not excess(wanted, locked, group) and not wanted.locked.is_altered(locked)
    return same and as_demanded and complete and sound and locked.name not in wanted.repin


def excess(wanted: Wanted, locked: LockedImage, group: Sequence[Requirement]) -> tuple[str, ...]:
    """Return what the entry says beyond what *group* asks for: binaries by name, and ``optional``.

    Where lines stay of requesters who are not here, nobody knows what those asked for.
    """
    if absent_lines(wanted, locked):
        return ()
    asked = {name for requirement in group for name, _ in requirement.request.binaries}
    more = tuple(f"the binary {name}" for name, _ in locked.binaries if name not in asked)
    optional = all(requirement.request.optional for requirement in group)
    return (*more, "optional") if locked.optional and not optional else more


def lines_here(wanted: Wanted, locked: LockedImage) -> dict[str, Digest]:
    """Return the entry's lines, without those that stay though nobody asks for them now."""
    return {who: line for who, line in locked.requests if not stays(wanted, locked.name, who)}


def missing_binaries(locked: LockedImage, group: Iterable[Requirement]) -> tuple[str, ...]:
    """Return the binaries of *group* that the entry lacks or takes from another file."""
    asked = {pair for requirement in group for pair in requirement.request.binaries}
    return tuple(sorted(name for name, _ in asked - set(locked.binaries)))


def missing_platforms(locked: LockedImage, group: Iterable[Requirement]) -> tuple[Platform, ...]:
    """Return the platforms that *group* lists and cannot do without, and that the entry has no pin for."""
    listed = {p for r in group if not r.request.optional for p in r.request.platforms or ()}
    return tuple(sorted(platform for platform in listed if locked.pin_for(platform) is None))


def by_image(requirements: Iterable[Requirement]) -> dict[ImageName, tuple[Requirement, ...]]:
    groups: dict[ImageName, list[Requirement]] = defaultdict(list)
    for requirement in sorted(requirements, key=lambda r: (r.request.name, r.requester)):
        groups[requirement.request.name].append(requirement)
    return {name: tuple(group) for name, group in groups.items()}


def locked_will_do(wanted: Wanted, name: ImageName, group: Sequence[Requirement]) -> bool:
    locked = wanted.locked.find(name)
    if locked is None or wanted.upgrade is None or name in wanted.upgrade:
        return False
    return can_agree(group, [locked.version]) or (not wanted.lenient and all_allow(group, locked.version))


def can_agree(group: Sequence[Requirement], tags: Iterable[str]) -> bool:
    """Whether one of *tags* is right for all, and no binary is another file for one than for another."""
    files = {pair for requirement in group for pair in requirement.request.binaries}
    return len(dict(files)) == len(files) and any(all_allow(group, tag) for tag in tags)


def all_allow(group: Iterable[Requirement], tag: str) -> bool:
    return all(allows(requirement, tag) for requirement in group)


def allows(requirement: Requirement, tag: str) -> bool:
    specifier = requirement.request.version
    if specifier.exact_tag is not None:
        return specifier.exact_tag == tag
    version = Version.try_parse(tag) if is_tag(tag) else None
    return version is not None and specifier.allows(version)


def absent(wanted: Wanted, groups: Mapping[ImageName, object]) -> Iterable[Choice]:
    """Yield the images that only requesters want who are not here: as locked, without the lines of those who are."""
    for image in wanted.locked.images:
        lines = absent_lines(wanted, image)
        if image.name not in groups and lines:
            yield Choice(
                name=image.name, tag=image.version, requirements=(), locked=replace(image, requests=lines), kept=True
            )


def absent_lines(wanted: Wanted, image: LockedImage) -> tuple[tuple[str, Digest], ...]:
    return tuple(line for line in image.requests if stays(wanted, image.name, line[0]))


def stays(wanted: Wanted, name: ImageName, requester: str) -> bool:
    """Whether the entry of *name* keeps the line of a requester who does not ask for the image now."""
    if requester in wanted.unread or (name, requester) in wanted.left:
        return True
    return wanted.keep_absent and requester not in wanted.present and name not in wanted.released


def names_of(group: Iterable[Requirement]) -> str:
    return " and ".join(requirement.requester for requirement in group)
