"""The hooks as they are promised: docstrings, examples (which run), the page, the names that are exported."""

from __future__ import annotations

import inspect
import re
import textwrap
import types
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

import pytest

import d8_installer.plugin as api
from d8_installer import plugin
from d8_installer.model.platform import HostFacts, Platform
from d8_installer.plugin import hookspec, records
from d8_installer.testing.hooks import SWITCH, hooks_of

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[2] / "docs/reference/hooks.md"
HOOKS = [name for name in vars(hookspec) if name.startswith("d8_")]
RECORDS = sorted(
    name for name, value in vars(records).items() if isinstance(value, type) and value.__module__ == records.__name__
)
FOREIGN = (
    "Mapping",
    "Callable",
    "Namespace",
    "ArgumentParser",
    "None",
    "Moment",
    "FindingLevel",
    "EventKind",
    "ProfileKind",
)
"""Names in annotations that are not ours, and aliases of a few words."""
FACTS: dict[str, dict[str, object]] = {
    "d8_manifests": {"request": records.ManifestsRequest("user")},
    "d8_platforms": {"host": HostFacts("linux", "riscv64", 64)},
    "d8_before_switch": {"switch": SWITCH},
    "d8_after_switch": {"switch": SWITCH},
}


def spec(name: str) -> Callable[..., object]:
    hook: Callable[..., object] = vars(hookspec)[name]
    return hook


def example(name: str) -> types.ModuleType:
    """Return the module that a hook's example is."""
    text = textwrap.dedent((inspect.getdoc(spec(name)) or "").partition("Example::\n")[2])
    module = types.ModuleType(f"example_of_{name}")
    exec(compile(text, f"{name}'s example", "exec"), vars(module))  # noqa: S102 - our own docstring
    return module


def record_type(name: str) -> type[records.SourceScheme]:
    """Return the kind of records that a hook's signature promises."""
    known = vars(records) | {"HostFacts": HostFacts}
    returned = get_type_hints(spec(name), known)["return"]
    (kind,) = returned.__args__
    assert isinstance(kind, type)
    return kind


@pytest.mark.parametrize("name", HOOKS)
def test_a_docstring_says_when_order_returns_raises_and_gives_an_example(name: str) -> None:
    text = inspect.getdoc(spec(name)) or ""
    assert all(f"{word}: " in text for word in ("When", "Order", "Returns", "Raises")), text
    assert "Example::" in text


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_runs(name: str) -> None:
    taken = hooks_of(example(name))
    assert taken.hooks == (name,)
    if name.endswith("_switch"):
        taken.call(name, **FACTS[name])
        return
    kind = record_type(name)
    (record,) = taken.records(name, kind, **FACTS.get(name, {}))
    assert type(record) is kind


def test_the_example_of_a_platform_leaves_other_hosts_alone() -> None:
    taken = hooks_of(example("d8_platforms"))
    hosts = {"host": HostFacts("linux", "x86_64", 64)}
    assert taken.records("d8_platforms", records.PlatformChoice, **hosts) == []
    (choice,) = taken.records("d8_platforms", records.PlatformChoice, **FACTS["d8_platforms"])
    assert choice.platform == Platform("linux", "amd64")


@pytest.mark.parametrize("name", HOOKS)
def test_the_page_has_each_hook_with_its_signature_and_what_it_may_raise(name: str) -> None:
    chapter = PAGE.read_text().partition(f"\n### {name}\n\n`{name}(")[2].partition("\n### ")[0].partition("\n## ")[0]
    *parameters, (_, returned) = spec(name).__annotations__.items()
    typed = ", ".join(f"{parameter}: {kind}" for parameter, kind in parameters)
    assert chapter.startswith(f"{typed}) -> {returned}`\n"), chapter[:100]
    assert all(f"**{word}**" in chapter for word in ("When", "Order", "Returns", "Raises"))


def test_the_page_has_no_hook_that_is_not() -> None:
    assert set(re.findall(r"\bd8_[a-z_]+\b", PAGE.read_text())) <= {*HOOKS, "d8_installer", "d8_hooks", "d8_toy"}


def test_the_page_names_everything_that_is_exported() -> None:
    assert [name for name in plugin.__all__ if f"`{name}" not in PAGE.read_text()] == []


def test_all_that_authors_import_is_there_and_nothing_else_is_promised() -> None:
    assert all(getattr(api, name) is not None for name in plugin.__all__)
    public = {
        name
        for name, value in vars(records).items()
        if isinstance(value, type) and value.__module__ == records.__name__
    }
    assert public <= set(plugin.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = api.nonsense


def test_authors_import_nothing_else() -> None:
    """The page and the examples import from ``d8_installer.plugin``, and from ``d8_installer.testing`` to test."""
    texts = [PAGE.read_text(), *(inspect.getdoc(spec(name)) or "" for name in HOOKS)]
    imported = {module for text in texts for module in re.findall(r"(?:from|import) (d8_installer[\w.]*)", text)}
    assert imported == {"d8_installer.plugin", "d8_installer.testing.contract", "d8_installer.testing.hooks"}


def test_the_types_of_the_hooks_and_their_records_are_exported() -> None:
    """Whatever a signature or a record's field names can be imported from the same place."""
    names = [str(kind) for name in HOOKS for kind in spec(name).__annotations__.values()]
    names += [str(kind) for record in RECORDS for kind in inspect.get_annotations(getattr(api, record)).values()]
    ours = {word for text in names for word in re.findall(r"[A-Z]\w+", text)} - set(FOREIGN)
    assert sorted(ours - set(plugin.__all__)) == []


def test_a_scheme_of_a_plugin_leads_to_one_of_ours(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    assert plugin.open_source(f"oci-layout:{layout}", plugin.Access()).name
    with pytest.raises(plugin.ConfigError, match="no source is known"):
        plugin.open_source("share:x", plugin.Access())


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_frozen_and_have_slots(name: str) -> None:
    kind = getattr(api, name)
    assert kind.__struct_config__.frozen
    assert "__dict__" not in dir(kind)
