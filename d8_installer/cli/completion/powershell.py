"""The completion script for PowerShell (Register-ArgumentCompleter, about_Functions_Argument_Completion)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from d8_installer.cli.completion.tables import Level

_SCRIPT = """\
# PowerShell completion of d8-installer: let $PROFILE run this script
Register-ArgumentCompleter -Native -CommandName d8-installer -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $valued = @(@valued@)
    $words = @{
@words@
    }
    $options = @{
@options@
    }
    $choices = @{
@choices@
    }
    $named = @(@named@)
    $typed = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object {
            if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value }
            else { $_.ToString() }
        })
    $path = ''
    $option = ''
    foreach ($word in $typed) {
        if ($option) { $option = ''; continue }
        if ($valued -ccontains $word) { $option = $word; continue }
        if ($word.StartsWith('-')) { continue }
        $longer = "$path $word".Trim()
        if ($options.ContainsKey($longer)) { $path = $longer }
    }
    $found = if ($option) { $choices["$path $option".Trim()] }
        elseif ($wordToComplete.StartsWith('-')) { $options[$path] }
        elseif ($named -contains $path) { & d8-installer __names @typed 2>$null }
        else { $words[$path] }
    $found | Where-Object { $_ -and $_.StartsWith($wordToComplete) } |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
"""


def script(levels: Sequence[Level]) -> str:
    """Return the script. Where it knows nothing, PowerShell itself completes the names of files."""
    valued = {text for level in levels for option in level.options if option.takes_value for text in option.spellings}
    words = [_row(level.path, [word.text for word in level.words]) for level in levels]
    options = [_row(level.path, [text for option in level.options for text in option.spellings]) for level in levels]
    named = [" ".join(level.path) for level in levels if level.has_names]
    text = _SCRIPT.replace("@valued@", _listed(sorted(valued))).replace("@named@", _listed(named))
    text = text.replace("@words@", "\n".join(words)).replace("@options@", "\n".join(options))
    return text.replace("@choices@", "\n".join(_choices(levels)))


def _choices(levels: Sequence[Level]) -> Iterator[str]:
    for level in levels:
        for option in level.options:
            for spelled in option.spellings if option.choices else ():
                yield _row((*level.path, spelled), option.choices)


def _row(path: Sequence[str], texts: Sequence[str]) -> str:
    return f"        '{' '.join(path)}' = @({_listed(texts)})"


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(f"'{text}'" for text in texts)
