"""The developer's door: ``python3 dev.py setup|test|lint|docs|build|bench|demo|…``, from Python 3.11 and nothing else.

Lives here: making ``.venv`` and running the tools in it. Standard library only. What the tools check is
said in ``pyproject.toml``; no rule about the code lives in this file.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "d8-dev.stamp"
MEASURE = "import os; os.getenv('D8_TEST_COVERAGE') and __import__('tests.measured').measured.start()"
DEMO = "docs/demo.py"
SITE = "docs/build"
WINDOWS = ["--platform", "win32", "--no-warn-unreachable", "--cache-dir", ".mypy_cache/win32", "-p", "d8_installer"]
COVERAGE = ["--cov", "--cov-report=term-missing:skip-covered"]

PIP = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130


class Stage(NamedTuple):
    """One tool of the quality gate: the name that the summary shows, and its command line."""

    name: str
    command: list[str]


class SetupError(Exception):
    """The virtual environment cannot be made; the message says what to type."""


def main(argv: list[str]) -> int:
    """Run one command; the exit code is that of the first stage that failed."""
    args, extra = parse(argv)
    os.chdir(ROOT)
    try:
        set_up()
        return run_command(args, extra)
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the known options, and the rest of the line for the tool that the command runs."""
    parser = argparse.ArgumentParser(prog="dev.py", description="d8-installer's developer commands")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("setup", help="make or refresh .venv")
    test = commands.add_parser(
        "test",
        help="the whole quality gate",
        usage="dev.py test [--quick | --thorough] [--coverage] [--only-tests] [pytest arguments …]",
        allow_abbrev=False,
    )
    form = test.add_mutually_exclusive_group()
    form.add_argument("--quick", action="store_true", help="only the tests without processes and servers, and no lint")
    form.add_argument("--thorough", action="store_true", help="the long form: sets D8_THOROUGH=1")
    test.add_argument("--coverage", action="store_true", help="measure branch coverage, which takes longer")
    test.add_argument("--only-tests", action="store_true", help="leave the lint stages out")
    lint = commands.add_parser("lint", help="ruff, mypy and import-linter")
    lint.add_argument("--fix", action="store_true", help="let ruff mend and format first")
    docs = commands.add_parser(
        "docs", help=f"build the documentation site into {SITE}; a warning or a broken link fails"
    )
    docs.add_argument("--write", action="store_true", help="write the generated parts of the pages first")
    build = commands.add_parser("build", help="make the sdist, and from that the wheel, as a release has them")
    build.add_argument("--out", default="dist", metavar="DIR", help="where they go (default: %(default)s)")
    commands.add_parser("bench", help="python -m bench, with its own arguments", add_help=False)
    commands.add_parser("demo", help=f"run {DEMO}", add_help=False)
    commands.add_parser("cluster-tools", help="build the control plane that tests/cluster runs on (5 minutes, once)")
    commands.add_parser("windows", help="make the Wine prefix that tests/windows runs on (a minute, once)")
    args, extra = parser.parse_known_args(argv)
    if extra and args.command in ("setup", "lint", "build", "cluster-tools", "windows"):
        parser.error(f"unrecognized arguments: {' '.join(extra)}")
    return args, extra


def run_command(args: argparse.Namespace, extra: list[str]) -> int:
    """Do what the command says, in a virtual environment that is ready."""
    if args.command == "test":
        stages = [] if args.only_tests or args.quick else lint_stages(fix=False)
        options = ["--quick"] * args.quick + COVERAGE * args.coverage
        return run_stages([*stages, test_stage([*options, *extra])], thorough=args.thorough)
    if args.command == "lint":
        return run_stages(lint_stages(fix=args.fix))
    if args.command == "docs":
        if args.write and (code := run([str(PYTHON), "-m", "docs.generate", "--write"])):
            return code
        return run([str(PYTHON), "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html", "docs", SITE, *extra])
    if args.command == "build":
        return build(args.out)
    if args.command == "bench":
        return run([str(PYTHON), "-m", "bench", *extra])
    if args.command == "demo":
        return run([str(PYTHON), DEMO, *extra])
    if args.command == "cluster-tools":
        return run([str(PYTHON), "-m", "tests.cluster.tools"])
    if args.command == "windows":
        return run([str(PYTHON), "-m", "tests.windows.prefix"])
    return 0


# The stages


def lint_stages(*, fix: bool) -> list[Stage]:
    """Return what needs no running code: style, format, types, floors."""
    ruff = [str(PYTHON), "-m", "ruff"]
    return [
        Stage("ruff check", [*ruff, "check", *(["--fix"] if fix else []), "."]),
        Stage("ruff format", [*ruff, "format", *([] if fix else ["--check"]), "."]),
        Stage("mypy", [str(PYTHON), "-m", "mypy"]),
        # Code behind `if sys.platform == "win32"` ends there early, so what follows cannot be reached.
        Stage("mypy win32", [str(PYTHON), "-m", "mypy", *WINDOWS]),
        Stage("lint-imports", [str(BIN / "lint-imports"), "--no-logo"]),
    ]


def test_stage(extra: list[str]) -> Stage:
    """Return pytest in two processes; *extra* comes last, so that it wins."""
    return Stage("pytest", [str(PYTHON), "-m", "pytest", "-n", "2", "--dist", "loadgroup", *extra])


def run_stages(stages: list[Stage], *, thorough: bool = False) -> int:
    """Run every stage, also after one that failed; then say which failed."""
    results = []
    for stage in stages:
        print(f"== {stage.name}", flush=True)
        started = time.monotonic()
        code = run(stage.command, thorough=thorough)
        results.append((stage.name, code, time.monotonic() - started))
    print("== summary")
    for name, code, seconds in results:
        verdict = "ok" if code == 0 else f"FAILED, exit {code}"
        print(f"{name:<14}{seconds:7.1f} s  {verdict}", flush=True)
    return next((code for _, code, _ in results if code), 0)


def run(command: list[str], *, thorough: bool = False, quiet: bool = False, where: Path = ROOT) -> int:
    """Run a tool as an activated environment would; a signal ends with 128+n, as in a shell.

    With *quiet*, its output is shown only if it fails.
    """
    env = dict(os.environ, VIRTUAL_ENV=str(VENV))
    env["PATH"] = os.pathsep.join([str(BIN), env.get("PATH", os.defpath)])
    env.pop("PYTHONHOME", None)
    if thorough:
        env["D8_THOROUGH"] = "1"
    done = subprocess.run(command, cwd=where, env=env, check=False, capture_output=quiet)
    code = done.returncode
    if quiet and code:
        sys.stderr.buffer.write(done.stdout + done.stderr)
    return 128 - code if code < 0 else code


# What is released


def build(out: str) -> int:
    """Build the sdist, and the wheel from what is in it, so that a file that the sdist lacks is missed here.

    Both have the same bytes each time that the same files are built. *out* holds them only if both could be built.
    """
    with tempfile.TemporaryDirectory() as directory:
        draft, tree = Path(directory, "dist"), Path(directory, "tree")
        hatchling = [str(PYTHON), "-m", "hatchling", "build", "-d", str(draft)]
        if code := run([*hatchling, "-t", "sdist"], quiet=True):
            return code
        shutil.unpack_archive(next(draft.iterdir()), tree, filter="data")
        if code := run([*hatchling, "-t", "wheel"], quiet=True, where=next(tree.iterdir())):
            return code
        Path(out).mkdir(parents=True, exist_ok=True)
        for file in sorted(draft.iterdir()):
            shutil.copy(file, out)
            print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {Path(out) / file.name}")
    return 0


# The virtual environment


def set_up() -> None:
    """Make ``.venv`` hold what pyproject.toml asks for; does nothing when it already does.

    The stamp is written last: an interrupted set-up leaves none, and the next command does it again.
    """
    version = probe()
    if version and read_stamp() == fingerprint(version):
        return
    STAMP.unlink(missing_ok=True)
    if not version:
        make_venv()
        version = probe()
    print(f"== setup of {VENV} for {version}", flush=True)
    install("pip>=25.1")  # the first that knows --group
    install("--editable", ".[proxy,sbom]", "--group", "dev")
    (libraries() / "d8_tests.pth").write_text(MEASURE + "\n", encoding="utf-8")
    STAMP.write_text(fingerprint(version), encoding="utf-8")


def probe() -> str:
    """Return the version of a venv's Python that runs and has pip, else ``""``.

    A venv breaks when the Python that it links to is removed, or upgraded to another minor version.
    """
    code = "import pip, platform; print(platform.python_implementation(), platform.python_version())"
    try:
        done = subprocess.run([str(PYTHON), "-c", code], check=False, capture_output=True, text=True, encoding="utf-8")
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def libraries() -> Path:
    """Return the directory of the virtual environment whose ``.pth`` files its Python obeys."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([str(PYTHON), "-c", code], check=True, capture_output=True, text=True).stdout.strip())


def fingerprint(version: str) -> str:
    """Return the hash that changes when the environment has to be installed again.

    The place counts: console scripts hold the absolute path of their Python.
    """
    facts = [(ROOT / "pyproject.toml").read_bytes(), version.encode(), os.fsencode(VENV)]
    return hashlib.sha256(b"\0".join(facts)).hexdigest()


def read_stamp() -> str:
    """Return what the last finished set-up wrote, or ``""``."""
    try:
        return STAMP.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def make_venv() -> None:
    """Make ``.venv`` again by the first way that works here.

    Debian ships ``venv`` without ``ensurepip`` unless python3-venv is installed: then another pip, or
    virtualenv, has to put pip in.
    """
    ways = [[[sys.executable, "-m", "venv", str(VENV)]]]
    if importlib.util.find_spec("pip"):
        bare = [sys.executable, "-m", "venv", "--without-pip", str(VENV)]
        ways.append([bare, [sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "-q", "pip"]])
    if importlib.util.find_spec("virtualenv"):
        ways.append([[sys.executable, "-m", "virtualenv", "--quiet", str(VENV)]])
    for commands in ways:
        shutil.rmtree(VENV, ignore_errors=True)
        if all(quietly(command) for command in commands) and probe():
            return
    raise SetupError("this Python cannot make a virtual environment; type: apt-get install python3-venv")


def quietly(command: list[str]) -> bool:
    """Run a command whose failure is only the reason to try the next way."""
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode == 0


def install(*what: str) -> None:
    """Install into the virtual environment; pip's own words say why it failed."""
    if run([*PIP, *what]) != 0:
        raise SetupError(f"could not install {' '.join(what)} (see above)")


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - this file meets the Python that the machine has
        sys.exit("dev.py: Python 3.11 or newer is needed; this is " + sys.version.split()[0])
    sys.exit(main(sys.argv[1:]))
