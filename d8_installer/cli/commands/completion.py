"""``completion SHELL``, ``completion [SHELL] --install``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome, RawOutput

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context

_SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the shell, and ``--install``."""
    parser.add_argument(
        "shell",
        nargs="?",
        choices=_SHELLS,
        metavar="SHELL",
        help=f"{', '.join(_SHELLS)} (with --install: default SHELL)",
    )
    parser.add_argument("--install", action="store_true", help="put the script where the shell reads it")


def execute(context: Context) -> Outcome | RawOutput:
    """Print the script, or install it."""
    from d8_installer.cli.completion.scripts import SCRIPTS
    from d8_installer.errors import UsageError

    typed = context.arguments
    if typed.install:
        return _install(context, SCRIPTS)
    if typed.shell is None or typed.dry_run:
        raise UsageError(
            "no shell is named" if typed.shell is None else "--dry-run belongs to --install",
            hint="type `d8-installer completion --install`, or `d8-installer completion bash` to print a script",
        )
    context.talk.screen.write_raw(SCRIPTS[typed.shell])
    return RawOutput()


def _install(context: Context, scripts: dict[str, str]) -> Outcome:
    from d8_installer.cli.text.upkeep import completion_lines
    from d8_installer.ops.shell.completion_files import install_completion

    typed = context.arguments
    shell = typed.shell or _shell_in_use(context.environ.get("SHELL", ""))
    with context.session() as session:
        result = install_completion(session, shell, scripts[shell], dry_run=typed.dry_run)
    return Outcome(result.as_json(), completion_lines(result))


def _shell_in_use(program: str) -> str:
    from d8_installer.errors import UsageError

    name = program.replace("\\", "/").rpartition("/")[2]
    shell = {"csh": "tcsh", "pwsh": "powershell"}.get(name, name)
    if shell not in _SHELLS:
        what = f"{name[:60]!r} is not a shell that is completed" if name else "SHELL does not say which shell is yours"
        raise UsageError(what, hint=f"name one: `d8-installer completion bash --install` ({', '.join(_SHELLS)})")
    return shell
