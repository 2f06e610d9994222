"""How this tool was installed: by which manager and from where; what to type to add to it, or to remove it.

Every hint about a missing extra or plugin comes from here. The files that managers leave in an environment are read,
and nothing is run. Only error paths and ``self uninstall`` import this module.
"""

from __future__ import annotations

import os
import shlex
import site
import sys
import tomllib
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import d8_installer
from d8_installer import INSTALL_SOURCE
from d8_installer.model.address import shown
from d8_installer.model.value import Struct
from d8_installer.plugin.environments import libraries_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME = "d8-installer"


class Installation(Struct, frozen=True, kw_only=True):
    """An environment that has this tool in it.

    ``library``: the directory that the package is imported from. ``is_virtual``: the prefix is a virtual environment.
    ``has_pip``: that Python can run pip; in environments that uv makes it cannot.
    """

    prefix: str
    python: str
    library: str
    is_virtual: bool
    has_pip: bool = True

    @property
    def manager(self) -> Literal["pipx", "uv tool", "pip"]:
        """Which manager the environment belongs to, by the file that each leaves in it."""
        if os.path.isfile(os.path.join(self.prefix, "pipx_metadata.json")):
            return "pipx"
        return "uv tool" if os.path.isfile(self.receipt) else "pip"

    @property
    def receipt(self) -> str:
        """Where ``uv tool`` writes down what the environment was asked to hold."""
        return os.path.join(self.prefix, "uv-receipt.toml")

    @property
    def name(self) -> str:
        """What pipx and uv call the environment: this tool's name, or that of a plugin that brought the tool along."""
        parent, name = os.path.split(self.prefix)
        return name if os.path.basename(parent) in {"venvs", "tools"} else NAME


def running() -> Installation:
    """Return the installation that this process runs from."""
    library = os.path.dirname(os.path.dirname(os.path.abspath(d8_installer.__file__)))
    has_pip = find_spec("pip") is not None
    return Installation(
        prefix=sys.prefix,
        python=sys.executable,
        library=library,
        is_virtual=sys.prefix != sys.base_prefix,
        has_pip=has_pip,
    )


def hint_for_extra(extra: str) -> str:
    """Return what to type for this tool to have *extra* (of ``pyproject.toml``)."""
    return f"type `{to_add_extra(running(), extra)}`"


def to_add_extra(tool: Installation, extra: str) -> str:
    """Return the command that adds an extra.

    The packages of the extra are named, and not ``d8-installer[extra]``: the tool itself need not be found again.
    """
    return to_add(tool, *(_packages_of(extra) or (f"{INSTALL_SOURCE}[{extra}]",)))


def to_add(tool: Installation, *packages: str) -> str:
    """Return the command that adds *packages* (requirements) to the environment of this tool."""
    if tool.manager == "pipx":
        everybody = ["--global"] if _is_global_pipx(tool) else []
        return shlex.join(["pipx", "inject", *everybody, tool.name, *packages])
    again = _uv_again(tool) if tool.manager == "uv tool" else None
    if again is not None:
        return shlex.join([*again, *_repeated("--with", packages)])
    if not tool.has_pip:
        return shlex.join(["uv", "pip", "install", "--python", tool.python, *packages])
    return shlex.join([tool.python, "-m", "pip", "install", *_place(tool), *packages])


def to_remove(tool: Installation) -> str:
    """Return the command that removes the Python package, and with pipx and uv its environment."""
    if tool.manager == "pipx":
        everybody = ["--global"] if _is_global_pipx(tool) else []
        return shlex.join(["pipx", "uninstall", *everybody, tool.name])
    if tool.manager == "uv tool":
        return shlex.join(["uv", "tool", "uninstall", tool.name])
    if not tool.has_pip:
        return shlex.join(["uv", "pip", "uninstall", "--python", tool.python, NAME])
    return shlex.join([tool.python, "-m", "pip", "uninstall", NAME])


def _packages_of(extra: str) -> tuple[str, ...]:
    """Return the requirements that *extra* adds on this machine, by the metadata of this tool; empty without any."""
    from packaging.requirements import Requirement

    try:
        every = [Requirement(text) for text in metadata.requires(NAME) or ()]
    except metadata.PackageNotFoundError:
        return ()
    found = []
    for one in every:
        marker, one.marker = one.marker, None
        if marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            found.append(str(one))
    return tuple(found)


def _is_global_pipx(tool: Installation) -> bool:
    """Whether it is of ``pipx install --global``: below PIPX_GLOBAL_HOME, or its default."""
    everybody = os.environ.get("PIPX_GLOBAL_HOME") or "/opt/pipx"
    return os.path.dirname(tool.prefix) == os.path.join(everybody, "venvs")


def _uv_again(tool: Installation) -> list[str] | None:
    """Return the ``uv tool install`` that asks for what is there, and may be added to; None if it could fail.

    ``uv tool install`` replaces what was asked for before, so all of it is named again. It fails where a file is gone.
    A tool that came from an index by its bare name could come from another one now (see ``INSTALL_SOURCE``).
    """
    try:
        with open(tool.receipt, "rb") as file:
            said = tomllib.load(file)["tool"]
        first, *others = said["requirements"]
        words = ["--python", str(said["python"])] if "python" in said else []
        words += ["--editable"] if "editable" in first else []
        needed = [_uv_requirement(entry) for entry in (first, *others)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # damaged, or of another uv
    if None in needed:
        return None
    source, *beside = map(str, needed)
    return ["uv", "tool", "install", "--force", *words, source, *_repeated("--with", beside)]


def _uv_requirement(entry: Mapping[str, Any]) -> str | None:
    """Return a requirement of uv's receipt as it is typed; None where that could find something else, or nothing."""
    name, extras = entry["name"], f"[{','.join(entry['extras'])}]" if "extras" in entry else ""
    local = next((entry[kind] for kind in ("path", "directory", "editable") if kind in entry), None)
    if local is not None:
        return f"{local}{extras}" if os.path.exists(local) else None
    remote = entry.get("url") or entry.get("git")
    if remote is not None:  # where a password is in it, the command would show it
        return f"{name}{extras} @ {remote}" if "url" in entry and shown(remote) == remote else None
    return None if name == NAME != INSTALL_SOURCE else f"{name}{extras}{entry.get('specifier', '')}"


def _repeated(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _place(tool: Installation) -> list[str]:
    """Return the options by which pip installs beside this tool, where that is not the interpreter's own library."""
    if tool.is_virtual or tool.library in libraries_of(tool.prefix):
        return []
    if tool.library == site.getusersitepackages():
        return ["--user"]
    is_checkout = os.path.isfile(os.path.join(tool.library, "pyproject.toml"))
    return [] if is_checkout else ["--target", tool.library]
