"""PDM and Poetry behind one face: a project that a person adds plugins to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.command import Completed
    from tests.managers.machine import Machine

_PROJECT = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.11,<3.12"
dependencies = []
"""
_PDM = """
[tool.pdm]
distribution = false
"""
_POETRY = """
[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "loopback"
url = "{index}"
priority = "primary"
"""
MARK = "d8-installer: "


@dataclass
class Project:
    """A project of PDM's or Poetry's; *manager* is the program's name, and it is on PATH."""

    machine: Machine
    manager: str
    extra: str = ""
    directory: Path = field(init=False)

    def __post_init__(self) -> None:
        self.directory = self.machine.home / "app"
        self.directory.mkdir()
        settings = _PDM if self.manager == "pdm" else _POETRY.format(index=self.machine.index.url)
        (self.directory / "pyproject.toml").write_text(f"{_PROJECT}{settings}{self.extra}")

    def add(self, plugin: str, *options: str, env: Mapping[str, str] | None = None) -> list[str]:
        """Add *plugin* in any version from 1.0 on, and return what we said of it."""
        return self.said("add", f"{plugin}>=1.0", *options, env=env)

    def said(self, *arguments: str, env: Mapping[str, str] | None = None) -> list[str]:
        """Run the manager, which must succeed, and return the lines of ours."""
        done = self.run(*arguments, env=env)
        assert done.code == 0, str(done)
        assert "Traceback" not in done.err, str(done)
        assert MARK not in done.out, "what is said goes to stderr"
        self.machine.check_store()
        return [line.removeprefix(MARK) for line in done.err.splitlines() if line.startswith(MARK)]

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Completed:
        """Run the manager in the project."""
        return self.machine.run(self.manager, *arguments, cwd=self.directory, env=env)

    @property
    def environment(self) -> Path:
        """The environment that the manager made for the project."""
        if self.manager == "pdm":
            return self.directory / ".venv"
        return Path(self.run("env", "info", "--path").out.strip())
