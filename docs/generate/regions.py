"""Finds the generated regions of a page, and puts new text into them.

A region begins with ``<!-- generated: NAME -->`` and ends with ``<!-- end -->``. A page that is wholly generated is one
region. What stands outside of regions is written by hand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from docs.generate import (
    commands,
    documents,
    envelope,
    environment,
    exit_codes,
    files,
    hooks,
    lock,
    proxy,
    troubleshooting,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[2]
_REGION = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

REGIONS: Mapping[str, Callable[[], str]] = {
    "commands": commands.every_command,
    "global-options": commands.global_options,
    "exit-codes": exit_codes.table_of_codes,
    "troubleshooting": troubleshooting.every_entry,
    "settings": documents.settings,
    "hooks": hooks.every_hook,
    "plugin": hooks.public_names,
    "routes": proxy.routes,
    "refusals": proxy.refusals,
    "json": envelope.every_command,
    "environment": environment.variables,
    "lock": lock.keys_of_lock,
    "home": files.paths_of_home,
    "profile": files.paths_of_profile,
    "manifest-keys": documents.manifest_keys,
    "image-keys": documents.image_keys,
}
FILES: Mapping[str, Callable[[], str]] = {
    "docs/reference/d8.toml.schema.json": documents.manifest_schema_file,
    "docs/reference/config.toml.schema.json": documents.config_schema_file,
}
"""Files that are generated as a whole."""


def changed_pages() -> dict[str, str]:
    """Return the new text of each page and file whose generated parts are not what the code says."""
    files = {name: written() for name, written in FILES.items()}
    old = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))}
    new = {path: _filled(text) for path, text in old.items()}
    pages = {path.relative_to(ROOT).as_posix(): text for path, text in new.items() if text != old[path]}
    return pages | {name: text for name, text in files.items() if _read(ROOT / name) != text}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _filled(text: str) -> str:
    return _REGION.sub(lambda match: f"{match[1]}\n{REGIONS[match[2]]().strip()}\n\n{match[3]}", text)
