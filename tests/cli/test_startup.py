"""What a quick command does not import: its start-up time is most of its time."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests import measured
from tests.command import ended, run
from tests.images import add_image, executables

if TYPE_CHECKING:
    from pathlib import Path

_LOADED = """
import json, sys
from d8_installer.cli.main import run
code = run(sys.argv[1:])
loaded = sorted({name.partition(".")[0] for name in sys.modules} - {"d8_installer", "__main__"})
json.dump([code, loaded, "d8_installer.pipeline.session" in sys.modules], sys.stderr)
"""
# What stands in every process of this virtual environment, by .pth files: the start of measurements in subprocesses.
_OF_THE_ENVIRONMENT = {"_virtualenv", "coverage", "a1_coverage", "sitecustomize"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    root = str(tmp_path / "reg")
    add_image(root, "stronghold", "v1.0.0", executables("hello"))
    home = tmp_path / "home"
    home.mkdir()
    assert run("--endpoint", f"oci-layout:{root}", "install", "stronghold", home=str(home)).code == 0
    return home


def loaded_by(home: Path, *arguments: str) -> tuple[set[str], bool]:
    """Return the top-level modules that a command loads beyond the standard library, and whether the session."""
    done = ended([sys.executable, "-c", _LOADED, *arguments, "-q"], home=str(home), env={measured.VARIABLE: ""})
    code, modules, session = json.loads(done.err.splitlines()[-1])
    assert code == 0, done
    foreign = {name for name in modules if name not in sys.stdlib_module_names and not name.startswith("_")}
    return foreign - _OF_THE_ENVIRONMENT, session


@pytest.mark.parametrize(
    "command",
    [
        *(("sync",), ("sync", "--locked"), ("list",), ("which", "stronghold")),
        *(("rollback", "1"), ("history",), ("gc",), ("verify",)),
    ],
    ids=" ".join,
)
def test_nothing_third_party_is_imported(home: Path, command: tuple[str, ...]) -> None:
    of_values = set() if command[0] == "sync" else {"msgspec", "typing_extensions"}
    assert loaded_by(home, *command)[0] <= of_values


def test_a_sync_with_nothing_to_do_does_not_even_import_the_session(home: Path) -> None:
    assert loaded_by(home, "sync")[1] is False
    (home / ".config/d8-installer/d8.toml").touch()
    assert loaded_by(home, "sync")[1] is False, "the stamp compares bytes, not times"


def test_a_changed_manifest_lock_or_link_ends_the_quick_way(home: Path) -> None:
    manifest = home / ".config/d8-installer/d8.toml"
    manifest.write_text(manifest.read_text() + "# a comment\n")
    assert loaded_by(home, "sync")[1] is True
    assert loaded_by(home, "sync")[1] is False
    current = home / ".local/share/d8-installer/profiles/user/current"
    current.unlink()
    assert loaded_by(home, "sync")[1] is True
    assert current.is_symlink()
