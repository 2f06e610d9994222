"""The environment variables that the code reads. ``environment.toml`` says what each means.

A variable that is read and not described, or described and not read, is an error, so that the page has all of them.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from docs.generate.markdown import code, table

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEANINGS = Path(__file__).with_name("environment.toml")
_ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"[A-Z][A-Z0-9_]+")


class UndescribedVariableError(Exception):
    """The code and ``environment.toml`` do not have the same variables."""


def variables() -> str:
    """Return a table for each kind of variable."""
    kinds: dict[str, dict[str, str]] = tomllib.loads(_MEANINGS.read_text(encoding="utf-8"))
    _compare({name for kind in kinds.values() for name in kind})
    shown = {kind: names for kind, names in kinds.items() if kind != "unlisted"}
    return "\n\n".join(
        f"## {kind}\n\n" + table(["variable", "means"], [[code(name), text] for name, text in names.items()])
        for kind, names in shown.items()
    )


def _compare(described: set[str]) -> None:
    trees = [
        ast.parse(file.read_text(encoding="utf-8"))
        for package in ("d8_installer", "hooks")
        for file in sorted((_ROOT / package).rglob("*.py"))
        if "testing" not in file.parts
    ]
    read = {name for tree in trees for name in _read(tree)}
    named = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    if missing := read - described:
        raise UndescribedVariableError(f"{_MEANINGS.name} lacks {', '.join(sorted(missing))}")
    if surplus := described - named:
        raise UndescribedVariableError(f"nothing reads {', '.join(sorted(surplus))} of {_MEANINGS.name}")


def _read(tree: ast.Module) -> Iterator[str]:
    """Yield the variables that a module reads: the keys of a mapping that is called env or environ."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            place, keys = node.func.value, node.args[:1]
        elif isinstance(node, ast.Subscript):
            place, keys = node.value, [node.slice]
        else:
            continue
        if ast.unparse(place).endswith(("env", "environ")):
            values = [key.value for key in keys if isinstance(key, ast.Constant)]
            yield from (value for value in values if isinstance(value, str) and _NAME.fullmatch(value))
