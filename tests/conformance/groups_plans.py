"""The groups about choosing versions and planning dependencies: adapters over ``d8_installer.resolve``.

They pass ``compat="go"`` where this tool differs on purpose (docs/how-to/from-d8.md): which versions are stable,
that the installed major version is kept unasked, and that planned versions may be decided again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from d8_installer.errors import D8Error, NotFoundError, UnreachableError
from d8_installer.model.contract import Contract
from d8_installer.model.digest import Digest
from d8_installer.model.facts import ClusterFacts, ModuleFact
from d8_installer.model.lock import Lock, LockedImage, Pin
from d8_installer.model.reference import ImageName
from d8_installer.model.requirement import ANY_VERSION_AT_ALL, OWN_MANIFEST, Request, Requirement
from d8_installer.model.resolution import Answers, ContractOf, KeptRequests, Selection, TagsOf, Wanted
from d8_installer.model.value import replace
from d8_installer.resolve.choose import settled
from d8_installer.resolve.rejections import NoneFound

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from d8_installer.model.resolution import Needs, Question
    from d8_installer.resolve.search import FoundVersions
    from tests.conformance.group import Group, Input, Output

_DIGEST = Digest("0" * 64)
_REJECTED = {
    "not published": "dependency-not-published",
    "no version": "no-compatible-version",
    "cycle": "dependency-cycle",
    "planned": "already-planned",
    "conditional": "conditional",
    "reverse": "reverse-conflict",
    "facts": "cluster-incompatible",
}


class _World:
    """A registry of contracts by image and tag, and what cannot be had of it."""

    def __init__(self) -> None:
        self.contracts: dict[str, dict[str, Contract]] = {}
        self.failing: dict[str, D8Error] = {}
        self.unreadable: set[tuple[str, str]] = set()
        self.calls = 0

    def publish(self, name: str, tag: str, requirements: object) -> None:
        contract = _contract(name, tag, cast("Mapping[str, object]", requirements))
        self.contracts.setdefault(name, {})[tag] = contract

    def drive(self, asking: Generator[Needs, Answers, FoundVersions | NoneFound]) -> FoundVersions | NoneFound:
        try:
            needs = next(asking)
            while True:
                needs = asking.send(self._answer(needs))
        except StopIteration as end:
            return cast("FoundVersions | NoneFound", end.value)

    def _answer(self, needs: tuple[Question, ...]) -> Answers:
        tags: dict[TagsOf, tuple[str, ...]] = {}
        absent: dict[TagsOf, D8Error] = {}
        contracts: dict[ContractOf, Contract | None] = {}
        self.calls += len(needs)
        for need in needs:
            name = need.image.rpartition("/")[2]
            if isinstance(need, TagsOf):
                error = self.failing.get(name)
                if error is not None and not isinstance(error, NotFoundError):
                    raise error
                if error is not None:
                    absent[need] = error
                tags[need] = tuple(self.contracts.get(name, {}))
            elif isinstance(need, ContractOf):
                if (name, need.tag) in self.unreadable:
                    raise UnreachableError(f"{name} {need.tag}: bad gateway")
                contracts[need] = self.contracts.get(name, {}).get(need.tag)
        return Answers(tags=tags, absent=absent, contracts=contracts)


def _contract(name: str, tag: str, given: Mapping[str, object]) -> Contract:
    """Return a contract of the cases' short form: the sections of ``requirements``, or those of its ``plugins``."""
    sections = dict(cast("Mapping[str, object]", given.get("requirements", given)))
    plugins = {key: sections.pop(key) for key in ("mandatory", "conditional") if key in sections}
    requirements: dict[str, object] = {"plugins": plugins} if plugins else {}
    for key, value in sections.items():
        requirements[key] = {"constraint": value} if isinstance(value, str) else value
    return Contract.of_document({"name": name, "version": tag, "requirements": requirements}, name, tag)


def _installed(name: str, version: str, contract: Contract | None = None) -> LockedImage:
    plugins = contract.plugins if contract is not None else None
    return LockedImage(
        name=ImageName(name),
        version=version,
        index=None,
        binaries=(ImageName(name).default_binary,),
        requests=(("installed", _DIGEST),),
        platforms=(("any", Pin(child=_DIGEST, layer=_DIGEST, size=1)),),
        needs=tuple((need.name, need.constraint) for need in plugins.mandatory) if plugins else (),
        needs_if_present=tuple((need.name, need.constraint) for need in plugins.conditional) if plugins else (),
    )


def _facts(cluster: object) -> ClusterFacts | None:
    """Return the facts of a case's cluster; of one that cannot be reached, none is known."""
    if cluster == "unreachable":
        return ClusterFacts(kinds=frozenset())
    if not isinstance(cluster, dict):
        return None
    modules = {
        name: ModuleFact(one.get("enabled") is True, cast("str | None", one.get("version")))
        for name, one in cast("Mapping[str, Mapping[str, object]]", cluster.get("modules") or {}).items()
    }
    return ClusterFacts(
        kinds=frozenset(["kubernetes", "deckhouse", "modules"]),
        kubernetes=cluster.get("kubernetes"),
        deckhouse=cluster.get("deckhouse"),
        modules=modules,
    )


def _wanted(name: str, spec: str, installed: list[LockedImage], **selection: object) -> Wanted:
    requirement = Requirement(OWN_MANIFEST, Request.of(ImageName(name), spec))
    return Wanted(
        requirements=(requirement,),
        present=frozenset([OWN_MANIFEST]),
        locked=Lock.of(installed),
        selection=Selection(**selection),  # type: ignore[arg-type]
        kept=KeptRequests(absent=True),
    )


# -- selection ---------------------------------------------------------------------------------------------------------


def _selection(case: Input) -> Output:
    world, name = _World(), "p"
    requirements = cast("Mapping[str, object]", case.get("requirements", {}))
    for tag in cast("list[str]", case["tags"]):
        world.publish(name, tag, {"requirements": requirements.get(tag, {})})
    world.unreadable = {(name, tag) for tag in cast("list[str]", case.get("contract_fetch_fails", []))}
    version, major = case.get("version"), case.get("use_major")
    installed = [_installed(name, text)] if (text := _version_in_place(case.get("installed"))) else []
    wanted = _wanted(
        name,
        f"==={version}" if version is not None else ANY_VERSION_AT_ALL,
        installed,
        upgrade=frozenset([ImageName(name)]),
        use_major=major,
        named=frozenset([ImageName(name)]) if major is not None else frozenset(),
    )
    skips = case.get("skip_cluster_checks") is True
    wanted = replace(wanted, facts=None if skips else _facts(case.get("cluster", {})))
    try:
        outcome = world.drive(settled(wanted, compat="go"))
    except UnreachableError:
        return {"error": "operational", "no_fallback": True}
    if isinstance(outcome, NoneFound):
        if outcome.error is not None:
            return {"error": "operational", "no_fallback": True}
        return {"error_category": outcome.category, "error": f"no versions found for major version: {major}"}
    if outcome.missing:
        return {"error": "operational", "hint": "skip cluster checks", "no_fallback": True}
    skipped = [one.tag for one in outcome.passed_over]
    return {"selected": outcome.picks[ImageName(name)].tag, "skipped": skipped, "cluster_reads": 0}


def _version_in_place(installed: object) -> str | None:
    """Return the version that is in place. A binary that cannot be asked leaves only its directory's major version."""
    if isinstance(installed, str):
        return installed
    if not isinstance(installed, dict) or "major_dir" not in installed:
        return None
    reported = installed.get("binary_reports")
    return reported if isinstance(reported, str) else f"v{installed['major_dir']}.0.0"


# -- planner -----------------------------------------------------------------------------------------------------------


def _planner(case: Input) -> Output:
    request = cast("dict[str, object]", case["request"])
    name, version = str(request["name"]), str(request.get("version", "v1.0.0"))
    world = _planner_world(case)
    world.publish(name, version, request.get("plugins", {}))
    _chain(world, name, version, case.get("chain_length"))
    installed = {
        other: _installed(other, tag) for other, tag in cast("dict[str, str]", case.get("installed", {})).items()
    }
    for other, requirements in cast("dict[str, object]", case.get("installed_contracts", {})).items():
        in_place = installed.get(other)
        tag = in_place.version if in_place is not None else "v1.0.0"
        installed[other] = _installed(other, tag, _contract(other, tag, cast("Mapping[str, object]", requirements)))
    crosses = case.get("allow_major_cross") is True
    wanted = _wanted(name, f"==={version}", list(installed.values()), use_major=0 if crosses else None)
    built_in = frozenset(cast("list[str]", case.get("builtins", [])))
    wanted = replace(wanted, facts=_facts(case.get("cluster")), built_in=built_in)
    world.calls = 0
    try:
        outcome = world.drive(settled(wanted, compat="go"))
    except UnreachableError as error:
        kind = {"401": "unauthorized", "403": "forbidden"}.get(error.message, "upstream")
        return {"error": kind, "hard_stop": True}
    calls = max(0, world.calls - 2)  # the two questions about the plugin itself
    if isinstance(outcome, NoneFound):
        return _rejected(outcome, name)
    steps = [[str(one), outcome.picks[one].tag] for one in _dependencies_first(outcome, ImageName(name))]
    before = {other: image.version for other, image in installed.items()}
    plan = [step for step in steps if step[0] != name and before.get(step[0]) != step[1]]
    return {"plan": plan, "resolvable": True, "registry_calls": calls}


def _planner_world(case: Input) -> _World:
    world = _World()
    for name, versions in cast("dict[str, dict[str, object]]", case.get("published", {})).items():
        world.contracts[name] = {}
        for tag, requirements in versions.items():
            world.publish(name, tag, requirements)
    for name in cast("list[str]", case.get("unpublished", [])):
        world.failing[name] = NotFoundError(f"no image {name}")
    for name, status in cast("dict[str, int]", case.get("tag_list_error", {})).items():
        world.failing[name] = NotFoundError(name) if status == 404 else UnreachableError(str(status))
    return world


def _chain(world: _World, name: str, version: str, length: object) -> None:
    if isinstance(length, int):
        world.publish(name, version, {"mandatory": [{"name": "d1", "constraint": ""}]})
        for number in range(1, length + 1):
            needs = [{"name": f"d{number + 1}", "constraint": ""}] if number < length else []
            world.publish(f"d{number}", "v1.0.0", {"mandatory": needs})


def _dependencies_first(found: FoundVersions, root: ImageName) -> list[ImageName]:
    order: list[ImageName] = []

    def visit(name: ImageName) -> None:
        for bound in found.picks[name].mandatory:
            if bound.name not in order and bound.name in found.picks:
                visit(bound.name)
        order.append(name)

    visit(root)
    return order


def _rejected(failure: NoneFound, name: str) -> Output:
    if failure.error is not None:
        return {"error": "operational", "hard_stop": True, "resolvable": False}
    refusal = failure.rejected[0][1]
    path = [str(one) for one in refusal.path] or [name, str(refusal.name)]
    return {
        "rejected": _REJECTED[refusal.why],
        "plugin": str(refusal.name),
        "path": path,
        "constraint": refusal.constraint.replace(" ", ""),
        "by": str(refusal.name),
        "resolvable": False,
    }


GROUPS: dict[str, Group] = {"planner": _planner, "selection": _selection}
