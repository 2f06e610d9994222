"""The completion script of each shell. Each asks ``d8-installer __complete`` what may come next, at every Tab.

So a script knows nothing of the command line, and stays right when the tool is upgraded.
"""

from __future__ import annotations

from d8_installer.ops.shell.completion_files import TCSH_LINE

_BASH = """\
# bash completion of d8-installer
_d8_installer() {
  local line text
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files* ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r text; do COMPREPLY+=("$text"); done < <(compgen -f -- "${line#:files}")
    else
      COMPREPLY+=("$line")
    fi
  done < <(command d8-installer __complete bash "$COMP_WORDBREAKS" "+${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:/=] ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _d8_installer d8-installer
"""

_ZSH = """\
#compdef d8-installer
# zsh completion of d8-installer: works as a file of fpath, sourced, and before compinit
_d8_installer() {
  local -a rows closed open
  local row text shown
  rows=(${(f)"$(command d8-installer __complete zsh "${(@)words[2,CURRENT-1]}" "+$PREFIX" 2>/dev/null)"})
  for row in $rows; do
    if [[ $row == :files* ]]; then
      _files
      continue
    fi
    text=${row%%$'\\t'*}
    shown="${text//:/\\\\:}:${row#*$'\\t'}"
    if [[ $text == *[:/=] ]]; then open+=("$shown"); else closed+=("$shown"); fi
  done
  (( $#closed )) && _describe -t values 'd8-installer' closed
  (( $#open )) && _describe -t places 'd8-installer' open -S ''
  return 0
}

# Before compinit there is no compdef: then this waits for the first prompt, at the end of .zshrc.
_d8_installer_register() {
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _d8_installer d8-installer
  add-zsh-hook -d precmd _d8_installer_register
}

if [[ $funcstack[1] == _d8[-_]installer ]]; then
  _d8_installer "$@"  # a file of fpath, called to complete
elif (( $+functions[compdef] )); then
  compdef _d8_installer d8-installer
else
  autoload -Uz add-zsh-hook
  add-zsh-hook precmd _d8_installer_register
fi
"""

_FISH = """\
# fish completion of d8-installer
function __d8_installer_complete
    set -l current (commandline -ct)
    for row in (command d8-installer __complete fish (commandline -opc)[2..-1] "+$current" 2>/dev/null)
        if string match -q ':files*' -- $row
            __fish_complete_path "$current"
        else
            printf '%s\\n' $row
        end
    end
end
complete -c d8-installer -e
complete -c d8-installer -f -a '(__d8_installer_complete)'
"""

# Where nothing is returned, PowerShell itself completes the names of files.
_POWERSHELL = """\
# PowerShell completion of d8-installer
Register-ArgumentCompleter -Native -CommandName d8-installer, d8-installer.exe -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $typed = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object {
            if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value }
            else { $_.ToString() }
        })
    & d8-installer __complete powershell @typed "+$wordToComplete" 2>$null |
        Where-Object { -not $_.StartsWith(':files') } | ForEach-Object {
            $text, $help = $_ -split "`t", 2
            if (-not $help) { $help = $text }
            [System.Management.Automation.CompletionResult]::new($text, $text, 'ParameterValue', $help)
        }
}
"""

SCRIPTS = {
    "bash": _BASH,
    "zsh": _ZSH,
    "fish": _FISH,
    "tcsh": f"# tcsh completion of d8-installer\n{TCSH_LINE}\n",
    "powershell": _POWERSHELL,
}
