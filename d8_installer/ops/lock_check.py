"""``lock --check``: whether the lock says what is wanted and the source still has what it says. Writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.source import AllByDigest
from d8_installer.model.value import Struct, asdict, replace
from d8_installer.ops.source_check import Proof, prove
from d8_installer.pipeline.absent_requesters import note_absent
from d8_installer.pipeline.relock import refuse_missing, stale_error
from d8_installer.pipeline.requesters import gather
from d8_installer.pipeline.tag_memory import moved_tags, refuse_moved, tops_of
from d8_installer.resolve import staleness

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.model.resolution import Difference
    from d8_installer.pipeline.session import Session


class CheckResult(Struct, frozen=True, kw_only=True):
    """What ``lock --check`` found: where the lock is stale, else what the source showed (None: it was not asked)."""

    file: str
    images: int
    differences: tuple[Difference, ...] = ()
    proof: Proof | None = None
    errors: tuple[D8Error, ...] = ()
    left_out: tuple[D8Error, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``: that of ``lock``, and what was checked."""
        data = {"file": self.file, "images": self.images, "written": False, "changes": []}
        return data | {
            "left_out": [error.message for error in self.left_out],
            "differences": [_difference_json(difference) for difference in self.differences],
            "proven": self.proof.builds if self.proof is not None else None,
            "unproven": [asdict(one) for one in self.proof.unproven] if self.proof is not None else [],
        }


def check(session: Session, given: tuple[str, ...] = ()) -> CheckResult:
    """Compare the profile's lock with what is wanted, and then with what the source has; with --offline only the first.

    What is stale, missing at the source or other than locked is among the result's ``errors``. Raises StaleLockError
    where there is no lock, MismatchError where this machine knows one of its tags as other bytes, and what reaching the
    source raises.
    """
    workspace = session.profiles.read(session.profiles.find())
    refuse_missing(workspace)
    requesters = gather(session, workspace, given)
    problems = requesters.problems
    result = CheckResult(
        file=workspace.profile.lock, images=len(workspace.locked.images), errors=problems, left_out=problems
    )
    wanted = requesters.wanted(workspace.locked)
    note_absent(session, wanted, "lock")
    differences = staleness(wanted)
    if differences:
        errors = (stale_error(workspace, differences), *problems)
        return replace(result, differences=differences, errors=errors)
    if session.scope.is_offline or not workspace.locked.images:
        return result
    refuse_moved(session, workspace.locked)
    proof = prove(session, workspace.locked)
    wrong: tuple[D8Error, ...] = proof.errors
    if isinstance(session.source, AllByDigest) and not wrong:  # another has been asked by tag
        wrong = moved_tags(session, tops_of(workspace.locked))
    return replace(result, proof=proof, errors=(*wrong, *problems))


def _difference_json(difference: Difference) -> dict[str, object]:
    details = [{"what": one.what, "locked": one.locked, "wanted": one.wanted} for one in difference.details]
    return {"image": str(difference.image), "problem": difference.problem, "details": details}
