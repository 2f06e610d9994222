"""What ``fast`` may import: the modules that a no-op ``sync`` needs, and no other."""

from __future__ import annotations

import ast
from pathlib import Path

import d8_installer.fast

ALLOWED = {
    *("d8_installer.errors", "d8_installer.model.profile", "d8_installer.plugin.environments"),
    *("d8_installer.store", "d8_installer.store.paths"),
}
"""From ``store``, modules are imported by their names."""
FROM_STORE = {"one_file_system", "paths", "stamp", "trusted_directories"}


def test_only_these_modules_are_imported() -> None:
    for file in sorted(Path(d8_installer.fast.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("d8_installer"):
                assert node.module in ALLOWED, f"{file.name}:{node.lineno}"
                if node.module == "d8_installer.store":
                    assert {name.name for name in node.names} <= FROM_STORE, f"{file.name}:{node.lineno}"
