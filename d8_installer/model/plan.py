"""Plan and its steps: what takes a profile from its active generation to a lock. ``plan.make_plan`` makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.model.generation import Placement
    from d8_installer.model.platform import Platform
    from d8_installer.model.reference import ImageName
    from d8_installer.model.source import LayerRequest


class Fetch(Struct, frozen=True, kw_only=True):
    """Download one layer, verify it, and take *members* out of it into the store.

    ``again``: also if the store seems to have them, because what it has is damaged.
    """

    name: ImageName
    request: LayerRequest
    members: tuple[str, ...]
    again: bool = False


class Link(Struct, frozen=True):
    """Put a binary in place; ``replaces`` is the version that has its name now, or None.

    ``same_file``: the file itself stays, and only the requests that it serves, or what stands before it, change.
    """

    placement: Placement
    replaces: str | None = None
    same_file: bool = False


class Unlink(Struct, frozen=True):
    """Take a binary away."""

    placement: Placement


Step = Fetch | Link | Unlink


class Plan(Struct, frozen=True, kw_only=True):
    """The steps, and ``target``: everything that is in place once they are done.

    ``skipped`` are optional images without a build for the platform, ``problems`` the faults of images that only
    plugins want. ``unproven`` are layers that the store has, but that were not yet seen to belong to the image and tag
    of the lock. They are proven before anything is placed; that is not a step.
    """

    platform: Platform
    steps: tuple[Step, ...]
    target: tuple[Placement, ...]
    skipped: tuple[ImageName, ...] = ()
    problems: tuple[D8Error, ...] = ()
    unproven: tuple[LayerRequest, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps

    @property
    def fetches(self) -> tuple[Fetch, ...]:
        """The downloads among the steps."""
        return tuple(step for step in self.steps if isinstance(step, Fetch))

    @property
    def withheld(self) -> tuple[Placement, ...]:
        """The targets that are kept out of ``bin``."""
        return tuple(placement for placement in self.target if not placement.in_bin)
