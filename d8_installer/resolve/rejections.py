"""Why a version is not taken, and why none can be; and the error that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.errors import ConflictError
from d8_installer.model.requirement import needing_image
from d8_installer.model.value import Struct
from d8_installer.model.version import Version

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted

_SHOWN = 5

Why = Literal["not published", "no version", "cycle", "planned", "conditional", "reverse", "facts", "date"]


class Rejection(Struct, frozen=True, kw_only=True):
    """Why a version is not taken. *name* is the image that it is about, by *path* from the image that was asked for.

    ``blamed`` are the images whose other versions might change that. ``fitting`` are the tags that all ranges allow,
    although none of them can be taken beside what is locked; if there are none, ``others`` are the requirements that
    exclude what is in the range of ``constraint``.
    """

    why: Why
    text: str
    name: ImageName
    path: tuple[ImageName, ...] = ()
    constraint: str = ""
    blamed: frozenset[ImageName] = frozenset()
    fitting: tuple[str, ...] = ()
    others: tuple[Requirement, ...] = ()

    @property
    def is_dependency(self) -> bool:
        """Whether an image is missing, or in a circle."""
        return self.why in {"not published", "no version", "cycle"}

    def __str__(self) -> str:
        if self.why in {"facts", "date"}:
            return self.text
        via = f" (via {' -> '.join(map(str, self.path))})" if len(self.path) > 1 else ""
        needs = "; ".join(([f"needs {self.constraint}"] if self.constraint else []) + list(map(_wish, self.others)))
        return f'dependency "{self.name}"{via}: {self.text}' + (f" ({needs})" if needs else "")


class NoneFound(Struct, frozen=True, kw_only=True):
    """No version of *name* can be taken. *root* is the image that was asked for and that needs it, or the same one.

    ``error`` is set if it is no matter of versions. ``rejected`` pairs the versions that were tried with the reasons;
    ``ranges`` are what other images need of it.
    """

    name: ImageName
    root: ImageName
    rejected: tuple[tuple[str, Rejection], ...] = ()
    ranges: tuple[Requirement, ...] = ()
    refusal: Rejection | None = None
    error: D8Error | None = None

    @property
    def blamed(self) -> frozenset[ImageName]:
        """Other images that had a part in it."""
        return self.refusal.blamed if self.refusal is not None else frozenset()

    @property
    def tried(self) -> tuple[tuple[str, Rejection], ...]:
        """The versions that were tried, without those that a cut-off excludes."""
        return tuple((tag, refusal) for tag, refusal in self.rejected if refusal.why != "date")

    @property
    def category(self) -> Literal["no stable version", "unresolved dependencies", "no installable version"]:
        """What kind of failure it is (rpp.md §7)."""
        if not self.tried:
            return "no stable version"
        is_dependency = all(refusal.is_dependency for _, refusal in self.tried)
        return "unresolved dependencies" if is_dependency else "no installable version"


def unresolved(failure: NoneFound, wanted: Wanted) -> ConflictError:
    """Return the error for an image of which versions were tried, or whose needs cannot be had."""
    root = failure.root
    hint = _way_out(failure, wanted) or _where_to_look(failure, wanted)
    if failure.name != root or not failure.tried:
        locked = wanted.locked.find(root)
        version = f" {locked.version}" if locked is not None else ""
        return ConflictError(
            f"what {root}{version} needs cannot be locked: {failure.refusal}", hint=hint, code="ranges-conflict"
        )
    shown = "; ".join(f"{tag} ({refusal})" for tag, refusal in failure.tried[:_SHOWN])
    older = len(failure.tried) - _SHOWN
    more = f"; and {older} older" if older > 0 else ""
    return ConflictError(
        f"{root} cannot be locked: {failure.category}: {shown}{more}", hint=hint, code="ranges-conflict"
    )


def _way_out(failure: NoneFound, wanted: Wanted) -> str | None:
    refusals = [refusal for _, refusal in failure.tried]
    if refusals and all(refusal.why == "facts" for refusal in refusals):
        return "change the cluster, or type the same command with --skip-cluster-checks"
    if wanted.selection.use_major is not None:
        return None
    newest = Version.try_parse(failure.tried[0][0]) if failure.tried else None
    if newest is None or not any(_is_in_another_major(refusal, wanted) for refusal in refusals):
        return None
    command = f"{wanted.program} install {failure.root} --use-major {newest.major}"
    return f"let what it needs leave its major version: `{command}`"


def _where_to_look(failure: NoneFound, wanted: Wanted) -> str:
    """Return a command that shows more. `lock --explain` knows only what is locked."""
    refusals = [refusal for _, refusal in failure.tried] or ([failure.refusal] if failure.refusal else [])
    needed = next((refusal for refusal in refusals if refusal.is_dependency), None)
    if needed is None:
        return _shown(failure.root, wanted)
    if needed.why == "cycle":
        return f"ask the publisher of {failure.root} for a version without the circle"
    if needed.why == "not published":
        return f"ask the publisher of {failure.root} where {needed.name} is published"
    if needed.others:
        return _what_to_give_up(failure.root, needed)
    locked = wanted.locked.find(needed.name)
    older = _newest_older(needed, wanted)
    if locked is None or older is None:
        return _shown(needed.name, wanted)
    command = f"{wanted.program} use {needed.name} {older}"
    return f"{needed.name} is locked at {locked.version}, and goes back only if you say so: type `{command}` first"


def _what_to_give_up(root: ImageName, needed: Rejection) -> str:
    """Return what helps where others exclude what is needed. Nobody here can loosen the range of an image."""
    images = [image for one in needed.others if (image := needing_image(one.requester)) is not None]
    if len(images) < len(needed.others):
        return f"loosen one of the ranges, or do without {root}"
    return f"do without {root} or without {' and '.join(map(str, images))}, or see `d8-installer versions {images[0]}`"


def _shown(name: ImageName, wanted: Wanted) -> str:
    verb = "versions" if wanted.locked.find(name) is None else "lock --explain"
    return f"see `d8-installer {verb} {name}`"


def _is_in_another_major(refusal: Rejection, wanted: Wanted) -> bool:
    """Whether a dependency could be had if it moved up to another major version."""
    current = _locked_version(refusal, wanted)
    return current is not None and any(version.major > current.major for version in _fitting(refusal))


def _newest_older(refusal: Rejection, wanted: Wanted) -> Version | None:
    """Return the newest version that would do and is older than the locked one."""
    current = _locked_version(refusal, wanted)
    older = (version for version in _fitting(refusal) if current is not None and version.compare(current) < 0)
    return max(older, key=lambda version: version.preference_key, default=None)


def _locked_version(refusal: Rejection, wanted: Wanted) -> Version | None:
    locked = wanted.locked.find(refusal.name)
    return Version.try_parse(locked.version) if locked is not None else None


def _fitting(refusal: Rejection) -> list[Version]:
    return [version for tag in refusal.fitting if (version := Version.try_parse(tag)) is not None]


def _wish(requirement: Requirement) -> str:
    return f"{needing_image(requirement.requester) or requirement.requester} wants {requirement.range}"
