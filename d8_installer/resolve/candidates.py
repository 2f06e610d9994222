"""Which versions of one image come into question, the preferred one first. Asks the source nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import replace
from d8_installer.model.version import Version
from d8_installer.resolve.dependencies import Pick, bounds_of, bounds_on, reached
from d8_installer.resolve.knowledge import Questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from d8_installer.model.lock import LockedImage
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted
    from d8_installer.model.version import Compat
    from d8_installer.resolve.demand import Demand
    from d8_installer.resolve.dependencies import Bound
    from d8_installer.resolve.knowledge import Knowledge


class Candidates:
    """The versions of images, as the demands, the lock and the source have them.

    - ``roots``: the images that a manifest or a plugin asks for, or that are locked for one that is not here.
    - ``staying``: what is locked and stays, with what it needs as far as that is locked and in the range.
    """

    def __init__(self, wanted: Wanted, demands: Mapping[ImageName, Demand], known: Knowledge, compat: Compat) -> None:
        """*demands*: the agreed demands of manifests and plugins."""
        self._wanted = wanted
        self._demands = demands
        self._known = known
        self._compat: Compat = compat
        self._ranked: dict[tuple[ImageName, bool], list[str]] = {}
        self.questions = Questions.of(wanted)
        kept = (image.name for image in wanted.locked.images if wanted.kept_requests(image))
        self.roots = tuple(sorted({*demands, *kept}))
        self.staying = self._staying()
        self._anchors = dict(self._locked_in_range())

    # -- what is locked ----------------------------------------------------------------------------------------

    def _staying(self) -> dict[ImageName, Pick]:
        chosen: dict[ImageName, Pick] = {}
        for name in self.roots:
            demand, image = self._demands.get(name), self._wanted.locked.find(name)
            if image is not None and (demand is None or demand.will_do):
                chosen[name] = self._as_locked(image)
        waiting = [bound for pick in chosen.values() for bound in pick.mandatory]
        while waiting:
            bound = waiting.pop()
            pick = None if bound.name in chosen else self._dependency_as_locked(bound.name)
            if pick is not None and bound.allows(pick.tag):
                chosen[pick.name] = pick
                waiting += pick.mandatory
        # Two locked images may contradict each other after a merge. Then the one that is needed is decided again.
        needing = _needing(chosen)
        fitting = {name: pick for name, pick in chosen.items() if _fits(pick, needing)}
        return reached(fitting, self.roots)

    def _as_locked(self, image: LockedImage) -> Pick:
        """Return the locked version. If the source was asked for its contract, that counts."""
        pick = Pick.of_lock(image)
        question = self.questions.contract(image.name, image.version)
        if question not in self._known.contracts:
            return pick
        contract = self._known.contracts[question]
        bounds = bounds_of(contract, image.name, image.version, self._wanted.built_in, compat=self._compat)
        return replace(pick, bounds=bounds, contract=contract, is_locked=set(bounds) == set(pick.bounds))

    def _dependency_as_locked(self, name: ImageName) -> Pick | None:
        """Return the locked version of an image that nothing asks for by name, unless it is to be upgraded."""
        image, upgrade = self._wanted.locked.find(name), self._wanted.selection.upgrade
        if image is None or name in self.roots or upgrade is None or name in upgrade:
            return None
        if self._wanted.selection.typed.get(name, image.version) != image.version:
            return None
        return self._as_locked(image)

    def _locked_in_range(self) -> Iterator[tuple[ImageName, Version | None]]:
        """Yield the locked versions that no dependency goes below.

        One that is out of range, or that nothing asks for any more, may go anywhere.
        """
        locked = self._wanted.locked.images
        in_use = reached({image.name: Pick.of_lock(image) for image in locked}, self.roots)
        needing = _needing(self.staying)
        for image in locked:
            demand = self._demands.get(image.name)
            is_allowed = demand is None or (demand.is_of_major(image.version) and demand.allows(image.version))
            is_free = image.name not in in_use or image.name in self._wanted.selection.typed
            if is_allowed and not is_free and _fits(in_use[image.name], needing):
                yield image.name, Version.try_parse(image.version)

    # -- what the source has -----------------------------------------------------------------------------------

    def of(self, name: ImageName, needed: Bound | None, bounds: tuple[Bound, ...]) -> Iterator[Pick]:
        """Yield the versions in the range of all *bounds*, and of the demand: the locked one first if it may stay.

        *needed* is the need for which the image is decided, None if it is asked for by name.
        """
        locked = self._dependency_as_locked(name)
        if locked is not None and all(bound.allows(locked.tag) for bound in bounds):
            yield locked
        floor = self._anchors.get(name) if bounds and self._compat == "d8" else None
        for tag in self._tags(name, is_dependency=needed is not None):
            if (locked is not None and tag == locked.tag) or _is_below(tag, floor):
                continue
            is_allowed = all(bound.allows(tag) for bound in bounds)
            if is_allowed and (name in self._demands or self._is_asked_for(name, tag, bounds)):
                yield Pick(name=name, tag=tag)

    def fitting(self, need: Bound, bounds: Iterable[Bound]) -> tuple[tuple[str, ...], tuple[Requirement, ...]]:
        """Return the published tags that *need*, *bounds* and the demand allow, whatever is locked.

        If there are none, also return the requirements that exclude what *need* allows.
        """
        demand = self._demands.get(need.name)
        group = (*(demand.group if demand is not None else ()), *(one.requirement for one in bounds if one != need))
        published = self._known.tags.get(need.name, ())
        possible = [tag for tag in published if need.allows(tag) and self._is_of_typed_major(need.name, tag)]
        tags = tuple(tag for tag in possible if all(one.allows(tag) for one in group))
        return tags, () if tags else tuple(one for one in group if not all(map(one.allows, possible)))

    def typed_major(self, name: ImageName) -> int | None:
        """Return the major version that was typed for the image, or None."""
        selection = self._wanted.selection
        return selection.use_major if name in selection.named else None

    def _is_of_typed_major(self, name: ImageName, tag: str) -> bool:
        major, version = self.typed_major(name), Version.try_parse(tag)
        return major is None or (version is not None and version.major == major)

    def is_typed(self, needed: Bound | None, pick: Pick) -> bool:
        """Whether the Go tool takes a version that was typed whatever the cluster says (rpp.md §7)."""
        demand = self._demands.get(pick.name)
        return self._compat == "go" and needed is None and demand is not None and demand.exact_tag == pick.tag

    def needs_tags(self, name: ImageName, bounds: tuple[Bound, ...]) -> bool:
        """Whether the tags of an image must be known to decide it, and are not."""
        if name in self._known.tags:
            return False
        locked = self._dependency_as_locked(name)
        return locked is None or not all(bound.allows(locked.tag) for bound in bounds)

    def _tags(self, name: ImageName, *, is_dependency: bool) -> list[str]:
        demand = self._demands.get(name)
        by_demand = demand is not None and not (is_dependency and demand.will_do)
        key = name, by_demand
        if key not in self._ranked:
            tags = self._of_demand(demand) if demand is not None and by_demand else self._of_dependency(name, demand)
            self._ranked[key] = tags
        return self._ranked[key]

    def _of_demand(self, demand: Demand) -> list[str]:
        tags = replace(demand, tags=self._known.tags.get(demand.name, ())).ranked(self._compat)
        anchor, selection = self._anchors.get(demand.name), self._wanted.selection
        is_bound = self._compat == "go" and selection.use_major is None and demand.exact_tag is None
        if anchor is None or not is_bound:
            return tags
        return [tag for tag in tags if (version := Version.try_parse(tag)) and version.major == anchor.major]

    def _of_dependency(self, name: ImageName, demand: Demand | None) -> list[str]:
        """Return the versions of a dependency: not below the locked one, and of its major version (rpp.md §8).

        Stable ones come first.
        """
        typed = self._wanted.selection.typed.get(name)
        if typed is not None:
            return [typed]
        versions = [version for tag in self._known.tags.get(name, ()) if (version := Version.try_parse(tag))]
        if demand is not None:
            versions = [version for version in versions if demand.allows(version.text)]
        anchor = self._anchors.get(name)
        if anchor is not None:
            versions = [version for version in versions if version.compare(anchor) >= 0]
            if self._wanted.selection.use_major is None:
                versions = [version for version in versions if version.major == anchor.major]
        versions = [version for version in versions if self._is_of_typed_major(name, version.text)]
        versions.sort(key=lambda version: (version.is_stable(self._compat), version.preference_key), reverse=True)
        return [version.text for version in versions]

    def _is_asked_for(self, name: ImageName, tag: str, bounds: Iterable[Bound]) -> bool:
        """Whether a dependency may be this version: a pre-release only if a range names one (rpp.md §7)."""
        version = Version.try_parse(tag)
        if version is None or version.is_stable(self._compat) or name in self._wanted.selection.typed:
            return True
        return self._compat == "d8" and any(bound.constraint for bound in bounds)


def _is_below(tag: str, floor: Version | None) -> bool:
    version = Version.try_parse(tag) if floor is not None else None
    return version is not None and floor is not None and version.compare(floor) < 0


def _needing(picks: Mapping[ImageName, Pick]) -> list[Pick]:
    return [pick for pick in picks.values() if pick.bounds]


def _fits(pick: Pick, needing: Iterable[Pick]) -> bool:
    return all(bound.allows(pick.tag) for bound in bounds_on(pick.name, needing))
