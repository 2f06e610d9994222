"""``lock --check``: whether the lock is current, and whether the source still has what it pins. Writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.source import AllByDigest
from d8_installer.model.value import Struct, asdict, replace
from d8_installer.ops.source_check import SourceComparison, compare_with_source
from d8_installer.pipeline.absent_requesters import note_absent
from d8_installer.pipeline.contracts import stored_contract
from d8_installer.pipeline.relock import refuse_missing, stale_error
from d8_installer.pipeline.requesters import gather
from d8_installer.pipeline.tag_memory import moved_tags, refuse_moved, tops_of
from d8_installer.pipeline.unmet import refuse_unmet
from d8_installer.resolve.stale import staleness

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.model.lock import LockedImage
    from d8_installer.model.profile import Profile
    from d8_installer.model.resolution import Difference
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session


class CheckResult(Struct, frozen=True, kw_only=True):
    """The result: where the lock is stale, or else the comparison with the source (None if it was not asked)."""

    profile: Profile
    file: str
    images: int
    differences: tuple[Difference, ...] = ()
    comparison: SourceComparison | None = None
    errors: tuple[D8Error, ...] = ()
    left_out: tuple[D8Error, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``: that of ``lock``, and what was checked."""
        compared = self.comparison
        data = {"profile": self.profile.as_json(), "file": self.file, "images": self.images}
        data |= {"changed": False, "written": False, "changes": []}
        return data | {
            "left_out": [error.message for error in self.left_out],
            "differences": [_difference_json(difference) for difference in self.differences],
            "proven": None if compared is None else compared.proven,
            "unproven": [] if compared is None else [asdict(one) for one in compared.unproven],
        }


def check(session: Session, given: tuple[str, ...] = ()) -> CheckResult:
    """Compare the profile's lock with the requirements and, unless --offline, with the source.

    The ``errors`` of the result name what is stale, missing at the source, or different there. Raise StaleLockError if
    there is no lock, and MismatchError if this machine remembers other bytes for one of its tags.
    """
    session = session.held_by("lock --check")
    workspace = session.profiles.read(session.profiles.find())
    refuse_missing(workspace)
    requesters = gather(session, workspace, given)
    problems = requesters.problems
    result = CheckResult(
        profile=workspace.profile,
        file=workspace.profile.lock,
        images=len(workspace.locked.images),
        errors=problems,
        left_out=problems,
    )
    wanted = requesters.wanted(workspace.locked)
    note_absent(session, wanted, "lock")
    differences = staleness(wanted)
    if differences:
        return replace(result, differences=differences, errors=(stale_error(workspace, differences), *problems))
    unmet: list[D8Error] = []
    refuse_unmet(session, workspace.locked, _readable(session, workspace), lambda error, _: unmet.append(error))
    problems = (*dict.fromkeys(unmet), *problems)
    result = replace(result, errors=problems)
    if session.scope.is_offline or not workspace.locked.images:
        return result
    refuse_moved(session, workspace.locked)
    comparison = compare_with_source(session, workspace.locked)
    errors = comparison.errors
    if isinstance(session.source, AllByDigest) and not errors:  # other sources were asked by tag
        errors = moved_tags(session, tops_of(workspace.locked))
    return replace(result, comparison=comparison, errors=(*errors, *problems))


def _readable(session: Session, workspace: Workspace) -> list[LockedImage]:
    """Return the locked images, without network only those whose contract is in the store."""
    images = list(workspace.locked.images)
    if not session.scope.is_offline:
        return images
    return [image for image in images if image.contract is None or stored_contract(session, image) is not None]


def _difference_json(difference: Difference) -> dict[str, object]:
    details = [{"what": one.what, "locked": one.locked, "wanted": one.wanted} for one in difference.details]
    return {"image": str(difference.image), "problem": difference.problem, "details": details}
