"""The workflow of a release: its steps that are plain shell do what they say, and actionlint reads the whole."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from d8_installer import __version__
from tests.managers.wheelhouse import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = ROOT / ".github/workflows"
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"
CHAPTER = "### Added\n\n- **One**: thing."
CHANGES = f"# Changelog\n\n## {__version__} (2026-12-01)\n\n{CHAPTER}\n\n## 0.0.9 (2026-11-01)\n\n- Old.\n"


def step(job: str, name: str) -> str:
    """Return the shell of the step that is called *name*."""
    workflow: dict[str, Any] = yaml.safe_load((WORKFLOWS / "release.yml").read_text())
    (found,) = (each["run"] for each in workflow["jobs"][job]["steps"] if name in each.get("name", ""))
    return str(found)


def typed(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a step as the runner does, in *folder*."""
    variables = {"PATH": f"{folder}/commands:{os.environ['PATH']}", **env}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("tag", "changelog", "is_right"),
    [
        (f"v{__version__}", CHANGES, True),
        ("v9.9.9", CHANGES, False),
        (f"v{__version__}", CHANGES.replace(f"## {__version__} (2026-12-01)", "## Unreleased"), False),
    ],
)
def test_tag_version_and_changelog_have_to_agree(tmp_path: Path, tag: str, changelog: str, is_right: bool) -> None:
    (tmp_path / "d8_installer").mkdir()
    shutil.copy(ROOT / "d8_installer/__init__.py", tmp_path / "d8_installer")
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    done = typed(step("build", "agree"), tmp_path, TAG=tag)
    assert (done.returncode == 0) is is_right, done


def test_the_release_page_has_the_chapter_the_files_and_their_digests(tmp_path: Path) -> None:
    for folder in ("commands", "dist"):
        (tmp_path / folder).mkdir()
    gh = tmp_path / "commands/gh"
    gh.write_text('#!/bin/sh\necho "$@" > typed\n')
    gh.chmod(0o755)
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    (tmp_path / "dist/a.whl").write_text("wheel")
    done = typed(step("page", "release page"), tmp_path, TAG=f"v{__version__}")
    assert done.returncode == 0, done
    assert (tmp_path / "notes.md").read_text().strip() == CHAPTER
    assert (tmp_path / "SHA256SUMS").read_text().endswith("  a.whl\n")
    assert (tmp_path / "typed").read_text().split()[:3] == ["release", "create", f"v{__version__}"]
    assert (tmp_path / "typed").read_text().split()[-2:] == ["dist/a.whl", "SHA256SUMS"]


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("go") is None, reason="actionlint is built with Go, which is not on PATH")
def test_actionlint_finds_nothing_in_the_workflows() -> None:
    done = subprocess.run(
        ["go", "run", ACTIONLINT, *sorted(map(str, WORKFLOWS.glob("*.yml")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
