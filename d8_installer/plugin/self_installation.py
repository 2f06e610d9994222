"""How d8-installer itself is installed, and the commands that add packages to its environment or remove it.

All hints about a missing extra or plugin come from here. The files that managers leave in an environment are read, and
nothing is run. Only error paths and ``self uninstall`` import this module.
"""

from __future__ import annotations

import os
import site
import sys
import tomllib
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import d8_installer
from d8_installer import INSTALL_SOURCE
from d8_installer.model.address import shown
from d8_installer.model.shell_words import joined
from d8_installer.model.value import Struct
from d8_installer.plugin.environments import libraries_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME = "d8-installer"


class Installation(Struct, frozen=True, kw_only=True):
    """The environment that d8-installer is installed in. ``library`` is the directory that it is imported from.

    ``is_virtual`` says whether the prefix is a virtual environment, and ``has_pip`` whether its Python can run pip. In
    environments that uv makes, it cannot.
    """

    prefix: str
    python: str
    library: str
    is_virtual: bool
    has_pip: bool = True

    @property
    def manager(self) -> Literal["pipx", "uv tool", "pip"]:
        """Return the manager that made the environment, by the file that it leaves there."""
        if os.path.isfile(os.path.join(self.prefix, "pipx_metadata.json")):
            return "pipx"
        return "uv tool" if os.path.isfile(self.receipt) else "pip"

    @property
    def receipt(self) -> str:
        """Return the file in which ``uv tool`` records the requirements of the environment."""
        return os.path.join(self.prefix, "uv-receipt.toml")

    @property
    def name(self) -> str:
        """Return the environment's name for pipx and uv: d8-installer, or the plugin that depends on it."""
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
    """Return what to type to install *extra* (of ``pyproject.toml``)."""
    return f"type `{to_add_extra(running(), extra)}`"


def to_add_extra(tool: Installation, extra: str) -> str:
    """Return the command that adds an extra.

    It names the packages of the extra rather than ``d8-installer[extra]``, so that d8-installer need not be found
    again.
    """
    return to_add(tool, *(_packages_of(extra) or (f"{INSTALL_SOURCE}[{extra}]",)))


def to_add(tool: Installation, *packages: str) -> str:
    """Return the command that adds *packages* (requirements) to the environment of d8-installer."""
    if tool.manager == "pipx":
        scope = ["--global"] if _is_global_pipx(tool) else []
        return joined(["pipx", "inject", *scope, tool.name, *packages])
    reinstall = _uv_reinstall(tool) if tool.manager == "uv tool" else None
    if reinstall is not None:
        return joined([*reinstall, *_repeated("--with", packages)])
    if not tool.has_pip:
        return joined(["uv", "pip", "install", "--python", tool.python, *packages])
    return joined([tool.python, "-m", "pip", "install", *_target_options(tool), *packages])


def to_remove(tool: Installation) -> str:
    """Return the command that removes the Python package, and with pipx and uv its environment."""
    if tool.manager == "pipx":
        scope = ["--global"] if _is_global_pipx(tool) else []
        return joined(["pipx", "uninstall", *scope, tool.name])
    if tool.manager == "uv tool":
        return joined(["uv", "tool", "uninstall", tool.name])
    if not tool.has_pip:
        return joined(["uv", "pip", "uninstall", "--python", tool.python, NAME])
    return joined([tool.python, "-m", "pip", "uninstall", NAME])


def to_upgrade(tool: Installation) -> str:
    """Return the command that puts a newer version in the place of this one."""
    is_registered = INSTALL_SOURCE == NAME  # else a bare name would bring what a stranger registers
    source = NAME if is_registered else "WHEEL"
    if tool.manager == "pipx":
        scope = ["--global"] if _is_global_pipx(tool) else []
        again = ["upgrade", *scope, NAME] if is_registered else ["install", "--force", *scope, source]
        inside = ["runpip", *scope, tool.name, "install", "--upgrade", source]
        return joined(["pipx", *(again if tool.name == NAME else inside)])
    if tool.manager == "uv tool" and tool.name == NAME:
        return joined(["uv", "tool", *(["upgrade", NAME] if is_registered else ["install", "--force", source])])
    if not tool.has_pip:
        return joined(["uv", "pip", "install", "--python", tool.python, "--upgrade", source])
    return joined([tool.python, "-m", "pip", "install", "--upgrade", *_target_options(tool), source])


def _packages_of(extra: str) -> tuple[str, ...]:
    """Return the requirements that *extra* adds on this machine, by the metadata of d8-installer, if there is any."""
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
    """Whether ``pipx install --global`` made it: it is below PIPX_GLOBAL_HOME or its default."""
    global_home = os.environ.get("PIPX_GLOBAL_HOME") or "/opt/pipx"
    return os.path.dirname(tool.prefix) == os.path.join(global_home, "venvs")


def _uv_reinstall(tool: Installation) -> list[str] | None:
    """Return the ``uv tool install`` that repeats the recorded requirements, to be extended; None if it might fail.

    ``uv tool install`` replaces earlier requirements, so all of them are repeated. It fails if a local file is gone. A
    bare name might be found on another index now (see ``INSTALL_SOURCE``).
    """
    try:
        with open(tool.receipt, "rb") as file:
            receipt = tomllib.load(file)["tool"]
        first, *others = receipt["requirements"]
        options = ["--python", str(receipt["python"])] if "python" in receipt else []
        options += ["--editable"] if "editable" in first else []
        requirements = [_uv_requirement(entry) for entry in (first, *others)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # damaged, or written by another version of uv
    if None in requirements:
        return None
    source, *additional = map(str, requirements)
    return ["uv", "tool", "install", "--force", *options, source, *_repeated("--with", additional)]


def _uv_requirement(entry: Mapping[str, Any]) -> str | None:
    """Return a requirement of uv's receipt as it is typed, or None if that could find something else or nothing."""
    name, extras = entry["name"], f"[{','.join(entry['extras'])}]" if "extras" in entry else ""
    local = next((entry[kind] for kind in ("path", "directory", "editable") if kind in entry), None)
    if local is not None:
        return f"{local}{extras}" if os.path.exists(local) else None
    remote = entry.get("url") or entry.get("git")
    if remote is not None:  # a command with a password in it would show the password
        return f"{name}{extras} @ {remote}" if "url" in entry and shown(remote) == remote else None
    return None if name == NAME != INSTALL_SOURCE else f"{name}{extras}{entry.get('specifier', '')}"


def _repeated(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _target_options(tool: Installation) -> list[str]:
    """Return the options that make pip use the library of d8-installer, if it is not the interpreter's own."""
    if tool.is_virtual or tool.library in libraries_of(tool.prefix):
        return []
    if tool.library == site.getusersitepackages():
        return ["--user"]
    is_checkout = os.path.isfile(os.path.join(tool.library, "pyproject.toml"))
    return [] if is_checkout else ["--target", tool.library]
