"""`publish --contract`: three formats give one annotation, which the Go tool reads, and each mistake is named."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.request
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from d8_installer.model.contract import Contract, contract_of_annotation
from tests import images
from tests.command import PROGRAM, environment
from tests.person import Person
from tests.strategies import contracts, steady

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from d8_installer.testing.docker_registry import RunningRegistry

TOML = """\
name = "beta"
description = "keeps 'secrets' <safe> «» é😀"
env = [{ name = "KUBECONFIG" }]

[requirements.kubernetes]
constraint = ">= 1.28"

[requirements.modules]
mandatory = [{ name = "stronghold", constraint = ">= 1.3" }]

[[requirements.modules.anyOf]]
name = "ingress"
modules = [{ name = "ingress-nginx" }, { name = "istio", constraint = "^1" }]

[requirements.plugins]
mandatory = [{ name = "alpha", constraint = ">=1.1 <2" }]
"""
DOCUMENT = {
    "name": "beta",
    "version": "v1.0.0",
    "description": "keeps 'secrets' <safe> «» é😀",
    "env": [{"name": "KUBECONFIG"}],
    "requirements": {
        "kubernetes": {"constraint": ">= 1.28"},
        "deckhouse": {"constraint": ""},
        "modules": {
            "mandatory": [{"name": "stronghold", "constraint": ">= 1.3"}],
            "anyOf": [
                {
                    "name": "ingress",
                    "modules": [{"name": "ingress-nginx", "constraint": ""}, {"name": "istio", "constraint": "^1"}],
                }
            ],
        },
        "plugins": {"mandatory": [{"name": "alpha", "constraint": ">=1.1 <2"}]},
    },
}
YAML = """\
description: keeps 'secrets' <safe> «» é😀
env:
- name: KUBECONFIG
requirements:
  kubernetes: {constraint: ">= 1.28"}
  modules:
    mandatory:
    - {name: stronghold, constraint: ">= 1.3"}
    anyOf:
    - name: ingress
      modules: [{name: ingress-nginx}, {name: istio, constraint: ^1}]
  plugins:
    mandatory:
    - {name: alpha, constraint: ">=1.1 <2"}
"""


class Author(Person):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "registry")
        self.program = self.home / "program"
        self.program.write_bytes(images.executable(images.host_platform(), "beta"))
        self.program.chmod(0o755)

    def words(self, file: str, to: str = "") -> tuple[str, ...]:
        build = f"{images.host_platform()}={self.program}"
        to = to or f"oci-layout:{self.source}"
        return ("publish", build, "--image", "beta", "--version", "v1.0.0", "--to", to, "--contract", file)

    def write(self, text: str, name: str = "contract.toml") -> str:
        (self.home / name).write_text(text)
        return name

    def annotation(self) -> str:
        """Return the annotation of the index in the layout."""
        layout = self.home.parent / "registry/deckhouse-cli/plugins/beta"
        entries = json.loads((layout / "index.json").read_text())["manifests"]
        (entry,) = [one for one in entries if "v1.0.0" in one.get("annotations", {}).values()]
        index = json.loads((layout / "blobs/sha256" / entry["digest"].removeprefix("sha256:")).read_text())
        return str(index["annotations"]["contract"])


@pytest.fixture
def author(tmp_path: Path) -> Author:
    return Author(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"), [("contract.toml", TOML), ("c.json", json.dumps(DOCUMENT)), ("contract.yaml", YAML), ("c", YAML)]
)
def test_three_formats_give_one_annotation(author: Author, name: str, text: str) -> None:
    data = author.json(*author.words(author.write(text, name)))
    assert data["contract"] == DOCUMENT
    assert json.loads(base64.b64decode(author.annotation(), validate=True)) == DOCUMENT


def test_what_was_published_is_said(author: Author) -> None:
    done = author.ok(*author.words(author.write(TOML)))
    assert done.err == ""
    assert done.out.splitlines()[2:] == [
        "  requires Kubernetes >= 1.28",
        "  requires module stronghold >= 1.3",
        "  requires one of the modules ingress-nginx, istio ^1 (ingress)",
        "  requires plugin alpha >=1.1 <2",
        "  asks for the variable KUBECONFIG",
    ]
    assert author.json(*author.words("contract.toml"))["changed"] is False


@steady
@given(contracts())
def test_what_is_annotated_is_read_by_yaml_as_the_same(contract: Contract) -> None:
    assert contract_of_annotation(contract.annotation(), "x", "x") == contract


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('nmae = "beta"\n', "contract.toml:1: nmae: unknown key"),
        ("name = 1\n", "contract.toml:1: name: must be text, and is a number"),
        ("[requirements]\nmodules = []\n", "contract.toml:2: requirements.modules: must be an object"),
        (
            '[requirements.kubernetes]\nconstraint = "1.2.3.4"\n',
            "contract.toml:2: requirements.kubernetes.constraint: '1.2.3.4' is not a version specifier",
        ),
        (
            '[requirements.plugins]\nmandatory = [{ name = "alpha", constraint = "==1" }]\n',
            "requirements.plugins.mandatory: '==1' is not a version specifier",
        ),
        ('[requirements.plugins]\nmandatory = [{ name = "../x" }]\n', "'../x' is not the name of a plugin"),
        ('[requirements.plugins]\nmandatory = [{ name = "beta" }]\n', "the plugin needs itself"),
        ('[requirements.modules]\nmandatory = [{ constraint = "1" }]\n', "an entry has no name"),
        ('[requirements.modules]\nmandatory = [{ nam = "a" }]\n', "requirements.modules.mandatory[0].nam: unknown key"),
        ('env = [{ name = "A=B" }]\n', "'A=B' is not the name of a variable"),
        ('description = "a\\u001bb"\n', "contract.toml:1: description: has a control character"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_published(author: Author, text: str, problem: str) -> None:
    done = author.fails(65, *author.words(author.write(text)))
    assert problem in done.err
    assert "error[bad-contract]: " in done.err
    assert done.err.count("\n") == 2, "one error and one hint"
    assert not (author.home.parent / "registry").exists()


def test_a_key_that_is_there_twice_is_refused(author: Author) -> None:
    for name, problem in (("c.json", "c.json has a key twice"), ("c.yml", "c.yml:1: has a key twice")):
        author.write('{"env":[],"env":[]}', name)
        assert problem in author.fails(65, *author.words(name)).err


def test_json_may_escape_what_yaml_cannot(author: Author) -> None:
    """Python writes a character beyond U+FFFF as two escapes, which YAML refuses; half of one is no character."""
    author.ok(*author.words(author.write('{"description": "\\ud83d\\ude00 \\ud800"}', "c.json")))
    assert contract_of_annotation(author.annotation(), "", "").description == "\U0001f600 \ufffd"


def test_a_missing_file_is_a_usage_error(author: Author) -> None:
    assert "absent.toml does not exist" in author.fails(2, *author.words("absent.toml")).err


def test_another_name_or_version_is_warned_of_and_not_published(author: Author) -> None:
    text = 'name = "gamma"\nversion = "v9"\n[requirements.plugins]\nmandatory = [{ name = "alpha" }]\n'
    done = author.ok(*author.words(author.write(text)))
    assert "the contract calls the plugin 'gamma'; it is published as beta" in done.err
    assert "the contract is for version 'v9'; it is published as v1.0.0" in done.err
    assert "plugin alpha has no constraint" in done.err
    assert contract_of_annotation(author.annotation(), "", "").name == "beta"


# -- through a registry and a proxy ------------------------------------------------------------------------------


@pytest.fixture
def served(author: Author, registry: RunningRegistry) -> Iterator[str]:
    """Publish into a real registry and serve that; gives the proxy's address."""
    root = f"{registry.url}/contracts"
    author.ok(*author.words(author.write(TOML), root))
    command = [PROGRAM, "proxy", "serve", "--from", root, "--listen", "127.0.0.1:0", "-q"]
    process = subprocess.Popen(command, env=environment(str(author.home)), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.terminate()
            assert process.wait() == 0


@pytest.mark.registry
def test_a_contract_goes_through_a_registry_and_a_proxy(served: str) -> None:
    with urllib.request.urlopen(f"{served}/v1/images/deckhouse-cli/plugins/beta/manifests/v1.0.0") as answer:  # noqa: S310
        index = json.load(answer)
    # Strict base64 of plain JSON: what the Go tool decodes (rpp.md §5.1).
    assert json.loads(base64.b64decode(index["annotations"]["contract"], validate=True)) == DOCUMENT
