"""``python -m bench [NAMES…] [--rounds N] [--write]``: measure, print the table and one line of JSON."""

from __future__ import annotations

import argparse
import sys
import time

from bench import (
    asking,
    cluster,
    growth,
    inside,
    install,
    lock,
    memory,
    noop,
    page,
    plugins,
    proxy,
    running,
    small,
    twenty,
)
from bench.rig import Rig, make_rig
from bench.table import Row, json_line, text_table

CASES = {
    "small": small.rows,
    "install": install.rows,
    "noop": noop.rows,
    "lock": lock.rows,
    "memory": memory.rows,
    "proxy": proxy.rows,
    "plugins": plugins.rows,
    "twenty": twenty.rows,
    "rollback": growth.rollback_rows,
    "growth": growth.rows,
    "running": running.rows,
    "asking": asking.rows,
    "cluster": cluster.rows,
}
BREAKDOWNS = {"install": install.breakdown}


def main() -> None:
    """Run the named cases, or all."""
    typed = _parse()
    names = typed.names or list(CASES)
    started = time.monotonic()
    with make_rig(typed.rounds) as rig:
        found = [row for name in names for row in _measured(name, rig)]
        reports = {name: BREAKDOWNS[name](rig) for name in names if name in BREAKDOWNS}
    print(text_table(found))
    for name, report in reports.items():
        print(f"\nwhere the time of one {name} goes:\n{inside.text_of(report)}")
    print(f"\n{json_line(found, reports)}")
    if typed.write:
        page.write(found)
    print(f"took {time.monotonic() - started:.0f} s", file=sys.stderr)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAMES", help=f"cases: {', '.join(CASES)} (default: all)")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each case (default: depends on the case)")
    parser.add_argument("--write", action="store_true", help="update the table in bench/README.md")
    typed = parser.parse_args()
    if unknown := [name for name in typed.names if name not in CASES]:
        parser.error(f"no case is named {unknown[0]}; the cases are {', '.join(CASES)}")
    if typed.rounds is not None and typed.rounds < 1:
        parser.error("at least one round")
    return typed


def _measured(name: str, rig: Rig) -> list[Row]:
    started = time.monotonic()
    found = CASES[name](rig)
    print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main()
