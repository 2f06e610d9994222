"""What plugins may refuse, and what they are told: verifiers, checks, and the hooks before and after a switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, D8Error, MismatchError
from d8_installer.model.digest import Digest
from d8_installer.model.plan import Link, Unlink
from d8_installer.pipeline.checks import refuse_unready
from d8_installer.plugin.calling import guarded
from d8_installer.plugin.dist_info import VERIFIERS, normalised
from d8_installer.plugin.installed import distributions_with_hooks
from d8_installer.plugin.records import SwitchFacts, Verifier, VerifySubject
from d8_installer.store import home_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.model.generation import Generation
    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.plan import Plan
    from d8_installer.model.reference import ImageName
    from d8_installer.model.source import ManifestBytes
    from d8_installer.pipeline.dispensable import Dispensable
    from d8_installer.pipeline.session import Session
    from d8_installer.plugin.calling import UnusablePlugin


class Admission:
    """Asks the plugins about one plan: before anything is fetched, and before the switch."""

    def __init__(self, session: Session, plan: Plan, active: Generation | None) -> None:
        self._session = session
        self._plan = plan
        self._active = active
        self._new = _new_images(plan, active)

    def admit(self, lock: Lock, dispensable: Dispensable) -> None:
        """Let checks and verifiers examine the new images. Raise a refusal unless it concerns only plugins.

        Without new images no plugin is asked, so that none can prevent an uninstall.
        """
        if not self._new:
            return
        session = self._session
        refuse_without_verifiers(session)
        refuse_unready(session)
        verifiers = session.plugins.hooks.records("d8_verifiers", Verifier) if session.plugins.any_enabled else []
        for name, subject in self._subjects(lock) if verifiers else ():
            try:
                for offer in verifiers:
                    _verify(offer.plugin, offer.record, subject)
            except D8Error as error:
                dispensable.leave_out(error, name)

    def _subjects(self, lock: Lock) -> Iterator[tuple[ImageName, VerifySubject]]:
        platform = self._plan.platform
        source = _source_name(self._session)
        for image in lock.images:
            pin = image.pin_for(platform)
            if pin is not None and (image.name, pin.layer) in self._new:
                subject = VerifySubject(
                    image=image.name.path,
                    tag=image.version,
                    index=image.index,
                    child=pin.child,
                    layer=pin.layer,
                    size=pin.size,
                    platform=platform,
                    source=source,
                    manifest=_reader(self._session, image.name.path),
                )
                yield image.name, subject

    def before_switch(self, switch: SwitchFacts) -> None:
        """Ask whether the switch may happen, and raise the first refusal."""
        if not self._new or not self._session.plugins.any_enabled:
            return
        for failure in self._session.plugins.hooks.call("d8_before_switch", {"switch": switch}):
            raise with_plugin(failure.plugin, failure.error)


def tell_switched(session: Session, switch: SwitchFacts) -> None:
    """Tell the plugins that the switch has happened. Their errors are warnings."""
    if not session.plugins.any_enabled:
        return
    for failure in session.plugins.hooks.call("d8_after_switch", {"switch": switch}):
        session.reporter.warn(str(with_plugin(failure.plugin, failure.error)))
    facts: dict[str, str | int] = {"profile": switch.profile, "generation": switch.after, "reason": switch.reason}
    session.reporter.tell("switched", f"{switch.profile}: generation {switch.after}", facts)


def switch_facts(
    plan: Plan, *, profile: str, before: int | None, after: int, reason: str, bin_directory: str
) -> SwitchFacts:
    """Return the facts of the switch that *plan* leads to."""
    links = [step for step in plan.steps if isinstance(step, Link)]
    removed = {step.placement.binary for step in plan.steps if isinstance(step, Unlink)}
    added = {step.placement.binary for step in links if step.replaces is None}
    changed = {step.placement.binary for step in links if step.replaces is not None}
    return SwitchFacts(
        profile=profile,
        before=before,
        after=after,
        reason=reason,
        added=tuple(sorted(added - removed)),
        changed=tuple(sorted(changed | (added & removed))),
        removed=tuple(sorted(removed - added - changed)),
        bin_directory=bin_directory,
    )


def with_plugin(owner: str, error: D8Error) -> D8Error:
    """Return *error* with the plugin's name before it, unless the message has it already."""
    return error if owner in error.message else error.within(owner)


def remember_verifiers(session: Session) -> None:
    """Record which enabled plugins verify, so that one that vanishes from the environment is noticed."""
    enabled = set(map(normalised, session.scope.config.plugins))
    known = home_state.load_known_plugins(session.scope.home)
    for name, found in distributions_with_hooks().items():
        if not found.problem:
            known[name] = known.get(name, False) or VERIFIERS in found.groups
    home_state.save_known_plugins(session.scope.home, {name: known[name] for name in known.keys() & enabled})


def _new_images(plan: Plan, active: Generation | None) -> frozenset[tuple[ImageName, Digest]]:
    before = {(one.placement.name, one.placement.layer) for one in active.placed} if active is not None else set()
    return frozenset((placement.name, placement.layer) for placement in plan.target) - before


def refuse_without_verifiers(session: Session) -> None:
    """Raise a ConfigError if an enabled plugin that may verify images cannot be asked: verification fails closed."""
    if not session.scope.config.plugins:
        return
    remember_verifiers(session)
    if not session.scope.options.plugins:
        known = home_state.load_known_plugins(session.scope.home)
        names = sorted(name for name in set(map(normalised, session.scope.config.plugins)) if known.get(name, True))
        if names:
            session.reporter.warn(f"--no-plugins: images are not verified by {', '.join(names)}")
        return
    for plugin in session.plugins.hooks.loaded.unusable:
        if plugin.verifies:
            raise ConfigError(
                f"{plugin.name} may verify images and cannot be asked, so nothing new is placed: {plugin.why}",
                hint=_way_out(plugin),
                code="verifier-missing",
            )


def _way_out(plugin: UnusablePlugin) -> str:
    way = "repair it"
    if plugin.version is None:  # it may be in an environment other than the launcher's
        from d8_installer.plugin.self_installation import running, to_add

        way = f"type `d8-installer sync` where it is installed, or `{to_add(running(), plugin.name)}`"
    return f"{way}, or `d8-installer plugins disable {plugin.name}`; --no-plugins goes on without it"


def locks_more(before: Lock, after: Lock) -> bool:
    """Whether *after* pins an image that *before* does not pin in the same way."""
    known = {image.name: image for image in before.images}
    return any(_pins(known.get(image.name)) != _pins(image) for image in after.images)


def _pins(image: LockedImage | None) -> object:
    return None if image is None else (image.version, image.index, image.platforms)


def _verify(owner: str, verifier: Verifier, subject: VerifySubject) -> None:
    try:
        guarded(owner, f"the verifier {verifier.name!r}", lambda: verifier.verify(subject))
    except D8Error as error:
        raise with_plugin(owner, error) from error.__cause__


def _source_name(session: Session) -> str:
    if session.sources.known is None:  # all of it is in the store, and no endpoint is set or was looked for
        return ""
    return session.source.name


def _reader(session: Session, image: str) -> Callable[[str], ManifestBytes]:
    def read(ref: str) -> ManifestBytes:
        answer = session.source.manifest(image, ref)
        if not ref.startswith("sha256:"):
            return answer
        try:
            return answer.require(Digest.parse(ref))
        except MismatchError as error:
            raise error.within(image, hint="try another source") from error

    return read
