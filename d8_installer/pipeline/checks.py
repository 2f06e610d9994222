"""Runs the checks, first-party ones and plugins', for ``doctor`` and before an install, and gathers their facts."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypeVar, get_args

from d8_installer.errors import ConfigError, D8Error, NotAllowedError
from d8_installer.model.address import shown
from d8_installer.model.platform import Platform
from d8_installer.model.secrets import without_secrets
from d8_installer.model.value import Struct
from d8_installer.pipeline.beside import recorded
from d8_installer.pipeline.home_facts import home_facts
from d8_installer.pipeline.path_lookup import called, is_on_path, path_hint
from d8_installer.pipeline.plugin_search import search_plugins
from d8_installer.pipeline.scope import host_facts
from d8_installer.pipeline.shadows import shadows
from d8_installer.plugin.calling import guarded, hint_about
from d8_installer.plugin.dist_info import normalised
from d8_installer.plugin.installed import distributions_with_hooks
from d8_installer.plugin.records import Check, CheckContext, Finding, FindingLevel, Moment
from d8_installer.store import home_state
from d8_installer.store.generations import file_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.model.generation import Generation
    from d8_installer.model.profile import Profile
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.calling import Offer
    from d8_installer.plugin.records import AskedSource

Fact = TypeVar("Fact")


class Found(Struct, frozen=True):
    """One finding, and the name of the check that made it."""

    check: str
    finding: Finding


def refuse_unready(session: Session) -> None:
    """Run the checks before an install. Report warnings, and raise the first error."""
    for found in run_checks(session, "install", lambda error: session.reporter.warn(str(error))):
        finding = found.finding
        if finding.level == "error":
            raise D8Error(f"{found.check}: {finding.message}", hint=finding.hint, code="check-failed")
        if finding.level == "warning":
            session.reporter.warn(f"{found.check}: {finding.message}")


def run_checks(
    session: Session,
    moment: Moment,
    report: Callable[[D8Error], None],
    advice: Callable[[Session, Profile], str] = path_hint,
) -> Iterator[Found]:
    """Yield the findings of every check of *moment*, sorted by check. *report* hears of checks that fail.

    *advice* is asked how to get binaries onto PATH, if they are not there.
    """
    checks = session.plugins.hooks.records("d8_checks", Check, report=report)
    context = _context(session, moment, report, advice)
    for offer in checks:
        try:
            _refuse_unknown_moments(offer)
            if moment in offer.record.moments:
                yield from [Found(offer.record.name, finding) for finding in _findings(offer, context)]
        except D8Error as error:
            report(error)


def _refuse_unknown_moments(offer: Offer[Check]) -> None:
    known = get_args(Moment)
    if unknown := [moment for moment in offer.record.moments if moment not in known]:
        raise ConfigError(
            f"plugin {offer.plugin} failed in the check {offer.record.name!r}: {unknown[0]!r} is not a moment; "
            f"there are {' and '.join(known)}",
            hint=hint_about(offer.plugin),
            code="plugin-failed",
        )


def _findings(offer: Offer[Check], context: CheckContext) -> list[Finding]:
    what = f"the check {offer.record.name!r}"
    findings: object = guarded(offer.plugin, what, lambda: offer.record.run(context))
    if isinstance(findings, list) and all(_is_finding(finding) for finding in findings):
        return findings
    raise ConfigError(
        f"plugin {offer.plugin} failed in {what}: it must return a list of Finding",
        hint=hint_about(offer.plugin),
        code="plugin-failed",
    )


def _is_finding(finding: object) -> bool:
    if not isinstance(finding, Finding):
        return False
    return finding.level in get_args(FindingLevel) and isinstance(finding.message, str) and bool(finding.message)


def _context(
    session: Session,
    moment: Moment,
    report: Callable[[D8Error], None],
    advice: Callable[[Session, Profile], str],
) -> CheckContext:
    profile = _profile(session, moment, report)
    bin_directory = session.scope.home.bin if profile.is_exposed else session.scope.home.profile(profile.directory).bin
    is_there = is_on_path(session, bin_directory)
    active = _told(lambda: session.profiles.active(profile), report)
    platform = _told(lambda: session.platform, report) or Platform.of_host(host_facts())
    if moment == "doctor":
        _told(lambda: session.profiles.read(profile), report)
        _told(lambda: home_state.load_tags(session.scope.home), report)
    search = _told(lambda: search_plugins(session, profile), report) if moment == "doctor" else None
    sources = _asked_sources(session, profile) if moment == "doctor" else ()
    known = session.sources.known
    enabled = set(map(normalised, session.scope.config.plugins))
    unusable = session.plugins.loaded.unusable
    placed = active.placed if active is not None else ()
    layout = _told(lambda: recorded(session, profile), report) if moment == "doctor" else None
    return CheckContext(
        moment=moment,
        home=session.scope.home.root,
        bin_directory=bin_directory,
        is_on_path=is_there,
        home_runs_programs=_runs_programs(session.scope.home.root),
        endpoint=None if known is None else shown(known),
        platform=platform,
        profile=str(profile),
        generation=None if active is None else active.number,
        binaries=tuple(sorted(one.placement.binary for one in placed if one.placement.in_bin)),
        missing=tuple(_missing(session, profile, active)),
        not_enabled=tuple(sorted(distributions_with_hooks().keys() - enabled)),
        absent=tuple(plugin.name for plugin in unusable if plugin.version is None),
        broken=tuple((plugin.name, plugin.why) for plugin in unusable if plugin.version is not None),
        env=without_secrets(session.scope.environ),
        withheld=tuple(sorted({one.placement.binary for one in placed if not one.placement.in_bin})),
        broken_manifests=()
        if search is None
        else tuple((b.distribution.name, str(b.error)) for b in search.scan.broken),
        shadowed=() if moment != "doctor" else tuple(_shadowed(session, bin_directory)),
        sources=sources,
        path_hint=None if is_there else advice(session, profile),
        command=called(session),
        laid_out=None if layout is None else layout.directory,
        laid_out_wrong=None if layout is None else layout.difference(active),
        **home_facts(session, profile, active),
    )


def _shadowed(session: Session, directory: str) -> Iterator[str]:
    is_there = is_on_path(session, directory)
    for shadow in shadows(session.scope.home, directory, session.scope.environ):
        yield shadow.text(is_on_path=is_there)


def _profile(session: Session, moment: Moment, report: Callable[[D8Error], None]) -> Profile:
    """Return the profile to check. In an untrusted project, ``doctor`` checks the user's profile instead."""
    try:
        return session.profiles.find()
    except NotAllowedError as error:
        if moment == "doctor":
            report(error)
        return session.profiles.find(default="user")


def _told(fact: Callable[[], Fact], report: Callable[[D8Error], None]) -> Fact | None:
    try:
        return fact()
    except D8Error as error:
        report(error)
        return None


def _asked_sources(session: Session, profile: Profile) -> tuple[AskedSource, ...]:
    from d8_installer.pipeline.source_probe import ask_sources

    return ask_sources(session, profile)


def _missing(session: Session, profile: Profile, active: Generation | None) -> Iterator[str]:
    """Yield the binaries whose file is missing, in the store or in the generation."""
    if active is None:
        return
    lost = {placed for placed, _ in session.profiles.generations(profile).missing_files(active)}
    for placed in active.placed:
        name = file_name(placed.placement.binary, active.platform.executable_suffix)
        if placed in lost or not os.path.lexists(session.scope.home.executable(placed.digest.hex, name)):
            yield placed.placement.binary


def _runs_programs(directory: str) -> bool:
    """Whether programs may run on the file system of *directory*, which may not exist yet; True if unknown."""
    if sys.platform == "win32":
        return True
    while not os.path.exists(directory) and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
    try:
        return not os.statvfs(directory).f_flag & os.ST_NOEXEC
    except OSError:
        return True
