"""The search for one version of each image, so that all that is asked and all that images need of each other holds.

How it works. What is locked and stays is taken first, with what it needs. Then the other images are decided one after
another: those that are asked for by name, then what they need, and so on. For each, the versions are walked newest
first, and the first one is taken

- that is in every range: those asked for, and those of the images taken so far;
- whose own requirements hold: those for the cluster, as far as its facts are known, and those for images that count
  only if they are present;
- for which everything that it needs can be decided, too.

A need for an image that is locked and out of range makes that one move: never below the locked version, and within its
major version unless ``--use-major`` is typed. A need for an image that was decided before makes that one be decided
again, with one range more. If no version of an image is right, the search goes back to the last decision that had a
part in it. Orders that mean nothing decide nothing: images are taken by name.

``compat="go"`` is the planner of the Go tool (rpp.md §8): depth first, needs in the order of the contract; what was
planned is not decided again, and bounds between planned images are not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, NotFoundError
from d8_installer.model.resolution import Answers, PassedOver, TagsOf
from d8_installer.model.value import Struct, field, replace
from d8_installer.resolve.candidates import Candidates
from d8_installer.resolve.dates import dates_of
from d8_installer.resolve.dependencies import Pick, bounds_of, bounds_on, chain, reached
from d8_installer.resolve.knowledge import Knowledge, top_of
from d8_installer.resolve.rejections import NoneFound, Rejection, Why
from d8_installer.resolve.requirements import check, missing_facts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from d8_installer.errors import D8Error
    from d8_installer.model.facts import FactKind
    from d8_installer.model.reference import ImageName
    from d8_installer.model.resolution import ContractOf, Needs, Wanted
    from d8_installer.model.version import Compat
    from d8_installer.resolve.demand import Demand
    from d8_installer.resolve.dependencies import Bound

MAX_DEPTH = 16
"""How many images may be chained by needs, without the one that is asked for (rpp.md §8)."""
MAX_TRIED = 20_000
"""How many versions are tried before the search gives up: the time of a search must not grow without end."""


class FoundVersions(Struct, frozen=True, kw_only=True):
    """The versions that were found, in the order of the decisions, and the newer ones that were passed over.

    If facts are *missing*, they do not count.
    """

    picks: Mapping[ImageName, Pick]
    passed_over: tuple[PassedOver, ...] = ()
    missing: frozenset[FactKind] = frozenset()


class _Task(Struct, frozen=True):
    """An image to decide: by *path* from the image that was asked for, and for *need* (None: it was asked for)."""

    path: tuple[ImageName, ...]
    need: Bound | None = None

    @property
    def name(self) -> ImageName:
        return self.path[-1]


class _State(Struct, frozen=True):
    """What is decided, and what is not yet."""

    chosen: dict[ImageName, Pick]
    tasks: tuple[_Task, ...]
    needing: tuple[Pick, ...] = ()

    @classmethod
    def of(cls, chosen: dict[ImageName, Pick], tasks: tuple[_Task, ...]) -> _State:
        return cls(chosen, tasks, tuple(pick for pick in chosen.values() if pick.bounds))

    def plus(self, pick: Pick, tasks: tuple[_Task, ...]) -> _State:
        needing = (*self.needing, pick) if pick.bounds else self.needing
        return _State({**self.chosen, pick.name: pick}, tasks, needing)

    def without(self, name: ImageName, roots: Iterable[ImageName]) -> _State:
        """Return the state in which *name* is not decided, and nothing that only it needs."""
        chosen = {other: pick for other, pick in self.chosen.items() if other != name}
        return _State.of(reached(chosen, [*roots, *(task.name for task in self.tasks)]), self.tasks)

    def has_done(self, task: _Task) -> bool:
        """Whether *task* needs no decision: its image is decided and in the range, or nothing needs it any more."""
        need, held = task.need, self.chosen.get(task.name)
        if need is None:
            return held is not None
        dependent = self.chosen.get(need.by)
        is_needed = dependent is not None and need in dependent.bounds
        return not is_needed or (held is not None and need.allows(held.tag))


class _Decision(Struct, kw_only=True):
    """One image that is being decided: the state before, the candidates that are left, and why others were refused."""

    task: _Task
    state: _State
    bounds: tuple[Bound, ...]
    candidates: Iterator[Pick]
    pick: Pick | None = None
    rejected: list[tuple[str, Rejection]] = field(default_factory=list)


class _OfOneImageError(Exception):
    """An error about one image, which is no reason for another version; never leaves this module."""

    def __init__(self, task: _Task, error: D8Error) -> None:
        super().__init__(task)
        self.task = task
        self.error = error


class VersionSearch:
    """One search among the versions that the demands allow. It asks by yielding, and is run once."""

    def __init__(
        self, wanted: Wanted, demands: Mapping[ImageName, Demand], known: Knowledge, *, compat: Compat = "d8"
    ) -> None:
        """*demands*: the agreed demands of manifests and plugins. What the source answers is added to *known*."""
        self._wanted = wanted
        self._known = known
        self._compat: Compat = compat
        self._candidates = Candidates(wanted, demands, known, compat)
        self._missing: set[FactKind] = set()
        self._ready: set[ImageName] = set()
        self._tried = 0

    def ask_ahead(self, read: Iterable[tuple[ImageName, str]]) -> Generator[Needs, Answers, None]:
        """Ask in one round for the contracts of the versions *read*, and for what the first decisions have to know."""
        state = self._start()
        also = [self._candidates.questions.contract(name, tag) for name, tag in read]
        yield from self._ask(state, also)

    def run(self) -> Generator[Needs, Answers, FoundVersions | NoneFound]:
        """Return the versions, or why there are none."""
        state, stack = self._start(), list[_Decision]()
        try:
            while state.tasks:
                if state.tasks[0].name not in self._ready or self._needs_tags(state.tasks[0], state):
                    yield from self._ask(state)
                task, state = state.tasks[0], replace(state, tasks=state.tasks[1:])
                if state.has_done(task):
                    continue
                stack.append(self._decision(task, state))
                outcome = yield from self._decide(stack)
                if isinstance(outcome, NoneFound):
                    return outcome
                state = outcome
        except _OfOneImageError as fault:
            path = fault.task.path
            return NoneFound(name=path[-1], root=path[0], error=fault.error)
        picks = reached(state.chosen, self._candidates.roots)
        return FoundVersions(
            picks=picks, passed_over=tuple(_passed_over(stack, picks)), missing=frozenset(self._missing)
        )

    def _start(self) -> _State:
        """Return the state in which all that stays as it is locked is decided."""
        chosen, roots = self._candidates.staying, self._candidates.roots
        tasks = [_Task((name,)) for name in roots if name not in chosen]
        seen = {task.name for task in tasks}
        for pick in sorted(chosen.values(), key=lambda one: one.name):
            for need in self._in_order(pick.mandatory):
                if need.name not in chosen and need.name not in seen:
                    seen.add(need.name)
                    ways = (chain(chosen, root, pick.name) for root in roots if root in chosen)
                    way = next((way for way in ways if way), (pick.name,))
                    tasks.append(_Task((*way, need.name), need))
        return _State.of(chosen, tuple(tasks))

    # -- one decision ------------------------------------------------------------------------------------------

    def _decision(self, task: _Task, state: _State) -> _Decision:
        held = state.chosen.get(task.name)
        if held is not None and self._compat == "go" and not held.is_locked:
            return _Decision(task=task, state=state, bounds=(), candidates=iter(()), pick=held)
        if held is not None:
            state = state.without(task.name, self._candidates.roots)
        bounds = self._bounds(task, state)
        candidates = self._candidates.of(task.name, task.need, self._ranges(task, bounds))
        return _Decision(task=task, state=state, bounds=bounds, candidates=candidates)

    def _bounds(self, task: _Task, state: _State) -> tuple[Bound, ...]:
        """Return the bounds on the image. The Go tool looks at the dependent and at installed plugins alone."""
        bounds = bounds_on(task.name, state.needing)
        if self._compat == "d8":
            return bounds
        installed = tuple(one for one in bounds if one != task.need and state.chosen[one.by].is_locked)
        return installed if task.need is None else (task.need, *installed)

    def _ranges(self, task: _Task, bounds: tuple[Bound, ...]) -> tuple[Bound, ...]:
        """Return those of *bounds* that pass a version over without a word."""
        return bounds if self._compat == "d8" else tuple(one for one in bounds if one == task.need)

    def _decide(self, stack: list[_Decision]) -> Generator[Needs, Answers, _State | NoneFound]:
        """Return the state after the next candidate that can be taken, going back as far as is needed."""
        while True:
            decision = stack[-1]
            for candidate in decision.candidates:
                taken = yield from self._taken(decision, candidate)
                if isinstance(taken, _State):
                    return taken
                decision.rejected.append((candidate.tag, taken))
            stack.pop()
            refusal = self._exhausted(decision)
            while stack and stack[-1].task.name not in refusal.blamed:
                stack.pop()
            if not stack:
                return _failure(decision, refusal)
            before = stack[-1]
            tag = "" if before.pick is None else before.pick.tag
            before.rejected.append((tag, refusal))

    def _taken(self, decision: _Decision, pick: Pick) -> Generator[Needs, Answers, _State | Rejection]:
        """Return the state with *pick*, or why it cannot be taken."""
        task, state = decision.task, decision.state
        self._refuse_endless(task)
        if not pick.is_locked:
            if (yield from self._is_too_new(pick)):
                return Rejection(why="date", text="it is too new", name=pick.name)
            pick = yield from self._read(task, pick)
        try:
            refusal = self._refusal(decision, pick)
            for need in pick.mandatory:
                need.allows(pick.tag)
        except DocumentError as error:  # only with "go", which reads a constraint when it matters
            raise _OfOneImageError(task, error) from error
        if refusal is not None:
            return refusal
        decision.pick = pick
        needs = tuple(_Task((*task.path, need.name), need) for need in self._in_order(pick.mandatory))
        return state.plus(pick, (*needs, *state.tasks) if self._compat == "go" else (*state.tasks, *needs))

    def _refuse_endless(self, task: _Task) -> None:
        self._tried += 1
        if self._tried > MAX_TRIED:
            raise _OfOneImageError(
                task,
                DocumentError(
                    f"{task.path[0]}: no versions that go together were found among {MAX_TRIED}",
                    hint="ask for exact versions of some images, such as `d8-installer install NAME===TAG`",
                    code="ranges-conflict",
                ),
            )
        if len(task.path) - 1 > MAX_DEPTH:
            via = " -> ".join(map(str, task.path))
            raise _OfOneImageError(
                task,
                DocumentError(
                    f"{task.path[0]} needs a chain of more than {MAX_DEPTH} plugins: {via}",
                    hint=f"ask the publisher of {task.path[0]} which of them it can do without",
                    code="ranges-conflict",
                ),
            )

    def _refusal(self, decision: _Decision, pick: Pick) -> Rejection | None:
        """Return why *pick* cannot be taken beside what is decided, or None."""
        path, chosen = decision.task.path, decision.state.chosen
        is_admitted = self._is_the_locked(pick) or self._candidates.is_typed(decision.task.need, pick)
        if not is_admitted and (unmet := self._unmet(decision.task, pick)):
            return Rejection(why="facts", text="; ".join(unmet), name=pick.name, path=path)
        for bound in decision.bounds:  # only with "go": otherwise it is no candidate
            if bound != decision.task.need and bound.excludes(pick.tag, self._compat):
                text = f"reverse conflict: plugin {bound.by} requires {pick.name} {bound.constraint}"
                return Rejection(why="reverse", text=text, name=bound.by, path=path)
        for bound in pick.bounds:
            held = chosen.get(bound.name)
            if held is not None and not bound.mandatory and not bound.allows(held.tag):
                return Rejection(
                    why="conditional",
                    text=f"conditional dependency installed at {held.tag} does not satisfy",
                    name=held.name,
                    constraint=bound.constraint,
                    blamed=frozenset([held.name]),
                )
            circle = self._circle(path, bound.name, chosen) if bound.mandatory else ()
            if circle:
                return Rejection(why="cycle", text="dependency cycle", name=bound.name, path=circle)
        return None

    def _circle(
        self, path: tuple[ImageName, ...], needed: ImageName, chosen: Mapping[ImageName, Pick]
    ) -> tuple[ImageName, ...]:
        """Return the way from the image asked for to *needed* and back, or nothing if there is no circle."""
        if needed in path:
            return (*path, needed)
        back = chain(chosen, needed, path[-1]) if self._compat == "d8" else ()
        return (*path, *back) if back else ()

    def _is_the_locked(self, pick: Pick) -> bool:
        """Whether *pick* is the locked version, which no facts replace by an older one: it is admitted, or refused."""
        locked = self._wanted.locked.find(pick.name) if self._compat == "d8" else None
        return pick.is_locked or (locked is not None and locked.version == pick.tag)

    def _unmet(self, task: _Task, pick: Pick) -> list[str]:
        """Return what the facts leave unmet of the contract, as far as facts are given."""
        facts = self._wanted.facts
        if facts is None or pick.contract is None:
            return []
        missing = missing_facts(pick.contract, facts)
        self._missing |= missing
        if missing:
            return []  # what is missing is read, and then this search does not count
        try:
            return [one.text for one in check(pick.contract, facts).unmet]
        except DocumentError as error:
            hint = f"{error.hint}, or name another version: `d8-installer versions {pick.name}`"
            raise _OfOneImageError(task, error.within(f"{pick.name} {pick.tag}", hint=hint)) from error

    def _in_order(self, needs: Iterable[Bound]) -> list[Bound]:
        found = list(needs)
        return found if self._compat == "go" else sorted(found, key=lambda need: need.name)

    def _exhausted(self, decision: _Decision) -> Rejection:
        """Return why no version of an image can be taken."""
        task, rejected = decision.task, decision.rejected
        blamed = {bound.by for bound in decision.bounds} | {name for _, one in rejected for name in one.blamed}
        if task.need is not None:
            blamed = {task.need.by, *blamed} if self._compat == "d8" else {task.need.by}
        blamed.discard(task.name)
        if decision.pick is not None and not rejected:
            return _about(task, "planned", f"already planned at {decision.pick.tag}", blamed)
        absent = self._known.absent.get(task.name)
        if isinstance(absent, NotFoundError) and task.need is not None:
            return replace(_about(task, "not published", f"not published as {task.name.path}", blamed), constraint="")
        if absent is not None:
            raise _OfOneImageError(task, absent)
        if len(rejected) == 1 and (rejected[0][1].is_dependency or self._compat == "d8"):
            return replace(rejected[0][1], blamed=frozenset(blamed))
        major = self._candidates.typed_major(task.name)
        text = "no compatible version" + ("" if major is None else f" of major version {major}")
        nothing = _about(task, "no version", text, blamed)
        if task.need is None:
            return nothing
        fitting, others = self._candidates.fitting(task.need, decision.bounds)
        return replace(nothing, fitting=fitting, others=() if rejected or self._compat == "go" else others)

    # -- what the source is asked ------------------------------------------------------------------------------

    def _ask(self, state: _State, also: Iterable[ContractOf] = ()) -> Generator[Needs, Answers, None]:
        """Ask in one round what the next decision has to know, and the same for all that is not decided yet."""
        names = tuple(dict.fromkeys(task.name for task in state.tasks if self._needs_tags(task, state)))
        if names:
            self._known.learn_tags(names, (yield tuple(TagsOf(name.path) for name in names)), self._wanted)
        picks, dates = self._first_picks(state), self._known.dates
        while unknown := {top_of(pick) for pick in picks if self._needs_date(pick)}:
            dates |= yield from dates_of(sorted(unknown, key=lambda top: top.image))
            picks = self._first_picks(state)
        self._ready |= {task.name for task in state.tasks}
        yield from self._ask_contracts([*also, *(self._question(pick) for pick in picks)])

    def _ask_contracts(self, questions: Iterable[ContractOf]) -> Generator[Needs, Answers, None]:
        needs = tuple(question for question in dict.fromkeys(questions) if not self._known.has_read(question))
        if needs:
            self._known.learn_contracts((yield needs))

    def _needs_tags(self, task: _Task, state: _State) -> bool:
        return not state.has_done(task) and self._candidates.needs_tags(task.name, self._bounds(task, state))

    def _needs_date(self, pick: Pick) -> bool:
        return self._wanted.selection.created_before is not None and top_of(pick) not in self._known.dates

    def _question(self, pick: Pick) -> ContractOf:
        return self._candidates.questions.contract(pick.name, pick.tag)

    def _first_picks(self, state: _State) -> list[Pick]:
        found = [self._first_pick(task, state) for task in state.tasks if not self._needs_tags(task, state)]
        return [pick for pick in found if pick is not None]

    def _first_pick(self, task: _Task, state: _State) -> Pick | None:
        """Return the candidate that is tried first for *task*, or None if it asks nothing of the source."""
        held = state.chosen.get(task.name)
        if state.has_done(task) or (held is not None and self._compat == "go" and not held.is_locked):
            return None
        ranges = self._ranges(task, self._bounds(task, state))
        candidates = self._candidates.of(task.name, task.need, ranges)
        first = next((one for one in candidates if one.is_locked or not self._known.is_late(one, self._wanted)), None)
        return None if first is None or first.is_locked else first

    def _is_too_new(self, pick: Pick) -> Generator[Needs, Answers, bool]:
        if self._needs_date(pick):
            self._known.dates |= yield from dates_of([top_of(pick)])
        return self._known.is_late(pick, self._wanted)

    def _read(self, task: _Task, pick: Pick) -> Generator[Needs, Answers, Pick]:
        """Return *pick* with its contract, and with what that needs."""
        question = self._question(pick)
        yield from self._ask_contracts([question])
        if question in self._known.broken:
            raise _OfOneImageError(task, self._known.broken[question])
        contract = self._known.contracts.get(question)
        try:
            bounds = bounds_of(contract, pick.name, pick.tag, self._wanted.built_in, compat=self._compat)
            return replace(pick, contract=contract, bounds=bounds)
        except DocumentError as error:
            raise _OfOneImageError(task, error) from error


def _about(task: _Task, why: Why, text: str, blamed: Iterable[ImageName]) -> Rejection:
    constraint = task.need.constraint if task.need is not None else ""
    return Rejection(
        why=why, text=text, name=task.name, path=task.path, constraint=constraint, blamed=frozenset(blamed)
    )


def _failure(decision: _Decision, refusal: Rejection) -> NoneFound:
    path = decision.task.path
    return NoneFound(
        name=path[-1],
        root=path[0],
        rejected=tuple(decision.rejected),
        ranges=tuple(bound.requirement for bound in decision.bounds),
        refusal=refusal,
    )


def _passed_over(stack: Iterable[_Decision], picks: Mapping[ImageName, Pick]) -> Iterator[PassedOver]:
    """Yield the newer versions of what was taken, with the reasons."""
    for decision in stack:
        name, pick = decision.task.name, decision.pick
        if pick is not None and picks.get(name) == pick:
            for tag, refusal in decision.rejected:
                if refusal.why != "date":
                    yield PassedOver(name=name, tag=tag, why=str(refusal), facts=refusal.why == "facts")
