"""docs/architecture.md lists what the code has: files, floors, commands, exit codes, home files, hooks, dependencies.

Each check is a function from the page's text to the differences that it finds, and is shown a page with a planted
difference, so that a check which sees nothing fails too. Whether the prose is right, no test can say.
"""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from d8_installer import errors
from d8_installer.cli.verbs import VERBS
from d8_installer.model.config import Config
from d8_installer.model.lock import LockedImage
from d8_installer.model.value import field_names
from d8_installer.plugin import hookspec, schemes
from d8_installer.store.paths import Home, ProfilePaths

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "d8_installer"
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

Check = Callable[[str], list[str]]


# -- reading the page ----------------------------------------------------------------------------------------


def chapter(page: str, heading: str) -> str:
    """Return the text below a heading, up to the next one of the same or a higher level."""
    level = len(heading) - len(heading.lstrip("#"))
    _, found, rest = page.partition(f"\n{heading}\n")
    assert found, heading
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row, without the heads."""
    lines = text.splitlines()
    ruled = [number for number, line in enumerate(lines) if re.fullmatch(r"\|(-+\|)+", line)]
    heads = {number - 1 for number in ruled} | set(ruled)
    tables = [line for number, line in enumerate(lines) if line.startswith("| ") and number not in heads]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in tables]


def spans(text: str) -> list[str]:
    """Return what stands in code spans."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def files(text: str) -> list[str]:
    """Return the files and folders of the repository that code spans name; a span with a placeholder is none."""
    return [span for span in spans(text) if re.fullmatch(r"[\w./-]+(/|\.(py|toml|md|json))", span)]


def found(name: str) -> Path | None:
    """Return the file that a name on the page means: from the root, or from the package."""
    return next((base / name for base in (ROOT, PACKAGE) if (base / name).exists()), None)


def differences(what: str, page: Iterable[str], code: Iterable[str]) -> list[str]:
    """Say what only one of the two has."""
    ours, theirs = list(page), set(code)
    twice = [f"{what}: the page has {one} twice" for one in sorted({one for one in ours if ours.count(one) > 1})]
    surplus = [f"{what}: only the page has {one}" for one in sorted(set(ours) - theirs)]
    return [*twice, *surplus, *(f"{what}: the page lacks {one}" for one in sorted(theirs - set(ours)))]


# -- the checks ----------------------------------------------------------------------------------------------

OF_A_HOME = {
    "d8.toml",
    "config.toml",
    "tags.json",
    "stamp.json",
    "layout.json",
    "generation.json",
    "logins.json",
    "bin/",
}
OF_A_HOME |= {"req/", "incoming/", "arriving/", "runs/"}
"""Names of files that a home or a project has, outside the chapter that lists them."""


def every_named_file_exists(page: str) -> list[str]:
    text = page.replace(chapter(page, "## Files on disk"), "") + (ROOT / "docs/contributing/index.md").read_text(
        encoding="utf-8"
    )
    return [f"there is no {name}" for name in files(text) if name not in OF_A_HOME and found(name) is None]


def every_heading_is_in_the_contents(page: str) -> list[str]:
    contents = re.findall(r"\]\(#([\w-]+)\)", page.partition("\nContents: ")[2].partition("\n## ")[0])
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    return differences("contents", contents, [heading.lower().replace(" ", "-") for heading in headings])


def every_package_is_named(page: str) -> list[str]:
    top = {name for row in rows(chapter(page, "## Floors")) for name in spans(row[1])}
    nested = {name.rstrip("/") for name in spans(chapter(page, "## Floors")) if name.endswith("/")}
    folders = {each.parent.relative_to(PACKAGE).as_posix() for each in PACKAGE.rglob("__init__.py")} - {"."}
    return [f"the page does not name {folder}/" for folder in sorted(folders - top - nested)]


def the_floors_are_those_of_import_linter(page: str) -> list[str]:
    (contract,) = [c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    drawn = [" | ".join(spans(row[1])) for row in rows(chapter(page, "## Floors"))]
    numbers = [row[0] for row in rows(chapter(page, "## Floors"))]
    wrong = [] if numbers == [str(n) for n in range(len(numbers), 0, -1)] else [f"floors: numbered {numbers}"]
    order = [] if drawn == contract["layers"] else [f"floors: {drawn}, and import-linter has {contract['layers']}"]
    return [*wrong, *order]


def the_road_has_every_file_of_the_pipeline(page: str) -> list[str]:
    named = [name for row in rows(chapter(page, "## The road")) for name in spans(row[1])]
    return differences("the road", named, modules(PACKAGE / "pipeline"))


def modules(folder: Path) -> set[str]:
    return {file.stem for file in folder.glob("*.py")} - {"__init__"}


def the_commands_are_the_parsers(page: str) -> list[str]:
    table = rows(chapter(page, "## Commands"))
    in_files = {span for row in table for span in spans(row[1])}
    without = [f"commands: {row[0]} names no file of its verb" for row in table if not files(row[2])]
    named = set(files(page))
    unnamed = [
        f"the page does not name ops/{name}.py" for name in modules(PACKAGE / "ops") if f"ops/{name}.py" not in named
    ]
    return [
        *differences("commands", [span for row in table for span in spans(row[0])], VERBS),
        *differences("cli/commands", in_files, modules(PACKAGE / "cli/commands")),
        *without,
        *unnamed,
    ]


def the_exit_codes_are_those_of_the_errors(page: str) -> list[str]:
    table = rows(chapter(page, "## Errors"))
    classes = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.D8Error)]
    told = [f"{row[0]} {name}" for row in table for name in spans(row[1])]
    codes = {cls.exit_code for cls in classes} | {errors.EXIT_OK, errors.EXIT_BUG, errors.EXIT_INTERRUPTED}
    return [
        *differences("errors", told, [f"{cls.exit_code} {cls.__name__}" for cls in classes]),
        *differences("exit codes", [row[0] for row in table], map(str, codes)),
    ]


def the_home_has_what_paths_can_name(page: str) -> list[str]:
    text = chapter(page, "## Files on disk")
    home, profile = text.split("\n| path in a profile |")
    return [
        *differences("home", told_paths(f"{home}"), named_paths(Home("/"))),
        *differences("profile", told_paths(f"| path in a profile |{profile}"), named_paths(ProfilePaths("/"))),
    ]


def told_paths(text: str) -> list[str]:
    return [span for row in rows(text) for span in spans(row[0])]


def named_paths(paths: Home | ProfilePaths) -> set[str]:
    """Return every path that the object can name, below its root; parameters are written ``<parameter>``."""
    named = set()
    for name, member in inspect.getmembers(type(paths)):
        if isinstance(member, property):
            value: object = getattr(paths, name)
        elif name.startswith("_") or not inspect.isfunction(member):
            continue
        else:
            value = getattr(paths, name)(
                *(f"<{parameter}>" for parameter in [*inspect.signature(member).parameters][1:])
            )
        path = value.root if isinstance(value, ProfilePaths) else value
        assert isinstance(path, str), name
        named.add(path.lstrip("/"))
    return named


def the_settings_are_those_of_config(page: str) -> list[str]:
    (line,) = re.findall(r"^- `config\.toml` has the settings (.*?)\. ", page, re.MULTILINE)
    return differences("settings", spans(line), field_names(Config))


def the_hooks_are_those_of_hookspec(page: str) -> list[str]:
    table = rows(chapter(page, "## Hooks"))
    hooks = [name for name in vars(hookspec) if name.startswith("d8_")]
    offered = {(span(row[0]), file) for row in table for file in files(row[2])}
    ours = {
        (hook, f"hooks/d8_hooks/{file.name}") for file in (ROOT / "hooks/d8_hooks").glob("*.py") for hook in of(file)
    }
    return [
        *differences("hooks", [span(row[0]) for row in table], hooks),
        *differences("first-party hooks", map(" in ".join, offered), map(" in ".join, ours)),
        *(f"{row[1]} does not name {row[0]}" for row in table if span(row[0]) not in text_of(span(row[1]))),
    ]


def span(cell: str) -> str:
    (text,) = spans(cell)
    return text


def text_of(name: str) -> str:
    file = found(name)
    return "" if file is None else file.read_text(encoding="utf-8")


def of(file: Path) -> Iterator[str]:
    """Yield the hooks that a module implements."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("d8_"):
            yield node.name


IMPORTED_AS = {"backports.zstd": "backports", "cyclonedx-python-lib": "cyclonedx", "pyyaml": "yaml"}


def the_dependencies_are_those_of_the_project(page: str) -> list[str]:
    table = rows(chapter(page, "## Dependencies"))
    project = PROJECT["project"]
    declared = [distribution(text) for text in project["dependencies"]]
    extras = [
        f"[{extra}] {distribution(t)}" for extra, texts in project["optional-dependencies"].items() for t in texts
    ]
    named = [" ".join(spans(row[0])) for row in table]
    code = "".join(file.read_text() for top in ("d8_installer", "hooks") for file in (ROOT / top).rglob("*.py"))
    wanted = {name: IMPORTED_AS.get(name, name.replace("-", "_")) for name in map(distribution, named)}
    unused = [
        name for name, module in wanted.items() if not re.search(rf"^\s*(from|import) {module}\b", code, re.MULTILINE)
    ]
    return [
        *differences("dependencies", named, [*declared, *extras]),
        *(f"{name} is imported nowhere" for name in unused),
    ]


def distribution(requirement: str) -> str:
    """Return the name that a requirement begins with, or that stands behind the extra's name on the page."""
    return re.split(r"[><=;\[ ]", requirement.removeprefix("[").partition("] ")[2] or requirement)[0]


def the_words_are_those_of_the_reference(page: str) -> list[str]:
    reference = (ROOT / "docs/reference/words.md").read_text(encoding="utf-8")
    known = {row[0]: row[1] for row in rows(chapter(page, "## Words"))}
    return [
        f"words: {word} means something else in the reference"
        for word, meaning in rows(reference)
        if known.get(word) != meaning
    ]


def the_value_types_stand_where_the_page_says(page: str) -> list[str]:
    _, plain, named_tuple, dataclass = (row[3] for row in rows(chapter(page, "## Value types")))
    return [
        *(f"{name} defines a Struct" for name in files(plain) if re.search(r"\(.*\bStruct\b", text_of(name))),
        *(f"{name} is a NamedTuple" for name in named_tuples() if not name.startswith(f"{span(named_tuple)}_")),
        *differences("dataclasses", files(dataclass), those_that("dataclasses")),
    ]


def those_that(imported: str) -> Iterator[str]:
    """Yield the files of the package that import a module."""
    for file in PACKAGE.rglob("*.py"):
        if re.search(rf"^\s*(from|import) {imported}\b", file.read_text(encoding="utf-8"), re.MULTILINE):
            yield file.relative_to(PACKAGE).as_posix()


def named_tuples() -> Iterator[str]:
    """Yield each NamedTuple of the package as its folder, a slash, and its name."""
    for file in PACKAGE.rglob("*.py"):
        folder = file.relative_to(PACKAGE).parent.as_posix()
        for name in re.findall(r"^class (\w+)\(NamedTuple\)", file.read_text(encoding="utf-8"), re.MULTILINE):
            yield f"{folder}/{name}"


def the_tests_are_those_in_the_folder(page: str) -> list[str]:
    named = [name for row in rows(chapter(page, "## Tests")) for name in spans(row[0])]
    return differences("tests", named, [each.parent.name for each in (ROOT / "tests").glob("*/__init__.py")])


GUIDES = {
    "### A new verb": ("export", r"\bexport|PHRASES|\bapply\(|packages = "),
    "### A new source": ("oci-layout", r"oci.layout|Layout|SourceContract|Source\b|Client\b"),
    "### A new hook": ("d8_checks", r"d8_checks|\bCheck|_HOOKS|def call|FACTS|Each hook|d8_after_switch"),
    "### A new field of the lock": (
        "demanded",
        r"demanded|Manifest|Request|Wanted|_OWN_RULE|make_plan|LockedImage|ImageIndex",
    ),
    "### A new package": ("merge", r"\b[Mm]erg(e|ing)\b|LockedImage"),
}
"""How to add a thing: the example of each chapter, and what each file that the chapter names has to hold."""
PRODUCED = {"docs/architecture.md", "CHANGELOG.md"}


def the_guides_lead_to_files_that_know_their_example(page: str) -> list[str]:
    wrong = differences(
        "guides", re.findall(r"^### .+$", chapter(page, "## Where new things go"), re.MULTILINE), GUIDES
    )
    for heading, (example, holds) in GUIDES.items():
        text = chapter(page, heading)
        named = sorted({name for name in files(text) if name not in PRODUCED})
        wrong += [] if example in text and len(named) >= 5 else [f"{heading}: no example, or hardly a file"]
        wrong += [f"{heading}: {name} knows nothing of it" for name in named if not re.search(holds, text_of(name))]
    return wrong


def the_guides_name_what_is_in_their_files(page: str) -> list[str]:
    """Check that each identifier of a chapter occurs in a file that the chapter names."""
    wrong = []
    for heading in GUIDES:
        text = chapter(page, heading)
        code = "".join(map(text_of, files(text)))
        named = [re.fullmatch(r"(?:\w+\.)*(\w+)(?:\(.*\))?", one) for one in spans(text) if one not in files(text)]
        known = [match[1] for match in named if match is not None]
        wrong += [f"{heading}: no file has {one}" for one in known if not re.search(rf"\b{one}\b", code)]
    return wrong


def test_dev_py_has_the_options_that_contributing_names() -> None:
    named = set(re.findall(r"(?<!-)--[a-z][a-z-]+", (ROOT / "docs/contributing/index.md").read_text(encoding="utf-8")))
    known = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("dev.py", "docs/demo.py"))
    assert named
    assert [option for option in sorted(named) if f'"{option}"' not in known] == []


def test_the_examples_of_the_guides_are_real() -> None:
    assert "export" in VERBS
    assert "oci-layout" in schemes.FIRST_PARTY
    assert "d8_checks" in vars(hookspec)
    assert "demanded" in field_names(LockedImage)


# -- the page, and pages with a planted difference -----------------------------------------------------------

PLANTED: dict[Check, tuple[str, str]] = {
    every_named_file_exists: ("`plan/plan.py` is the first", "`plan/plans.py` is the first"),
    every_heading_is_in_the_contents: ("\n## Trust\n", "\n## Trusting\n"),
    every_package_is_named: ("`ops/upkeep/`", "`ops/keep/`"),
    the_floors_are_those_of_import_linter: ("| `resolve` `plan` ", "| `plan` `resolve` "),
    the_road_has_every_file_of_the_pipeline: ("`driver` ", ""),
    the_commands_are_the_parsers: ("| `gc` | `gc` |", "| `clean` | `gc` |"),
    the_exit_codes_are_those_of_the_errors: ("| 73 | `DiskError`", "| 74 | `DiskError`"),
    the_home_has_what_paths_can_name: ("| `current/bin` |", "| `current/bins` |"),
    the_settings_are_those_of_config: ("`reserved`, ", ""),
    the_hooks_are_those_of_hookspec: ("`hooks/d8_hooks/token.py`, ", ""),
    the_dependencies_are_those_of_the_project: ("| `pluggy` |", "| `pluggyy` |"),
    the_tests_are_those_in_the_folder: ("| `crash` |", "| `kill` |"),
    the_words_are_those_of_the_reference: ("| store | immutable files,", "| store | files"),
    the_value_types_stand_where_the_page_says: ("`store/paths.py`, `plugin", "`store/store.py`, `plugin"),
    the_guides_name_what_is_in_their_files: ("in `FIRST_PARTY`,", "in `FIRST_PARTIES`,"),
    the_guides_lead_to_files_that_know_their_example: ("1. `ops/export.py`", "1. `ops/sync_to.py`"),
}


@pytest.mark.parametrize("check", PLANTED, ids=lambda check: check.__name__)
def test_the_page_is_true(check: Check) -> None:
    assert check(PAGE) == []


@pytest.mark.parametrize("check", PLANTED, ids=lambda check: check.__name__)
def test_the_check_sees_a_planted_difference(check: Check) -> None:
    old, new = PLANTED[check]
    assert old in PAGE
    assert check(PAGE.replace(old, new, 1)) != check(PAGE)
