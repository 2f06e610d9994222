"""The completion script for PowerShell (Register-ArgumentCompleter, about_Functions_Argument_Completion)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d8_installer.cli.completion.tables import Level

_SCRIPT = """\
Register-ArgumentCompleter -Native -CommandName d8-installer -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $valued = @(@valued@)
    $words = @{
@words@
    }
    $options = @{
@options@
    }
    $named = @(@named@)
    $typed = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
    $path = ''
    $skip = $false
    foreach ($word in $typed) {
        if ($skip) { $skip = $false; continue }
        if ($valued -contains $word) { $skip = $true; continue }
        if ($word.StartsWith('-')) { continue }
        $longer = "$path $word".Trim()
        if ($options.ContainsKey($longer)) { $path = $longer }
    }
    $found = if ($wordToComplete.StartsWith('-')) { $options[$path] } else { $words[$path] }
    if (-not $wordToComplete.StartsWith('-') -and $named -contains $path) {
        $found = @(& d8-installer __names @typed 2>$null)
    }
    $found | Where-Object { $_ -like "$wordToComplete*" } |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
"""


def script(levels: Sequence[Level]) -> str:
    """Return the script."""
    valued = {text for level in levels for option in level.options if option.takes_value for text in option.spellings}
    words = [f"        '{' '.join(level.path)}' = @({_listed([w.text for w in level.words])})" for level in levels]
    options = [
        f"        '{' '.join(level.path)}' = @({_listed([t for option in level.options for t in option.spellings])})"
        for level in levels
    ]
    named = [" ".join(level.path) for level in levels if level.has_names]
    text = _SCRIPT.replace("@valued@", _listed(sorted(valued))).replace("@named@", _listed(named))
    return text.replace("@words@", "\n".join(words)).replace("@options@", "\n".join(options))


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(f"'{text}'" for text in texts)
