"""``manifest schema`` and ``config schema``: check-jsonschema and the installed command give the same verdict.

``tests/model/test_json_schema.py`` compares drawn documents; this one compares whole files, and the rules on the page
that JSON Schema cannot state.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from d8_installer.errors import D8Error
from d8_installer.model.config import Config
from d8_installer.model.manifest import Manifest
from tests.command import run

PAGE = (Path(__file__).parents[2] / "docs/reference/schemas.md").read_text(encoding="utf-8")
STRONGHOLD = 'schema = 1\n[[images]]\nname = "stronghold"\n'

GOOD_MANIFESTS = [
    "schema = 1\n",
    STRONGHOLD,
    'schema = 1\n[[images]]\nname = "deckhouse-cli"\n',
    STRONGHOLD + 'version = ">=1.4, <2"\nbinaries = { d8-x = "usr/bin/x", y = "plugin" }\noptional = true\n',
    STRONGHOLD + 'platforms = ["linux-amd64", "plan9-amd64"]\n',
    STRONGHOLD + f'version = "===v1"\ndigest = "sha256:{"0" * 64}"\n',
    'schema = 1\nplatforms = ["linux-amd64"]\nimages = [{ name = "a" }, { name = "b", version = "*" }]\n',
    'schema = 1\n[[images]]\nname = "nul"\nbinaries = { other = "plugin" }\n',
]
BAD_MANIFESTS = [
    "",
    "schema = 2\n",
    'schema = "1"\n',
    "schema = 1\nimage = []\n",
    "schema = 1\n[images]\n",
    "schema = 1\n[[images]]\n",
    'schema = 1\n[[images]]\nname = "Stronghold"\n',
    'schema = 1\n[[images]]\nname = "nul"\n',
    STRONGHOLD + 'versions = "1"\n',
    STRONGHOLD + "version = 1\n",
    STRONGHOLD + "binaries = {}\n",
    STRONGHOLD + 'binaries = { X = "plugin" }\n',
    STRONGHOLD + 'binaries = { x = "../plugin" }\n',
    STRONGHOLD + 'binaries = { com1 = "plugin" }\n',
    STRONGHOLD + "platforms = []\n",
    STRONGHOLD + 'platforms = ["linux-x64"]\n',
    STRONGHOLD + 'platforms = ["linux"]\n',
    STRONGHOLD + 'optional = "yes"\n',
    STRONGHOLD + f'digest = "sha256:{"0" * 64}"\n',
    STRONGHOLD + 'version = "===v1"\ndigest = "sha256:0"\n',
    'schema = 1\nplatforms = ["linux-amd64", "linux-amd64"]\n',
    'schema = 1\nplatforms = ["plan9-amd64"]\n',
]
PLUGINS = "a plugin's manifest has at least one image, and no list `platforms` above its images"
UNSTATED_MANIFESTS = {
    'the grammar of a range: `version = "newest"` is wrong': STRONGHOLD + 'version = "newest"\n',
    "an image may stand in one entry only": STRONGHOLD + '[[images]]\nname = "stronghold"\n',
    "`x` and `x.exe` in one manifest are the same file on Windows": STRONGHOLD
    + 'binaries = { x = "a", "x.exe" = "b" }\n',
    "a whole number is not written as `1.0`": "schema = 1.0\n",
    "a date is not text: JSON has no dates": STRONGHOLD + "version = 2026-10-01\n",
    PLUGINS: 'platforms = ["linux-amd64"]\n' + STRONGHOLD,
    "a file has at most 1,048,576 characters, 32 levels, and numbers of at most 64 bits": "schema = 1\n"
    + "#" * (1 << 20),
}
GOOD_CONFIGS = [
    "",
    'endpoint = "https://rpp.example.com"\nsources = ["oci-layout:/srv/x"]\nretention = 5\n',
    'allow = ["stronghold"]\nreserved = ["sudo"]\nplugins = ["d8-toy"]\ngate = ["*"]\nlayout = "d8"\n',
    'environments = ["/opt/venv", "C:\\\\venv"]\nsafe_directories = ["/srv/*", "*"]\ncluster_checks = "never"\n',
    '[owners]\nd8 = "deckhouse-cli"\n',
]
BAD_CONFIGS = [
    "endpoints = []\n",
    'endpoint = ["https://rpp.example.com"]\n',
    'sources = "oci-layout:/srv/x"\n',
    'reserved = ["Sudo"]\n',
    "retention = 0\n",
    'retention = "10"\n',
    'environments = ["venv"]\n',
    'safe_directories = ["~/x"]\n',
    'layout = "go"\n',
    'cluster_checks = "sometimes"\n',
    'gate = ["Ruff"]\n',
    'owners = { d8 = "Deckhouse" }\n',
    'owners = { D8 = "deckhouse-cli" }\n',
]


def parser_takes(kind: str, text: str) -> bool:
    """Return whether our own parser reads that text."""
    try:
        if kind == "manifest":
            Manifest.parse(text.encode(), "d8.toml")
        else:
            Config.parse(text.encode(), "config.toml")
    except D8Error:
        return False
    return True


def refused_by_schema(kind: str, texts: list[str], directory: Path) -> set[int]:
    """Return the numbers of the texts that check-jsonschema refuses by the schema that the command prints."""
    schema = directory / "schema.json"
    schema.write_text(run(kind, "schema", home=str(directory)).out)
    files = [directory / f"{number}.toml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "-o", "json", "--schemafile", str(schema)]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, check=False, text=True)
    said = json.loads(done.stdout)
    assert not said.get("parse_errors"), said
    return {int(Path(error["filename"]).stem) for error in said.get("errors", [])}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [("manifest", GOOD_MANIFESTS, BAD_MANIFESTS), ("config", GOOD_CONFIGS, BAD_CONFIGS)],
)
def test_check_jsonschema_gives_the_verdict_of_the_parser(
    kind: str, good: list[str], bad: list[str], tmp_path: Path
) -> None:
    texts = [*good, *bad]
    assert [text for text in good if not parser_takes(kind, text)] == []
    assert [text for text in bad if parser_takes(kind, text)] == []
    assert refused_by_schema(kind, texts, tmp_path) == set(range(len(good), len(texts)))


def test_the_page_lists_the_rules_that_only_the_parser_checks(tmp_path: Path) -> None:
    listed = re.findall(r"^- (.+)$", PAGE.partition("## What a JSON Schema cannot say")[2], re.MULTILINE)
    assert listed == list(UNSTATED_MANIFESTS)
    for rule, text in UNSTATED_MANIFESTS.items():
        assert parser_takes("manifest", text) == (rule == PLUGINS), rule
    (tmp_path / "d8.toml").write_text(UNSTATED_MANIFESTS[PLUGINS])
    assert run("manifest", "check", home=str(tmp_path), cwd=str(tmp_path)).code == 65
    assert refused_by_schema("manifest", list(UNSTATED_MANIFESTS.values()), tmp_path) == set()


def test_the_schemas_are_data_too(tmp_path: Path) -> None:
    for kind in ("manifest", "config"):
        data = json.loads(run(kind, "schema", "--json", home=str(tmp_path)).out)["data"]
        assert data["json_schema"] == json.loads(run(kind, "schema", home=str(tmp_path)).out)
    assert not list(tmp_path.iterdir())
