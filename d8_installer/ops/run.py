"""``run``: finds a binary of the profile, or else resolves an image under ``runs/``, outside ``bin``, and checks it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, NotFoundError, TryAgainError, UnreachableError, UsageError
from d8_installer.model.reference import typed_image
from d8_installer.model.requirement import ANY_VERSION, Request
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import Struct, replace
from d8_installer.model.version import Specifier
from d8_installer.ops.images.published import newest_allowed
from d8_installer.pipeline.driver import usable_tags
from d8_installer.pipeline.gate import pass_gate, refuse_without_plugins
from d8_installer.pipeline.image_runs import image_program, installed_program
from d8_installer.pipeline.other_profiles import found_elsewhere, typed_command
from d8_installer.store.generation_place import place_of_wrapper
from d8_installer.store.generations import ProfileStore
from d8_installer.store.paths import global_home
from d8_installer.store.run_environment import environment_of
from d8_installer.store.switch import switch_for_this_system

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.model.generation import Generation
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import TypedImage
    from d8_installer.pipeline.gate import PlacedProgram
    from d8_installer.pipeline.session import Session


_OWN_OPTIONS = {
    **dict.fromkeys(["--from", "--endpoint", "--home", "--token-file", "--kubeconfig", "--context"], True),
    **dict.fromkeys(["--user", "--project", "--global", "--offline"], False),
}
"""Options of this tool that people type after NAME by mistake, and whether they have a value."""


class Runnable(Struct, frozen=True):
    """A program to execute: the file's path, and its environment."""

    path: str
    environ: Mapping[str, str]


def runnable(session: Session, text: str, arguments: Sequence[str]) -> Runnable:
    """Return what ``run NAME[SPEC] ARGS…`` runs, fetched if need be, and checked.

    A plain NAME is a binary of the profile if there is one, or else the default binary of the image of that name, as it
    is installed or else the newest one. Of the latter, the plugins that it needs are those of the profile, since it
    finds others by ``d8``.
    """
    profile = session.profiles.find()
    paths = session.scope.home.profile(profile.directory)
    bin_directory = session.scope.home.bin if profile.is_exposed else paths.bin
    active = session.profiles.active(profile)
    binary = None if active is None else _installed(active, text)
    if active is not None and binary is not None:
        program = installed_program(session, active, binary, paths)
        pass_gate(session, program, arguments)
    else:
        around = _lock_of(active)
        program = replace(_fetched(session, profile, text, arguments, around), typed=text)
        pass_gate(session, program, arguments, around=around)
    return Runnable(program.path, _environment(session, program, bin_directory))


def _installed(active: Generation, text: str) -> str | None:
    """Return the installed binary that *text* names: itself, or its image, of which it is the default binary."""
    placements = [placed.placement for placed in active.placed]
    named = [one.binary for one in placements if one.binary == text]
    of_image = [one.binary for one in placements if one.name.short == text and one.is_default]
    return next(iter(named + of_image), None)


def _fetched(session: Session, profile: Profile, text: str, arguments: Sequence[str], around: Lock) -> PlacedProgram:
    """Return the program of an image, fetched if need be, but not if a plugin that it needs is missing.

    If another profile has a program of that name, say where it is, before it is fetched or if it cannot be.
    """
    if session.platform != session.plugins.host_platform:
        raise UsageError(
            f"a binary for {session.platform} cannot run here", hint="leave --platform out", code="other-platform"
        )

    def admit(image: LockedImage) -> None:
        refuse_without_plugins(session, image, arguments, around)
        if (there := _elsewhere(session, profile, text)) is not None:
            session.reporter.note(f"running {image.name} {image.version}, which {profile} does not have; {there}")

    try:
        typed = typed_image(text)
        request = _request(session, typed) if typed.is_newest else Request.of(typed.name, typed.specifier)
        return image_program(session, request, request.binaries[0][0], "run", admit=admit)
    except (UsageError, NotFoundError, UnreachableError, ConfigError) as error:
        hint = _elsewhere(session, profile, text) or _misplaced(text, arguments)
        if hint is None:
            raise
        raise error.within(hint=hint) from error


def _misplaced(text: str, arguments: Sequence[str]) -> str | None:
    """Return a hint if what follows the name begins with an option that may be meant for this tool."""
    option, _, value = arguments[0].partition("=") if arguments else ("", "", "")
    if option not in _OWN_OPTIONS:
        return None
    following = arguments[1] if len(arguments) > 1 else "VALUE"
    typed = f"{option} {quoted(value or following)}" if _OWN_OPTIONS[option] else option
    return f"what follows {text} goes to the program: type `d8-installer run {typed} {quoted(text)}`"


def _elsewhere(session: Session, profile: Profile, text: str) -> str | None:
    """Return which other profile has the program, and the command that runs it there."""
    found = found_elsewhere(session, profile, lambda one: text in (one.binary, one.name.short))
    if found is None:
        return None
    other, placement = found
    command = typed_command(session, other, f"run {quoted(text)}")
    return f"{other} has {placement.binary} {placement.version}: type `{command}`"


def _request(session: Session, typed: TypedImage) -> Request:
    """Return the request for the newest version in the range as of now; what was fetched for the range is kept else."""
    is_latest = typed.specifier == ANY_VERSION
    try:
        tags = usable_tags(session.source, typed.name.path)
        newest = newest_allowed(typed.name, tags, Specifier.parse(typed.specifier))
    except (UnreachableError, TryAgainError):
        if is_latest:
            raise
        return Request.of(typed.name, typed.specifier)
    return Request.of(typed.name, f"==={newest}")


def _lock_of(active: Generation | None) -> Lock:
    from d8_installer.model.lock import Lock

    return Lock() if active is None else Lock.parse(active.lock.encode(), "d8.lock")


def _environment(session: Session, program: PlacedProgram, bin_directory: str) -> Mapping[str, str]:
    wrapper = program.placed.wrapper
    typed = session.scope.options.kubeconfig
    kubeconfig = os.path.abspath(os.path.join(session.scope.directory, typed)) if typed else None
    names = () if wrapper is None else wrapper.env
    return environment_of(names, session.scope.environ, bin_directory, kubeconfig)


# -- a gated program, called by its wrapper ----------------------------------------------------------------------------


def home_of_wrapper(directory: str, environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return the home that has a wrapper in *directory*, and whether it is the system's."""
    place = place_of_wrapper(directory, environ)
    if place is None:
        raise UsageError(
            f"{directory[:200]} has no wrapper of d8-installer", hint="type `d8-installer run NAME` to run a program"
        )
    return place.home.root, place.home.root == os.path.realpath(global_home(environ))


def gated_runnable(session: Session, directory: str, binary: str, arguments: Sequence[str]) -> Runnable:
    """Return the program of the wrapper of *binary* in *directory*, checked."""
    place = place_of_wrapper(directory, session.scope.environ)
    if place is None:
        raise UsageError(f"{directory[:200]} has no wrapper of d8-installer", hint="type `d8-installer sync`")
    generations = ProfileStore(place.paths, switch_for_this_system(), session.store)
    program = installed_program(session, generations.load(place.number), binary, place.paths)
    user = session.scope.home.profile("user")
    around = _lock_of(ProfileStore(user, generations.switch, session.store).active()) if place.is_run else None
    pass_gate(session, replace(program, is_called_by_wrapper=True), arguments, around=around)
    return Runnable(program.path, _environment(session, program, place.bin))
