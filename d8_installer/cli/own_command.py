"""How this program is typed on this machine: in a hint, `` `d8-installer …` `` becomes a command that works.

A person who installed only a plugin (pipx, uv tool) has no ``d8-installer`` on PATH: its script lies in the plugin's
environment. Hints are written with ``d8-installer`` everywhere, and changed here, when they are shown.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "d8-installer"
_HEAD_BYTES = 512


def typeable(text: str) -> str:
    """Return *text* with each ``d8-installer`` that a pair of backticks holds as a command replaced, if it has to be.

    Only the word where a command begins is replaced: `` `pipx inject d8-installer d8-toy` `` stays.
    """
    if "`" not in text or NAME not in text or "`" not in text[: text.rfind(NAME)]:
        return text
    word = command_word(os.environ)
    return text if word == NAME else _replaced(text, word)


def typeable_hints(value: object) -> object:
    """Return a JSON value with the same done to every text under the keys ``hint`` and ``message``."""
    if isinstance(value, dict):
        return {key: _typeable_field(key, field) for key, field in value.items()}
    if isinstance(value, (list, tuple)):
        return [typeable_hints(one) for one in value]
    return value


def _typeable_field(key: object, field: object) -> object:
    return typeable(field) if key in {"hint", "message"} and isinstance(field, str) else typeable_hints(field)


def command_word(environ: Mapping[str, str]) -> str:
    """Return what a person types in place of ``d8-installer``, quoted for a POSIX shell."""
    if _is_on_path(environ.get("PATH", "")) or not sys.executable:
        return NAME
    library = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    script = _script(library)
    if script is not None:
        return _quoted(script)
    if _is_importable(library):
        return f"{_quoted(sys.executable)} -P -m d8_installer"
    # `pip --target` and `--prefix`: no Python knows that directory by itself
    return f"env PYTHONPATH={_quoted(library)} {_quoted(sys.executable)} -P -m d8_installer"


def _replaced(text: str, word: str) -> str:
    """Replace the command word in the parts of *text* between backticks: at their beginning, after ``$(``, ``|``, …"""
    import re

    command = re.compile(rf"(^|[(|&;]\s*|\bsudo\s+){NAME}(?=[\s)]|$)")
    parts = text.split("`")
    for number in range(1, len(parts) - 1, 2):
        parts[number] = command.sub(lambda match: f"{match[1]}{word}", parts[number])
    return "`".join(parts)


def _is_on_path(path: str) -> bool:
    names = (NAME, f"{NAME}.exe") if os.name == "nt" else (NAME,)
    return any(
        _runs(os.path.join(directory, name)) for directory in path.split(os.pathsep) if directory for name in names
    )


def _runs(path: str) -> bool:
    """Whether *path* is a program; a script of a Python that was removed is none."""
    if not (os.access(path, os.X_OK) and os.path.isfile(path)):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return True
    interpreter = head[2:].split(b"\n")[0].split() if head.startswith(b"#!") else []
    return not interpreter or os.path.exists(interpreter[0])


def _script(library: str) -> str | None:
    """Return the console script of this very installation: the one that runs now, or the one beside its Python."""
    if not _is_importable(library):
        return None
    called = os.path.abspath(sys.argv[0])
    if os.path.basename(called) in {NAME, f"{NAME}.exe"} and _runs(called):
        return called
    if sys.prefix == sys.base_prefix:  # there it may be another installation's
        return None
    beside = os.path.join(os.path.dirname(sys.executable), f"{NAME}.exe" if os.name == "nt" else NAME)
    return beside if _runs(beside) else None


def _is_importable(library: str) -> bool:
    """Whether a bare Python finds this package in *library*: neither PYTHONPATH nor a line of code leads to it."""
    import site

    known = [*site.getsitepackages(), site.getusersitepackages()]
    is_work_tree = os.path.exists(os.path.join(library, "pyproject.toml"))  # an editable install, known by a .pth file
    return is_work_tree or os.path.realpath(library) in map(os.path.realpath, known)


def _quoted(path: str) -> str:
    if os.name == "nt":
        return f'"{path}"' if " " in path else path
    import shlex

    return shlex.quote(path)
