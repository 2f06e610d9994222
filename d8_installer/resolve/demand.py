"""What is asked of one image, and whether a lock entry or a tag satisfies it. Asks the source nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from d8_installer.errors import ConflictError, NotFoundError
from d8_installer.model.requirement import OWN_MANIFEST, needing_image
from d8_installer.model.resolution import Choice, LeftOut
from d8_installer.model.value import Struct, replace
from d8_installer.model.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from d8_installer.errors import D8Error
    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import LockedImage
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted
    from d8_installer.model.version import Compat


class Agreement(Struct, frozen=True):
    """The requirements of a group that agree on the image, and the ones that are left out."""

    group: tuple[Requirement, ...]
    left_out: tuple[LeftOut, ...] = ()


class Demand(Struct, frozen=True, kw_only=True):
    """One image that is wanted: the requirements for it (*group*), its lock entry so far, and its published tags.

    ``tags`` is empty until the source was asked; ``absence`` is its error if it does not have the image.
    """

    wanted: Wanted
    name: ImageName
    group: tuple[Requirement, ...]
    locked: LockedImage | None = None
    tags: Sequence[str] = ()
    absence: D8Error | None = None

    @classmethod
    def of(cls, wanted: Wanted, name: ImageName, group: Iterable[Requirement]) -> Demand:
        """Return the demand of *group* for the image *name*, with its lock entry."""
        return cls(wanted=wanted, name=name, group=tuple(group), locked=wanted.locked.find(name))

    def by(self, *group: Requirement) -> Demand:
        """Return this demand as if only *group* made it."""
        return replace(self, group=group)

    # -- a version ---------------------------------------------------------------------------------------------

    def allows(self, tag: str) -> bool:
        """Whether every requirement allows *tag*."""
        return all(requirement.allows(tag) for requirement in self.group)

    def can_agree(self, tags: Iterable[str]) -> bool:
        """Whether every requirement allows one of *tags*, and no two take a binary from different files."""
        files = {pair for requirement in self.group for pair in requirement.request.binaries}
        return len(dict(files)) == len(files) and any(map(self.allows, tags))

    @property
    def will_do(self) -> bool:
        """Whether the locked version stays: it is not to be upgraded, and every requirement allows it."""
        upgrade = self.wanted.selection.upgrade
        if self.locked is None or upgrade is None or self.name in upgrade or not self.is_of_major(self.locked.version):
            return False
        is_strict = not self.wanted.strictness.lenient
        return self.can_agree([self.locked.version]) or (is_strict and self.allows(self.locked.version))

    def is_of_major(self, tag: str) -> bool:
        """Whether *tag* is of the major version that was typed for this image, if one was (``--use-major``)."""
        selection = self.wanted.selection
        if selection.use_major is None or self.name not in selection.named:
            return True
        version = Version.try_parse(tag)
        return version is not None and version.major == selection.use_major

    @property
    def exact_tag(self) -> str | None:
        """The tag that a requirement asks for by its spelling, or None."""
        exact = (requirement.request.version.exact_tag for requirement in self.group)
        return next((tag for tag in exact if tag is not None), None)

    def ranked(self, compat: Compat = "d8") -> list[str]:
        """Return the tags that every requirement allows, the newest version first.

        An exact tag is the only one. Of ranges, "go" takes what the Go tool calls stable (rpp.md §6.3, §7).
        """
        allowed = [tag for tag in self.tags if self.allows(tag) and self.is_of_major(tag)]
        if self.exact_tag in allowed:
            return [self.exact_tag]
        versions = [version for tag in allowed if (version := Version.try_parse(tag)) is not None]
        if compat == "go":
            versions = [version for version in versions if version.is_stable("go")]
        return [version.text for version in sorted(versions, key=lambda one: one.preference_key, reverse=True)]

    def nothing_allowed(self) -> ConflictError | NotFoundError:
        """Return the error for an image of which no version can be taken.

        NotFoundError where a requirement allows none, ConflictError where each allows some but no version fits all.
        """
        selection, of_major = self.wanted.selection, [tag for tag in self.tags if self.is_of_major(tag)]
        if selection.use_major is not None and not any(map(self.allows, of_major)):
            wants = " and ".join(map(str, self.group)) if of_major else "none is published"
            return NotFoundError(
                f"no versions of {self.name} found for major version {selection.use_major}: {wants}",
                hint=f"see `d8-installer versions {self.name}`",
                code="no-such-version",
            )
        alone = [requirement for requirement in self.group if not any(map(requirement.allows, self.tags))]
        if len(self.group) > 1 and not alone:
            wants = " and ".join(map(str, self.group))
            return ConflictError(
                f"no version of {self.name} fits both: {wants}",
                hint="loosen one of the two ranges",
                code="ranges-conflict",
            )
        versions = [version for tag in self.tags if (version := Version.try_parse(tag)) is not None]
        if not versions:
            why = "none of its tags is a version" if self.tags else "its list of tags is empty"
            return NotFoundError(
                f"{self.name} has no published version: {why}",
                hint="ask its publisher for a version tag",
                code="no-such-version",
            )
        versions.sort(key=lambda version: version.preference_key)
        stable = [version for version in versions if version.is_stable()]
        newest = f"the newest stable one is {stable[-1]}" if stable else ""
        return NotFoundError(
            f"no published version of {self.name} fits: {(alone or self.group)[0]}; "
            + (newest or f"there are only pre-releases, such as {versions[-1]}"),
            hint=f"see `d8-installer versions {self.name}`" + ("" if stable else "; ask for pre-releases with '>=0-0'"),
            code="no-such-version",
        )

    # -- the lock entry ----------------------------------------------------------------------------------------

    @property
    def is_current(self) -> bool:
        """Whether the lock entry says exactly what is asked, so that nothing has to be asked or written."""
        if self.locked is None or self._is_to_pin(self.locked):
            return False
        is_same = self.live_requests() == self.request_hashes()
        return is_same and not self.missing_binaries() and not self.excess()

    @property
    def relined(self) -> LockedImage | None:
        """The lock entry with the lines of the images that need it now, if nothing else of it changes; else None.

        Then the source is not asked. It would pin nothing else: somebody who asks for every platform did so before.
        """
        locked = self.locked
        if locked is None or self._is_to_pin(locked):
            return None
        before, now = self.live_requests(), self.request_hashes()
        changed = {who for who in before.keys() | now.keys() if before.get(who) != now.get(who)}
        stays = any(one.request.platforms is None and one.requester not in changed for one in self.group)
        binaries = [pair for one in self.group for pair in one.request.binaries]
        kept = dict(self.wanted.kept_requests(locked))
        binaries += locked.binaries if kept else ()
        if not stays or len(dict(binaries)) != len(set(binaries)) or any(needing_image(who) is None for who in changed):
            return None
        return replace(
            locked,
            requests=tuple(sorted({**kept, **now}.items())),
            binaries=tuple(sorted(set(binaries))),
            optional=all(one.request.optional for one in self.group) and (not kept or locked.optional),
        )

    def _is_to_pin(self, locked: LockedImage) -> bool:
        """Whether an entry of the right version has to be pinned again, whoever asks for it."""
        wanted = self.wanted
        has_digest = all(requirement.request.digest in (None, locked.top) for requirement in self.group)
        is_repinned = locked.name in wanted.selection.repin or wanted.locked.is_altered(locked)
        return is_repinned or not has_digest or bool(self.missing_platforms()) or locked.demanded != wanted.platforms

    def request_hashes(self) -> dict[str, Digest]:
        """Return the hash of each request, by requester, as the lock entry is to have it."""
        return {requirement.requester: requirement.request.hash for requirement in self.group}

    def live_requests(self) -> dict[str, Digest]:
        """Return the requests of the lock entry, without those that stay although they are not asked now."""
        if self.locked is None:
            return {}
        kept = dict(self.wanted.kept_requests(self.locked))
        return {requester: hashed for requester, hashed in self.locked.requests if requester not in kept}

    def excess(self) -> tuple[str, ...]:
        """Return what the lock entry has beyond what is asked: binaries by name, and ``optional``.

        Where requests stay that are not asked now, it is not known what they asked for, and nothing is in excess.
        """
        if self.locked is None or self.wanted.kept_requests(self.locked):
            return ()
        asked = {name for requirement in self.group for name, _ in requirement.request.binaries}
        more = tuple(f"the binary {name}" for name, _ in self.locked.binaries if name not in asked)
        is_optional = all(requirement.request.optional for requirement in self.group)
        return (*more, "optional") if self.locked.optional and not is_optional else more

    def missing_binaries(self) -> tuple[str, ...]:
        """Return the binaries that the lock entry lacks, or takes from another file than is asked."""
        asked = {pair for requirement in self.group for pair in requirement.request.binaries}
        return tuple(sorted(name for name, _ in asked - set(self.locked.binaries if self.locked is not None else ())))

    def missing_platforms(self) -> tuple[Platform, ...]:
        """Return the platforms that a request demands and the lock entry has no pin for."""
        requests = [requirement.request for requirement in self.group if not requirement.request.optional]
        listed = {platform for request in requests for platform in request.platforms or ()}
        return tuple(sorted(p for p in listed if self.locked is None or self.locked.pin_for(p) is None))

    # -- agreement ---------------------------------------------------------------------------------------------

    def agree(self) -> Agreement:
        """Return the requirements that agree on the image, those that are locked first, and the ones left out.

        Raises the fault of a requirement that may not be left out: ConflictError, NotFoundError or ``absence``.
        """
        strictness = self.wanted.strictness
        if self.absence is not None:
            if not strictness.may_leave_out(self.group):
                raise self.absence
            return Agreement((), tuple(LeftOut.of(requirement, self.absence) for requirement in self.group))
        if not strictness.lenient:
            return Agreement(self.group)
        agreed: list[Requirement] = []
        left_out: list[LeftOut] = []
        for requirement in sorted(self.group, key=self._seniority):
            if self.by(*agreed, requirement).can_agree(self.tags):
                agreed.append(requirement)
                continue
            if needing_image(requirement.requester) is not None:
                continue  # what the lock says of it is no choice of a person's: the search says what follows
            error = self._refusal(requirement, agreed)
            must_stay = not agreed or requirement.requester in strictness.insist
            if must_stay and not strictness.may_leave_out([requirement]):
                raise error
            left_out.append(LeftOut(requirement, error))
        return Agreement(tuple(agreed), tuple(left_out))

    def _seniority(self, requirement: Requirement) -> tuple[bool, bool, bool, bool, str]:
        """Order requirements: first what locked images need, then the same request as locked.

        Then a locked requester, then a person's manifest.
        """
        requests = dict(self.locked.requests) if self.locked is not None else {}
        who = requirement.requester
        is_other = requests.get(who) != requirement.request.hash
        return (needing_image(who) is None, is_other, who not in requests, who != OWN_MANIFEST, who)

    def _refusal(self, requirement: Requirement, agreed: Sequence[Requirement]) -> ConflictError | NotFoundError:
        """Return why *requirement* does not go together with those that *agreed*."""
        if not agreed:
            return self.by(requirement).nothing_allowed()
        files = dict(requirement.request.binaries)
        for other in agreed:
            for binary, member in other.request.binaries:
                if files.get(binary, member) != member:
                    return ConflictError(
                        f"{requirement.requester} wants {binary!r} to be the file {files[binary]!r} of {self.name},"
                        f" and {other.requester} wants {member!r}",
                        hint=f"rename one of the two binaries, or do without {_plugin_of(requirement, other)}",
                        code="binary-conflict",
                    )
        culprits = [other for other in agreed if not self.by(other, requirement).can_agree(self.tags)] or agreed
        return ConflictError(
            f"{requirement} and cannot agree: {' and '.join(map(str, culprits))}",
            hint=f"loosen one of the ranges, or do without {_plugin_of(requirement, culprits[0])}",
            code="ranges-conflict",
        )


def _plugin_of(requirement: Requirement, other: Requirement) -> str:
    """Return which of two requesters a person can do without."""
    who = (other if requirement.requester == OWN_MANIFEST else requirement).requester
    return str(needing_image(who) or who)


def demands_of(wanted: Wanted) -> dict[ImageName, Demand]:
    """Return the demand for each image that is wanted, by name, the group of each sorted by requester."""
    groups: dict[ImageName, list[Requirement]] = defaultdict(list)
    for requirement in sorted(wanted.requirements, key=lambda one: (one.request.name, one.requester)):
        groups[requirement.request.name].append(requirement)
    return {name: Demand.of(wanted, name, group) for name, group in groups.items()}


def kept_choices(wanted: Wanted, demands: Mapping[ImageName, object]) -> Iterator[Choice]:
    """Yield the locked images that nothing asks for now, and that stay for requests that are kept (only for those)."""
    for image in wanted.locked.images:
        requests = wanted.kept_requests(image)
        if image.name not in demands and requests:
            locked = replace(image, requests=requests)
            yield Choice(name=image.name, tag=image.version, requirements=(), locked=locked, kept=True)
