"""What a command may import, by the lists in ``imports.toml``: most of the time of a small command is its start."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import measured
from tests.command import ended, run, start
from tests.images import add_image, executables

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTS = tomllib.loads(Path(__file__).with_name("imports.toml").read_text(encoding="utf-8"))
HEAVY = frozenset(LISTS["heavy"])
"""Modules of the standard library that cost a millisecond and more."""
ANY_VERSION = {"backports", "typing_extensions"}
"""What older Pythons need."""
_LOADED = """
import os, sys
before = set(sys.modules)
def report(code):
    print("loaded", code, *sorted(set(sys.modules) - before), file=sys.stderr)
os.execve = lambda *_: (report(0), os._exit(0))
from d8_installer.cli.main import run
report(run(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = str(tmp_path_factory.mktemp("startup") / "reg")
    add_image(root, "stronghold", "v1.0.0", executables("hello"))
    return root


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def home(empty: Path, layout: str) -> Path:
    assert run("--endpoint", f"oci-layout:{layout}", "install", "stronghold", home=str(empty)).code == 0
    return empty


@pytest.fixture
def proxy(empty: Path, layout: str) -> Iterator[str]:
    """Serve the layout; return the address."""
    serving = start(
        *("proxy", "serve", "--from", f"oci-layout:{layout}", "--listen", "127.0.0.1:0", "--quiet"),
        home=str(empty.parent),
    )
    with serving:
        assert serving.stdout is not None
        yield serving.stdout.readline().removeprefix("listening on ").strip()
        serving.terminate()


def loaded_by(home: Path, *words: str) -> set[str]:
    """Return the modules that a command loads, beyond those that stand in every process of this environment."""
    done = ended([sys.executable, "-c", _LOADED, *words], home=str(home), env={measured.VARIABLE: ""})
    (line,) = (line for line in done.err.splitlines() if line.startswith("loaded "))
    _, code, *modules = line.split()
    assert code == "0", done
    return set(modules)


def package(module: str) -> str:
    """Return the package of ours that a module lies in, such as ``d8_installer.store``."""
    return ".".join(module.split(".")[:2])


def broken_rules(allowed: dict[str, list[str]], modules: set[str]) -> list[str]:
    """Return which modules are not in the lists, and which packages are in the lists and not loaded."""
    ours = {package(module) for module in modules if module.startswith(("d8_installer.", "d8_hooks."))}
    tops = {module.partition(".")[0] for module in modules} - {"d8_installer", "d8_hooks"}
    foreign = {top for top in tops - sys.stdlib_module_names if not top.startswith("_")} - ANY_VERSION
    heavy = {module for module in modules if module in HEAVY}
    return [
        *(f"loads {name}" for name in sorted(ours - set(allowed["packages"]))),
        *(f"does not load {name}" for name in sorted(set(allowed["packages"]) - ours)),
        *(f"loads {name}" for name in sorted(foreign - set(allowed["third_party"]))),
        *(f"loads {name}" for name in sorted(heavy - set(allowed["heavy"]))),
    ]


@pytest.mark.parametrize(
    "words",
    [
        *("list", "which stronghold", "run stronghold", "sync --locked", "--help", "-h", "help install", "--version"),
        *("__complete fish uninstall +", "__complete bash : +d8-installer"),
    ],
)
def test_only_what_is_listed_is_imported(home: Path, words: str) -> None:
    assert broken_rules(LISTS[words.split()[0]], loaded_by(home, *words.split())) == []


def test_an_install_from_a_directory_imports_no_http(empty: Path, layout: str) -> None:
    modules = loaded_by(empty, "--endpoint", f"oci-layout:{layout}", "install", "stronghold")
    assert broken_rules(LISTS["install"], modules) == []


def test_an_install_from_a_proxy(empty: Path, proxy: str) -> None:
    assert broken_rules(LISTS["install-http"], loaded_by(empty, "--endpoint", proxy, "install", "stronghold")) == []


def test_who_has_an_endpoint_and_a_token_reads_no_kubeconfig(empty: Path, proxy: str) -> None:
    (empty / ".kube").mkdir()
    (empty / ".kube/config").write_text("current-context: here\n")
    token = empty / "token"
    token.write_text("secret")
    words = ("--endpoint", proxy, "--token-file", str(token), "install", "stronghold")
    assert broken_rules(LISTS["install-http"], loaded_by(empty, *words)) == []


@pytest.mark.parametrize("words", ["rollback 1", "history", "gc", "verify"])
def test_nothing_third_party_is_imported(home: Path, words: str) -> None:
    modules = loaded_by(home, *words.split())
    foreign = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - ANY_VERSION
    assert {name for name in foreign if not name.startswith("_")} <= {"d8_installer", "msgspec"}


def test_a_sync_with_nothing_to_do_imports_just_these_modules(home: Path) -> None:
    ours = {module for module in loaded_by(home, "sync") if module.startswith("d8_")}
    assert ours == set(LISTS["sync"]["modules"])
    (home / ".config/d8-installer/d8.toml").touch()
    assert "d8_installer.pipeline.session" not in loaded_by(home, "sync"), "the stamp compares bytes, not times"


def test_a_changed_manifest_lock_or_link_ends_the_fast_way(home: Path) -> None:
    session = "d8_installer.pipeline.session"
    manifest = home / ".config/d8-installer/d8.toml"
    manifest.write_text(manifest.read_text() + "# a comment\n")
    assert session in loaded_by(home, "sync")
    assert session not in loaded_by(home, "sync")
    current = home / ".local/share/d8-installer/profiles/user/current"
    current.unlink()
    assert session in loaded_by(home, "sync")
    assert current.is_symlink()
