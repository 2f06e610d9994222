"""The README and docs say only what runs: their transcripts are the demo's, their examples are executed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from difflib import unified_diff
from functools import cache
from pathlib import Path

import pytest

from d8_installer import errors
from d8_installer.cli.verbs import VERBS
from d8_installer.model.config import Config
from d8_installer.model.manifest import Manifest
from docs.generate.regions import changed_pages
from tests.command import run
from tests.images import executable
from tests.person import Person

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")))


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of *language* in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@cache
def demo() -> tuple[str, str]:
    """Run the demo as `dev.py demo` does; return what it printed, and its picture. It must leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as directory:
        picture = Path(folder, "terminal.svg")
        command = [sys.executable, "docs/demo.py", "--picture", str(picture)]
        env = {**os.environ, "TMPDIR": directory}
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        printed = done.stdout.decode()
        assert done.returncode == 0, printed
        assert os.listdir(directory) == []
        return re.sub(r"\x1b\[[\d;]*m", "", printed), picture.read_text()


def normal(text: str) -> str:
    """Take out what differs from one machine or run to another: digests, ports, sizes, seconds."""
    text = re.sub(r"\b[0-9a-f]{12}…", "<digest>", text)
    text = re.sub(r"profiles/[0-9a-f]{16}", "profiles/<project>", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+|https://rpp\.example\.com", "<endpoint>", text)
    text = re.sub(r"[\d.]+ (MB|kB)", r"<n> \1", text)
    return re.sub(r"in [\d.]+ s", "in <n> s", text)


def test_the_demo_runs_leaves_nothing_behind_and_the_readme_shows_a_piece_of_it() -> None:
    (excerpt,) = blocks("README.md", "console")
    assert normal(excerpt) in normal(demo()[0])


def test_the_picture_of_the_readme_is_the_demos() -> None:
    """After a change, `python3 dev.py demo --picture docs/images/terminal.svg` draws it."""
    (name,) = re.findall(r"^!\[.*]\((.*)\)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    kept, drawn = (
        re.sub(r"[\d.]+(?=&#160;(MB|s)\b)|textLength=\S+", "", text) for text in ((ROOT / name).read_text(), demo()[1])
    )
    assert kept == drawn


@pytest.mark.parametrize("page", PAGES)
def test_manifests_in_the_docs_are_manifests(page: str) -> None:
    for text in filter(re.compile(r"^\[\[images]]", re.MULTILINE).search, blocks(page, "toml")):
        assert Manifest.parse(text.encode(), page).requests


def test_the_generated_regions_are_what_the_code_says() -> None:
    changed = {page: changed_lines(page, text) for page, text in changed_pages().items()}
    assert not changed, f"type `python3 dev.py docs --write`, and commit these pages: {changed}"


def changed_lines(page: str, text: str) -> list[str]:
    """Return the first lines of a page that would change, as `diff -u` shows them."""
    return list(unified_diff(read(page).splitlines(), text.splitlines(), lineterm="", n=0))[2:8]


def read(page: str) -> str:
    """Return the text of a page, empty if it does not exist."""
    return (ROOT / page).read_text() if (ROOT / page).exists() else ""


def test_the_commands_page_has_every_command_and_every_option_of_it() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text()
    sections = dict(re.findall(r"^### (\S+)\n(.*?)(?=^### |<!-- end)", page, re.MULTILINE | re.DOTALL))
    assert sections.keys() == VERBS.keys()
    assert "| `--use-major N` |" in sections["install"]
    assert "| `KEY` |" in sections["config"]
    assert "Exit code 76: a stored file differs" in sections["verify"]


def test_what_is_typed_instead_of_d8_is_a_command() -> None:
    page = (ROOT / "docs/how-to/from-d8.md").read_text()
    typed = set(re.findall(r"`d8-installer ([a-z]+)", page))
    assert len(typed) > 10
    assert typed <= set(VERBS)


def test_the_exit_codes_are_those_of_the_error_tree() -> None:
    table = (ROOT / "docs/reference/exit-codes.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    used = {cls.exit_code for cls in classes if issubclass(cls, errors.D8Error)}
    assert documented == used | {errors.EXIT_OK, errors.EXIT_BUG, errors.EXIT_INTERRUPTED}


def test_the_json_example_is_what_the_command_prints(tmp_path: Path) -> None:
    (example,) = blocks("docs/reference/json.md", "json")
    done = run("which", "nothing", "--json", home=str(tmp_path))
    assert json.loads(done.out) == json.loads(example)


def test_the_explanation_is_what_the_command_prints(tmp_path: Path) -> None:
    (example,) = blocks("docs/explanation/versions.md", "console")
    person = Person(tmp_path / "home", tmp_path / "images")
    builds = {platform: executable(platform, "ruff") for platform in ("darwin-arm64", "linux-amd64")}
    person.publish("ruff", "v1.1.0", builds=builds)
    person.ok("install", "ruff<2", "--platform", "linux-amd64")
    person.publish("ruff", "v1.2.5", "v1.3.0-rc.1", "v2.0.0", builds=builds)
    command, _, shown = example.partition("\n")
    done = person.ok(*command.split()[2:])
    assert done.out.replace(person.endpoint, "https://rpp.example.com") == shown


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert all(f"`{name}" in page for name in Config().as_json())


EVERY_PAGE = [
    "README.md",
    "CONTRIBUTING.md",
    *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").rglob("*.md"))),
]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_links_lead_somewhere(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", (ROOT / page).read_text()):
        file = (ROOT / page).parent.joinpath(target) if target else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"
