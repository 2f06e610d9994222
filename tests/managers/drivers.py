"""The fast managers behind one face: what a person types to install, upgrade, reinstall, add beside, uninstall.

Each is one class; the tests say what must hold after each line. PDM, Poetry and Hatch work on projects and have
tests of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tests.managers.wheelhouse import PYTHON, tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.managers.machine import Machine


class Manager(Protocol):
    """One way of installing Python packages on a machine."""

    def install(self, plugin: str) -> None:
        """Install *plugin* for the first time."""

    def upgrade(self, plugin: str) -> None:
        """Go to the newest version."""

    def reinstall(self, plugin: str) -> None:
        """Install the same version anew."""

    def add(self, plugin: str, extra: str) -> None:
        """Put *extra* into the environment that *plugin* is in."""

    def uninstall(self, plugin: str, extra: str) -> None:
        """Take both away."""

    def command(self, name: str) -> Path:
        """Return where a person finds the command *name* of an installed plugin."""


@dataclass
class Pip:
    """``pip`` in a virtual environment."""

    machine: Machine

    def __post_init__(self) -> None:
        uv = tool("uv") / "uv"  # makes in a moment what `python -m venv` makes in seconds
        self.machine.does(uv, "venv", "--python", PYTHON, self._venv)
        self.machine.does(uv, "pip", "install", "--python", self._venv, "pip")

    @property
    def _venv(self) -> Path:
        return self.machine.home / "venv"

    def install(self, plugin: str) -> None:
        self._pip("install", plugin)

    def upgrade(self, plugin: str) -> None:
        self._pip("install", "--upgrade", plugin)

    def reinstall(self, plugin: str) -> None:
        self._pip("install", "--force-reinstall", "--no-deps", plugin)

    def add(self, plugin: str, extra: str) -> None:
        self._pip("install", extra)

    def uninstall(self, plugin: str, extra: str) -> None:
        self._pip("uninstall", "--yes", plugin, extra)

    def command(self, name: str) -> Path:
        return self._venv / "bin" / name

    def _pip(self, *arguments: str) -> None:
        self.machine.does(self._venv / "bin/pip", *arguments)


@dataclass
class UvPip:
    """``uv pip`` in a virtual environment that has no pip."""

    machine: Machine

    def __post_init__(self) -> None:
        self.machine.put_on_path(tool("uv") / "uv")
        self.machine.does("uv", "venv", "--python", PYTHON, self._venv)

    @property
    def _venv(self) -> Path:
        return self.machine.home / "venv"

    def install(self, plugin: str) -> None:
        self._pip("install", plugin)

    def upgrade(self, plugin: str) -> None:
        self._pip("install", "--upgrade", plugin)

    def reinstall(self, plugin: str) -> None:
        self._pip("install", "--reinstall-package", plugin, plugin)

    def add(self, plugin: str, extra: str) -> None:
        self._pip("install", extra)

    def uninstall(self, plugin: str, extra: str) -> None:
        self._pip("uninstall", plugin, extra)

    def command(self, name: str) -> Path:
        return self._venv / "bin" / name

    def _pip(self, verb: str, *arguments: str) -> None:
        self.machine.does("uv", "pip", verb, "--python", self._venv, *arguments)


@dataclass
class Pipx:
    """pipx with one of its back ends."""

    machine: Machine
    backend: str

    def __post_init__(self) -> None:
        self.machine.put_on_path(tool("pipx") / "pipx")
        self.machine.variables["PIPX_DEFAULT_BACKEND"] = self.backend
        if self.backend == "uv":
            self.machine.put_on_path(tool("uv") / "uv")

    def install(self, plugin: str) -> None:
        self.machine.does("pipx", "install", plugin)

    def upgrade(self, plugin: str) -> None:
        self.machine.does("pipx", "upgrade", plugin)

    def reinstall(self, plugin: str) -> None:
        self.machine.does("pipx", "reinstall", plugin)

    def add(self, plugin: str, extra: str) -> None:
        self.machine.does("pipx", "inject", plugin, extra)

    def uninstall(self, plugin: str, extra: str) -> None:
        self.machine.does("pipx", "uninstall", plugin)

    def command(self, name: str) -> Path:
        return self.machine.local_bin / name


@dataclass
class UvTool:
    """``uv tool``."""

    machine: Machine

    def __post_init__(self) -> None:
        self.machine.put_on_path(tool("uv") / "uv")

    def install(self, plugin: str) -> None:
        self.machine.does("uv", "tool", "install", plugin)

    def upgrade(self, plugin: str) -> None:
        self.machine.does("uv", "tool", "upgrade", plugin)

    def reinstall(self, plugin: str) -> None:
        self.machine.does("uv", "tool", "install", "--reinstall-package", plugin, plugin)

    def add(self, plugin: str, extra: str) -> None:
        self.machine.does("uv", "tool", "install", plugin, "--with", extra)

    def uninstall(self, plugin: str, extra: str) -> None:
        self.machine.does("uv", "tool", "uninstall", plugin)

    def command(self, name: str) -> Path:
        return self.machine.local_bin / name


MANAGERS: dict[str, Callable[[Machine], Manager]] = {
    "pip": Pip,
    "uv-pip": UvPip,
    "pipx-pip": lambda machine: Pipx(machine, "pip"),
    "pipx-uv": lambda machine: Pipx(machine, "uv"),
    "uv-tool": UvTool,
}
