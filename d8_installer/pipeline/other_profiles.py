"""The profiles beside the one that a command is about: what they have, and what to type for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from d8_installer.errors import D8Error, NotFoundError
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import Struct
from d8_installer.store.paths import find_project, known_home_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.model.generation import Generation, Placement
    from d8_installer.model.profile import Profile, ProfileKind
    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.session import Session

_OF_THE_USER = frozenset(["install", "uninstall", "upgrade", "use"])
"""The verbs that mean the user's profile, even inside a project."""
_IN_A_PROJECT = {"install": "add", "uninstall": "remove"}
"""Two of these verbs have a word of their own for the project here."""
_SHOWN = 5


def project_here(session: Session) -> str | None:
    """Return the directory of the project around the working directory, or None."""
    return find_project(session.scope.directory, known_home_directory(session.scope.environ))


def note_profile(session: Session, profile: Profile, *, doing: str = "changing", dry_run: bool = False) -> None:
    """Name the profile that a command changes, or in a dry run only looks at.

    If the command means the user's profile although a project is here, name the project too: a person may mean it.
    """
    project = project_here(session)
    is_chosen = profile.kind == "project" or session.scope.options.profile is not None
    other = "" if project is None or is_chosen else f", not the project {project} (--project means that one)"
    session.reporter.note(f"{'looking at' if dry_run else doing} {profile.title}{other}")


def typed_command(session: Session, profile: Profile, words: str) -> str:
    """Return the command line that runs *words* (a verb and its arguments, quoted for a shell) in *profile*."""
    home = "" if session.scope.options.home is None else f"--home {quoted(session.scope.options.home)} "
    verb, _, rest = words.partition(" ")
    if profile.kind == "system":
        return f"d8-installer --global {words}"
    if profile.kind == "project":
        if verb in _IN_A_PROJECT:
            return f"d8-installer {home}{_IN_A_PROJECT[verb]} {rest}"
        return f"d8-installer {home}{'--project ' if verb in _OF_THE_USER else ''}{words}"
    chosen = "--user " if verb not in _OF_THE_USER and project_here(session) is not None else ""
    return f"d8-installer {home}{chosen}{words}"


def not_installed(session: Session, profile: Profile, name: ImageName, words: str) -> NotFoundError:
    """Return the error for an image that *profile* does not have.

    The hint is the command *words* for another profile that has the image, if there is one. Otherwise it is the
    installed image that is spelled most like *name*, and how to list the others.
    """
    hint = hint_elsewhere(session, profile, words, lambda placement: placement.name == name)
    active = session.profiles.active(profile)
    if active is not None:
        from difflib import get_close_matches

        near = get_close_matches(name.short, sorted({placed.placement.name.short for placed in active.placed}), n=1)
        hint = "".join(f"did you mean {one}? " for one in near) + hint
    return NotFoundError(f"{str(name)!r} is not installed in {profile}", hint=hint, code="not-installed")


def hint_elsewhere(session: Session, profile: Profile, words: str, is_meant: Callable[[Placement], bool]) -> str:
    """Return a hint: the command *words* for another profile that has such a placement, else how to list this one."""
    found = found_elsewhere(session, profile, is_meant)
    if found is None:
        return f"see `{typed_command(session, profile, 'list')}`"
    return f"{found[0]} has it: type `{typed_command(session, found[0], words)}`"


def found_elsewhere(
    session: Session, profile: Profile, is_meant: Callable[[Placement], bool]
) -> tuple[Profile, Placement] | None:
    """Return such a placement in another profile, and that profile, or None."""
    for other, active in _beside(session, profile):
        meant = next((placed.placement for placed in active.placed if is_meant(placed.placement)), None)
        if meant is not None:
            return other, meant
    return None


class BesideProject(Struct, frozen=True):
    """The user's own profile beside a project's: the names of its binaries, and the command that lists them."""

    profile: Profile
    binaries: tuple[str, ...]
    command: str

    @property
    def text(self) -> str:
        """The line that says so; it names some of the binaries."""
        more = f" and {len(self.binaries) - _SHOWN} more" if len(self.binaries) > _SHOWN else ""
        return f"{self.profile} has {', '.join(self.binaries[:_SHOWN])}{more}: see `{self.command}`"

    def as_json(self) -> dict[str, object]:
        """Return the entry for ``data``."""
        return {"profile": self.profile.as_json(), "binaries": list(self.binaries)}


def beside_project(session: Session, profile: Profile) -> BesideProject | None:
    """Return what the user's own profile has if *profile* is a project's, or None if it has nothing."""
    for other, active in _beside(session, profile) if profile.kind == "project" else ():
        names = sorted({placed.placement.binary for placed in active.placed})
        if other.kind == "user" and names:
            return BesideProject(other, tuple(names), typed_command(session, other, "list"))
    return None


def _beside(session: Session, profile: Profile) -> Iterator[tuple[Profile, Generation]]:
    """Yield the other profiles that have an active generation, each with it."""
    for kind in cast("tuple[ProfileKind, ...]", ("user", "project", "system")):
        if kind == profile.kind:
            continue
        home = None if "system" in (kind, profile.kind) else session.scope.options.home
        beside = session.with_scope(session.scope.with_options(profile=kind, home=home))
        try:
            other = beside.profiles.find()
            active = beside.profiles.active(other)
        except D8Error:  # there is no project here, or that profile cannot be read, so there is nothing to point to
            continue
        if active is not None:
            yield other, active
