"""The hooks, from ``plugin/hookspec.py``, and what plugin authors import, from ``d8_installer.plugin``."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING

from d8_installer import plugin
from d8_installer.errors import D8Error
from d8_installer.plugin import hookspec
from docs.generate.markdown import code, from_docstring, table

if TYPE_CHECKING:
    from collections.abc import Callable

_PARTS = ("When", "Order", "Returns", "Raises")


def every_hook() -> str:
    """Return a section for each hook: its signature, when it is called, and an example."""
    return "\n\n".join(_section(name) for name in vars(hookspec) if name.startswith("d8_"))


def public_names() -> str:
    """Return everything that ``d8_installer.plugin`` has: errors, then records and values, then functions."""
    values = [(name, getattr(plugin, name)) for name in plugin.__all__]
    errors = [(name, value) for name, value in values if inspect.isclass(value) and issubclass(value, D8Error)]
    classes = [(name, value) for name, value in values if inspect.isclass(value) and not issubclass(value, D8Error)]
    others = [(name, value) for name, value in values if not inspect.isclass(value)]
    told = [[code(name), str(value.exit_code), _first(value)] for name, value in errors]
    parts = ["### Errors", table(["error", "exit code", "means"], told), "### Records, values and protocols"]
    parts += [_class(name, value) for name, value in classes]
    parts += ["### Functions", table(["name", "does"], [[code(name), _first(value)] for name, value in others])]
    return "\n\n".join(parts)


def _section(name: str) -> str:
    function = getattr(hookspec, name)
    text, _, example = (inspect.getdoc(function) or "").partition("\n\nExample::\n\n")
    summary, *paragraphs = text.split("\n\n")
    joined = "\n".join(paragraphs)
    said = re.split(rf"^({'|'.join(_PARTS)}): ", joined, flags=re.MULTILINE)[1:]
    items = [f"- **{head}**: {_plain(body)}" for head, body in zip(said[::2], said[1::2], strict=True)]
    signature = f"{name}{inspect.signature(function)}".replace("'", "")
    # ruff formats the pages too, and wants two lines there.
    spaced = re.sub(r"\n\n(?=def |@|class )", "\n\n\n", textwrap.dedent(example).strip())
    python = f"```python\n{spaced}\n```"
    return "\n\n".join([f"### {name}", code(signature), _plain(summary), "\n".join(items), python])


def _class(name: str, value: type) -> str:
    fields = getattr(value, "__struct_fields__", ())
    methods = {} if fields else {key: one for key, one in vars(value).items() if _is_shown_method(key, one)}
    shown = code(f"{name}({', '.join(fields)})") if fields else code(name)
    rows = [[code(f"{key}{_arguments(one)}"), _first(one)] for key, one in methods.items()]
    docs = [_plain(part) for part in (inspect.getdoc(value) or "").split("\n\n")]
    return "\n\n".join(
        [f"#### {name}", f"{shown}: {docs[0]}", *docs[1:], *([table(["method", "does"], rows)] if rows else [])]
    )


def _is_shown_method(name: str, value: object) -> bool:
    return inspect.isfunction(value) and not name.startswith("_") and bool(value.__doc__)


def _arguments(function: Callable[..., object]) -> str:
    """Return the names of a method's arguments."""
    return f"({', '.join([*inspect.signature(function).parameters][1:])})"


def _first(value: object) -> str:
    return _plain((inspect.getdoc(value) or "").partition("\n\n")[0])


def _plain(text: str) -> str:
    return from_docstring(" ".join(text.split()))
