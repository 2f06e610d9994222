"""The requests for an image in a profile: of requesters that are installed here, or that only the lock names.

docs/explanation/profiles.md has the rules: what ``list`` shows, ``use``, ``uninstall`` and ``upgrade`` can handle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.requirement import OWN_MANIFEST, needing_image
from d8_installer.pipeline.other_profiles import not_installed, typed_command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.errors import D8Error
    from d8_installer.model.digest import Digest
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


def requirements_for(wanted: Wanted, name: ImageName) -> tuple[Requirement, ...]:
    """Return the requirements for the image, of the requesters that are here and were read."""
    return tuple(requirement for requirement in wanted.requirements if requirement.request.name == name)


def locked_requests(wanted: Wanted, name: ImageName) -> dict[str, Digest]:
    """Return the hashes of the requests that the lock has for the image, by requester."""
    image = wanted.locked.find(name)
    return {} if image is None else dict(image.requests)


def plugins_that_keep(wanted: Wanted, name: ImageName) -> list[str]:
    """Return the plugins that require the image: those that are here, and those that could not be read."""
    requesters = {requirement.requester for requirement in requirements_for(wanted, name)}
    keeping = requesters | (locked_requests(wanted, name).keys() & wanted.kept.unread)
    return sorted(who for who in keeping - {OWN_MANIFEST} if needing_image(who) is None)


def images_that_keep(wanted: Wanted, name: ImageName, leaving: Iterable[ImageName] = ()) -> list[ImageName]:
    """Return the locked images that need the image, and that are not *leaving* now."""
    requesters = {requirement.requester for requirement in requirements_for(wanted, name)}
    keeping = {image for who in requesters | locked_requests(wanted, name).keys() if (image := needing_image(who))}
    return sorted(keeping - set(leaving))


def absent_requesters(wanted: Wanted, name: ImageName) -> list[str]:
    """Return the requesters that the lock names for the image and that are not installed here."""
    locked = {who for who in locked_requests(wanted, name) if needing_image(who) is None}
    return sorted(locked - wanted.present - wanted.kept.unread)


def can_be_uninstalled(workspace: Workspace, wanted: Wanted, name: ImageName, chosen: Iterable[ImageName]) -> bool:
    """Whether an image that the manifest does not name can be uninstalled, beside all that are *chosen* for it.

    Then no plugin that is here requires it, and no image that stays needs it. Such an image may be left from an
    uninstall that was interrupted.
    """
    if plugins_that_keep(wanted, name) or images_that_keep(wanted, name, chosen):
        return False
    return bool(locked_requests(wanted, name)) or _is_in_place(workspace, name)


def refusal(session: Session, workspace: Workspace, wanted: Wanted, name: ImageName, words: str) -> D8Error:
    """Return the error for an image that *words* (a verb and its arguments) cannot handle in this profile."""
    if plugins := plugins_that_keep(wanted, name):
        return DocumentError(
            f"{name} is required by the plugin {plugins[0]}, not by your manifest",
            hint=f"uninstall {plugins[0]} with the package manager that installed it, then `d8-installer sync --prune`",
            code="needed-by-another",
        )
    if dependents := images_that_keep(wanted, name):
        names = " and ".join(map(str, dependents))
        return DocumentError(
            f"{name} is there because {names} {'needs' if len(dependents) == 1 else 'need'} it, not for your manifest",
            hint=f"it goes with the last one that needs it: {_what_removes(session, workspace, wanted, name)}",
            code="needed-by-another",
        )
    if _is_in_place(workspace, name):
        return DocumentError(
            f"{name} is in place, and neither {workspace.profile.manifest} nor the lock says why",
            hint=f"type `{typed_command(session, workspace.profile, f'install {name}')}`",
            code="needed-by-another",
        )
    return not_installed(session, workspace.profile, name, words)


def _what_removes(session: Session, workspace: Workspace, wanted: Wanted, name: ImageName) -> str:
    """Return the command that removes all that need the image, if the manifest alone asks for these."""
    dependents = _all_that_need(wanted, name)
    asked = [one for one in dependents if OWN_MANIFEST in {found.requester for found in requirements_for(wanted, one)}]
    if not asked or any(plugins_that_keep(wanted, one) or absent_requesters(wanted, one) for one in dependents):
        return f"see `{typed_command(session, workspace.profile, 'list')}`"
    words = " ".join(["uninstall", *map(str, asked)])
    return f"`{typed_command(session, workspace.profile, words)}`"


def _all_that_need(wanted: Wanted, name: ImageName) -> list[ImageName]:
    """Return the locked images that need the image, and those that need these, and so on."""
    found: set[ImageName] = set()
    waiting = [name]
    while waiting:
        new = [image for image in images_that_keep(wanted, waiting.pop()) if image not in found]
        found.update(new)
        waiting += new
    return sorted(found)


def _is_in_place(workspace: Workspace, name: ImageName) -> bool:
    active = workspace.generations.active()
    return active is not None and any(placed.placement.name == name for placed in active.placed)
