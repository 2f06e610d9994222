"""The completion script for fish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.pipeline.shell_lines import fish_quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from d8_installer.cli.completion.tables import Level, Option

_HEAD = """\
# fish completion of d8-installer: put it into ~/.config/fish/completions/d8-installer.fish
function __d8_installer_words -d 'print the words before the cursor that are not options, one a line'
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case @valued@
                set skip 1
            case '-*'
            case '*'
                printf '%s\\n' $word
        end
    end
end
function __d8_installer_at -d 'succeed if exactly these words were typed, or with --more if they were typed first'
    argparse more -- $argv
    set -l typed (__d8_installer_words)
    set -l wanted (count $argv)
    test (count $typed) -ge $wanted; or return 1
    if not set -q _flag_more; and test (count $typed) -gt $wanted
        return 1
    end
    test $wanted -eq 0; or test "$typed[1..$wanted]" = "$argv"
end
function __d8_installer_names
    command d8-installer __names (commandline -opc)[2..-1] 2>/dev/null
end
complete -c d8-installer -e
complete -c d8-installer -f
"""


def script(levels: Sequence[Level]) -> str:
    """Return the script."""
    valued = {text for level in levels for option in level.options if option.takes_value for text in option.spellings}
    lines = [_HEAD.replace("@valued@", " ".join(sorted(valued))).rstrip("\n")]
    for level in levels:
        lines += _level(level)
    return "\n".join(lines) + "\n"


def _level(level: Level) -> Iterator[str]:
    path = " ".join(level.path)
    at, more = f"__d8_installer_at {path}".rstrip(), f"__d8_installer_at --more {path}".rstrip()
    begin = "complete -c d8-installer -n"
    for word in level.words:
        yield f"{begin} '{at}' -a {word.text}{_described(word.help)}"
    if level.takes_file:
        yield f"{begin} '{more}' -F"
    if level.has_names:
        yield f"{begin} '{at if level.only_first else more}' -a '(__d8_installer_names)'"
    for option in level.options:
        yield f"{begin} '{more if level.path else at}' {_option(option)}"


def _option(option: Option) -> str:
    spelled = [f"-l {text[2:]}" if text.startswith("--") else f"-s {text[1:]}" for text in option.spellings]
    value = []
    if option.takes_value:
        value = ["-r", "-F"] if option.takes_file else ["-x"]
        value += [f"-a '{' '.join(option.choices)}'"] if option.choices else []
    return " ".join([*spelled, *value]) + _described(option.help)


def _described(text: str) -> str:
    return f" -d {fish_quoted(text.replace('%%', '%'))}" if text else ""
