"""``init [NAME[SPEC]…]``"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.options import REQUIREMENT, name_argument

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the requirements and the file."""
    parser.add_argument("requirements", type=name_argument, metavar="NAME[SPEC]", nargs="*", help=REQUIREMENT)
    parser.add_argument("--file", metavar="FILE", default="d8.toml", help="the file to write (default: d8.toml)")


def execute(context: Context) -> Outcome:
    """Make the manifest, and say what comes next."""
    from d8_installer.cli.text.plugins import manifest_lines
    from d8_installer.ops.manifest import init

    typed = context.arguments
    with context.session() as session:
        result = init(session, typed.requirements, typed.file, of_project=True, dry_run=typed.dry_run)
    if os.path.normpath(typed.file) != "d8.toml":
        following = f"manifest check --resolve {shlex.quote(typed.file)}` looks up what it names"
    else:
        following = "sync` fetches them" if result.images else "add NAME` adds a tool"
    context.talk.note(f"next, `d8-installer {following}")
    return Outcome(result.as_json(), manifest_lines(result))
