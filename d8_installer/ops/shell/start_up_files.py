"""The start-up files of a person's shells and of the machine: finds them, adds a line to them, and removes it."""

from __future__ import annotations

import os
import sys
from itertools import chain
from shutil import which
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError, NotAllowedError
from d8_installer.model.value import Struct
from d8_installer.ops.shell.marked_lines import directories_made, with_line, without_lines
from d8_installer.pipeline.ownership import is_foreign
from d8_installer.pipeline.shell_lines import last_on_path, older_last_on_path
from d8_installer.store import fs, status
from d8_installer.store.paths import config_directory, home_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from d8_installer.pipeline.session import Session

ETC = "/etc"
"""The directory of the machine's start-up files."""
_LIMIT = 4 << 20
_ZSH_SECONDS = 5.0


class StartUpFile(Struct, frozen=True, kw_only=True):
    """A file that a shell reads, and the line for it. If it is ``wanted``, ``ensurepath`` adds the line.

    ``older`` is the line that earlier versions wrote. ``command`` is the one of ours that adds the line.
    """

    path: str
    line: str
    older: str | None = None
    wanted: bool = True
    command: str = "ensurepath"


def start_up_files(session: Session, directory: str) -> Iterator[StartUpFile]:
    """Yield the files that may put *directory* on PATH: with ``--global`` the machine's, or else the person's own."""
    if session.scope.is_global:
        candidates = _of_machine()
    else:
        home = home_directory(session.scope.environ)
        shell = os.path.basename(session.scope.environ.get("SHELL", ""))
        candidates = chain(
            _of_sh(home, shell),
            _of_zsh(session.scope.environ, home, shell),
            _of_csh(home, shell),
            _of_fish(session.scope.environ, home, shell),
        )
    seen = set()
    for one in candidates:
        if one.path not in seen:
            seen.add(one.path)
            line, older = last_on_path(one.syntax, directory), older_last_on_path(one.syntax, directory)
            yield StartUpFile(path=one.path, line=line, older=older, wanted=one.wanted)


def run_commands_file(environ: Mapping[str, str], shell: str) -> str:
    """Return the file that each new interactive bash, zsh or tcsh of the person reads."""
    home = home_directory(environ)
    if shell == "bash":
        return os.path.join(home, ".bashrc")
    candidates = _of_zsh(environ, home, shell) if shell == "zsh" else _of_csh(home, shell)
    wanted = [one.path for one in candidates if one.wanted]
    return wanted[1 if shell == "zsh" else 0]


class _Candidate(Struct, frozen=True):
    """A file that a shell may read, in the syntax of that shell. If it is ``wanted``, ``ensurepath`` adds the line."""

    syntax: str
    path: str
    wanted: bool


def _of_sh(home: str, shell: str) -> Iterator[_Candidate]:
    """Yield the files of sh and bash.

    A login bash reads the first that exists of .bash_profile, .bash_login and .profile (bash(1), INVOCATION).
    """
    profile, login, rc = (os.path.join(home, name) for name in (".bash_profile", ".bash_login", ".bashrc"))
    yield _Candidate("sh", os.path.join(home, ".profile"), wanted=True)
    yield _Candidate("sh", profile, wanted=os.path.lexists(profile))
    yield _Candidate("sh", login, wanted=os.path.lexists(login) and not os.path.exists(profile))
    yield _Candidate("sh", rc, wanted=shell == "bash" or os.path.lexists(rc))


def _of_zsh(environ: Mapping[str, str], home: str, shell: str) -> Iterator[_Candidate]:
    """Yield the files of zsh. Every zsh reads .zshenv; .zshrc repairs PATH if a file read in between replaces it.

    ZDOTDIR may be set in ~/.zshenv. Then all other files are read from ZDOTDIR (zsh(1), FILES).
    """
    exported = environ.get("ZDOTDIR", "")
    chosen = exported if os.path.isabs(exported) else _chosen_by_zsh(environ, home)
    own = os.path.join(home, ".zshenv")
    env = own if os.path.lexists(own) or not chosen else os.path.join(chosen, ".zshenv")
    rc = os.path.join(chosen or home, ".zshrc")
    wanted = shell == "zsh" or any(map(os.path.lexists, (own, env, rc)))
    yield _Candidate("sh", env, wanted)
    yield _Candidate("sh", rc, wanted)
    for name in (".zshenv", ".zshrc"):  # ZDOTDIR may have been another one when they were written
        yield _Candidate("sh", os.path.join(home, name), wanted=False)


def _chosen_by_zsh(environ: Mapping[str, str], home: str) -> str:
    """Return the ZDOTDIR that zsh's start-up files set, or "". zsh is asked for it, as rustup does."""
    shell = environ.get("SHELL", "")
    program = shell if os.path.basename(shell) == "zsh" else "zsh"
    found = which(program, path=environ.get("PATH", os.defpath))
    if found is None or is_foreign(home):  # root does not run another user's code
        return ""
    import subprocess

    try:
        done = subprocess.run(
            [found, "-c", "print -rn -- $'\\0'\"$ZDOTDIR\""],
            env={name: value for name, value in environ.items() if name != "D8_RPP_TOKEN"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_ZSH_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # a start-up file hangs; assume that ZDOTDIR is not set
    chosen = os.fsdecode(done.stdout.rpartition(b"\0")[2])
    return chosen if os.path.isabs(chosen) and chosen != home else ""


def _of_csh(home: str, shell: str) -> Iterator[_Candidate]:
    """Yield the files of csh and tcsh. A tcsh that has ``.tcshrc`` does not read ``.cshrc`` (tcsh(1))."""
    tcshrc, cshrc = os.path.join(home, ".tcshrc"), os.path.join(home, ".cshrc")
    is_csh = shell in {"csh", "tcsh"}
    yield _Candidate("tcsh", tcshrc, wanted=os.path.lexists(tcshrc))
    yield _Candidate("tcsh", cshrc, wanted=os.path.lexists(cshrc) or (is_csh and not os.path.lexists(tcshrc)))


def _of_fish(environ: Mapping[str, str], home: str, shell: str) -> Iterator[_Candidate]:
    """Yield our own file in conf.d: ``fish_add_path`` would write to fish_user_paths, which comes before PATH."""
    chosen = os.path.join(os.path.dirname(config_directory(environ)), "fish")
    wanted = shell == "fish" or os.path.isdir(chosen)
    yield _Candidate("fish", os.path.join(chosen, "conf.d", "d8-installer.fish"), wanted)
    yield _Candidate("fish", os.path.join(home, ".config", "fish", "conf.d", "d8-installer.fish"), wanted=False)


def _of_machine() -> Iterator[_Candidate]:
    """Yield the machine's files, for the shells that are installed. zsh and csh do not read profile.d."""
    yield _Candidate("sh", os.path.join(ETC, "profile.d", "d8-installer.sh"), wanted=True)
    for name in ("zsh/zshenv", "zshenv"):
        path = os.path.join(ETC, name)
        yield _Candidate("sh", path, wanted=os.path.isfile(path))
    cshrc = os.path.join(ETC, "csh.cshrc")
    yield _Candidate("tcsh", cshrc, wanted=os.path.isfile(cshrc))
    fish = os.path.join(ETC, "fish")
    yield _Candidate("fish", os.path.join(fish, "conf.d", "d8-installer.fish"), wanted=os.path.isdir(fish))


def add_line(file: StartUpFile, *, dry_run: bool = False) -> bool:
    """Add the line, and return True; return False if the file has it already. In a *dry_run* nothing is written.

    If the file is read-only or cannot be written for another reason, raise DiskError; if another user owns it, raise
    NotAllowedError.
    """
    text = _text(file)
    changed = with_line(text, file.line, file.older, _absent_above(file.path), command=file.command)
    if changed is None:
        return False
    _refuse_unwritable(file.path)
    if not dry_run:
        _save(file.path, changed)
    return True


def has_line(file: StartUpFile) -> bool:
    """Whether the file has what ``add_line`` wrote, in this version or an earlier one."""
    text = _text(file) if os.path.isfile(file.path) else None
    return text is not None and _without(file, text) != text


def has_older_line(file: StartUpFile) -> bool:
    """Whether the file has the line that earlier versions wrote. A file that cannot be read counts as one without."""
    text = _text(file) if os.path.isfile(file.path) and os.access(file.path, os.R_OK) else None
    return text is not None and file.older in text.split("\n")


def refusal_of(file: StartUpFile) -> str | None:
    """Return why ``has_line`` or ``remove_line`` would be refused, or None."""
    try:
        if has_line(file):
            _refuse_unwritable(file.path)
    except (DiskError, NotAllowedError) as error:
        return error.message
    return None


def goes_whole(file: StartUpFile) -> bool:
    """Whether ``remove_line`` would remove the file, which ``add_line`` made."""
    text = _text(file)
    return text is not None and _without(file, text) is None


def remove_line(file: StartUpFile) -> None:
    """Remove what ``add_line`` wrote, and the file and its directories if it made them and nothing else is there.

    Raise what ``add_line`` raises.
    """
    text = _text(file)
    without = None if text is None else _without(file, text)
    if text is None or without == text:
        return
    _refuse_unwritable(file.path)
    if without is not None:
        _save(file.path, without)
        return
    has_older = has_older_line(file) and file.path.endswith(".fish")
    fs.remove(file.path)
    # Earlier versions did not record how many they made: perhaps conf.d, and the directory of fish.
    made = directories_made(text) or (2 if has_older else 0)
    directory = os.path.dirname(file.path)
    for _ in range(made):
        fs.remove_if_empty(directory)
        directory = os.path.dirname(directory)


def _without(file: StartUpFile, text: str) -> str | None:
    return without_lines(text, (file.line, file.older))


def _absent_above(path: str) -> int:
    count, directory = 0, os.path.dirname(path)
    while not os.path.lexists(directory):
        count, directory = count + 1, os.path.dirname(directory)
    return count


def _text(file: StartUpFile) -> str | None:
    raw = fs.read(file.path, limit=_LIMIT)
    return None if raw is None else raw.decode("utf-8", "surrogateescape")


def _refuse_unwritable(path: str) -> None:
    mode = status.mode(os.path.realpath(path))
    if sys.platform == "win32" or mode is None:
        return
    if status.owner(path) != os.geteuid():
        raise NotAllowedError(f"cannot write {path}: another user owns it", code="other-users-files")
    if not mode & 0o200:  # root could write it anyway, but someone wants it unchanged
        raise DiskError(f"cannot write {path}: it is read-only", code="permission-denied")


def _save(path: str, text: str) -> None:
    """Replace the file in one rename, and keep its mode.

    A file is overwritten instead if a rename is not possible or would change more than its text: if it has hard links,
    is a mount point, or is in a directory that cannot be written to.
    """
    data, real = text.encode("utf-8", "surrogateescape"), os.path.realpath(path)
    if os.path.isfile(real) and (
        os.stat(real).st_nlink > 1 or os.path.ismount(real) or not os.access(os.path.dirname(real), os.W_OK)
    ):
        fs.overwrite(real, data)
        return
    fs.replace_file(path, data, mode=0o644 if (mode := status.mode(real)) is None else mode & 0o777)
