"""PDM's plugin (entry point group ``pdm``): after ``pdm install``, ``add``, ``remove``, ``update`` and ``sync``.

Only PDM calls this. Its signal ``post_install`` comes once the packages are installed, unless it is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from d8_hooks.after_install import Changed, report_on

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class _Venv(Protocol):
    @property
    def root(self) -> Path: ...


class _Interpreter(Protocol):
    def get_venv(self) -> _Venv | None: ...


class _Environment(Protocol):
    @property
    def interpreter(self) -> _Interpreter: ...
    def get_paths(self) -> Mapping[str, str]: ...


class _Ui(Protocol):
    @property
    def verbosity(self) -> int: ...
    def echo(self, message: str, err: bool, **options: object) -> None: ...


class _Core(Protocol):
    @property
    def ui(self) -> _Ui: ...


class _Project(Protocol):
    """The part of PDM's Project that is used here."""

    @property
    def root(self) -> Path: ...
    @property
    def core(self) -> _Core: ...
    @property
    def environment(self) -> _Environment: ...


def connect(_core: object) -> None:
    """Subscribe to PDM's signal; the entry point names this function."""
    from pdm.signals import post_install

    # A strong reference: blinker drops listeners that nothing else refers to.
    post_install.connect(after_install, weak=False)


def after_install(project: _Project, *, dry_run: bool = False, **_rest: object) -> None:
    """Sync the project's environment; with ``-q`` report only problems."""
    if dry_run:
        return
    report = report_on(lambda: Changed(_environment(project), str(project.root)))
    quiet = project.core.ui.verbosity < 0
    for line in (*([report.done] if report.done and not quiet else []), *report.problem):
        project.core.ui.echo(line, err=True, markup=False, highlight=False, soft_wrap=True)


def _environment(project: _Project) -> str:
    """Return the virtual environment's prefix, or the library if there is none (``__pypackages__``)."""
    venv = project.environment.interpreter.get_venv()
    paths = project.environment.get_paths()
    return str(venv.root) if venv is not None else paths["purelib"]
