"""What is typed to add to the tool, or to remove it: by the files that each manager leaves in an environment."""

from __future__ import annotations

import json
import re
import site
import sys
from pathlib import Path

import pytest

from d8_installer import INSTALL_SOURCE
from d8_installer.model.shell_words import joined, quoted
from d8_installer.model.value import replace
from d8_installer.plugin.self_installation import (
    Installation,
    hint_for_extra,
    to_add,
    to_add_extra,
    to_remove,
    to_upgrade,
)
from tests import installed

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = [*(ROOT / "d8_installer").rglob("*.py"), *(ROOT / "hooks").rglob("*.py")]
_BY_NAME = re.compile(
    r"\b(?:pip|pipx|pip3|uv tool|uvx|uv pip)\b[^\n`|;&]*?\b(?:install|inject|run|--from|--with)\b[^\n`|;&]*"
)


def tool(prefix: Path) -> Installation:
    """An environment with pip."""
    library = installed.library(prefix)
    return Installation(prefix=str(prefix), python=f"{prefix}/bin/python", library=str(library), is_virtual=True)


def pipx(prefix: Path) -> Installation:
    made = tool(prefix)
    (prefix / "pipx_metadata.json").write_text("{}")
    return made


def uv(prefix: Path, *requirements: str, more: str = "") -> Installation:
    made = tool(prefix)
    listed = ",\n".join(requirements)
    (prefix / "uv-receipt.toml").write_text(f"[tool]\nrequirements = [{listed}]\n{more}")
    return made


def test_pipx_injects_into_the_environment_whatever_it_is_called(tmp_path: Path) -> None:
    made = pipx(tmp_path / "venvs/d8-plug-vault")
    assert to_add(made, "granian>=2.4") == joined(["pipx", "inject", "d8-plug-vault", "granian>=2.4"])
    assert to_remove(made) == "pipx uninstall d8-plug-vault"
    assert to_upgrade(made) == "pipx runpip d8-plug-vault install --upgrade WHEEL"


def test_pipx_of_the_whole_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPX_GLOBAL_HOME", str(tmp_path))
    made = pipx(tmp_path / "venvs/d8-installer")
    assert to_add(made, "x") == "pipx inject --global d8-installer x"
    assert to_remove(made) == "pipx uninstall --global d8-installer"
    assert to_upgrade(made) == "pipx install --force --global WHEEL"


def test_uv_tool_names_again_all_that_it_was_asked_for(tmp_path: Path) -> None:
    wheel = tmp_path / "a wheel.whl"
    wheel.touch()
    made = uv(
        tmp_path / "d8-installer",
        f'{{ name = "d8-installer", extras = ["sbom"], path = {json.dumps(str(wheel))} }}',
        '{ name = "d8-toy", specifier = ">=1" }',
        more='python = "3.12"\n',
    )
    words = ["uv", "tool", "install", "--force", "--python", "3.12", f"{wheel}[sbom]"]
    assert to_add(made, "granian>=2.4") == joined([*words, "--with", "d8-toy>=1", "--with", "granian>=2.4"])
    assert to_remove(made) == "uv tool uninstall d8-installer"
    assert to_upgrade(made) == "uv tool install --force WHEEL"
    editable = uv(
        tmp_path / "e" / "d8-installer", f'{{ name = "d8-installer", editable = {json.dumps(str(tmp_path))} }}'
    )
    words = ["uv", "tool", "install", "--force", "--editable", str(tmp_path), "--with", "x"]
    assert to_add(editable, "x") == joined(words)


@pytest.mark.parametrize(
    "requirement",
    [
        '{ name = "d8-installer" }',  # an index's, and the name is a stranger's to register
        '{ name = "d8-installer", specifier = "==0.1.0" }',
        '{ name = "d8-installer", path = "/nonexistent/d8.whl" }',
        '{ name = "d8-installer", url = "https://user:secret@host/d8.whl" }',
        '{ name = "d8-installer", git = "https://user:secret@host/d8?rev=1" }',
        "7",
        '{ path = "/" }',
    ],
)
def test_where_uv_would_find_nothing_or_something_else_the_package_alone_is_added(
    tmp_path: Path, requirement: str
) -> None:
    made = replace(uv(tmp_path / "d8-installer", requirement), has_pip=False)
    assert to_add(made, "x") == joined(["uv", "pip", "install", "--python", made.python, "x"])


def test_a_plugin_that_brought_the_tool_along_is_named_by_uv(tmp_path: Path) -> None:
    made = uv(tmp_path / "tools/d8-plug-vault", '{ name = "d8-plug-vault" }')
    assert to_add(made, "x") == "uv tool install --force d8-plug-vault --with x"
    assert to_remove(made) == "uv tool uninstall d8-plug-vault"


def test_pip_is_that_of_the_very_python(tmp_path: Path) -> None:
    made = tool(tmp_path / "a venv")
    assert to_add(made, "x") == joined([made.python, "-m", "pip", "install", "x"])
    assert to_remove(made) == joined([made.python, "-m", "pip", "uninstall", "d8-installer"])
    made = replace(made, has_pip=False)
    assert to_add(made, "x") == joined(["uv", "pip", "install", "--python", made.python, "x"])
    assert to_remove(made) == joined(["uv", "pip", "uninstall", "--python", made.python, "d8-installer"])


def test_outside_a_virtual_environment_the_place_is_named(tmp_path: Path) -> None:
    made = replace(tool(tmp_path / "usr"), is_virtual=False)
    pip = [made.python, "-m", "pip", "install"]
    assert to_add(made, "x") == joined([*pip, "x"])
    user = replace(made, library=site.getusersitepackages())
    assert to_add(user, "x") == joined([*pip, "--user", "x"])
    target = replace(made, library=str(tmp_path / "target"))
    assert to_add(target, "x") == joined([*pip, "--target", target.library, "x"])
    assert to_add(replace(made, library=str(ROOT)), "x") == joined([*pip, "x"]), "a checkout"


def test_an_extra_is_the_packages_that_it_adds(tmp_path: Path) -> None:
    pip = joined([f"{tmp_path}/bin/python", "-m", "pip", "install"])
    assert re.match(f"{re.escape(pip)} ['\"]granian>=", to_add_extra(tool(tmp_path), "proxy"))
    assert to_add_extra(tool(tmp_path / "b"), "none").endswith(quoted(f"{INSTALL_SOURCE}[none]"))
    assert joined([sys.executable]) in hint_for_extra("sbom")


@pytest.mark.skipif(INSTALL_SOURCE == "d8-installer", reason="the name is registered")
@pytest.mark.parametrize("page", [*PAGES, *CODE], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_installed_by_a_name_that_a_stranger_may_register(page: Path) -> None:
    """Only ``inject d8-installer …`` may name it: that is the environment, which is there."""
    for command in _BY_NAME.findall(page.read_text(encoding="utf-8")):
        words = re.sub(r"pipx inject (?:--global |--editable )*d8-installer ", "", command).split()
        assert not [word for word in words if re.fullmatch(r"['\"]?d8-installer(?:\[.*)?['\".,)]*", word)], command
