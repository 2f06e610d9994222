"""The quick and the long way of ``rollback``: the same words, the same home afterwards, and no doubt taken quickly."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.model.config import Config
from d8_installer.ops.rollback import enables_no_plugin
from d8_installer.store import fs
from tests.command import ended, run
from tests.faults.scenarios import CONFIG, DATA
from tests.images import add_image, executables, host_platform
from tests.strategies import steady

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Change = Callable[[Path], None]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")

_MAIN = """
import sys
from d8_installer.cli.main import main
code = main(sys.argv[1:])
print("long" if "d8_installer.pipeline.session" in sys.modules else "quick", file=sys.stderr)
sys.exit(code)
"""
USER = Path(DATA, "profiles", "user")
WORDS = (
    *((), ("1",), ("2",), ("3",), ("4",), ("0",), ("9",), ("--json",), ("--json", "2"), ("--json", "9"), ("-q", "3")),
    *(("-v", "2"), ("--no-plugins",), ("--user", "1"), ("--project", "1"), ("--offline", "--home=elsewhere", "1")),
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A HOME with four generations (one of a moved tag) and a project with two, to be copied."""
    root = tmp_path_factory.mktemp("ways")
    home, images = root / "home", str(root / "images")
    project = home / "work"
    project.mkdir(parents=True)
    for tag in ("v1.0.0", "v2.0.0"):
        for name in ("tool", "other"):
            add_image(images, name, tag, executables(f"{name} {tag}", host_platform()))
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{images}"}
    for words in (("install", "tool==1.0.0"), ("install", "other"), ("install", "tool==2.0.0")):
        assert run(*words, home=str(home), env=env).code == 0
    add_image(images, "tool", "v2.0.0", executables("tool moved", host_platform()))
    moved = run("upgrade", "--all", "--accept-moved", "tool:v2.0.0", home=str(home), env=env)
    assert moved.code == 0, moved
    for version in ("1.0.0", ">=1"):
        (project / "d8.toml").write_text(f'schema = 1\n[[images]]\nname = "other"\nversion = "{version}"\n')
        assert run("sync", home=str(home), cwd=str(project), env=env).code == 0
    home.rename(root / "kept")
    yield root / "kept"
    fs.remove_tree(str(root / "kept"))


def nothing(_home: Path) -> None:
    """Change nothing."""


def without_summaries(home: Path) -> None:
    """Let the generations be those of an older tool."""
    for summary in home.glob("**/generations/*/summary"):
        summary.parent.chmod(0o755)
        summary.unlink()
        summary.parent.chmod(0o555)


def way(kept: Path, words: tuple[str, ...], *changes: Change, cwd: str = "") -> tuple[object, str]:
    """Roll back in a fresh copy; return all that can be seen of it, and which way it went."""
    home = kept.parent / "home"
    shutil.copytree(kept, home, symlinks=True)
    try:
        for change in changes:
            change(home)
        command = [sys.executable, "-c", _MAIN, "rollback", *words]
        done = ended(command, home=str(home), cwd=str(home / cwd))
        *said, which = done.err.splitlines() or [""]
        if which not in {"quick", "long"}:  # plugins were loaded, after which a process ends at once
            said, which = [*said, which], "long"
        assert "Traceback" not in done.err
        return (done.code, done.out, said, tree(home)), which
    finally:
        fs.remove_tree(str(home))


def tree(home: Path) -> dict[str, object]:
    """Return what lies in *home*: links by their target, files by mode and bytes; of a mutex only that it is there."""
    found: dict[str, object] = {}
    for where, directories, files in os.walk(home):
        for name in (*directories, *files):
            path = Path(where, name)
            key = str(path.relative_to(home))
            if path.is_symlink():
                found[key] = os.readlink(path)
            elif path.is_file() and name != "summary":
                found[key] = path.stat().st_mode, b"" if name.endswith("mutex") else path.read_bytes()
    return found


@pytest.mark.parametrize("cwd", ["", "work"], ids=["user", "project"])
@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_both_ways_end_alike(kept: Path, words: tuple[str, ...], cwd: str) -> None:
    quick, which = way(kept, words, cwd=cwd)
    slow, other = way(kept, words, without_summaries, cwd=cwd)
    assert quick == slow
    assert which == "quick" or quick[0] in {2, 69}  # type: ignore[index]
    assert other == "long" or quick[0] in {2, 69}  # type: ignore[index]


def lost(home: Path) -> None:
    shutil.rmtree(os.path.dirname(os.path.realpath(home / USER / "generations/1/bin/tool")))


def cut_short(home: Path) -> None:
    (home / USER / "generations/9.new/bin").mkdir(parents=True)
    (home / USER / "d8.lock.123.tmp").touch()
    (home / DATA / "incoming/dead").mkdir(parents=True)
    os.symlink("generations/9", home / USER / "current.new")


def lock_gone(home: Path) -> None:
    (home / USER / "d8.lock").unlink()


def lock_the_same(home: Path) -> None:
    record = json.loads((home / USER / "generations/1/generation.json").read_text())
    (home / USER / "d8.lock").write_text(record["lock"])


def in_the_way(home: Path) -> None:
    (home / DATA / "bin").unlink()
    (home / DATA / "bin").mkdir()


def endpoint(home: Path) -> None:
    (home / CONFIG / "config.toml").write_text('# mine\nendpoint = "https://proxy.example"\nretention = 4\n')


@pytest.mark.parametrize("change", [lost, cut_short, lock_gone, lock_the_same, in_the_way, endpoint])
def test_whatever_was_before_both_ways_end_alike(kept: Path, change: Change) -> None:
    quick, which = way(kept, ("1",), change)
    slow, other = way(kept, ("1",), change, without_summaries)
    assert quick == slow
    assert (which, other) == ("quick", "long")


def at(number: int, name: str, damage: Callable[[bytes], bytes]) -> Change:
    def change(home: Path) -> None:
        path = home / USER / "generations" / str(number) / name
        path.parent.chmod(0o755)
        path.chmod(0o644)
        path.write_bytes(damage(path.read_bytes()))

    return change


def to(name: str, text: str) -> Change:
    def change(home: Path) -> None:
        (home / name).write_text(text)

    return change


DOUBTS = {
    "a bit of the target's summary": at(1, "summary", lambda raw: raw[:-9] + b"?" + raw[-8:]),
    "the end of the active one's summary": at(4, "summary", lambda raw: raw[:-1]),
    "another generation's summary": at(1, "summary", lambda raw: raw.replace(b"\n1\n", b"\n2\n", 1)),
    "an empty summary": at(1, "summary", lambda _: b""),
    "a newer tool's summary": at(1, "summary", lambda raw: raw.replace(b"summary 1", b"summary 2", 1)),
    "a damaged record": at(1, "generation.json", lambda raw: raw[:-9]),
    "a damaged active record": at(4, "generation.json", lambda raw: raw[:-9]),
    "a newer tool's home": to(f"{DATA}/schema", "9"),
    "a damaged home": to(f"{DATA}/schema", "x"),
    "damaged settings": to(f"{CONFIG}/config.toml", "endpoint ="),
    "a setting twice": to(f"{CONFIG}/config.toml", 'endpoint = "a"\nendpoint = "a"\n'),
    "plugins": to(f"{CONFIG}/config.toml", 'plugins = ["d8-plug-gone"]\n'),
    "plugins, spelled otherwise": to(f"{CONFIG}/config.toml", '"pl\\u0075gins" = ["d8-plug-gone"]\n'),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_in_doubt_it_goes_the_long_way(kept: Path, doubt: str) -> None:
    left = ("summary",) if "summary" in doubt else ()
    quick, which = way(kept, ("1",), DOUBTS[doubt])
    slow, other = way(kept, ("1",), *(() if left else (DOUBTS[doubt],)), without_summaries)
    assert quick == slow
    assert (which, other) == ("long", "long")


_LINES = st.lists(
    st.sampled_from(
        [
            *("", "# a comment", "#\t", "plugins = []", 'plugins = ["a"]', "[owners]", 'endpoint = """a"""'),
            *('endpoint = "https://a"', 'ca_file = "/é b"', "ca_file = 'x'", 'endpoint="a"', 'endpoint = "a" # b'),
            *('endpoint = "a\\"', 'endpoint = "a"b"', 'endpoint = "', "endpoint = a", 'endpoint = "\x7f"', "\ufeff"),
            *("retention = 3", "retention = 03", "retention = 0", "retention = 10001", "retention = ٣"),
            *("retention = 10000", "retention = ", 'retention = "3"', "other = 3", 'sources = ["a"]', "\r"),
        ]
    )
    | st.text("aendpoint = \"'#\\\t[].3", max_size=12),
    max_size=4,
)


@settings(steady, max_examples=400)
@given(_LINES)
def test_settings_without_doubt_enable_no_plugin(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    file = tmp_path_factory.getbasetemp() / f"config-{os.getpid()}.toml"
    file.write_bytes("\n".join(lines).encode())
    if enables_no_plugin(str(file)):
        assert Config.parse(file.read_bytes(), "config.toml").plugins == ()
