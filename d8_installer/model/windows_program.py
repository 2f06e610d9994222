"""Where Windows looks for a program, and how a batch file gets its arguments. Text only.

The rules are those of ``PATH`` and ``PATHEXT`` in cmd.exe (Microsoft's documentation of "path" and "cmd"), but for one:
the working directory is not searched, because it may hold another person's files (Go's os/exec does the same).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_EXTENSIONS = ".COM;.EXE;.BAT;.CMD"
_BATCH = (".bat", ".cmd")
_SEPARATORS = "\\/"
_NEVER_IN_A_BATCH = frozenset('"%\r\n\0')


def program_paths(command: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield each path at which Windows may find *command*, a name or a path, the first one first."""
    known = extensions(environ)
    named = [command, *(command + extension for extension in known)]
    if not command.lower().endswith(tuple(map(str.lower, known))):
        named = named[1:]
    if not set(_SEPARATORS).isdisjoint(command):
        yield from named
        return
    for entry in path_entries(environ.get("PATH", "")):
        directory = entry.strip().rstrip(_SEPARATORS)
        if directory[1:2] == ":" or directory[:2] == "\\\\":
            yield from (f"{directory}\\{name}" for name in named)


def path_entries(path: str) -> list[str]:
    """Return the directories of a PATH, without quotes. Empty entries are left out."""
    return [entry for part in parts_between_semicolons(path) if (entry := part.replace('"', ""))]


def parts_between_semicolons(path: str) -> list[str]:
    """Split a PATH at each ``;`` outside quotes. Joined by ``;``, the parts are the same text again."""
    parts, is_quoted = [""], False
    for sign in path:
        is_quoted ^= sign == '"'
        if sign == ";" and not is_quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def extensions(environ: Mapping[str, str]) -> list[str]:
    """Return the ends of the names of files that are commands."""
    return [one.strip() for one in (environ.get("PATHEXT") or _EXTENSIONS).split(";") if one.strip()]


def is_batch(path: str) -> bool:
    """Whether *path* is run by cmd.exe, which reads a command line in another way than programs."""
    return path.lower().endswith(_BATCH)


def batch_line(path: str, arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the command line that runs the batch file at *path*: everything stands in quotes.

    An argument that no quotes keep from cmd.exe is a ConfigError.
    """
    for word in (path, *arguments):
        if not _NEVER_IN_A_BATCH.isdisjoint(word):
            raise ConfigError(
                f"{path} is a batch file, which cannot get an argument with a quote, a percent sign or a line end",
                hint="name an .exe in its place",
            )
    words = " ".join(f'"{word}"' for word in (path, *arguments))
    return f'"{environ.get("COMSPEC") or "cmd.exe"}" /d /s /c "{words}"'
