"""What fleets rely on, for every command that writes: a dry run writes nothing, and a second run changes nothing.

Both say so, on stdout and in ``changed`` of ``--json``. The commands that are not in the table are in `ELSEWHERE`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from d8_installer.cli.verbs import VERBS
from tests import images
from tests.own import OwnTool
from tests.publish import wheels

if TYPE_CHECKING:
    from pathlib import Path

HOST = images.host_platform()
NOTHING = "nothing to do"
MANIFEST = 'schema = 1\n[[images]]\nname = "hello"\nversion = "<1.1"\n'
_OF_PROCESSES = re.compile(r"(^|/)([^/]*\.)?mutex$")
"""Lock files hold the number of the last process that held them."""
_ADVICE = re.compile(r"profiles/[^/]+/stamp\.json$")
"""What makes the next sync quick. A second sync may write it again."""

READING = "list which versions show check export env history"
ELSEWHERE = {
    **dict.fromkeys(READING.split(), "it only reads"),
    **dict.fromkeys(("run", "proxy", "pip", "pipx", "uv"), "stdout is another program's"),
    "login": "tests/cli/test_login.py",
    "logout": "tests/cli/test_login.py",
    "facts": "tests/cluster/test_requirements.py",
    "help": "it only reads",
    "version": "it only reads",
}


class Host(OwnTool):
    """One of many machines: a home, a registry, a project, a plugin with code, a program to publish, and d8."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, {"SHELL": "/bin/bash", "DECKHOUSE_CLI_PATH": str(root / "home/d8")})
        self.project(MANIFEST)
        self.plugin("class Nothing: ...\n")
        program = self.home / "program"
        program.write_bytes(images.script("published"))
        program.chmod(0o755)
        wheels.save(self.home / "built", wheels.package(MANIFEST.encode()))
        laid_out = self.home / "d8/plugins/hello/v1/hello"
        laid_out.parent.mkdir(parents=True)
        laid_out.write_bytes(images.script(f"hello v1.0.0 {HOST}"))
        (laid_out.parents[1] / "current").symlink_to(laid_out)

    def seen(self) -> dict[str, str]:
        """Return everything below the root: a link's target, or the mode and the bytes of a file."""
        found = {}
        for where, directories, files in os.walk(self.root):
            if where == str(self.root):
                directories.remove("own")
            for name in (*directories, *files):
                path = os.path.join(where, name)
                found[os.path.relpath(path, self.root)] = _content(path)
        return {path: content for path, content in found.items() if not _OF_PROCESSES.search(path)}

    def altered(self) -> None:
        """Change a program in the store, as nothing of ours does."""
        (self.home / os.path.realpath(self.bin / "hello")).chmod(0o755)

    def endpoint_kept(self) -> None:
        """Leave an endpoint that was found in a cluster."""
        (self.data / "endpoints").mkdir()
        (self.data / "endpoints/0.json").write_text("{}")


def _content(path: str) -> str:
    if os.path.islink(path):
        return f"-> {os.readlink(path)}"
    mode = oct(os.stat(path).st_mode)
    if os.path.isdir(path):
        return mode
    with open(path, "rb") as file:
        return f"{mode} {file.read()!r}"


@dataclass(frozen=True)
class Row:
    """A command line; what is typed before it; and what the second run says, or the code with which it is refused.

    *does* is a method of `Host` that is called before it. *knows*: a dry run tells that nothing would change.
    """

    line: str
    before: tuple[str, ...] = ()
    says: str = NOTHING
    refused: int = 0
    does: str = ""
    cwd: str = ""
    knows: bool = True


INSTALLED = ("install hello==1.0.0",)
WIDER = (*INSTALLED, "install hello>=1.0")
PUBLISH = f"publish {HOST}=program --image mine --version v1.0.0 --to oci-layout:{{root}}/registry"
ROWS = [
    Row("install hello"),
    Row("install hello>=1.1", INSTALLED),
    Row("uninstall hello", INSTALLED, "", refused=69),
    Row("upgrade hello", WIDER),
    Row("upgrade --all", WIDER),
    Row("use hello v1.0.0", ("install hello",)),
    Row("add vault", cwd="project"),
    Row("remove hello", ("sync",), "", refused=69, cwd="project"),
    Row("init hello", says="is a manifest", cwd="empty"),
    Row("init", says="is a manifest", cwd="empty"),
    Row("manifest init hello --file new.toml", says="is a manifest"),
    Row("lock", says="unchanged:", cwd="project"),
    Row("sync", cwd="project"),
    Row("sync --locked", ("lock",), cwd="project"),
    Row("sync --frozen", ("lock",), cwd="project"),
    Row("sync --to out", ("lock",), cwd="project"),
    Row("sync --layout d8 --plugins-dir other", INSTALLED),
    Row("import d8", says="in place already"),
    Row("rollback 1", WIDER),
    Row("gc --keep 1", WIDER),
    Row("verify --fix", INSTALLED, "are sound|is sound", does="altered"),
    Row("doctor --fix", INSTALLED, "", does="endpoint_kept"),
    Row("config set retention 5"),
    Row("config set endpoint oci-layout:registry"),
    Row("config unset retention", ("config set retention 5",)),
    Row("plugins enable d8-toy", says="is already enabled"),
    Row("plugins disable d8-toy", ("plugins enable d8-toy",), "is already not enabled"),
    Row("ensurepath", INSTALLED, "is in your start-up files already"),
    Row("completion bash --install", says="already|nothing to do"),
    Row("self uninstall --yes", (*INSTALLED, "ensurepath"), "there is nothing"),
    Row(PUBLISH, says="already there:"),
    Row("wheel built/{wheel} -o dist", says="unchanged"),
    Row("wheel built/{wheel} -o dist --mode fat", says="unchanged", knows=False),
    Row("bundle create -o tools.bundle", ("lock",), cwd="project", knows=False),
]


def test_every_command_is_here_or_elsewhere() -> None:
    here = {row.line.split()[0] for row in ROWS}
    assert here | set(ELSEWHERE) >= set(VERBS)
    assert here.isdisjoint(ELSEWHERE)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    (host.home / "empty").mkdir()
    return host


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.line.split("{")[0])
def test_a_dry_run_writes_nothing_and_a_second_run_changes_nothing(host: Host, row: Row) -> None:
    for line in row.before:
        host.ok(*line.split(), cwd=row.cwd)
    if row.does:
        getattr(host, row.does)()
    words = row.line.format(root=host.root, wheel=wheels.NAME).split()

    def data(*more: str) -> dict[str, Any]:
        return host.json(*words, *more, cwd=row.cwd)

    before = host.seen()
    would = data("--dry-run")
    host.ok(*words, "--dry-run", cwd=row.cwd)
    assert (would["changed"], would.get("dry_run", True)) == (True, True)
    assert differences(before, host.seen()) == [], "a dry run writes nothing"

    assert data()["changed"] is True
    done = host.seen()
    assert differences(before, done), "the command does something"

    if row.refused:
        host.fails(row.refused, *words, cwd=row.cwd)
        host.fails(row.refused, *words, "--dry-run", cwd=row.cwd)
    else:
        assert data()["changed"] is False
        assert re.search(row.says, host.ok(*words, cwd=row.cwd).out), "the second run says so"
        assert data("--dry-run")["changed"] is not row.knows
    again = [path for path in differences(done, host.seen()) if not _ADVICE.search(path)]
    assert again == [], "the second run changes nothing"


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the paths whose content is not the same, or that are only in one of the two."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def test_the_exit_code_of_a_dry_run_says_whether_a_sync_would_change_anything(host: Host) -> None:
    words = ("sync", "--dry-run", "--exit-code")
    drift = host.fails(65, *words, cwd="project")
    assert "would install hello (hello v1.0.0)" in drift.out
    assert drift.errors == [f"the project {host.home}/project was never synced"]
    assert "error[out-of-sync]" in drift.err
    assert drift.err.endswith("hint: type `d8-installer sync`\n")
    assert host.json(*words, cwd="project", code=65)["changed"] is True
    host.ok("sync", cwd="project")
    for _ in range(2):
        assert host.ok(*words, cwd="project").out == f"{NOTHING}\n"
    (host.home / "project/d8.toml").write_text(MANIFEST.replace("<1.1", ">=1.1"))
    assert host.fails(65, *words, cwd="project").errors == [f"the project {host.home}/project is not in sync"]
    assert host.fails(65, *words, "--locked", cwd="project").errors != [
        f"the project {host.home}/project is not in sync"
    ]
    assert "--exit-code is for a dry run" in host.fails(2, "sync", "--exit-code").err


def test_what_only_a_document_changes_is_said(host: Host) -> None:
    host.ok("lock", cwd="project")
    host.ok("sync", cwd="project")
    lock = host.home / "project/d8.lock"
    host.publish("elsewhere", "v1.0.0", builds=images.executables("elsewhere", "windows-arm64"))
    more = '[[images]]\nname = "elsewhere"\noptional = true\n'
    (host.home / "project/d8.toml").write_text(MANIFEST + more)
    assert host.ok("sync", "--dry-run", cwd="project").out.splitlines()[-1] == f"would write {lock}"
    assert f"wrote {lock}" in host.ok("sync", cwd="project").out
    assert host.ok("sync", cwd="project").out == f"{NOTHING}\n"
    host.ok("install", "hello")
    said = host.ok("uninstall", "hello", "--dry-run").out.splitlines()
    assert said == ["would remove hello (hello v1.1.0)", f"would write {host.manifest}", f"would write {host.lock}"]


def test_a_platform_that_nobody_knows_is_reported_though_nothing_is_asked_for(host: Host) -> None:
    said = host.ok("sync", "--platform", "foo-bar")
    assert said.out == f"{NOTHING}\n"
    assert "warning: --platform foo-bar: 'foo-bar' is not a platform that Go knows" in said.err
    assert "warning" not in host.ok("sync", "--platform", HOST).err
