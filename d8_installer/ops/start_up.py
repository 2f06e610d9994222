"""The start-up files of a person's shells: writing ``ensurepath``'s lines, and taking out exactly those again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.ops.shells import last_on_path
from d8_installer.store import fs, status
from d8_installer.store.layout import home_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.ops.session import Session

_LIMIT = 4 << 20
_MARK = "# added by d8-installer ensurepath"
_AFTER_GAP = f"{_MARK}, with the line end before it"
_MADE = f"{_MARK}, which made this file"


@dataclass(frozen=True, slots=True)
class StartUpFile:
    """A file that a shell reads, the line that puts our ``bin`` on PATH there, and whether ``ensurepath`` wants it."""

    path: str
    line: str
    wanted: bool


def start_up_files(session: Session, directory: str) -> Iterator[StartUpFile]:
    """Yield the files of every shell that we know; *directory* is what is to be on PATH."""
    environ, home = session.environ, home_directory(session.environ)
    line = last_on_path("sh", directory)
    shell = os.path.basename(environ.get("SHELL", ""))
    yield StartUpFile(os.path.join(home, ".profile"), line, wanted=True)
    login = os.path.join(home, ".bash_profile")
    yield StartUpFile(login, line, os.path.exists(login))  # a login bash that finds it does not read .profile
    bash = os.path.join(home, ".bashrc")
    yield StartUpFile(bash, line, shell == "bash" or os.path.exists(bash))
    zsh = shell == "zsh" or os.path.exists(os.path.join(home, ".zshrc"))
    yield StartUpFile(os.path.join(environ.get("ZDOTDIR") or home, ".zshrc"), line, zsh)
    yield from _of_csh(home, directory, typed=shell in {"csh", "tcsh"})
    fish = os.path.join(environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "fish")
    file = os.path.join(fish, "conf.d", "d8-installer.fish")
    yield StartUpFile(file, last_on_path("fish", directory), shell == "fish" or os.path.isdir(fish))


def _of_csh(home: str, directory: str, *, typed: bool) -> Iterator[StartUpFile]:
    """A tcsh that finds ``.tcshrc`` does not read ``.cshrc`` (tcsh(1), Startup and shutdown)."""
    line = last_on_path("tcsh", directory)
    tcshrc, cshrc = os.path.join(home, ".tcshrc"), os.path.join(home, ".cshrc")
    yield StartUpFile(tcshrc, line, os.path.exists(tcshrc))
    yield StartUpFile(cshrc, line, os.path.exists(cshrc) or (typed and not os.path.exists(tcshrc)))


def add_line(file: StartUpFile) -> bool:
    """Append the line, unless it is there; returns whether it was not. The mark says how to take it out again."""
    raw = fs.read(file.path, limit=_LIMIT)
    text = _text(raw)
    if file.line in text.splitlines():
        return False
    ends = not text or text.endswith("\n")
    mark = _MADE if raw is None else _MARK if ends else _AFTER_GAP
    mode = 0o644 if raw is None else (status.mode(os.path.realpath(file.path)) or 0o644) & 0o777
    _save(file.path, f"{text}{'' if ends else chr(10)}{mark}\n{file.line}\n", mode)
    return True


def has_line(file: StartUpFile) -> bool:
    """Whether the file has what ``add_line`` wrote."""
    text = _text(fs.read(file.path, limit=_LIMIT))
    return any(f"{mark}\n{file.line}\n" in text for mark in (_MARK, _AFTER_GAP, _MADE))


def goes_whole(file: StartUpFile) -> bool:
    """Whether ``remove_line`` would remove the file, which ``add_line`` made."""
    text = _text(fs.read(file.path, limit=_LIMIT))
    return _MADE in text and not _without(text, file.line)


def remove_line(file: StartUpFile) -> None:
    """Take out what ``add_line`` wrote, and the file if that made it and nothing else is in it."""
    text = _text(fs.read(file.path, limit=_LIMIT))
    without = _without(text, file.line)
    if without == text:
        return
    if not without and _MADE in text:
        fs.remove(file.path)
    else:
        _save(file.path, without, (status.mode(os.path.realpath(file.path)) or 0o644) & 0o777)


def _without(text: str, line: str) -> str:
    text = text.replace(f"\n{_AFTER_GAP}\n{line}\n", "")
    return text.replace(f"{_MARK}\n{line}\n", "").replace(f"{_MADE}\n{line}\n", "")


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "surrogateescape")


def _save(path: str, text: str, mode: int) -> None:
    fs.replace_file(path, text.encode("utf-8", "surrogateescape"), mode=mode)
