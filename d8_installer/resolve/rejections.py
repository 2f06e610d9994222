"""Why a version is not taken, and why none can be; and the error that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.errors import ConflictError
from d8_installer.model.value import Struct
from d8_installer.model.version import Specifier, Version

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.model.reference import ImageName
    from d8_installer.model.requirement import Requirement
    from d8_installer.model.resolution import Wanted
    from d8_installer.resolve.knowledge import Knowledge

_SHOWN = 5

Why = Literal["not published", "no version", "cycle", "planned", "conditional", "reverse", "facts", "date"]


class Rejection(Struct, frozen=True, kw_only=True):
    """Why a version is not taken. *name* is the image that it is about, by *path* from the image that was asked for.

    ``blamed`` are the images whose other versions might change that.
    """

    why: Why
    text: str
    name: ImageName
    path: tuple[ImageName, ...] = ()
    constraint: str = ""
    blamed: frozenset[ImageName] = frozenset()

    @property
    def is_dependency(self) -> bool:
        """Whether an image is missing, or in a circle."""
        return self.why in {"not published", "no version", "cycle"}

    def __str__(self) -> str:
        if self.why in {"facts", "date"}:
            return self.text
        via = f" (via {' -> '.join(map(str, self.path))})" if len(self.path) > 1 else ""
        needs = f" (needs {self.constraint})" if self.constraint else ""
        return f'dependency "{self.name}"{via}: {self.text}{needs}'


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


def unresolved(failure: NoneFound, wanted: Wanted, known: Knowledge) -> ConflictError:
    """Return the error for an image of which versions were tried, or whose needs cannot be had."""
    root = failure.root
    hint = _way_out(failure, wanted, known) or _where_to_look(failure, wanted)
    if failure.name != root or not failure.tried:
        locked = wanted.locked.find(root)
        version = f" {locked.version}" if locked is not None else ""
        return ConflictError(f"what {root}{version} needs cannot be locked: {failure.refusal}", hint=hint)
    shown = "; ".join(f"{tag} ({refusal})" for tag, refusal in failure.tried[:_SHOWN])
    older = len(failure.tried) - _SHOWN
    more = f"; and {older} older" if older > 0 else ""
    return ConflictError(f"{root} cannot be locked: {failure.category}: {shown}{more}", hint=hint)


def _way_out(failure: NoneFound, wanted: Wanted, known: Knowledge) -> str | None:
    refusals = [refusal for _, refusal in failure.tried]
    if refusals and all(refusal.why == "facts" for refusal in refusals):
        return "change the cluster, or type the same command with --skip-cluster-checks"
    if wanted.selection.use_major is not None:
        return None
    newest = Version.try_parse(failure.tried[0][0]) if failure.tried else None
    if newest is None or not any(_other_major(refusal, wanted, known) is not None for refusal in refusals):
        return None
    command = f"d8-installer install {failure.root} --use-major {newest.major}"
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
    locked = wanted.locked.find(needed.name)
    if locked is None:
        return _shown(needed.name, wanted)
    return (
        f"{needed.name} {locked.version} is installed, which no older version replaces: {_shown(needed.name, wanted)}"
    )


def _shown(name: ImageName, wanted: Wanted) -> str:
    verb = "versions" if wanted.locked.find(name) is None else "lock --explain"
    return f"see `d8-installer {verb} {name}`"


def _other_major(refusal: Rejection, wanted: Wanted, known: Knowledge) -> int | None:
    """Return the major version that a dependency would have to move to, or None if that would not help."""
    locked = wanted.locked.find(refusal.name)
    current = Version.try_parse(locked.version) if locked is not None else None
    if refusal.why != "no version" or current is None or not refusal.constraint:
        return None
    versions = [version for tag in known.tags.get(refusal.name, ()) if (version := Version.try_parse(tag))]
    specifier = Specifier.parse(refusal.constraint, compat="go")
    allowed = [version.major for version in versions if specifier.allows(version) and version.major > current.major]
    return max(allowed, default=None)
