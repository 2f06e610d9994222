"""Facts: what a cluster says about itself, as far as contracts ask for it (rpp.md §9), and the file of ``facts -o``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from d8_installer.errors import ConfigError, DocumentError
from d8_installer.model.value import Struct, field
from d8_installer.model.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

FactKind = Literal["kubernetes", "deckhouse", "modules"]

FACTS_SCHEMA = 1
MAX_FACTS = 4 << 20
"""The bytes up to which a file of facts is read; a cluster with a hundred modules has about 10 KB."""
_MAX_TEXT = 1024


class ModuleFact(Struct, frozen=True):
    """A module of the cluster. ``version`` is None if the cluster does not say one that can be read."""

    is_enabled: bool
    version: str | None = None


class ClusterFacts(Struct, frozen=True, kw_only=True):
    """What was read of one cluster. Only the *kinds* that were read count; the other fields then say nothing.

    ``kubernetes`` and ``deckhouse`` are versions as the cluster spells them, None if it says none that can be read.
    ``modules`` has every module of the cluster by name. ``cluster`` names the cluster in messages, without secrets;
    ``read_at`` is the time in RFC 3339, empty if nobody noted it.
    """

    kinds: frozenset[FactKind]
    kubernetes: str | None = None
    deckhouse: str | None = None
    modules: Mapping[str, ModuleFact] = field(default_factory=dict)
    cluster: str = ""
    read_at: str = ""

    @classmethod
    def parse(cls, raw: bytes, file: str) -> ClusterFacts:
        """Read what ``render`` wrote and a person may have edited; anything else is a DocumentError that says where."""
        try:
            return _facts(_object(_json(raw, file), ""))
        except DocumentError as error:
            raise error.at(file=file) from error

    def as_json(self) -> dict[str, object]:
        """Return the facts as the file has them: a kind that was not read is not there."""
        document: dict[str, object] = {"schema": FACTS_SCHEMA, "cluster": self.cluster, "read_at": self.read_at}
        if "kubernetes" in self.kinds:
            document["kubernetes"] = self.kubernetes
        if "deckhouse" in self.kinds:
            document["deckhouse"] = self.deckhouse
        if "modules" in self.kinds:
            document["modules"] = {
                name: {"enabled": fact.is_enabled, "version": fact.version}
                for name, fact in sorted(self.modules.items())
            }
        return document

    def render(self) -> str:
        """Return the text of the file of ``facts -o``."""
        import json

        return json.dumps(self.as_json(), ensure_ascii=False, indent=2) + "\n"


def _json(raw: bytes, file: str) -> object:
    import json

    if len(raw) > MAX_FACTS:
        raise DocumentError(
            f"has {len(raw)} bytes; at most {MAX_FACTS} are read", file=file, about_file=True, code="bad-facts"
        )
    try:
        document: object = json.loads(raw)
    except json.JSONDecodeError as error:
        raise DocumentError(
            f"is not JSON: {error.msg.lower()}", file=file, line=error.lineno, code="bad-facts"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DocumentError("is not JSON", file=file, about_file=True, code="bad-facts") from error
    return document


def _facts(document: Mapping[str, object]) -> ClusterFacts:
    schema = document.get("schema")
    if type(schema) is int and schema > FACTS_SCHEMA:
        raise ConfigError(
            f"these facts have schema {schema}, and this d8-installer reads {FACTS_SCHEMA}",
            hint="type `d8-installer self upgrade`, or write the facts anew with `d8-installer facts -o FILE`",
            code="newer-format",
        )
    if schema != FACTS_SCHEMA or type(schema) is not int:
        raise DocumentError(f"must be {FACTS_SCHEMA}", key="schema", hint=_WRITE_ANEW, code="bad-facts")
    named: tuple[FactKind, ...] = ("kubernetes", "deckhouse", "modules")
    modules = _object(document.get("modules"), "modules") if "modules" in document else {}
    return ClusterFacts(
        kinds=frozenset(kind for kind in named if kind in document),
        kubernetes=_version(document.get("kubernetes"), "kubernetes"),
        deckhouse=_version(document.get("deckhouse"), "deckhouse"),
        modules={_text(name, "modules"): _module(entry, f"modules.{name[:100]}") for name, entry in modules.items()},
        cluster=_text(document.get("cluster", ""), "cluster"),
        read_at=_text(document.get("read_at", ""), "read_at"),
    )


_WRITE_ANEW = "write the facts anew with `d8-installer facts -o FILE`"


def _module(entry: object, key: str) -> ModuleFact:
    module = _object(entry, key)
    enabled = module.get("enabled")
    if not isinstance(enabled, bool):
        raise DocumentError("must be true or false", key=f"{key}.enabled", code="bad-facts")
    return ModuleFact(enabled, _version(module.get("version"), f"{key}.version"))


def _object(value: object, key: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise DocumentError("must be an object", key=key or None, hint=_WRITE_ANEW, code="bad-facts")
    return cast("Mapping[str, object]", value)


def _text(value: object, key: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or any("\ud800" <= char <= "\udfff" for char in value):
        raise DocumentError(f"must be text of at most {_MAX_TEXT} characters", key=key, code="bad-facts")
    return value


def _version(value: object, key: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or Version.try_parse(value) is None:
        raise DocumentError("must be a version such as v1.31.4, or null", key=key, code="bad-facts")
    return value
