"""``lock --explain NAME``: why an image is locked as it is. Reads the profile, asks the source, writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.model.date import spelled
from d8_installer.model.facts import ClusterFacts
from d8_installer.model.resolution import LENIENT, Selection
from d8_installer.model.value import Struct, replace
from d8_installer.pipeline.driver import Known, drive
from d8_installer.pipeline.relock import cutoff_of, refuse_unknown
from d8_installer.pipeline.requesters import gather
from d8_installer.pipeline.requirement_reports import report_on
from d8_installer.resolve.explain import explain

if TYPE_CHECKING:
    from datetime import datetime

    from d8_installer.errors import D8Error
    from d8_installer.model.profile import Profile
    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import Explanation, Wanted
    from d8_installer.pipeline.cluster_checks import AskFacts
    from d8_installer.pipeline.session import Session


class Explained(Struct, frozen=True, kw_only=True):
    """The explanation, the lock's file, the source that was asked, and the date from which versions are excluded.

    ``cluster`` is the cluster whose facts were used, None if none were; ``unmet`` is what does not hold of the locked
    version there.
    """

    profile: Profile
    file: str
    source: str
    explanation: Explanation
    cutoff: datetime | None
    cluster: str | None
    images: int
    unmet: tuple[str, ...] = ()
    problems: tuple[D8Error, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``: that of ``lock``, and the explanation."""
        data = {"profile": self.profile.as_json(), "file": self.file, "images": self.images}
        data |= {"changed": False, "written": False, "changes": []}
        left_out = [error.message for error in self.problems]
        return data | {"left_out": left_out, "explanation": self._explanation()}

    def _explanation(self) -> dict[str, object]:
        explained = self.explanation
        locked = explained.locked
        return {
            "image": str(explained.name),
            "source": self.source,
            "asked": [{"requester": r.requester, "range": r.range} for r in explained.group],
            "locked": None if locked is None else locked.version,
            "chosen": explained.chosen,
            "left_out": [{"requester": one.requirement.requester, "why": str(one.error)} for one in explained.left_out],
            "cluster": self.cluster,
            "unmet": list(self.unmet),
            "excluded_from": None if self.cutoff is None else spelled(self.cutoff),
            "considered": [{"tag": one.tag, "chosen": one.chosen, "why": one.why} for one in explained.considered],
        }


def explain_image(session: Session, name: ImageName, given: tuple[str, ...]) -> Explained:
    """Return why *name* is locked as it is. An image that is neither requested nor locked is a NotFoundError."""
    workspace = session.profiles.read(session.profiles.find())
    requesters = gather(session, workspace, given)
    cutoff = cutoff_of(session)
    wanted = replace(
        requesters.wanted(workspace.locked), selection=Selection(created_before=cutoff), strictness=LENIENT
    )
    refuse_unknown(session, workspace.profile, wanted, [name])
    facts = session.checks.choosing(workspace.profile, places=False)
    explanation = _explanation(session, wanted, name, facts)
    locked = [] if explanation.locked is None else [explanation.locked]
    beside = {image.name: image.version for image in workspace.locked.images}
    return Explained(
        profile=workspace.profile,
        file=workspace.profile.lock,
        source=session.source.name,
        explanation=explanation,
        cutoff=cutoff,
        unmet=tuple(text for report in report_on(session, locked, facts, beside) for text in report.unmet),
        cluster=session.checks.cluster,
        images=len(workspace.locked.images),
        problems=requesters.problems,
    )


def _explanation(session: Session, wanted: Wanted, name: ImageName, read_facts: AskFacts) -> Explanation:
    """Explain by the facts that ``lock`` would choose by; they are read when a contract asks for them."""
    wanted, known = replace(wanted, facts=ClusterFacts(kinds=frozenset())), Known()
    while True:
        asking = explain(wanted, name)
        explanation = drive(asking, lambda: session.source, session.scope.options.connections, known)
        if not explanation.missing_facts:
            return explanation
        kinds = frozenset() if wanted.facts is None else wanted.facts.kinds
        wanted = replace(wanted, facts=read_facts(kinds | explanation.missing_facts))
