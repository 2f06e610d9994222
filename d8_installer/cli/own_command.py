"""How this program is called on this machine: in a hint, `` `d8-installer …` `` becomes a command that works.

If only a plugin was installed (pipx, uv tool), ``d8-installer`` is not on PATH: the script lies in the plugin's
environment. Hints say ``d8-installer`` everywhere, and are changed here when they are shown.
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
    """Return *text* with ``d8-installer`` replaced wherever it is a command in backticks, if it is not on PATH.

    Only the first word of a command is replaced: `` `pipx inject d8-installer d8-toy` `` stays.
    """
    if "`" not in text:
        return text
    if NAME in text and "`" in text[: text.rfind(NAME)]:
        word = command_word(os.environ)
        text = text if word == NAME else _replaced(text, word)
    return _called(text) if sys.platform == "win32" and '`"' in text else text


def typeable_hints(value: object) -> object:
    """Return a JSON value with every text under the keys ``hint`` and ``message`` made typeable."""
    if isinstance(value, dict):
        return {key: _typeable_field(key, field) for key, field in value.items()}
    if isinstance(value, (list, tuple)):
        return [typeable_hints(one) for one in value]
    return value


def _typeable_field(key: object, field: object) -> object:
    return typeable(field) if key in {"hint", "message"} and isinstance(field, str) else typeable_hints(field)


def _called(text: str) -> str:
    """Return *text* for the person's shell of Windows, which may want a call operator before a quoted program."""
    from d8_installer.model.shell_words import called
    from d8_installer.pipeline.parent_shell import shell_of_person

    return called(text) if shell_of_person(os.environ) == "powershell" else text


def command_word(environ: Mapping[str, str]) -> str:
    """Return what to type instead of ``d8-installer``, quoted for the shells of this system."""
    if _is_on_path(environ.get("PATH", "")) or not sys.executable:
        return NAME
    from d8_installer.model.shell_words import joined

    library = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    script = _script(library)
    if script is not None:
        return joined([script])
    if _is_importable(library):
        return joined([sys.executable, "-P", "-m", "d8_installer"])
    # `pip --target` and `--prefix`: no Python knows that directory by itself
    if os.name == "posix":
        return joined(["env", f"PYTHONPATH={library}", sys.executable, "-P", "-m", "d8_installer"])
    # a variable for one command is spelled differently in cmd.exe and PowerShell
    place = library.replace("\\", "\\\\").replace("'", "\\x27")
    code = f"import sys; sys.path[:0] = ['{place}']; from d8_installer.cli.main import main; main()"
    return joined([sys.executable, "-P", "-c", code])


def program_file() -> str | None:
    """Return the path of this installation's console script, or None if it has none that can be found."""
    return _script(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def _replaced(text: str, word: str) -> str:
    """Replace the command word in the parts of *text* between backticks: at the beginning, after ``$(``, ``|``, …"""
    import re

    command = re.compile(rf"(^|[(|&;]\s*'?|\bsudo\s+){NAME}(?=[\s)]|$)")
    parts = text.split("`")
    for number in range(1, len(parts) - 1, 2):
        parts[number] = command.sub(lambda match: f"{match[1]}{word}", parts[number])
    return "`".join(parts)


def _is_on_path(path: str) -> bool:
    name = f"{NAME}.exe" if os.name == "nt" else NAME
    directories = (directory.strip('"') if os.name == "nt" else directory for directory in path.split(os.pathsep))
    return any(_runs(os.path.join(directory, name)) for directory in directories if directory)


def _runs(path: str) -> bool:
    """Return whether *path* is a program that can run: the Python of a script may have been removed."""
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
    """Return the console script of this installation: the running one, or the one beside its Python."""
    if not _is_importable(library):
        return None
    called = _started_script()
    if os.path.basename(called).lower() in {NAME, f"{NAME}.exe"} and _runs(called):
        return called
    if sys.prefix == sys.base_prefix:  # there it may be another installation's
        return None
    beside = os.path.join(os.path.dirname(sys.executable), f"{NAME}.exe" if os.name == "nt" else NAME)
    return beside if _runs(beside) else None


def _started_script() -> str:
    """Return the path of the script that was started.

    On Windows that is an .exe with the script in it, by which it names itself: ``…\\d8-installer.exe\\__main__.py``;
    the launchers of some installers leave ``.exe`` out of it.
    """
    called = os.path.abspath(sys.argv[0])
    if os.name != "nt":
        return called
    if os.path.basename(called) == "__main__.py":
        called = os.path.dirname(called)
    return called if called.lower().endswith(".exe") else f"{called}.exe"


def _is_importable(library: str) -> bool:
    """Return whether Python finds this package in *library* without PYTHONPATH or code that changes ``sys.path``."""
    import site

    known = [*site.getsitepackages(), site.getusersitepackages()]
    is_work_tree = os.path.exists(os.path.join(library, "pyproject.toml"))  # an editable install, known by a .pth file
    return is_work_tree or os.path.realpath(library) in map(os.path.realpath, known)
