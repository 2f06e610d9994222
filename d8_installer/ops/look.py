"""The verbs that only look: ``list``, ``which``, ``versions``. They take no lock and change nothing."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from d8_installer.errors import NotAllowedError, NotFoundError
from d8_installer.model.value import Struct
from d8_installer.model.version import Version
from d8_installer.ops.names.askers import askers
from d8_installer.pipeline.altered_files import altered_text
from d8_installer.pipeline.driver import usable_tags, workers
from d8_installer.pipeline.other_profiles import hint_elsewhere, others_have
from d8_installer.pipeline.strangers import stranger_in_home
from d8_installer.store.generations import file_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.model.generation import Generation, Placed
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.ops.names.askers import Asker
    from d8_installer.pipeline.session import Session


class Installed(Struct, frozen=True, kw_only=True):
    """One binary that is in place, and who asks for its image.

    ``newest`` is set by ``--outdated`` alone: the newest stable version published. ``problem`` says how the stored file
    differs from what was installed; the bytes are not read.
    """

    binary: str
    image: str
    version: str
    digest: str
    in_bin: bool
    newest: str | None = None
    asked: tuple[Asker, ...] = ()
    problem: str | None = None


class ListResult(Struct, frozen=True, kw_only=True):
    """What is in place in a profile, by binary name; ``others``: a line about the user's, where this is a project's."""

    profile: Profile
    generation: int | None
    platform: str | None
    binaries: tuple[Installed, ...]
    outdated: bool = False
    others: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        rows = [
            {"binary": b.binary, "image": b.image, "version": b.version, "digest": b.digest, "in_bin": b.in_bin}
            | {"asked": [asker._asdict() for asker in b.asked], "problem": b.problem}
            | ({"newest": b.newest} if self.outdated else {})
            for b in self.binaries
        ]
        return {
            "profile": self.profile.as_json(),
            "generation": self.generation,
            "platform": self.platform,
            "binaries": rows,
        }


class WhichResult(Struct, frozen=True, kw_only=True):
    """Where a binary is, and which stored file that is."""

    binary: str
    path: str
    image: str
    version: str
    digest: str

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "binary": self.binary,
            "path": self.path,
            "image": self.image,
            "version": self.version,
            "digest": self.digest,
        }


class VersionsResult(Struct, frozen=True):
    """Every published SemVer tag, newest first; ``current`` is the one in place here, if any."""

    image: str
    current: str | None
    tags: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"image": self.image, "current": self.current, "versions": list(self.tags)}


def list_installed(session: Session, *, outdated: bool = False) -> ListResult:
    """Return what is in place; *outdated* asks the source, and keeps only what has a newer stable version."""
    profile = session.profile()
    active = session.active(profile)
    others = others_have(session, profile)
    if active is None:
        return ListResult(
            profile=profile, generation=None, platform=None, binaries=(), outdated=outdated, others=others
        )
    newest = _newest(session, active) if outdated else {}
    asked = askers(session, profile, active) if active.placed else {}
    problems = _problems(session, profile, active)
    rows = tuple(
        _row(
            placed, newest.get(placed.placement.name.short), asked.get(placed.placement.name, ()), problems.get(placed)
        )
        for placed in active.placed
    )
    if outdated:
        rows = tuple(row for row in rows if row.newest is not None)
    return ListResult(
        profile=profile,
        generation=active.number,
        platform=str(active.platform),
        binaries=rows,
        outdated=outdated,
        others=others,
    )


def which(session: Session, binary: str) -> WhichResult:
    """Return where *binary* is in the profile; one that is not in place is a NotFoundError."""
    profile = session.profile()
    active = session.active(profile)
    placed = active.find(binary) if active is not None else None
    if active is None or placed is None:
        words = f"which {shlex.quote(binary)}"
        hint = hint_elsewhere(
            session, profile, words, lambda placement: placement.binary == binary and placement.in_bin
        )
        raise NotFoundError(f"{binary[:100]!r} is not in place in {profile}", hint=hint)
    _problems(session, profile, active, binary)
    name = file_name(binary, active.platform.executable_suffix)
    path = session.home.executable(placed.digest.hex, name)
    return WhichResult(
        binary=binary,
        path=path,
        image=placed.placement.name.short,
        version=placed.placement.version,
        digest=str(placed.digest),
    )


def _problems(session: Session, profile: Profile, active: Generation, only: str | None = None) -> dict[Placed, str]:
    """Warn of a home that is another user's, and of stored files that were changed; return what of each is wrong."""
    _warn_of_stranger(session)
    problems = {}
    for placed, path, problem in session.generations(profile).altered_executables(active):
        if only in (None, placed.placement.binary):
            session.reporter.warn(altered_text(placed, path, problem))
            problems[placed] = problem
    return problems


def _warn_of_stranger(session: Session) -> None:
    """Warn that the home is another user's, who can change what is run from it."""
    found = stranger_in_home(session.home, session.environ, lambda: session.config_file)
    if found is not None:
        session.reporter.warn(f"{found}, who can change every program in it")


def versions(session: Session, name: ImageName) -> VersionsResult:
    """Return every SemVer tag of the image, newest first; other tags are signatures and the like."""
    tags = [
        version for tag in usable_tags(session.source, name.path) if (version := Version.try_parse(tag)) is not None
    ]
    if not tags:
        raise NotFoundError(
            f"{name} has no published version", hint="check that the name is spelled as it was published"
        )
    ordered = sorted(tags, key=lambda version: version.preference_key, reverse=True)
    return VersionsResult(name.short, _current(session, name), tuple(version.text for version in ordered))


def _current(session: Session, name: ImageName) -> str | None:
    try:
        active = session.active(session.profile())
    except NotAllowedError:  # the project is another user's; what is published does not depend on it
        return None
    placed = active.placed if active is not None else ()
    return next((p.placement.version for p in placed if p.placement.name == name), None)


def _row(placed: Placed, newest: str | None, asked: tuple[Asker, ...], problem: str | None) -> Installed:
    p = placed.placement
    return Installed(
        binary=p.binary,
        image=p.name.short,
        version=p.version,
        digest=str(placed.digest),
        in_bin=p.in_bin,
        newest=newest,
        asked=asked,
        problem=problem,
    )


def _newest(session: Session, active: Generation) -> dict[str, str]:
    current = {placed.placement.name: placed.placement.version for placed in active.placed}
    with workers(session.options.connections) as pool:
        tags = dict(zip(current, pool.map(lambda name: usable_tags(session.source, name.path), current), strict=True))
    return {
        name.short: newer
        for name, version in current.items()
        if (newer := _newer_than(version, tags[name])) is not None
    }


def _newer_than(current: str, tags: Sequence[str]) -> str | None:
    stable = [version for tag in tags if (version := Version.try_parse(tag)) and version.is_stable()]
    newest = max(stable, key=lambda version: version.preference_key, default=None)
    running = Version.try_parse(current)
    if newest is None or (running is not None and newest.compare(running) <= 0):
        return None
    return newest.text
