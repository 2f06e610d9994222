"""A Windows machine to try the tool on by hand.

``python -m tests.windows serve DIRECTORY`` runs one until it is interrupted or terminated; the tool is read from this
checkout at each start. ``python -m tests.windows run [--user NAME] [--cwd PATH] [--env NAME=VALUE] [--seconds N]
DIRECTORY WORD …`` types a command there (``d8-installer``, ``python``, ``cmd /c …``, any program), and ends with its
exit code.
"""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.windows.machine import PROGRAM, PYTHON, SECONDS, Machine, machine
from tests.windows.user import WindowsUser

SHORT = {"d8-installer": PROGRAM, "python": PYTHON}


def serve(directory: Path) -> None:
    """Run a machine, and say what to type. The user ``ann`` can install alpha 1.0.0 and 1.1.0, and beta 2.0.0."""
    directory.mkdir(parents=True, exist_ok=True)
    with machine(directory, editable=True) as running:
        user = WindowsUser(running, "ann", directory / "source")
        user.publish("alpha", "v1.0.0", "v1.1.0")
        user.publish("beta", "v2.0.0")
        (directory / "port").write_text(str(running.port))
        print(f"python -m tests.windows run {directory} d8-installer install alpha", flush=True)  # noqa: T201
        with suppress(KeyboardInterrupt):
            signal.pause()


def run(options: argparse.Namespace) -> int:
    """Type a command on the machine."""
    directory = Path(options.directory).absolute()
    running = Machine(directory / "wine", int((directory / "port").read_text()))
    user = WindowsUser(running, options.user, directory / "source")
    user.env["PYTHONDONTWRITEBYTECODE"] = "1"  # or the checkout would get Windows's paths into its caches
    user.env |= dict(pair.split("=", 1) for pair in options.env)
    program, *arguments = options.words
    done = user.types([SHORT.get(program, program), *arguments], cwd=options.cwd, seconds=options.seconds)
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    if done.code > 255:
        print(f"exit code {done.code:#x}", file=sys.stderr)  # noqa: T201
    return done.code & 0xFF


def main() -> int:
    """Do what was typed."""
    parser = argparse.ArgumentParser(prog="python -m tests.windows")
    ways = parser.add_subparsers(dest="way", required=True)
    ways.add_parser("serve").add_argument("directory")
    running = ways.add_parser("run")
    running.add_argument("--user", default="ann")
    running.add_argument("--cwd")
    running.add_argument("--env", action="append", default=[])
    running.add_argument("--seconds", type=float, default=SECONDS)
    running.add_argument("directory")
    running.add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.way == "run":
        return run(options)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    serve(Path(options.directory).absolute())
    return 0


if __name__ == "__main__":
    sys.exit(main())
