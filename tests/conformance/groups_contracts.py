"""The groups about contracts and what they require of a cluster: adapters over ``model.contract`` and ``resolve``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from d8_installer.cluster.api import Api, ApiReply
from d8_installer.cluster.facts import DECKHOUSE_PATH, MODULES_PATH, VERSION_ANNOTATION, VERSION_PATH, read_facts
from d8_installer.errors import D8Error, DocumentError
from d8_installer.model.contract import MAX_CONTRACT, Contract, ModuleNeeds, annotation_bytes
from d8_installer.model.contract_lookup import children_to_read, contract_in
from d8_installer.model.facts import ClusterFacts, ModuleFact
from d8_installer.model.oci import OCI_INDEX, OCI_MANIFEST, parse_manifest
from d8_installer.model.reference import PLUGIN_ROOT
from d8_installer.model.value import replace
from d8_installer.model.version import Version
from d8_installer.model.yaml_document import parse_yaml
from d8_installer.registry import rpp_wire
from d8_installer.resolve.requirements import check, cluster_satisfies, normalized
from d8_installer.testing import go_dialect
from tests.conformance.group import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d8_installer.model.facts import FactKind
    from d8_installer.model.oci import ImageIndex, ImageManifest
    from tests.conformance.group import Group, Input, Output

_KINDS: tuple[FactKind, ...] = ("kubernetes", "deckhouse", "modules")


def _contract_observed(case: Input) -> Output:
    stage, contract = _staged(case)
    answer: Output = {"contract": stage}
    cluster = case.get("cluster")
    if contract is not None and isinstance(cluster, dict):
        facts = _facts(cluster)
        answer |= {kind: _outcome(_only(contract, kind), facts)[0] for kind in _KINDS}
        answer["needs_cluster"] = bool(contract.fact_kinds)
    return answer


def _staged(case: Input) -> tuple[str, Contract | None]:
    """How far the document comes, and the contract if it comes to the end."""
    try:
        raw = annotation_bytes(text_of(case, "base64")) if "base64" in case else text_of(case, "text").encode()
    except DocumentError:
        return "invalid:base64", None
    try:
        document = parse_yaml(raw, "contract", limit=MAX_CONTRACT)
    except DocumentError:
        return "invalid:yaml", None
    try:
        contract = Contract.of_document(document, "plugin", "v1.0.0")
    except DocumentError:
        return "invalid:decode", None
    try:
        contract.refuse_invalid("go")
    except DocumentError:
        return "invalid:validate", None
    return "ok", contract


def _only(contract: Contract, kind: FactKind) -> Contract:
    bare = replace(contract, kubernetes="", deckhouse="", modules=ModuleNeeds())
    return replace(bare, **{kind: getattr(contract, kind)})


def _outcome(contract: Contract, facts: ClusterFacts) -> tuple[str, bool]:
    try:
        verdict = check(contract, facts)
    except DocumentError:
        return "error", False
    return ("ok" if verdict.is_met else "unmet"), bool(verdict.warnings)


def _facts(cluster: Mapping[str, object]) -> ClusterFacts:
    modules = cast("Mapping[str, Mapping[str, object]]", cluster.get("modules") or {})
    return ClusterFacts(
        kinds=frozenset(_KINDS),
        kubernetes=_readable(cluster.get("kubernetes")),
        deckhouse=_readable(cluster.get("deckhouse")),
        modules={
            name: ModuleFact(facts.get("enabled") is True, _readable(facts.get("version")))
            for name, facts in modules.items()
        },
    )


def _readable(version: object) -> str | None:
    return version if isinstance(version, str) and Version.try_parse(version) else None


def _requirement_check(case: Input) -> Output:
    needs = cast("Mapping[str, object]", case["requirements"])
    document = {
        "requirements": {
            key: {"constraint": value} if isinstance(value, str) else value for key, value in needs.items()
        }
    }
    contract = Contract.of_document(document, str(case.get("plugin", "plugin")), "v1.0.0")
    outcome, warned = _outcome(contract, _facts(cast("Mapping[str, object]", case.get("cluster") or {})))
    return {"outcome": {"ok": "met", "error": "operational-error"}.get(outcome, outcome), "warning": warned}


def _contract_validation(case: Input) -> Output:
    try:
        contract = Contract.parse(json.dumps(dict(case)).encode(), "plugin", "v1.0.0", compat="go")
    except DocumentError as error:
        return {"valid": False, "rule": _rule(error)}
    return {"valid": True, "contract": json.loads(contract.render())}


def _rule(error: DocumentError) -> str:
    """The words that the cases have for our message."""
    problem, key = error.problem, error.key or ""
    if problem.endswith("and is a list") and key in ("requirements.modules", "requirements.plugins"):
        return f"{key.rpartition('.')[2]} must be an object, got array"
    if ", and is " in problem:
        return "wrong JSON type"
    if "is in both" in problem:
        pair = problem.partition("is in both ")[2]
        return f"module in {pair}" if pair == "mandatory and conditional" else pair
    words = {
        "at least one member": "at least one member",
        "the group has no name": "group name required",
        "the group name": "duplicate group name",
        "a member has no name": "member name required",
        "the member": "duplicate member",
        "specifier": "invalid constraint",
    }
    return next((rule for part, rule in words.items() if part in problem), problem)


def _contract_lookup(case: Input) -> Output:
    plugin, tag = text_of(case, "plugin"), text_of(case, "tag")
    manifests = cast("Mapping[str, Mapping[str, object] | str]", case["manifests"])
    requests: list[str] = []

    def fetched(ref: str) -> ImageIndex | ImageManifest:
        requests.append(ref)
        document = manifests.get(ref, {"status": 404})
        call = rpp_wire.manifest_request(PLUGIN_ROOT + plugin, ref)
        if isinstance(document, str):
            return parse_manifest(document.encode())
        go_dialect.raise_for_status(call, int(str(document.get("status", 200))), str(document.get("body", "")).encode())
        return parse_manifest(_whole(document))

    try:
        top = fetched(tag)
        children = {digest: fetched(str(digest)) for digest in children_to_read(top, compat="go")}
        contract = contract_in(top, children, plugin, tag, compat="go")
    except DocumentError as error:
        return {"error": _contract_error(error), "requests": requests}
    except D8Error as error:
        return {"error": error.message.partition(": ")[2] or error.message, "requests": requests}
    shown = contract or Contract(name=plugin, version=tag)
    identity = {"name": shown.name, "version": shown.version, "description": shown.description}
    return {"contract": identity, "contractless": contract is None, "requests": requests}


def _whole(document: Mapping[str, object]) -> bytes:
    """A manifest that is complete where the case leaves out what does not matter to it."""
    is_index = "manifests" in document
    filled = {"mediaType": OCI_INDEX if is_index else OCI_MANIFEST, "layers": [], **document}
    if is_index:
        del filled["layers"]
        entries = cast("list[dict[str, object]]", document["manifests"])
        filled["manifests"] = [{"mediaType": OCI_MANIFEST, "size": 1, **entry} for entry in entries]
    return json.dumps(filled).encode()


def _contract_error(error: DocumentError) -> str:
    if "base64" in error.problem:
        return "contract annotation cannot be decoded"
    if error.problem == "invalid image reference":
        return error.problem
    return f"invalid contract: {_rule(error)}"


class _Answers:
    """Stands for an API server whose documents a case describes."""

    name = "https://127.0.0.1:6443"

    def __init__(self, documents: Mapping[str, object]) -> None:
        self.documents = documents

    def send(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes | None, limit: int
    ) -> ApiReply:
        document = self.documents[path]
        if isinstance(document, int):
            return ApiReply(document, b"{}")
        return ApiReply(200, json.dumps(document).encode())


_STATUS = {"forbidden": 403, "unauthorized": 401, "missing": 404, "not found": 404, "absent": 404, "timeout": 504}


def _cluster_state(case: Input) -> Output:
    module = {
        "metadata": {"name": "m"},
        "status": {"conditions": case.get("conditions") or []},
        "properties": case.get("properties") or {"version": case.get("version", case.get("module_version"))},
    }
    given = {"metadata": {"annotations": {VERSION_ANNOTATION: _deckhouse_annotation(case)}}}
    documents: dict[str, object] = {
        VERSION_PATH: _or_failure(case, "kubernetes", {"gitVersion": case.get("kubernetes_git_version", "v1.31.4")}),
        DECKHOUSE_PATH: _or_failure(case, "deckhouse_deployment", given),
        MODULES_PATH: _or_failure(case, "modules", {"items": [module]}),
    }
    try:
        facts = read_facts(Api(_Answers(documents)), _KINDS)
    except D8Error:
        return {"error": "snapshot fails"}
    fact = facts.modules["m"]
    return {
        "enabled": fact.is_enabled,
        "version": fact.version,
        "kubernetes": facts.kubernetes,
        "deckhouse": facts.deckhouse,
        "error": None,
    }


def _deckhouse_annotation(case: Input) -> object:
    named = (value for key, value in case.items() if "deckhouse" in key and key != "deckhouse_deployment")
    return next(named, "v1.70.3")


def _or_failure(case: Input, key: str, document: object) -> object:
    """The document, or the status that stands for the failure that the case names."""
    failure = case.get(key)
    return _STATUS.get(failure, 500) if isinstance(failure, str) else document


def _normalize(case: Input) -> Output:
    return {"normalized": normalized(Version.parse(text_of(case, "version"))).text}


def _cluster_constraint(case: Input) -> Output:
    try:
        version = Version.parse(text_of(case, "cluster_version"))
        return {"satisfied": cluster_satisfies(text_of(case, "constraint"), version)}
    except DocumentError:
        return {"satisfied": None, "error": "operational"}


GROUPS: dict[str, Group] = {
    "cluster_constraint": _cluster_constraint,
    "cluster_state": _cluster_state,
    "contract_lookup": _contract_lookup,
    "contract_observed": _contract_observed,
    "contract_validation": _contract_validation,
    "normalize_cluster_version": _normalize,
    "requirement_check": _requirement_check,
}
