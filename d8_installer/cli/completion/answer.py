"""What may come next on a command line: commands, options, and the values that they take.

The grammar is the parser's, and only that of the typed command is built.
"""

from __future__ import annotations

import argparse

from d8_installer.cli.completion.names import Names
from d8_installer.cli.help_page import ANSWERED
from d8_installer.cli.parser import parser_of
from d8_installer.cli.verbs import VERBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from d8_installer.cli.completion.typed_words import Typed

Following = list[tuple[str, str]]
"""What may come next, each with what it does."""
_FILES = frozenset(["F", "FILE", "PATH", "DIR", "WHEEL"])
_SCHEMES = ("https://", "oci://", "oci-layout:", "bundle:")
FILES = (":files", "")
"""The answer that stands for all names of files."""


def answer(typed: Typed, environ: Mapping[str, str], directory: str) -> Following:
    """Return what may come next. Nothing is asked over a network."""
    top = _Walk(parser_of(None))
    command = top.go(typed.words, ends_at_word=True)
    names = Names(typed.words, environ, directory)
    if command is None:
        return top.next(typed.current, names, _commands())
    following = typed.words[list(typed.words).index(command, top.passed - 1) + 1 :]
    if command == "help":
        return _ways(following[0]) if following else [*_commands(), *((code, "") for code in names.codes())]
    verb = VERBS.get(command)
    if verb is None:
        return []
    if verb.is_manager:
        return [FILES]
    names.verb = verb
    walk = _Walk(parser_of(verb))
    walk.go(following)
    return walk.next(typed.current, names, None)


def _commands() -> Following:
    return [*((verb.name, verb.help) for verb in VERBS.values()), *ANSWERED.items()]


def _ways(command: str) -> Following:
    """Return the subcommands of a command."""
    verb = VERBS.get(command)
    actions = () if verb is None or verb.is_manager else parser_of(verb)._actions
    ways = (action for action in actions if isinstance(action, argparse._SubParsersAction))
    return [(choice.dest, choice.help or "") for action in ways for choice in action._choices_actions]


class _Walk:
    """A walk along the words of a command line: the parser that is reached, and what it has taken so far."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser
        self.passed = 0
        self.positionals: list[str] = []
        self._waiting: list[argparse.Action] = []
        self._is_after_dashes = False

    def go(self, words: Iterable[str], *, ends_at_word: bool = False) -> str | None:
        """Take *words* in; with *ends_at_word* end at the first one that is neither option nor value, and return it."""
        for word in words:
            self.passed += 1
            if self._waiting:
                self._waiting.pop()
            elif self._is_option(word):
                self._take_option(word)
            elif ends_at_word:
                return word
            else:
                self._take(word)
        return None

    def _is_option(self, word: str) -> bool:
        return len(word) > 1 and word.startswith("-") and not self._is_after_dashes and not self._is_remainder

    @property
    def _is_remainder(self) -> bool:
        action = self._position()
        return action is not None and action.nargs == argparse.REMAINDER

    def _take_option(self, word: str) -> None:
        if word == "--":
            self._is_after_dashes = True
            return
        name, equals, _ = word.partition("=")
        action = self.parser._option_string_actions.get(name)  # argparse has no public attribute for its options
        if action is not None and action.nargs != 0 and not equals:
            self._waiting = [action] * (action.nargs if isinstance(action.nargs, int) else 1)

    def _take(self, word: str) -> None:
        action = self._position()
        if isinstance(action, argparse._SubParsersAction) and word in action.choices:
            self.parser = action.choices[word]
            self.positionals = []
        else:
            self.positionals.append(word)

    def _position(self) -> argparse.Action | None:
        """Return the argument that the next word is for."""
        left = len(self.positionals)
        for action in self.parser._actions:
            if action.option_strings or action.help == argparse.SUPPRESS:
                continue
            if left == 0 or action.nargs in ("+", "*", argparse.REMAINDER):
                return action
            left -= 1
        return None

    def next(self, current: str, names: Names, words: Following | None) -> Following:
        """Return what *current* may become; *words* are what may stand here beside options."""
        if self._waiting:
            return _values(self._waiting[-1], names, self.positionals, current)
        if current.startswith("-") and not self._is_after_dashes and not self._is_remainder:
            return self._options(current, names)
        if words is not None:
            return words
        action = self._position()
        return [] if action is None else _values(action, names, self.positionals, current)

    def _options(self, current: str, names: Names) -> Following:
        name, equals, value = current.partition("=")
        known: Mapping[str, argparse.Action] = self.parser._option_string_actions
        if equals:
            action = known.get(name)
            values = [] if action is None else _values(action, names, self.positionals, value)
            return [one if one == FILES else (f"{name}={one[0]}", one[1]) for one in values]
        helps = ((text, (action.help or "").replace("%%", "%"), action.help) for text, action in known.items())
        return [(text, help_text) for text, help_text, raw in helps if raw != argparse.SUPPRESS]


def _values(action: argparse.Action, names: Names, before: Sequence[str], current: str) -> Following:
    """Return the values of an argument, by its choices or by what its place in the help is called."""
    if isinstance(action, argparse._SubParsersAction):
        helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
        return [(name, helps.get(name, "")) for name in action.choices]
    if action.choices:
        return [(str(choice), "") for choice in action.choices]
    kind = action.metavar if isinstance(action.metavar, str) else "FILE"
    if kind in _FILES or action.nargs == argparse.REMAINDER:
        return [FILES]
    if kind == "URL":
        return [FILES] if current.startswith(("oci-layout:", "bundle:")) else [(one, "") for one in _SCHEMES]
    if kind == "VALUE":
        return names.values_of(before[0] if before else "") or [FILES]
    taken = () if action.option_strings else before
    found = names.of(kind, before, current, is_option=bool(action.option_strings))
    return [(name, "") for name in found if name not in taken]


def printed(shell: str, typed: Typed, found: Following) -> list[str]:
    """Return the lines for the script of *shell*: a text, or in some shells text, tab and help."""
    lines = []
    for text, help_text in found:
        if (text, help_text) == FILES:
            lines += [f":files{typed.current[len(typed.kept) :]}"] if shell != "tcsh" else _files(typed.current)
        elif shell in {"bash", "tcsh"}:
            lines += [text[len(typed.kept) :]] if text.startswith(typed.current) else []
        elif shell != "powershell" or text.startswith(typed.current):
            lines.append(f"{text}\t{help_text}")
    return lines


def _files(current: str) -> list[str]:
    """Return the files that begin with *current*, for tcsh, which asks for nothing beside our words."""
    import glob
    import os

    found = glob.glob(f"{glob.escape(os.path.expanduser(current))}*")
    return [f"{path}/" if os.path.isdir(path) else path for path in sorted(found)]
