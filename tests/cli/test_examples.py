"""Every example that the help shows is a command that works as it stands, for the people that it is written for."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli.help_page import Ways
from d8_installer.cli.parser import whole_parser
from d8_installer.cli.verb import GROUPS
from d8_installer.cli.verbs import VERBS
from d8_installer.cluster.facts import DECKHOUSE_PATH, MODULES_PATH, VERSION_ANNOTATION
from tests import command, images
from tests.cli.beside import ComesFromD8
from tests.cli.test_help import below
from tests.managers.plugin_wheel import PluginWheel
from tests.own import OwnTool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from d8_installer.cli.verb import Verb
    from tests.command import Completed
    from tests.person import Person

EXAMPLES = [(verb.name, line) for verb in VERBS.values() if not verb.is_manager for line in verb.examples]
"""Those of pip, pipx and uv are typed in ``tests/managers/test_examples.py``."""
MANIFEST = 'schema = 1\n[[images]]\nname = "stronghold"\nversion = ">=1.4,<2"\n'
PROXY = "https://registry-packages-proxy.example.com"
"""What the examples call the reader's proxy."""
TOKEN = "good-token-0123456789"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images that the examples are about."""
    root = tmp_path_factory.mktemp("examples")
    for name, tags in {"stronghold": ("v1.4.1", "v1.4.2", "v1.5.0"), "another-tool": ("v1.0.0",)}.items():
        for tag in tags:
            platforms = dict.fromkeys(("linux-amd64", images.host_platform()))
            images.add_image(str(root), name, tag, images.executables(f"{name} {tag}", *platforms))
    return root


@pytest.fixture(scope="module")
def proxy(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real proxy that wants a token."""
    root = tmp_path_factory.mktemp("proxy")
    (root / "tokens").write_text(f"{TOKEN}\n")
    (root / "tokens").chmod(0o600)
    words = ("proxy", "serve", "--from", f"oci-layout:{shelf}", "--token-file", str(root / "tokens"))
    with command.start(*words, "--listen", "127.0.0.1:0", home=str(root)) as serving:
        assert serving.stdout is not None
        yield serving.stdout.readline().split()[-1]
        serving.terminate()
        serving.communicate()


class _Cluster(http.server.BaseHTTPRequestHandler):
    """The three answers of a Kubernetes API that ``facts`` asks for."""

    def do_GET(self) -> None:
        answers = {
            "/version": {"gitVersion": "v1.31.4"},
            DECKHOUSE_PATH: {"metadata": {"annotations": {VERSION_ANNOTATION: "v1.77.0"}}},
            MODULES_PATH: {"items": []},
        }
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answers[self.path.partition("?")[0]]).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Cluster) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = tmp_path / "kubeconfig"
        name = {"name": "here", "context": {"cluster": "here", "user": "me"}}
        cluster = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        user = {"name": "me", "user": {"token": "any"}}
        document = {"current-context": "here", "contexts": [name], "clusters": [cluster], "users": [user]}
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **document}))
        file.chmod(0o600)
        yield file
        server.shutdown()


# --- what a reader has before they type the examples of a command ------------------------------------------------


def with_stronghold(person: Person) -> None:
    person.ok("install", "stronghold")


def with_two_generations(person: Person) -> None:
    with_stronghold(person)
    person.ok("uninstall", "stronghold")


def with_project(person: Person) -> None:
    (person.cwd / "d8.toml").write_text(MANIFEST)
    person.ok("lock")


def with_wheel(person: Person) -> None:
    (person.cwd / "dist").mkdir()
    PluginWheel("d8-plug-vault", "1.0", MANIFEST, launchers=False).write(person.cwd / "dist")


def with_build(person: Person) -> None:
    (person.cwd / "build").mkdir()
    for name in ("build/tool", "tool", "tool-arm"):
        (person.cwd / name).write_bytes(images.script("tool"))
        (person.cwd / name).chmod(0o755)


def with_images(person: Person) -> None:
    (person.cwd / "images").symlink_to(str(person.source))
    with_stronghold(person)
    person.ok("bundle", "create", "-o", "tools.bundle")


def with_source_directory(person: Person) -> None:
    (person.cwd / "src").mkdir()
    with_project(person)


def with_plugin_of_d8(person: Person) -> None:
    assert isinstance(person, ComesFromD8)
    person.d8_installs("stronghold", "v1.4.2")


def with_token(person: Person) -> None:
    (person.cwd / "token").write_text(f"{TOKEN}\n")


def with_login(person: Person) -> None:
    with_token(person)
    person.ok("login", "--token-file", "token")


HAVE: Mapping[str, Callable[[Person], None]] = {
    **dict.fromkeys(("uninstall", "upgrade", "use", "history", "gc", "verify", "list", "which"), with_stronghold),
    **dict.fromkeys(("check", "facts", "doctor", "env", "self", "bundle"), with_stronghold),
    **dict.fromkeys(("remove", "lock", "export", "sync", "config"), with_project),
    "rollback": with_two_generations,
    "import": with_plugin_of_d8,
    "manifest": with_source_directory,
    "publish": with_build,
    "wheel": with_wheel,
    **dict.fromkeys(("proxy", "versions"), with_images),
    "login": with_token,
    "logout": with_login,
}


@pytest.fixture
def person(tmp_path: Path, shelf: Path, request: pytest.FixtureRequest) -> Person:
    """Somebody in an empty directory below HOME, with what the examples of the command are about."""
    name: str = request.getfixturevalue("name")
    person: Person = ComesFromD8(tmp_path / "home", shelf)
    if name == "plugins":
        person = OwnTool(tmp_path)
        person.plugin("", "d8-plug-vault")
    if name in {"login", "logout"}:
        person.source = request.getfixturevalue("proxy")
    if name == "completion":
        person.env |= {"SHELL": "/bin/bash"}
    if name == "facts":
        person.env |= {"KUBECONFIG": str(request.getfixturevalue("kubeconfig"))}
    person.cwd = person.home / "work"
    person.cwd.mkdir()
    if name in HAVE:
        HAVE[name](person)
    return person


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_works_as_it_is_typed(person: Person, name: str, line: str) -> None:
    if line.startswith("d8-installer proxy"):
        serves(person, line)
    elif name == "login" or not line.startswith("d8-installer "):
        assert in_a_shell(person, line).code == 0
    else:
        person.ok(*shlex.split(line)[1:])


def in_a_shell(person: Person, line: str) -> Completed:
    """Type *line* in bash; who is asked for a token pipes it in."""
    line = line.replace(PROXY, str(person.source))
    text = f"printf {TOKEN} | {line}" if "login" in line and "--token-file" not in line else line
    done = command.ended(["bash", "-ec", text], home=str(person.home), env=person.variables, cwd=str(person.cwd))
    assert done.code == 0, done
    return done


def serves(person: Person, line: str) -> None:
    """Type *line*, with a port that is free, until it serves."""
    words = [command.PROGRAM, *shlex.split(line)[1:], "--listen", "127.0.0.1:0"]
    env = command.environment(str(person.home), **person.variables)
    with subprocess.Popen(words, env=env, cwd=person.cwd, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline().startswith("listening on http://127.0.0.1:")
        serving.terminate()
        serving.communicate()
    assert serving.returncode == (0 if os.name == "posix" else serving.returncode)


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_every_command_has_examples_of_itself(verb: Verb) -> None:
    assert verb.group in GROUPS
    assert len(verb.examples) >= 2
    for line in verb.examples:
        words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
        assert words[:2] == ["d8-installer", verb.name], line
        assert "'" not in line, "cmd.exe knows only double quotes"


def test_every_subcommand_has_an_example_of_itself() -> None:
    for path, parser in below(whole_parser()):
        if not VERBS[path[0]].is_manager and not any(isinstance(action, Ways) for action in parser._actions):
            examples = VERBS[path[0]].examples
            name = " ".join(("d8-installer", *path))
            assert any(f"{line} ".startswith(f"{name} ") or f"({name})" in line for line in examples), name
