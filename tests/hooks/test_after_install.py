"""What the managers' hooks do and say, as far as no manager is needed: tests/managers has the real ones."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from d8_hooks.after_install import Changed, report_on
from d8_hooks.pdm import after_install
from tests.command import ended
from tests.images import add_image, executables, host_platform
from tests.installed import install, library, manifest
from tests.managers.wheelhouse import PYTHON, ROOT

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Person:
    """A HOME with a project and its environment, which holds a plugin that wants the image ``hello``."""

    home: Path

    @property
    def project(self) -> Path:
        return self.home / "app"

    @property
    def changed(self) -> Changed:
        return Changed(str(self.project / ".venv"), str(self.project))

    def install(self, wanted: str) -> None:
        """Put the plugin into the environment as an installer does."""
        place = library(self.project / ".venv")
        install(place, "d8-plug-hello", "1.0", manifest("hello", wanted))


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """The person's variables are this process's, as they are PDM's and Poetry's."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "VIRTUAL_ENV", "D8_INSTALLER_HOME", "D8_OFFLINE", "D8_RPP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("D8_RPP_ENDPOINT", f"oci-layout:{tmp_path}/images")
    for tag in ("v1.0.0", "v2.0.0"):
        add_image(str(tmp_path / "images"), "hello", tag, executables(tag, host_platform()))
    person = Person(tmp_path)
    person.install("=1.0.0")
    return person


def test_what_was_done_is_one_line_and_nothing_is_none(person: Person) -> None:
    assert report_on(lambda: person.changed).done == "d8-installer: installed hello v1.0.0"
    again = report_on(lambda: person.changed)
    assert (again.done, again.problem) == ("", ())
    person.install("=2.0.0")
    assert report_on(lambda: person.changed).done == "d8-installer: switched hello v1.0.0 -> v2.0.0"


def test_the_nearest_manifest_of_the_project_decides_the_profile(person: Person) -> None:
    (person.project / "d8.toml").write_text("schema = 1\n")
    assert report_on(lambda: person.changed).done == "d8-installer: installed hello v1.0.0"
    assert (person.project / "d8.lock").exists()
    assert (person.project / ".venv/.d8-profile").is_symlink()
    assert not (person.home / ".local/share/d8-installer/profiles/user").exists()


def test_an_error_is_two_lines(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D8_OFFLINE", "1")
    monkeypatch.setenv("D8_RPP_ENDPOINT", "http://127.0.0.1:9")
    report = report_on(lambda: person.changed)
    assert report.done == ""
    error, hint = report.problem
    assert re.match(r"d8-installer: error\[[a-z-]+\]: ", error)
    assert hint.startswith("d8-installer: hint: ")


def test_what_was_done_is_said_beside_what_was_not(person: Person) -> None:
    (person.project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "hello"\nversion = "=2.0.0"\n')
    person.install("=9.0.0")
    report = report_on(lambda: person.changed)
    assert report.done == "d8-installer: installed hello v2.0.0"
    assert "d8-plug-hello" in report.problem[0]


def test_nothing_is_raised_and_nothing_steers_the_terminal(person: Person) -> None:
    def fails() -> Changed:
        raise AttributeError("PDM 9 has\x1b[2J no such thing\n")

    error, hint = report_on(fails).problem
    shown = "AttributeError: PDM 9 has?[2J no such thing?".replace("?", "\ufffd")
    assert error == f"d8-installer: error[after-install]: {shown}"
    assert hint.startswith("d8-installer: hint: ")
    assert report_on(lambda: Changed("\0", str(person.home / "absent"))).problem


def test_the_tool_is_found_where_only_this_process_looks(tmp_path: Path) -> None:
    """As the project plugins of PDM and Poetry are: in a directory that was put on sys.path at run time."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); from d8_installer.plugin.run_self import run_tool; "
    bare = [PYTHON, "-I", "-c", f"{code} print(run_tool('list'))"]
    done = ended(bare, home=str(tmp_path))
    assert "exit_code=0" in done.out, done


@dataclass
class Pdm:
    """PDM's Project, with what hangs on it, as far as the hook uses it."""

    root: Path
    verbosity: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def core(self) -> Pdm:
        return self

    ui = environment = interpreter = core

    def get_venv(self) -> None:
        """There is none: the packages are in ``__pypackages__``, or in a Python's own library."""

    def get_paths(self) -> dict[str, str]:
        return {"purelib": str(library(self.root / ".venv"))}

    def echo(self, message: str, err: bool, **_options: object) -> None:
        assert err
        self.lines.append(message)


def test_pdm_without_a_virtual_environment_names_the_library(person: Person) -> None:
    pdm = Pdm(person.project)
    after_install(pdm)
    assert pdm.lines == ["d8-installer: installed hello v1.0.0"]


def test_pdm_is_quiet_when_told_and_on_dry_runs(person: Person) -> None:
    pdm = Pdm(person.project, verbosity=-1)
    after_install(pdm, dry_run=True)
    assert not os.path.exists(person.home / ".local/share/d8-installer")
    after_install(pdm)
    assert os.path.exists(person.home / ".local/share/d8-installer/bin/hello")
    assert pdm.lines == []
