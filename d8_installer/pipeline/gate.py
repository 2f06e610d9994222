"""The gate: before a program runs, its contract is compared with the cluster and with the other plugins (rpp.md §11).

What was found met is kept as a pass, so that the next run of the same program is as quick as one without a contract.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DocumentError
from d8_installer.model.run_gate import is_checked
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.activation import warned_of
from d8_installer.store import passes
from d8_installer.store import paths as home_paths
from d8_installer.store.kept_facts import FRESH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from d8_installer.model.facts import ClusterFacts, FactKind
    from d8_installer.model.generation import Generation, Placed
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.cluster_checks import AskFacts
    from d8_installer.pipeline.requirement_reports import ImageReport
    from d8_installer.pipeline.session import Session
    from d8_installer.store.generations import ProfileStore
    from d8_installer.store.kept_facts import KeptFacts
    from d8_installer.store.paths import ProfilePaths


_CHECK = "`{} check {}` shows what it needs"
_SHOW = "`d8-installer show {}` shows what it needs"
_INSTALL = "`d8-installer install {}` installs it with what it needs"


class PlacedProgram(Struct, frozen=True, kw_only=True):
    """A binary of a generation that is to run, and the path of its file.

    *paths* are those of its profile, or of its run outside the profiles. *is_called_by_wrapper*: nobody typed ``run``;
    else *typed* is the NAME[SPEC] that was.
    """

    path: str
    generation: Generation
    placed: Placed
    paths: ProfilePaths
    is_called_by_wrapper: bool = False
    typed: str = ""


def pass_gate(
    session: Session, program: PlacedProgram, arguments: Sequence[str], *, around: Lock | None = None
) -> None:
    """Return if the program may run; raise a DocumentError that says what is unmet, or what reading a cluster raises.

    The other plugins are those of the lock *around* the program, by default that of its own generation.
    """
    if program.placed.placement.contract is None or not is_checked(arguments):
        return
    from d8_installer.model.lock import Lock

    lock = Lock.parse(program.generation.lock.encode(), "d8.lock")
    image = lock.find(program.placed.placement.name)
    if image is None:  # `verify` reports such a record
        return
    beside = lock if around is None else around
    with _typeable_hints(program):
        report = _judge(session, image, beside, session.checks.running)
    for warning in report.warnings:
        session.reporter.warn(warning)
    if report.unmet:
        of_plugins = _judge(session, image, beside, lambda _: None).unmet
        way = (
            _checking(session, program, report)
            if around is None
            else _SHOW.format(quoted(program.typed or str(report.name)))
        )
        skips = f"; {_skipping(program)} does not ask the cluster"
        raise _error(report, way + skips if of_plugins != report.unmet else way)
    if around is None:
        file = _pass_file(session, program.generation, program.paths)
        with warned_of("the next run is checked anew", session.reporter.warn):
            if not report.is_checked and not session.checks.is_switched:
                passes.keep(file, {program.placed.placement.binary: passes.unchecked(file)})
            _keep_passes(session, program.generation, lock, file)


def refuse_without_plugins(session: Session, image: LockedImage, arguments: Sequence[str], around: Lock) -> None:
    """Raise a DocumentError if an image that is not installed lacks a plugin *around* it; no cluster is asked."""
    if image.contract is not None and is_checked(arguments):
        report = _judge(session, image, around, lambda _: None)
        if report.unmet:
            raise _error(report, _INSTALL.format(image.name))


def keep_passes(session: Session, generations: ProfileStore) -> None:
    """Keep a pass for each program of the active generation that may run by the facts that were read a moment ago.

    Nothing is asked, and what cannot be judged so is judged when it runs. What is outside the profiles depends on
    another lock than its own.
    """
    if os.path.dirname(generations.paths.root) == session.scope.home.runs:
        return
    try:
        active = generations.active()
    except D8Error:  # `verify` finds a damaged record
        return
    if active is None or all(placed.placement.contract is None for placed in active.placed):
        return
    from d8_installer.model.lock import Lock

    with warned_of("the next run of a program is checked anew", session.reporter.warn):
        lock = Lock.parse(active.lock.encode(), "d8.lock")
        _keep_passes(session, active, lock, _pass_file(session, active, generations.paths))


def _keep_passes(session: Session, generation: Generation, lock: Lock, file: passes.PassFile) -> None:
    kept = session.checks.kept(oldest=FRESH_SECONDS)
    found: dict[str, passes.Pass] = {}
    for placed in generation.placed:
        image = lock.find(placed.placement.name)
        if placed.placement.contract is not None and image is not None:
            with contextlib.suppress(D8Error):  # the run of that program says it
                made = _pass_of(session, image, lock, file, kept)
                found |= {} if made is None else {placed.placement.binary: made}
    passes.keep(file, found)


def _pass_of(
    session: Session, image: LockedImage, lock: Lock, file: passes.PassFile, kept: KeptFacts | None
) -> passes.Pass | None:
    """Return the pass of an image's programs by facts that are kept, or None if that cannot be said or is not so."""
    asked: set[FactKind] = set()

    def ask(kinds: frozenset[FactKind]) -> ClusterFacts | None:
        asked.update(kinds)
        return kept.facts if kept is not None and kinds <= kept.facts.kinds else None

    if not _judge(session, image, lock, ask).is_met:
        return None
    return passes.by_facts(file, kept) if asked and kept is not None else passes.by_plugins(file)


def _pass_file(session: Session, generation: Generation, paths: ProfilePaths) -> passes.PassFile:
    scope = session.scope
    return passes.PassFile(scope.home, paths, generation.number, session.cluster.choice, scope.config_file)


def _judge(session: Session, image: LockedImage, around: Lock, ask: AskFacts) -> ImageReport:
    """Return what does not hold of the image's contract, and of what the plugins *around* it ask of it."""
    from d8_installer.pipeline.requirement_reports import report_on

    others = {one.name: one for one in around.images if one.name != image.name}
    installed = {**{name: one.version for name, one in others.items()}, image.name: image.version}
    (report,) = report_on(session, [image], ask, installed)
    return replace(report, unmet=(*report.unmet, *_forbidden(image, others)))


def _forbidden(image: LockedImage, others: Mapping[ImageName, LockedImage]) -> list[str]:
    """Return what other plugins ask of this one and does not hold."""
    from d8_installer.resolve.dependencies import Pick

    return [
        f'plugin {other.name} requires plugin "{image.name}" {bound.constraint}, but this is {image.version}'
        for other in others.values()
        for bound in Pick.of_lock(other).bounds
        if bound.name == image.name and not bound.allows(image.version)
    ]


def _error(report: ImageReport, hint: str) -> DocumentError:
    return DocumentError(
        f"{report.name} {report.version} does not run here: {'; '.join(report.unmet)}",
        hint=hint,
        code="requirements-not-met",
    )


def _checking(session: Session, program: PlacedProgram, report: ImageReport) -> str:
    """Return what to type to see what an installed program needs; a wrapper is called in any directory."""
    if not program.is_called_by_wrapper:
        return _CHECK.format("d8-installer", report.name)
    scope, usual = session.scope, None
    with contextlib.suppress(D8Error):  # there is no HOME
        usual = home_paths.chosen_home(None, scope.environ) or home_paths.default_home(scope.environ)
    home = "" if usual == scope.home.root else f" --home {quoted(scope.home.root)}"
    command = f"d8-installer{' --global' if scope.is_global else home}"
    is_of_project = not scope.is_global and program.paths.root != scope.home.profile("user").root
    return f"{'in its project, ' if is_of_project else ''}{_CHECK.format(command, report.name)}"


def _skipping(program: PlacedProgram) -> str:
    """Return what to type to run the program without asking the cluster."""
    binary = program.placed.placement.binary
    if program.is_called_by_wrapper:
        return f"`D8_PLUGINS_SKIP_CLUSTER_CHECKS=true {binary}`"
    return f"`d8-installer run --skip-cluster-checks {quoted(program.typed or binary)}`"


@contextlib.contextmanager
def _typeable_hints(program: PlacedProgram) -> Iterator[None]:
    """Let the hints of the context's errors say how to skip the check of this very run."""
    try:
        yield
    except D8Error as error:
        hint = (error.hint or "").replace("--skip-cluster-checks", _skipping(program))
        raise error.within(hint=hint or None) from error
