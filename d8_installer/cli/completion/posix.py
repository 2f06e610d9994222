"""The completion scripts that shtab writes (bash, zsh, tcsh), with the installed names in them.

The end of the script for zsh is ours: it works as a file of fpath, sourced, and before ``compinit``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d8_installer.cli.verbs import VERBS

if TYPE_CHECKING:
    import argparse

_BASH_NAMES = """\
_d8_installer_names() {
  compgen -W "$(command d8-installer __names "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" -- "$1"
}
"""
_ZSH_NAMES = """\
_d8_installer_names() {
  local -a found
  found=(${(f)"$(command d8-installer __names $d8_installer_typed 2>/dev/null)"})
  compadd -a found
}
"""
_NAMES: Any = {"bash": _BASH_NAMES, "zsh": _ZSH_NAMES}
_ZSH_END = """\
typeset -gA opt_args

_d8_installer_complete() {
  local -a d8_installer_typed
  d8_installer_typed=($words[2,CURRENT-1])
  _shtab_d8_installer "$@"
}

# Before compinit there is no compdef: then this waits for the first prompt, at the end of .zshrc.
_d8_installer_register() {
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _d8_installer_complete d8-installer
  add-zsh-hook -d precmd _d8_installer_register
}

if [[ $funcstack[1] == _d8[-_]installer ]]; then
  _d8_installer_complete "$@"  # a file of fpath, called to complete
elif (( $+functions[compdef] )); then
  compdef _d8_installer_complete d8-installer
else
  autoload -Uz add-zsh-hook
  add-zsh-hook precmd _d8_installer_register
fi
"""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for *shell*, from the *parser* of the whole command line."""
    import shtab

    _complete_names(parser)
    text: str = shtab.complete(parser, shell, preamble=_NAMES)
    if shell != "zsh":
        return text
    functions, found, _ = text.rpartition("typeset -A opt_args\n")
    return f"{functions if found else text}{_ZSH_END}"


def _complete_names(parser: argparse.ArgumentParser) -> None:
    """Mark the arguments that are installed names, by the attribute that shtab looks for."""
    # argparse has no public attribute for its arguments; shtab reads the same one.
    (commands,) = (action.choices for action in parser._actions if action.dest == "command")
    inner: Any = commands
    for verb in VERBS.values():
        if verb.completes is None:
            continue
        first: Any = next(action for action in inner[verb.name]._actions if not action.option_strings)
        first.complete = {"bash": "_d8_installer_names", "zsh": "_d8_installer_names"}
