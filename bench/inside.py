"""Where the time of one command goes. This is no case of its own, since the measuring itself costs time.

As a script, run with the rig's Python, it measures: ``inside.py REPORT ARGUMENTS…`` runs the tool with the functions in
``_WATCHED`` wrapped. A function that no longer exists is skipped.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.rig import Rig

_WATCHED = (
    ("os", "fsync"),
    ("d8_installer.ops.images.editing", "relock"),
    ("d8_installer.pipeline.fetch", "unpack"),
    ("d8_installer.pipeline.apply", "fetch_all"),
    ("d8_installer.pipeline.apply", "write_stamp"),
    ("d8_installer.store.store", "Store.admit"),
    ("d8_installer.store.store", "Store.incoming"),
    ("d8_installer.store.generations", "ProfileStore.build"),
    ("d8_installer.store.fs", "replace_file"),
    ("d8_installer.plugin.schemes", "open_source"),
    ("d8_installer.registry.client", "_connections"),
)
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")


def report_of(rig: Rig, *arguments: str) -> dict[str, object]:
    """Run the tool twice, watched and with -X importtime, each time in a fresh home, and return milliseconds."""
    file = os.path.join(rig.fresh(), "report.json")
    rig.spend(rig.python, "-I", os.path.abspath(__file__), file, "--home", rig.fresh(), *arguments)
    with open(file, encoding="ascii") as report:
        watched: dict[str, object] = json.load(report)
    command = [rig.python, "-X", "importtime", rig.command, "--home", rig.fresh(), *arguments]
    done = subprocess.run(command, env=rig.env, cwd=rig.directory, capture_output=True, text=True, check=False)
    return {**watched, "imports ms (with the cost of measuring)": _imports(done.stderr)}


def text_of(report: dict[str, object]) -> str:
    """Return the report as lines."""
    lines = []
    for name, value in report.items():
        if isinstance(value, dict):
            lines.append(f"  {name}: {', '.join(f'{key} {figure}' for key, figure in value.items())}")
        else:
            lines.append(f"  {name}: {value}")
    return "\n".join(lines)


def _imports(text: str) -> dict[str, float]:
    """Return the milliseconds that the modules of each top-level package took, the slowest package first."""
    spent: Counter[str] = Counter()
    for own, _, name in _IMPORT.findall(text):
        spent[name.split(".")[0]] += int(own)
    total = {"all": round(sum(spent.values()) / 1000, 1)}
    return total | {name: round(own / 1000, 1) for name, own in spent.most_common(14)}


# -- in the watched process --------------------------------------------------------------------------------


class Watch:
    """Adds up the time spent in functions, by name."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def wrap(self, module: str, path: str) -> None:
        """Replace a function by a timed one; skip a function that does not exist."""
        try:
            owner: Any = importlib.import_module(module)
            *outer, name = path.split(".")
            for part in outer:
                owner = getattr(owner, part)
            setattr(owner, name, self._timed(f"{module}.{path}", getattr(owner, name)))
        except (ImportError, AttributeError):
            return

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                with self._lock:
                    self.spent[name] += round((time.perf_counter() - started) * 1e6)
                    self.calls[name] += 1

        return timed


def main(report: str, arguments: list[str]) -> int:
    """Run the tool with the timed functions, and write the report."""
    watch = Watch()
    started = time.perf_counter()
    for module, path in _WATCHED:
        watch.wrap(module, path)
    command = importlib.import_module("d8_installer.cli.main").run
    imported = time.perf_counter()
    code: int = command(arguments)
    ended = time.perf_counter()
    seen = {
        "imported before the start ms": round((imported - started) * 1000, 1),
        "the command ms": round((ended - imported) * 1000, 1),
        "within it ms (calls)": {
            name: f"{spent / 1000:.1f} ({watch.calls[name]})" for name, spent in watch.spent.most_common()
        },
    }
    with open(report, "w", encoding="ascii") as file:
        json.dump(seen, file)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
