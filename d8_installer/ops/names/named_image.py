"""What an image that a person names is in a profile: asked for here, locked for others, only in place, or nothing.

The rules are in docs/profiles.md: what ``list`` shows, ``use``, ``uninstall`` and ``upgrade`` can handle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.requirement import ANY_VERSION, OWN_MANIFEST, Request, Requirement
from d8_installer.model.value import replace
from d8_installer.model.version import Specifier, Version
from d8_installer.pipeline.absent_requesters import named
from d8_installer.pipeline.other_profiles import not_installed, typed_command

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.model.digest import Digest
    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.session import Session, Workspace


def requirements_of(wanted: Wanted, name: ImageName) -> tuple[Requirement, ...]:
    """Return what is asked of the image by those that are here and were read."""
    return tuple(requirement for requirement in wanted.requirements if requirement.request.name == name)


def lines_of(wanted: Wanted, name: ImageName) -> dict[str, Digest]:
    """Return the lock's lines for the image, by requester."""
    image = wanted.locked.find(name)
    return {} if image is None else dict(image.requests)


def keepers(wanted: Wanted, name: ImageName) -> list[str]:
    """Return the plugins that are here, or that nobody can rule out to be, and that keep the image."""
    asking = {requirement.requester for requirement in requirements_of(wanted, name)}
    return sorted((asking | (lines_of(wanted, name).keys() & wanted.unread)) - {OWN_MANIFEST})


def absent_askers(wanted: Wanted, name: ImageName) -> list[str]:
    """Return the requesters that the lock names for the image and that are not here."""
    return sorted(lines_of(wanted, name).keys() - wanted.present - wanted.unread)


def can_go(workspace: Workspace, wanted: Wanted, name: ImageName) -> bool:
    """Whether an image that the manifest does not ask for can be uninstalled: no plugin that is here keeps it.

    Among these are images of an uninstall that was cut short.
    """
    return not keepers(wanted, name) and (bool(lines_of(wanted, name)) or _is_in_place(workspace, name))


def stand_ins(wanted: Wanted, name: ImageName) -> tuple[Requirement, ...]:
    """Return a requirement of any version for an image whose requesters are all not here, or cannot be read.

    It asks for the binaries that are locked, in the name of a requester whose line the caller puts back.
    """
    image = wanted.locked.find(name)
    if image is None or not image.requests:
        return ()
    request = Request(name, Specifier.parse(ANY_VERSION), image.binaries, None, image.optional)
    return (Requirement(image.requests[0][0], request),)


def with_stand_ins(wanted: Wanted, name: ImageName) -> Wanted:
    """Return what is wanted with the image's stand-ins."""
    return replace(wanted, requirements=(*wanted.requirements, *stand_ins(wanted, name)))


def refusal(session: Session, workspace: Workspace, wanted: Wanted, name: ImageName, verb: str) -> D8Error:
    """Return the error for an image that *verb* (with its arguments) cannot handle in this profile."""
    if kept := keepers(wanted, name):
        return DocumentError(
            f"{name} is required by the plugin {kept[0]}, not by your manifest",
            hint=f"uninstall {kept[0]} with the package manager that installed it, then `d8-installer sync --prune`",
        )
    if _is_in_place(workspace, name):
        return DocumentError(
            f"{name} is in place, and neither {workspace.profile.manifest} nor the lock says why",
            hint=f"type `{typed_command(session, workspace.profile, f'install {name}')}`",
        )
    return not_installed(session, workspace.profile, name, verb)


def unknown_range(session: Session, workspace: Workspace, wanted: Wanted, name: ImageName) -> DocumentError:
    """Return the error for an image that is locked, while nobody here says which versions are allowed."""
    image = wanted.locked.find(name)
    locked = "" if image is None else image.version
    who = named(lines_of(wanted, name))
    at_least = name if Version.try_parse(locked) is None else f"{name}>={locked.removeprefix('v')}"
    install = typed_command(session, workspace.profile, f"install '{at_least}'")
    upgrade = typed_command(session, workspace.profile, f"upgrade {name}")
    return DocumentError(
        f"{name} {locked} is locked for {who}, not installed here, so the range of its versions is not known",
        hint=f"give it a range: type `{install}`, then `{upgrade}`",
    )


def _is_in_place(workspace: Workspace, name: ImageName) -> bool:
    active = workspace.generations.active()
    return active is not None and any(placed.placement.name == name for placed in active.placed)
