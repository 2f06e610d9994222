"""The layout of help: as wide as the terminal, with line breaks only between words."""

from __future__ import annotations

import argparse
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WIDEST, _NARROWEST = 118, 20
_NARROW = 60
"""With fewer columns, the text of an option stands below the option, not beside it."""
_DEEP, _SHALLOW = 24, 4
_ENOUGH = 24
"""Width that the second column of a row needs."""
_INDENT = 2
_GOES_ON = " \\"
_ENDLESS = 1 << 16
"""A width at which argparse does not wrap the usage: it cannot do that with brackets in names."""
_MANY = {"+": "{0}…", "*": "[{0}…]", argparse.REMAINDER: "[{0}…]", argparse.PARSER: "{0} …"}
"""How an argument that may stand several times is shown."""


class HelpFormat(argparse.RawDescriptionHelpFormatter):
    """Wraps every line that is too long; a row of two columns continues in its second column."""

    def __init__(self, prog: str) -> None:
        """Pass the width: argparse would compute it for every argument, and import shutil for that."""
        width = columns()
        super().__init__(prog, width=width, max_help_position=_SHALLOW if width < _NARROW else _DEEP)

    def _set_color(self, _color: bool, **_where: object) -> None:
        """Use no colours of argparse (Python 3.14): they would count as text when lines are wrapped."""
        super()._set_color(False)  # type: ignore[misc]  # Python 3.14

    def continued(self, command: str) -> str:
        """Return a command line of a shell; one that is too long goes on in a second line, as shells read it."""
        first, *more = wrapped(command, self._width - _INDENT - len(_GOES_ON), " " * _SHALLOW)
        return f"{_GOES_ON}\n".join([first, *more]) if len(command) > self._width - _INDENT else command

    def _format_usage(self, usage: Any, actions: Any, groups: Any, prefix: Any) -> str:
        """Write ``[OPTIONS]`` for all options that may be left out: they are listed below."""
        word = ""
        if usage is None:
            word = fixed_word(actions)
            actions = [
                action for action in actions if (action.required or not action.option_strings) and not is_fixed(action)
            ]
            groups = []
        width, self._width = self._width, _ENDLESS
        text = " ".join(super()._format_usage(usage, actions, groups, prefix).split())
        self._width = width
        if usage is None and prefix is None:  # with a prefix, it is the beginning of a subcommand's usage
            text = text.replace(self._prog, f"{self._prog}{word} [OPTIONS]", 1)
        return "\n".join(wrapped(text, self._width, " " * _SHALLOW)) + "\n\n"

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.option_strings or action.nargs not in _MANY:
            return super()._format_args(action, default_metavar)
        return _MANY[str(action.nargs)].format(self._metavar_formatter(action, default_metavar)(1)[0])

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        columns = width + len(indent)
        return "\n".join(part for line in text.splitlines() for part in _wrap_row(f"{indent}{line}", columns))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrapped(" ".join(text.split()), width, "")


def is_fixed(action: argparse.Action) -> bool:
    """Whether an argument is one word that cannot be another, such as ``create`` of ``bundle create``."""
    return not action.option_strings and action.choices is not None and len(list(action.choices)) == 1


def fixed_word(actions: Any) -> str:
    """Return the fixed word with a space before it, or "": people type it right after the command."""
    return "".join(f" {word}" for action in actions if is_fixed(action) for word in action.choices)


def rows(listed: dict[str, str], width: int) -> str:
    """Return a line for each word, with its text in the second column."""
    return "\n".join(f"{name:<{width}}{text}" for name, text in listed.items())


def _wrap_row(line: str, width: int) -> list[str]:
    """Wrap a line; a row of two columns begins with spaces, and continues in its second column if there is room."""
    _, gap, text = line.lstrip().partition("  ")
    if line.startswith("  "):
        second = len(line) - len(text.lstrip()) if gap else width
        return wrapped(line, width, " " * (second if width - second >= _ENOUGH else _SHALLOW))
    return wrapped(line, width, "")


def wrapped(text: str, width: int, further: str) -> list[str]:
    """Return *text* as lines of at most *width*; each but the first begins with *further*. No word is broken."""
    import textwrap

    lines = textwrap.wrap(text, width, subsequent_indent=further, break_long_words=False, break_on_hyphens=False)
    return lines or [""]


def columns() -> int:
    """Return the width for help: that of the terminal or, without one, the variable COLUMNS."""
    try:
        columns = os.get_terminal_size().columns
    except OSError:
        said = os.environ.get("COLUMNS", "")
        columns = int(said) if said.isdecimal() and len(said) < 6 else 0
    return max(_NARROWEST, min((columns or 100) - 2, _WIDEST))
