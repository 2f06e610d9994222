"""The start-up files of a person's shells, and those of the whole machine: which there are, and writing to them."""

from __future__ import annotations

import os
import subprocess
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
"""Where the start-up files of the whole machine are."""
_LIMIT = 4 << 20
_ZSH_SECONDS = 5.0


class StartUpFile(Struct, frozen=True, kw_only=True):
    """A file that a shell reads, and our line in it; ``wanted``: ``ensurepath`` writes it.

    ``older`` is the line that earlier versions wrote.
    """

    path: str
    line: str
    older: str
    wanted: bool = True


def start_up_files(session: Session, directory: str) -> Iterator[StartUpFile]:
    """Yield the files that may have *directory* on PATH: the machine's with ``--global``, else the person's own."""
    if session.scope.is_global:
        yield from _of_machine(directory)
        return
    home = home_directory(session.scope.environ)
    shell = os.path.basename(session.scope.environ.get("SHELL", ""))
    seen = set()
    for name, file, wanted in (
        *_of_sh(home, shell),
        *_of_zsh(session.scope.environ, home, shell),
        *_of_csh(home, shell),
        *_of_fish(session.scope.environ, home, shell),
    ):
        if file not in seen:
            seen.add(file)
            yield _file(name, file, directory, wanted=wanted)


def _file(shell: str, path: str, directory: str, *, wanted: bool = True) -> StartUpFile:
    return StartUpFile(
        path=path, line=last_on_path(shell, directory), older=older_last_on_path(shell, directory), wanted=wanted
    )


def _of_sh(home: str, shell: str) -> Iterator[tuple[str, str, bool]]:
    """A login bash reads the first that there is of .bash_profile, .bash_login and .profile (bash(1), INVOCATION)."""
    profile, login, rc = (os.path.join(home, name) for name in (".bash_profile", ".bash_login", ".bashrc"))
    yield "sh", os.path.join(home, ".profile"), True
    yield "sh", profile, os.path.lexists(profile)
    yield "sh", login, os.path.lexists(login) and not os.path.exists(profile)
    yield "sh", rc, shell == "bash" or os.path.lexists(rc)


def _of_zsh(environ: Mapping[str, str], home: str, shell: str) -> Iterator[tuple[str, str, bool]]:
    """Every zsh reads .zshenv, so that one that is not a terminal's has PATH, too; .zshrc mends what comes in between.

    ZDOTDIR may be set in ~/.zshenv, which is then the one that is read; all else is read from ZDOTDIR (zsh(1), FILES).
    """
    exported = environ.get("ZDOTDIR", "")
    chosen = exported if os.path.isabs(exported) else _chosen_by_zsh(environ, home)
    own = os.path.join(home, ".zshenv")
    env = own if os.path.lexists(own) or not chosen else os.path.join(chosen, ".zshenv")
    rc = os.path.join(chosen or home, ".zshrc")
    wanted = shell == "zsh" or any(map(os.path.lexists, (own, env, rc)))
    yield "sh", env, wanted
    yield "sh", rc, wanted
    for name in (".zshenv", ".zshrc"):  # another ZDOTDIR may have counted when they were written
        yield "sh", os.path.join(home, name), False


def _chosen_by_zsh(environ: Mapping[str, str], home: str) -> str:
    """Return the ZDOTDIR that zsh's own start-up files set, as zsh says it; "" for none. rustup asks the same way."""
    shell = environ.get("SHELL", "")
    program = shell if os.path.basename(shell) == "zsh" else "zsh"
    found = which(program, path=environ.get("PATH", os.defpath))
    if found is None or is_foreign(home):  # root runs no code of another person
        return ""
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
        return ""  # a start-up file that waits for something: what zsh does without ZDOTDIR is the best guess
    chosen = os.fsdecode(done.stdout.rpartition(b"\0")[2])
    return chosen if os.path.isabs(chosen) and chosen != home else ""


def _of_csh(home: str, shell: str) -> Iterator[tuple[str, str, bool]]:
    """A tcsh that finds ``.tcshrc`` does not read ``.cshrc`` (tcsh(1), Startup and shutdown)."""
    tcshrc, cshrc = os.path.join(home, ".tcshrc"), os.path.join(home, ".cshrc")
    is_typed = shell in {"csh", "tcsh"}
    yield "tcsh", tcshrc, os.path.lexists(tcshrc)
    yield "tcsh", cshrc, os.path.lexists(cshrc) or (is_typed and not os.path.lexists(tcshrc))


def _of_fish(environ: Mapping[str, str], home: str, shell: str) -> Iterator[tuple[str, str, bool]]:
    """A file of ours in conf.d: ``fish_add_path`` would write into fish_user_paths, which stands before PATH."""
    chosen = os.path.join(os.path.dirname(config_directory(environ)), "fish")
    yield "fish", os.path.join(chosen, "conf.d", "d8-installer.fish"), shell == "fish" or os.path.isdir(chosen)
    yield "fish", os.path.join(home, ".config", "fish", "conf.d", "d8-installer.fish"), False


def _of_machine(directory: str) -> Iterator[StartUpFile]:
    """Those of the shells that are here. zsh and csh do not read profile.d."""
    yield _file("sh", os.path.join(ETC, "profile.d", "d8-installer.sh"), directory)
    for name in ("zsh/zshenv", "zshenv"):
        file = os.path.join(ETC, name)
        yield _file("sh", file, directory, wanted=os.path.isfile(file))
    cshrc = os.path.join(ETC, "csh.cshrc")
    yield _file("tcsh", cshrc, directory, wanted=os.path.isfile(cshrc))
    fish = os.path.join(ETC, "fish")
    file = os.path.join(fish, "conf.d", "d8-installer.fish")
    yield _file("fish", file, directory, wanted=os.path.isdir(fish))


def add_line(file: StartUpFile) -> bool:
    """Add the line, unless it is there; returns whether it was not.

    DiskError where the file is read-only, or cannot be written for another reason; NotAllowedError where another user
    owns it.
    """
    text = _text(file)
    changed = with_line(text, file.line, file.older, _absent_above(file.path))
    if changed is None:
        return False
    _refuse_unwritable(file.path)
    _save(file.path, changed)
    return True


def has_line(file: StartUpFile) -> bool:
    """Whether the file has what ``add_line`` wrote, in this version or an earlier one."""
    text = _text(file) if os.path.isfile(file.path) else None
    return text is not None and _without(file, text) != text


def has_older_line(file: StartUpFile) -> bool:
    """Whether the file has the line that earlier versions wrote; one that cannot be read does not tell."""
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
    """Take out what ``add_line`` wrote; the file and its directories, too, if it made them and nothing else is there.

    Raises what ``add_line`` raises.
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
    # Earlier versions did not count: the directory conf.d and that of fish may have been made for it.
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
    if mode is None or os.name != "posix":
        return
    if status.owner(path) != os.geteuid():
        raise NotAllowedError(f"cannot write {path}: another user owns it")
    if not mode & 0o200:  # root could write it all the same, but somebody has said that it stays as it is
        raise DiskError(f"cannot write {path}: it is read-only")


def _save(path: str, text: str) -> None:
    """Replace the file in one rename, with the mode it has. One that would change by a rename is written to.

    Which are: a file with other names (hard links), and one that is mounted by itself, or lies in a directory that is
    not ours to write to.
    """
    data, real = text.encode("utf-8", "surrogateescape"), os.path.realpath(path)
    if os.path.isfile(real) and (
        os.stat(real).st_nlink > 1 or os.path.ismount(real) or not os.access(os.path.dirname(real), os.W_OK)
    ):
        fs.overwrite(real, data)
        return
    fs.replace_file(path, data, mode=0o644 if (mode := status.mode(real)) is None else mode & 0o777)
