"""The contract that an author publishes: read from a file, and checked as no client checks it.

A client ignores unknown keys and reads most constraints only when it needs them (rpp.md §5.2). Here every mistake that
can be seen is an error, while the author is still there to correct it. ``docs/reference/contracts.md`` has the schema.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.contract import MAX_CONTRACT, Contract
from d8_installer.model.document import decode_utf8, parse_toml
from d8_installer.model.plurals import sized
from d8_installer.model.value import replace
from d8_installer.model.version import Specifier
from d8_installer.model.yaml_document import parse_yaml
from d8_installer.store import fs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from d8_installer.model.contract import Need
    from d8_installer.model.document import FileText
    from d8_installer.model.reference import ImageName

_MAX_ANNOTATION = 512 << 10
"""The bytes of the annotation: an index has at most 1 MiB in all (rpp.md §4.2)."""
_HINT = "`d8-installer help bad-contract` has every key, and an example"

_Shape = dict[str, "_Shape | list[_Shape] | None"]
_NAMED: _Shape = {"name": None}
_NEED: _Shape = {"name": None, "constraint": None}
_GROUP: _Shape = {"name": None, "description": None, "modules": [_NEED]}
_SHAPE: _Shape = {
    "name": None,
    "version": None,
    "description": None,
    "env": [_NAMED],
    "flags": [_NAMED],
    "requirements": {
        "kubernetes": {"constraint": None},
        "deckhouse": {"constraint": None},
        "modules": {"mandatory": [_NEED], "conditional": [_NEED], "anyOf": [_GROUP], "noneOf": [_GROUP]},
        "plugins": {"mandatory": [_NEED], "conditional": [_NEED]},
    },
}


def read_contract(path: str, image: ImageName, tag: str, warn: Callable[[str], None]) -> Contract:
    """Return the contract of the version *tag* of *image*, from a file in TOML, JSON or YAML.

    A name and a version in the file that are not the image's are warned of and not published. Any other mistake is a
    DocumentError, and a file that cannot be read a UsageError.
    """
    raw = fs.read(path, limit=MAX_CONTRACT)
    if raw is None:
        raise UsageError(f"{path} does not exist", hint="name the file that holds the contract", code="bad-build-input")
    places: FileText | None = None
    try:
        document, places = _document(raw, path)
        _refuse_unknown(document, _SHAPE, "")
        contract = Contract.of_document(document, image.short, tag)
        contract.refuse_invalid()
        _refuse_mistakes(contract, image)
    except DocumentError as error:
        line = places.line_of(error.key) if error.key and places is not None else None
        raise error.at(file=path, line=line).within(hint=error.hint or _HINT, code="bad-contract") from error
    for warning in _warnings(contract, image, tag):
        warn(f"{path}: {warning}")
    contract = replace(contract, name=image.short, version=tag)
    if len(contract.annotation()) > _MAX_ANNOTATION:
        raise DocumentError(
            f"is too long: as an annotation it has more than {sized(_MAX_ANNOTATION)}", file=path, code="bad-contract"
        )
    return contract


def _document(raw: bytes, path: str) -> tuple[object, FileText | None]:
    """Return the document, and for TOML what knows on which line a key stands."""
    if path.lower().endswith(".toml"):
        table = parse_toml(decode_utf8(raw, path), path, limit=MAX_CONTRACT)
        return table.data, table.origin
    if path.lower().endswith(".json"):
        return _json(raw, path), None
    return parse_yaml(raw, path, limit=MAX_CONTRACT, unique_keys=True), None


def _json(raw: bytes, path: str) -> object:
    """Read a file that says it is JSON as JSON, which has escapes that YAML does not know."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise DocumentError("has a key twice in one object", file=path, about_file=True, code="bad-contract")
        return dict(pairs)

    try:
        document: object = json.loads(decode_utf8(raw, path), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise DocumentError(
            f"is not JSON: {error.msg.lower()}", file=path, line=error.lineno, code="bad-contract"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DocumentError("is not JSON that can be read", file=path, about_file=True, code="bad-contract") from error
    return document


def _refuse_unknown(value: object, shape: _Shape, path: str) -> None:
    """Refuse a key that no client reads: it is misspelled. Wrong types are found later."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        where = f"{path}.{key}" if path else key
        if key not in shape:
            near = difflib.get_close_matches(key, shape, n=1, cutoff=0.5)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(shape)}"
            raise DocumentError("unknown key", key=where, hint=hint, code="bad-contract")
        below = shape[key]
        if isinstance(below, list):
            for number, entry in enumerate(inner if isinstance(inner, list) else ()):
                _refuse_unknown(entry, below[0], f"{where}[{number}]")
        elif below is not None:
            _refuse_unknown(inner, below, where)


# -- what no client refuses at once -------------------------------------------------------------------------


def _refuse_mistakes(contract: Contract, image: ImageName) -> None:
    for key, text in _texts(contract):
        if any(char < " " or "\x7f" <= char < "\xa0" for char in text.replace("\n", "").replace("\t", "")):
            raise DocumentError("has a control character", key=key, code="bad-contract")
    for key, name in _names(contract):
        if not name:
            raise DocumentError("an entry has no name", key=key, code="bad-contract")
    for need in contract.plugins.mandatory:
        if need.name == image.short:
            raise DocumentError("the plugin needs itself", key="requirements.plugins.mandatory", code="bad-contract")
    for key, name in (("env", name) for name in contract.env):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII):
            raise DocumentError(f"{name[:100]!r} is not the name of a variable", key=key, code="bad-contract")
    for key, constraint in _constraints(contract):
        _refuse_malformed(constraint, key)


def _refuse_malformed(constraint: str, key: str) -> None:
    try:
        if constraint:
            Specifier.parse(constraint, compat="go")
    except DocumentError as error:
        hint = "write it as Masterminds/semver reads it, such as '>= 1.3, < 2', '^1.4' or '~1.2'"
        raise DocumentError(error.problem, key=key, hint=hint, code="bad-contract") from error


def _sections(contract: Contract) -> Iterator[tuple[str, str, str]]:
    """Yield the key, the name and the constraint of every need."""
    modules, plugins = contract.modules, contract.plugins
    sections: tuple[tuple[str, Iterable[Need]], ...] = (
        ("modules.mandatory", modules.mandatory),
        ("modules.conditional", modules.conditional),
        ("modules.anyOf", (need for group in modules.any_of for need in group.modules)),
        ("modules.noneOf", (need for group in modules.none_of for need in group.modules)),
        ("plugins.mandatory", plugins.mandatory),
        ("plugins.conditional", plugins.conditional),
    )
    for key, needs in sections:
        for need in needs:
            yield f"requirements.{key}", need.name, need.constraint


def _names(contract: Contract) -> Iterator[tuple[str, str]]:
    yield from ((key, name) for key, name, _ in _sections(contract))
    yield from (("env", name) for name in contract.env)
    yield from (("flags", name) for name in contract.flags)


def _constraints(contract: Contract) -> Iterator[tuple[str, str]]:
    yield "requirements.kubernetes.constraint", contract.kubernetes
    yield "requirements.deckhouse.constraint", contract.deckhouse
    yield from ((key, constraint) for key, _, constraint in _sections(contract))


def _texts(contract: Contract) -> Iterator[tuple[str, str]]:
    yield "name", contract.name
    yield "version", contract.version
    yield "description", contract.description
    yield from _names(contract)
    for group in (*contract.modules.any_of, *contract.modules.none_of):
        yield "requirements.modules", f"{group.name}{group.description}"


def _warnings(contract: Contract, image: ImageName, tag: str) -> Iterator[str]:
    if contract.name != image.short:
        yield f"the contract calls the plugin {contract.name[:100]!r}; it is published as {image}"
    if contract.version != tag:
        yield f"the contract is for version {contract.version[:100]!r}; it is published as {tag}"
    for key, name, constraint in _sections(contract):
        if key.startswith("requirements.plugins") and not constraint:
            yield (
                f"plugin {name} has no constraint: the Go tool cannot install it then; '>= 0-0' accepts every version"
            )
