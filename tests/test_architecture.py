"""The countable house rules: the floors by import-linter, the rest read from the syntax tree.

Every rule is a function from one module to its offences, and is shown a planted offence, so that a rule
which sees nothing fails too. What a tool already checks (ruff, mypy) does not live here.
"""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from tests import measured

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTED = ("d8_installer/model/", "d8_installer/plugin/", "d8_installer/registry/")
PRINTER = "d8_installer/cli/render.py"
MAX_LINES = 450
MAX_COMMAND_LINES = 70
GRAB_BAGS = {"util", "utils", "helper", "helpers", "common", "misc"}
MARKS = {"TODO", "FIXME", "XXX"}

# The door to the disk is store/fs.py: there the faults are injected.
DISK_DOORS = {
    "d8_installer/store/fs.py",
    "d8_installer/store/flock.py",  # a part of fs
    # Writes an OCI layout for others to read, outside the home; registry may not import store (same floor).
    "d8_installer/registry/layout_files.py",
    # The proxy's cache may be lost at any moment; proxy lives without a store and without a home.
    "d8_installer/proxy/cache.py",
}
DISK_CALLS = {
    *("os.rename", "os.renames", "os.replace", "os.link", "os.symlink", "os.fsync", "os.fdatasync"),
    *("shutil.move", "fcntl", "msvcrt.locking"),
}
# Path's methods can be known by their names alone. `replace` is also a method of str and datetime: only a
# call with one plain argument is the disk's.
PATH_METHODS = {"symlink_to", "hardlink_to"}
PATH_METHODS_OF_ONE_ARGUMENT = {"rename", "replace"}


ADDRESSES = {"url", "urls", "endpoint", "endpoints", "location", "realm", "proxy", "named_sources"}
POSSESSIVE_GROUP = r"(?<!\\)\)(?:[*+?]|\{[0-9,]+\})\+"
TELLING = {"note", "warn", "detail", "say", "Finding", "print"}


@dataclass(frozen=True)
class Module:
    """One source file: its path from the root, with slashes, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)


Function = ast.FunctionDef | ast.AsyncFunctionDef
Rule = Callable[[Module], Iterator[str]]


def at(module: Module, node: ast.AST, what: str) -> str:
    return f"{module.path}:{getattr(node, 'lineno', 1)}: {what}"


def file_is_short(module: Module) -> Iterator[str]:
    limit = MAX_COMMAND_LINES if module.path.startswith("d8_installer/cli/commands/") else MAX_LINES
    lines = len(module.text.splitlines())
    if lines > limit:
        yield f"{module.path}: {lines} lines, more than {limit}"


def only_render_prints(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "print" and module.path != PRINTER:
            yield at(module, node, f"print belongs to {PRINTER}")


def nothing_is_left_for_later(module: Module) -> Iterator[str]:
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    comments = [(t.start[0], t.string) for t in tokens if t.type == tokenize.COMMENT]
    owners = [n for n in ast.walk(module.tree) if isinstance(n, ast.Module | ast.ClassDef | Function)]
    docstrings = [(getattr(n, "lineno", 1), ast.get_docstring(n) or "") for n in owners]
    for line, remark in comments + docstrings:
        words = {word.strip(".,:;()[]!?#'\"`") for word in remark.replace(":", " ").replace("(", " ").split()}
        for mark in sorted(words & MARKS):
            yield f"{module.path}:{line}: {mark}"


def name_says_what_is_inside(module: Module) -> Iterator[str]:
    for part in PurePosixPath(module.path).with_suffix("").parts:
        if part.strip("_") in GRAB_BAGS:
            yield f"{module.path}: {part} names no content"


def module_has_a_docstring(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield f"{module.path}: the module says not what lives in it"


def public_api_has_docstrings(module: Module) -> Iterator[str]:
    if not module.path.startswith(DOCUMENTED):
        return
    for node in module.tree.body:
        if not isinstance(node, ast.ClassDef | Function):
            continue
        if not (node.name.startswith("_") or is_overload(node) or ast.get_docstring(node)):
            yield at(module, node, f"{node.name} is public and has no docstring")


def is_overload(node: ast.ClassDef | Function) -> bool:
    return any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)


def only_the_door_touches_the_disk(module: Module) -> Iterator[str]:
    if module.path in DISK_DOORS or not module.path.startswith("d8_installer/"):
        return
    names = imported_names(module.tree)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            dotted = resolve(node, names)
            if dotted in DISK_CALLS or dotted.split(".")[0] in DISK_CALLS:
                yield at(module, node, f"{dotted} belongs to store/fs.py")
        elif is_path_method(node, names):
            yield at(module, node, f"{ast.unparse(node)} belongs to store/fs.py")


def an_address_is_told_by_shown_alone(module: Module) -> Iterator[str]:
    """In an error, a hint or a line of talk an address may only stand inside ``shown(…)`` or ``Origin.parse(…)``."""
    for call in ast.walk(module.tree):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func).rpartition(".")[2]
        if not (name.endswith(("Error", "error")) or name in TELLING):
            continue
        for part in (*call.args, *(keyword.value for keyword in call.keywords)):
            yield from (at(module, node, f"{ast.unparse(node)} is told as it is") for node in bare_addresses(part))


def bare_addresses(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is formatted into a text, or is the text, and has the name of an address.

    A private function of the module makes its own text, and is judged by its own calls.
    """
    if isinstance(node, ast.Call) and (ast.unparse(node.func) in {"shown", "Origin.parse"} or is_private(node.func)):
        return
    if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).rpartition(".")[2] in ADDRESSES:
        yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from bare_addresses(child)


def is_private(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id.startswith("_")


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Return local name -> dotted origin for every import, function-level ones counted."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def resolve(node: ast.expr, names: dict[str, str]) -> str:
    """Return the dotted origin of ``a`` or ``a.b.c``, or ``""`` when it does not begin with an import."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        left = resolve(node.value, names)
        return f"{left}.{node.attr}" if left else ""
    return ""


def is_path_method(node: ast.AST, names: dict[str, str]) -> bool:
    """Return whether this is a method call that moves or links; a function of an imported module is none."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)) or resolve(node.func, names):
        return False
    one_argument = len(node.args) == 1 and not node.keywords
    return node.func.attr in PATH_METHODS or (one_argument and node.func.attr in PATH_METHODS_OF_ONE_ARGUMENT)


def no_group_is_possessive(module: Module) -> Iterator[str]:
    """Before 3.11.5, which Debian 12 does not have, Python goes on behind what such a group had begun to match."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and re.search(POSSESSIVE_GROUP, str(node.value)):
            yield at(module, node, "a group of a regular expression is possessive")


def no_shell(module: Module) -> Iterator[str]:
    names = imported_names(module.tree)
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        if resolve(node.func, names) in ("os.system", "os.popen"):
            yield at(module, node, "a shell reads this")
        for keyword in node.keywords:
            if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value):
                yield at(module, node, "a shell reads this")


LONG = "x = 1\n" * (MAX_LINES + 1)
COMMAND = "x = 1\n" * (MAX_COMMAND_LINES + 1)
# rule -> (path, text) that must be an offence, and (path, text) that must not
PLANTED: dict[Rule, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    file_is_short: (
        [("d8_installer/ops/sync.py", LONG), ("d8_installer/cli/commands/lock.py", COMMAND)],
        [("d8_installer/ops/sync.py", LONG.removesuffix("x = 1\n"))],
    ),
    only_render_prints: (
        [
            ("d8_installer/ops/sync.py", "def f() -> None:\n    print(1)\n"),
            ("hooks/d8_hooks/rpp.py", "say = print"),
        ],
        [(PRINTER, "print(1)"), ("d8_installer/ops/sync.py", "console.print('print(1)')")],
    ),
    nothing_is_left_for_later: (
        [
            ("d8_installer/plan/plan.py", "x = 1  # TODO: more"),
            ("d8_installer/plan/plan.py", "# (FIXME)"),
            ("d8_installer/plan/plan.py", "def f():\n    '''XXX(me) later.'''"),
        ],
        [("d8_installer/plan/plan.py", "temp = 'XXX'  # TODOS is a word")],
    ),
    name_says_what_is_inside: (
        [
            ("d8_installer/utils.py", ""),
            ("d8_installer/ops/_common/x.py", ""),
            ("hooks/d8_hooks/helpers.py", ""),
        ],
        [("d8_installer/store/fs.py", "")],
    ),
    module_has_a_docstring: ([("d8_installer/plan/plan.py", "x = 1")], [("d8_installer/plan/plan.py", "'''Plans.'''")]),
    public_api_has_docstrings: (
        [
            ("d8_installer/model/digest.py", "class Digest: ..."),
            ("d8_installer/plugin/records.py", "def source(): ..."),
            ("d8_installer/registry/client.py", "async def get(): ..."),
        ],
        [
            (
                "d8_installer/model/digest.py",
                "def _parse(): ...\n@typing.overload\ndef f(): ...\nclass D:\n  'A digest.'",
            ),
            ("d8_installer/ops/sync.py", "def sync(): ..."),
        ],
    ),
    only_the_door_touches_the_disk: (
        [
            ("d8_installer/ops/sync.py", "import os\nos.replace(a, b)"),
            ("d8_installer/ops/sync.py", "import os as o\nf = o.fsync"),
            ("d8_installer/ops/sync.py", "import os.path\nos.rename(a, b)"),
            ("d8_installer/ops/sync.py", "def f():\n    from os import link as l\n    l(a, b)"),
            ("d8_installer/ops/sync.py", "import fcntl\nfcntl.flock(1, 2)"),
            ("d8_installer/ops/sync.py", "from fcntl import flock\nflock(1, 2)"),
            ("d8_installer/ops/sync.py", "here.replace(there)"),
            ("d8_installer/ops/sync.py", "here.symlink_to(there)"),
        ],
        [
            ("d8_installer/store/fs.py", "import os\nos.replace(a, b)"),
            (
                "d8_installer/ops/sync.py",
                "from d8_installer.store import fs\nfs.rename(a)\nb.replace('x', 'y')\nnow.replace(fold=1)",
            ),
        ],
    ),
    an_address_is_told_by_shown_alone: (
        [
            ("d8_installer/ops/sync.py", "raise ConfigError(f'{url} is wrong')"),
            ("d8_installer/ops/sync.py", "raise ConfigError('x', hint=f'not {self.endpoint[:9]!r}')"),
            ("d8_installer/ops/sync.py", "session.reporter.warn('asking ' + realm)"),
            ("d8_installer/ops/sync.py", "raise _bad_error(', '.join(session.sources.endpoints))"),
        ],
        [
            ("d8_installer/ops/sync.py", "raise ConfigError(f'{shown(url)!r} is wrong', hint=f'{Origin.parse(url)}')"),
            ("d8_installer/ops/sync.py", "client.get(f'{url}/x')"),
        ],
    ),
    no_group_is_possessive: (
        [
            ("d8_installer/model/version.py", r"re.compile(r'x(?:\.[0-9]++)*+\.\*')"),
            ("d8_installer/model/version.py", "pattern = rf'(-{_IDS})?+'"),
            ("d8_installer/model/version.py", "pattern = r'(ab){2,3}+'"),
        ],
        [("d8_installer/model/version.py", r"re.compile(r'x(?:\.[0-9]++)*\)++')")],
    ),
    no_shell: (
        [
            ("dev.py", "import subprocess\nsubprocess.run('ls', shell=True)"),
            ("dev.py", "import subprocess\nsubprocess.run('ls', shell=flag)"),
            ("dev.py", "from os import system\nsystem('ls')"),
        ],
        [("dev.py", "import subprocess\nsubprocess.run(['ls'], shell=False)")],
    ),
}


def read(*tops: str) -> list[Module]:
    """Return the modules under the given folders (or the file itself), as git would list them."""
    files = [f for top in tops for f in ([ROOT / top] if top.endswith(".py") else sorted((ROOT / top).rglob("*.py")))]
    return [Module(f.relative_to(ROOT).as_posix(), f.read_text(encoding="utf-8")) for f in files]


def names_of_two_things(modules: Iterable[Module]) -> set[str]:
    """Return the public names of classes, and of aliases of types, that more than one of *modules* defines."""
    counted = Counter(name for module in modules for name in set(defined_types(module)))
    return {name for name, count in counted.items() if count > 1}


def defined_types(module: Module) -> Iterator[str]:
    """Yield the public classes and aliases that a module defines, also those for type checkers alone."""
    body = module.tree.body
    for node in [*body, *(inner for branch in body if isinstance(branch, ast.If) for inner in branch.body)]:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        # A type variable means nothing outside of its module. A constant is in capitals.
        is_variable = isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("TypeVar(")
        for target in node.targets if isinstance(node, ast.Assign) and not is_variable else ():
            if isinstance(target, ast.Name) and target.id[:1].isupper() and not target.id.isupper():
                yield target.id


def titled(rule: Rule) -> str:
    return rule.__name__


@pytest.mark.parametrize("rule", PLANTED, ids=titled)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    modules = read("d8_installer", "hooks", *(("tests", "bench", "dev.py") if rule is no_shell else ()))
    assert {"d8_installer/__init__.py", "d8_installer/errors.py"} <= {module.path for module in modules}
    assert [offence for module in modules for offence in rule(module)] == []


@pytest.mark.parametrize("rule", PLANTED, ids=titled)
def test_the_rule_sees_a_planted_offence_and_nothing_else(rule: Rule) -> None:
    offending, innocent = PLANTED[rule]
    assert [module for module in offending if not list(rule(Module(*module)))] == []
    assert [offence for module in innocent for offence in rule(Module(*module))] == []


def test_no_public_class_or_alias_has_the_name_of_another() -> None:
    assert names_of_two_things(read("d8_installer", "hooks")) == set()


def test_the_twins_are_seen_and_nothing_else() -> None:
    either = "class _Own: ...\nResult = TypeVar('Result')\nLIMIT = 1\n"
    one = Module("d8_installer/a.py", f"{either}class Link: ...\nclass Alone: ...")
    same = Module("d8_installer/b.py", f"{either}if TYPE_CHECKING:\n    Link = str")
    assert names_of_two_things([one, same]) == {"Link"}
    assert names_of_two_things([one]) == set()


def test_imports_go_only_downward() -> None:
    linter = Path(sys.executable).with_name("lint-imports" + (".exe" if os.name == "nt" else ""))
    done = subprocess.run([linter, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def foreign_modules(imported: str) -> list[str]:
    """Return the top-level names, neither ours nor the standard library's, that an import brings in.

    A fresh interpreter, and measurement kept out of it; what site itself loads (.pth files) is not counted.
    """
    program = f"import sys; before = set(sys.modules); import {imported}; print(*set(sys.modules) - before)"
    env = {name: value for name, value in os.environ.items() if name != measured.VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = {name.split(".")[0] for name in done.stdout.split()}
    assert imported.split(".")[0] in names
    ours = {"d8_installer", "d8_hooks"}
    return sorted(n for n in names - ours - sys.stdlib_module_names if not n.startswith("_sysconfigdata"))


def test_importing_the_package_loads_nothing_third_party() -> None:
    assert foreign_modules("d8_installer") == []


def test_importing_the_command_line_loads_nothing_third_party() -> None:
    assert foreign_modules("d8_installer.cli.main") == []


def test_the_import_test_sees_a_third_party_module() -> None:
    assert "packaging" in foreign_modules("packaging.version")
