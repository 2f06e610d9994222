"""Contract: what a plugin image says about itself and what it needs (rpp.md §5.2).

Read from the annotation ``contract``, written as the Go tool writes its cache. Whether a cluster meets a contract is
decided in ``resolve/requirements.py``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.go_object import GoObject
from d8_installer.model.reference import is_image_name
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.model.facts import FactKind
    from d8_installer.model.version import Compat

MAX_CONTRACT = 1 << 20
"""The bytes up to which a contract is read: those of the manifest that it stands in (rpp.md §4.2)."""
BUILT_IN = frozenset(["delivery-kit", "package"])
"""The plugins that d8 has in itself: they count as installed, whatever the constraint (rpp.md §8)."""
_NOT_IN_YAML = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
"""The characters that JSON may have as they are, and that YAML refuses or reads as the end of a line."""
_MODULES = "requirements.modules"
_SECTIONS = "an object with sections such as mandatory and conditional"


class Need(Struct, frozen=True):
    """A module or a plugin that a contract names, and the versions that will do: ``""`` if any will."""

    name: str
    constraint: str = ""


class ModuleGroup(Struct, frozen=True, kw_only=True):
    """Modules of which one must satisfy (``anyOf``), or none may be enabled in its range (``noneOf``)."""

    name: str
    modules: tuple[Need, ...]
    description: str = ""


class ModuleNeeds(Struct, frozen=True, kw_only=True):
    """The modules that matter: those that must be enabled, those that are checked if they are enabled, and groups."""

    mandatory: tuple[Need, ...] = ()
    conditional: tuple[Need, ...] = ()
    any_of: tuple[ModuleGroup, ...] = ()
    none_of: tuple[ModuleGroup, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no module matters."""
        return not (self.mandatory or self.conditional or self.any_of or self.none_of)


class PluginNeeds(Struct, frozen=True):
    """Other plugins: those that are installed along, and those that are checked only if they are installed."""

    mandatory: tuple[Need, ...] = ()
    conditional: tuple[Need, ...] = ()


class Contract(Struct, frozen=True, kw_only=True):
    """One contract, validated. ``kubernetes`` and ``deckhouse`` are constraints, ``""`` for none.

    ``env`` are the variables that the program asks for, ``flags`` those of d8 that it lists in its help.
    ``claimed_name`` is the name in the document if the image has another one, which then is ``name``.
    """

    name: str
    version: str
    description: str = ""
    env: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    kubernetes: str = ""
    deckhouse: str = ""
    modules: ModuleNeeds = ModuleNeeds()
    plugins: PluginNeeds = PluginNeeds()
    claimed_name: str = ""

    @property
    def fact_kinds(self) -> frozenset[FactKind]:
        """The kinds of facts that decide whether a cluster meets the contract: none, if it asks nothing of one."""
        return frozenset(self._fact_kinds())

    def _fact_kinds(self) -> Iterator[FactKind]:
        if self.kubernetes:
            yield "kubernetes"
        if self.deckhouse:
            yield "deckhouse"
        if not self.modules.is_empty:
            yield "modules"

    @classmethod
    def parse(cls, raw: bytes, name: str, version: str, *, compat: Compat = "d8", file: str = "contract") -> Contract:
        """Read a JSON or YAML document; anything that is not a valid contract is a DocumentError that says where.

        *name* and *version* are those of the image, for a document that has none (rpp.md §5.1). "d8" also refuses
        names of plugins that no image can have, because they become paths (rpp.md §16.15).
        """
        from d8_installer.model.yaml_document import parse_yaml

        document = parse_yaml(raw, file, limit=MAX_CONTRACT)
        try:
            contract = cls.of_document(document, name, version)
            contract.refuse_invalid(compat)
        except DocumentError as error:
            raise error.at(file=file).within(code="bad-contract") from error
        return contract

    @classmethod
    def parse_rendered(cls, raw: bytes, name: str, version: str, *, file: str = "contract") -> Contract:
        """Read what ``render`` wrote, here or in the Go tool's cache, which is JSON and nothing else.

        YAML cannot have all the characters that JSON can, so ``parse`` does not read everything that ``render`` writes.
        """
        import json

        if len(raw) > MAX_CONTRACT:
            raise DocumentError(
                f"has {len(raw)} bytes; at most {MAX_CONTRACT} are read",
                file=file,
                about_file=True,
                code="bad-contract",
            )
        try:
            contract = cls.of_document(json.loads(raw), name, version)
            contract.refuse_invalid("d8")
        except (ValueError, RecursionError) as error:
            raise DocumentError("is not JSON", file=file, about_file=True, code="bad-contract") from error
        except DocumentError as error:
            raise error.at(file=file).within(code="bad-contract") from error
        return contract

    @classmethod
    def of_document(cls, document: object, name: str, version: str) -> Contract:
        """Return the contract that a document says, not validated; a value of a wrong type is a DocumentError."""
        whole = GoObject.of(document, "a contract")
        needs = whole.inner("requirements")
        plugins = needs.inner("plugins", _SECTIONS)
        return cls(
            name=whole.text("name") or name,
            version=whole.text("version") or version,
            description=whole.text("description"),
            env=tuple(entry.text("name") for entry in whole.entries("env")),
            flags=tuple(entry.text("name") for entry in whole.entries("flags")),
            kubernetes=needs.inner("kubernetes").text("constraint"),
            deckhouse=needs.inner("deckhouse").text("constraint"),
            modules=_module_needs(needs.inner("modules", _SECTIONS)),
            plugins=PluginNeeds(_needs(plugins, "mandatory"), _needs(plugins, "conditional")),
        )

    def refuse_invalid(self, compat: Compat = "d8") -> None:
        """Raise a DocumentError for the first rule that the contract breaks (rpp.md §5.2, validation on load)."""
        _refuse_contradictions(self.modules)
        if compat == "go":
            return
        for need in (*self.plugins.mandatory, *self.plugins.conditional):
            if not is_image_name(need.name):
                raise DocumentError(
                    f"{need.name[:100]!r} is not the name of a plugin", key="requirements.plugins", code="bad-contract"
                )

    def as_json(self) -> dict[str, object]:
        """Return the contract as a document, its members in the order of the Go tool (rpp.md §18.11)."""
        document: dict[str, object] = {"name": self.name, "version": self.version, "description": self.description}
        for key, names in (("env", self.env), ("flags", self.flags)):
            if names:
                document[key] = [{"name": name} for name in names]
        plugins = self.plugins
        document["requirements"] = {
            "kubernetes": {"constraint": self.kubernetes},
            "deckhouse": {"constraint": self.deckhouse},
            "modules": _modules_json(self.modules),
            "plugins": _sections(mandatory=plugins.mandatory, conditional=plugins.conditional),
        }
        return document

    def render(self) -> str:
        """Return the contract as the Go tool's cache has it, byte for byte (rpp.md §18.11)."""
        import json

        text = json.dumps(self.as_json(), ensure_ascii=False, indent=2)
        # Go writes these two escaped, in any case.
        return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + "\n"

    def annotation(self) -> str:
        """Return the contract as the annotation of an image: base64 of JSON that YAML reads alike."""
        import base64
        import json

        text = json.dumps(self.as_json(), ensure_ascii=False, separators=(",", ":"))
        escaped = re.sub(_NOT_IN_YAML, lambda found: f"\\u{ord(found[0]):04x}", text)
        return base64.b64encode(escaped.encode()).decode()


def annotation_bytes(annotation: str) -> bytes:
    """Return the document that an annotation holds: standard base64 with its padding; CR and LF count for nothing."""
    import base64
    import binascii

    text = annotation.replace("\r", "").replace("\n", "")
    try:
        if len(text) % 4 == 0:
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise DocumentError("is not base64", file="the contract annotation", about_file=True, code="bad-contract")


def contract_of_annotation(annotation: str, name: str, version: str, *, compat: Compat = "d8") -> Contract:
    """Return the contract that the annotation ``contract`` of an image holds (rpp.md §5.1)."""
    return Contract.parse(annotation_bytes(annotation), name, version, compat=compat)


# -- reading -----------------------------------------------------------------------------------------


def _module_needs(modules: GoObject) -> ModuleNeeds:
    return ModuleNeeds(
        mandatory=_needs(modules, "mandatory"),
        conditional=_needs(modules, "conditional"),
        any_of=_groups(modules, "anyOf"),
        none_of=_groups(modules, "noneOf"),
    )


def _needs(section: GoObject, name: str) -> tuple[Need, ...]:
    return tuple(Need(entry.text("name"), entry.text("constraint")) for entry in section.entries(name))


def _groups(modules: GoObject, name: str) -> tuple[ModuleGroup, ...]:
    return tuple(
        ModuleGroup(name=group.text("name"), description=group.text("description"), modules=_needs(group, "modules"))
        for group in modules.entries(name)
    )


# -- validation (rpp.md §5.2), in Go's order ----------------------------------------------------------


def _refuse_contradictions(modules: ModuleNeeds) -> None:
    mandatory = {need.name for need in modules.mandatory}
    conditional = {need.name for need in modules.conditional}
    _refuse_shared("mandatory", mandatory, "conditional", conditional)
    any_of = _members("anyOf", modules.any_of)
    none_of = _members("noneOf", modules.none_of)
    for bucket, members in (("anyOf", any_of), ("noneOf", none_of)):
        _refuse_shared("mandatory", mandatory, bucket, members)
        _refuse_shared("conditional", conditional, bucket, members)
    _refuse_shared("anyOf", any_of, "noneOf", none_of)


def _refuse_shared(first: str, names: set[str], second: str, others: set[str]) -> None:
    for name in sorted(names & others):
        raise DocumentError(f"module {name[:100]!r} is in both {first} and {second}", key=_MODULES, code="bad-contract")


def _members(bucket: str, groups: tuple[ModuleGroup, ...]) -> set[str]:
    seen: set[str] = set()
    for number, group in enumerate(groups):
        where = f"{_MODULES}.{bucket}[{number}]"
        if not group.name:
            raise DocumentError("the group has no name", key=where, code="bad-contract")
        if group.name in seen:
            raise DocumentError(f"the group name {group.name[:100]!r} is there twice", key=where, code="bad-contract")
        seen.add(group.name)
        _refuse_bad_members(group, where)
    return {need.name for group in groups for need in group.modules}


def _refuse_bad_members(group: ModuleGroup, where: str) -> None:
    if not group.modules:
        raise DocumentError("the group has no member; at least one member is needed", key=where, code="bad-contract")
    seen: set[str] = set()
    for need in group.modules:
        if not need.name:
            raise DocumentError("a member has no name", key=where, code="bad-contract")
        if need.name in seen:
            raise DocumentError(f"the member {need.name[:100]!r} is there twice", key=where, code="bad-contract")
        seen.add(need.name)
        _refuse_bad_constraint(need.constraint, where)


def _refuse_bad_constraint(constraint: str, where: str) -> None:
    from d8_installer.model.version import Specifier

    if constraint:
        try:
            Specifier.parse(constraint, compat="go")
        except DocumentError as error:
            raise error.at(key=where) from error


# -- writing (rpp.md §18.11) --------------------------------------------------------------------------


def _modules_json(modules: ModuleNeeds) -> dict[str, object]:
    document = _sections(mandatory=modules.mandatory, conditional=modules.conditional)
    for key, groups in (("anyOf", modules.any_of), ("noneOf", modules.none_of)):
        if groups:
            document[key] = [_group(group) for group in groups]
    return document


def _sections(**sections: tuple[Need, ...]) -> dict[str, object]:
    return {key: [_need(need) for need in needs] for key, needs in sections.items() if needs}


def _need(need: Need) -> dict[str, str]:
    return {"name": need.name, "constraint": need.constraint}


def _group(group: ModuleGroup) -> dict[str, object]:
    described = {"description": group.description} if group.description else {}
    return {"name": group.name, **described, **_sections(modules=group.modules)}
