"""What ``fast`` may import: what a no-op ``sync``, or a ``run`` that needs no judgement, cannot do without."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import d8_installer.fast

OF_BOTH = {"d8_installer.model.profile", "d8_installer.fast.profile", "d8_installer.store", "d8_installer.store.paths"}
ALLOWED = {
    "argv": set[str](),
    "profile": OF_BOTH,
    "run": {
        *OF_BOTH,
        *("d8_installer.model.checksum", "d8_installer.model.run_gate", "d8_installer.fast.argv"),
        *(f"d8_installer.store.{name}" for name in ("generation_place", "kubeconfig_choice", "run_environment")),
    },
    "sync": {*OF_BOTH, "d8_installer.errors", "d8_installer.plugin.environments"},
}
FROM_STORE = {
    "run": {"passes", "paths", "status", "trusted_directories"},
    "sync": {"one_file_system", "paths", "stamp", "trusted_directories"},
}
"""From ``store``, modules are imported by their names too."""


@pytest.mark.parametrize(
    "file", sorted(Path(d8_installer.fast.__path__[0]).glob("[a-z]*.py")), ids=lambda one: one.stem
)
def test_only_these_modules_are_imported(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("d8_installer"):
            assert node.module in ALLOWED[file.stem], f"{file.name}:{node.lineno}"
            if node.module == "d8_installer.store":
                names = {name.name for name in node.names}
                assert names <= FROM_STORE.get(file.stem, {"paths"}), f"{file.name}:{node.lineno}"
