"""Pages that a reader types along: one bash types the commands of a page, and they print what the page shows.

What counts in a page, from its first line to its last:

- a block ``console``: each line ``$ COMMAND`` (the lines ``> …`` below continue it), and under it what the command
  prints to stdout and stderr. A line ``…`` stands for any lines;
- a block ``sh`` is typed as a whole. A block ``text`` directly below it is what it prints to stdout;
- any other block directly below a line that ends with "ave this as `FILE`:" is saved as that file;
- ``<!-- not typed: REASON -->`` directly above a block leaves it out.

A command ends with 0, unless the page shows a line that begins with ``error``, or ``$ echo $?`` comes next.
``D8_WRITE_PAGES=1`` writes what the commands print now into the page where that differs, and compares nothing;
``D8_WRITE_PAGES=all`` writes all of it, sizes and times too.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MARK = "-- the end of a command --"
TIMEOUT = 300
ANY = "…"
NORMAL = (
    (r"\b[0-9a-f]{12,64}\b", "<digest>"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
    (r"\b\d+(\.\d+)? (B|kB|MB|GB|bytes)\b", "<size>"),
    (r"\b\d+(\.\d+)? (s|ms|min|seconds)\b", "<time>"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(Z| UTC)?", "<when>"),
    (r"[ \t]+$", ""),
    (r"  +", "  "),
)
"""What differs from one run to the next, and what stands for it in the comparison."""
TRANSFER = re.compile(r"^fetch(?:ing|ed) .*\n", re.MULTILINE)
"""The lines of transfers, which run beside the rest: they may come earlier or later."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, the line above it, and the number of its first line in the page."""

    language: str
    lines: tuple[str, ...]
    above: str
    first: int


@dataclass(frozen=True)
class Step:
    """What is typed, and the lines of the page that show what it prints; ``first`` is None if none do."""

    typed: str
    shown: tuple[str, ...] = ()
    first: int | None = None
    streams: str = "both"

    @property
    def fails(self) -> bool:
        """Return whether the page shows that this fails."""
        return any(line.startswith("error") for line in self.shown)


@dataclass(frozen=True)
class Printed:
    """How a step ended, and what it printed."""

    code: int
    text: str


@dataclass
class Reader:
    """Somebody with a HOME and a PATH; *names* are what the page types, and what stands for it on this machine."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    """Where they begin, if not in HOME."""

    def types(self, steps: Sequence[Step]) -> list[Printed]:
        """Type *steps* into one bash, in HOME; return what each printed."""
        self.home.mkdir(parents=True, exist_ok=True)
        script = self.home.parent / f"{self.home.name}.page.sh"
        script.write_text(self._replaced("".join(_line(step, script) for step in steps)))
        printed = script.with_suffix(".out")
        self._bash(script, printed)
        pieces = re.split(rf"\n{MARK} (\d+)\n", printed.read_text(errors="replace"))
        said = [Printed(int(code), self._seen(text)) for text, code in zip(pieces[::2], pieces[1::2], strict=False)]
        assert len(said) == len(steps), f"the shell ended in {steps[len(said)].typed!r}:\n{pieces[-1]}"
        return said

    def _bash(self, script: Path, printed: Path) -> None:
        env = command.environment(str(self.home)) | self.variables
        with printed.open("wb") as out:
            bash = subprocess.Popen(
                ["bash", "--noprofile", "--norc", script],
                env=env,
                cwd=self.directory or self.home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            try:
                bash.wait(TIMEOUT)
            finally:  # also what the page left in the background
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(bash.pid, signal.SIGTERM)

    def _replaced(self, text: str) -> str:
        for name, here in self.names.items():
            text = text.replace(name, here)
        return text

    def _seen(self, text: str) -> str:
        for name, here in self.names.items():
            text = text.replace(here, name)
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        return text.replace(str(self.home), "~")


def check(page: Path, reader: Reader) -> None:
    """Type the whole page, and compare what is printed with what the page shows."""
    compare(page, steps_of(page.read_text()), reader)


def compare(page: Path, steps: Sequence[Step], reader: Reader) -> None:
    """Type *steps*, which show lines of the page, and compare."""
    said = reader.types(steps)
    for step, printed, after in zip(steps, said, [*steps[1:], Step("")], strict=True):
        may_fail = step.fails or after.typed == "echo $?"
        assert (printed.code == 0) or may_fail, f"$ {step.typed}\nexit {printed.code}\n{printed.text}"
        assert not (step.fails and printed.code == 0), f"$ {step.typed}\nthe page shows an error\n{printed.text}"
    if os.environ.get("D8_WRITE_PAGES"):
        page.write_text(_rewritten(page.read_text(), steps, said))
        return
    for step, printed in zip(steps, said, strict=True):
        assert step.first is None or _fits(step, printed), _difference(page, step, printed)


def steps_of(text: str) -> list[Step]:
    """Return what a page has its reader type."""
    steps: list[Step] = []
    blocks = list(blocks_of(text))
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        saved = re.search(r"[Ss]ave this as `([^`]+)`:$", block.above)
        if block.above.startswith("<!-- not typed"):
            continue
        if saved:
            steps.append(_saving(saved[1], block))
        elif block.language == "console":
            steps += _console(block)
        elif block.language == "sh":
            said = after if after and after.language == "text" and not after.above else None
            steps.append(_whole(block, said))
    return steps


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the fenced blocks that are not indented. ``above`` of one that follows a block directly is empty."""
    lines = text.splitlines()
    number, above = 0, ""
    while number < len(lines):
        opening = re.match(r"(```+)([\w-]*)$", lines[number])
        if not opening:
            above = lines[number].strip() or above
            number += 1
            continue
        end = lines.index(opening[1], number + 1)
        yield Block(opening[2], tuple(lines[number + 1 : end]), above, number + 1)
        number, above = end + 1, ""


def _saving(path: str, block: Block) -> Step:
    content = "\n".join(block.lines)
    target = path if path.startswith("~/") else f"'{path}'"
    return Step(f"mkdir -p \"$(dirname {target})\"\ncat > {target} <<'END_OF_THE_FILE'\n{content}\nEND_OF_THE_FILE")


def _whole(block: Block, said: Block | None) -> Step:
    typed = "\n".join(block.lines)
    return Step(typed, said.lines, said.first, "stdout") if said else Step(typed, streams="stdout")


def _console(block: Block) -> Iterator[Step]:
    starts = [number for number, line in enumerate(block.lines) if line.startswith("$ ")]
    assert starts[:1] == [0], f"a console block begins with a command: {block.lines[:1]}"
    for start, end in zip(starts, [*starts[1:], len(block.lines)], strict=True):
        first = start + 1
        while first < end and block.lines[first].startswith("> "):
            first += 1
        typed = "\n".join(line[2:] for line in block.lines[start:first])
        yield Step(typed, block.lines[first:end], block.first + first)


def _line(step: Step, script: Path) -> str:
    """Return the lines of the script that type *step*, keep its exit code for the next one, and mark its end."""
    errors = "2>&1" if step.streams == "both" else f"2>>'{script}.err'"
    return f"{{\n{step.typed}\n}} {errors}\n{{ __code=$?; printf '\\n{MARK} %d\\n' $__code; (exit $__code); }}\n"


def normal(text: str) -> str:
    """Return *text* without what differs from one machine or run to another."""
    for pattern, name in NORMAL:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text.strip("\n")


def _fits(step: Step, printed: Printed) -> bool:
    shown, said = (f"{normal(text)}\n".lstrip("\n") for text in ("\n".join(step.shown), printed.text))
    if ANY not in step.shown:
        if sorted(TRANSFER.findall(shown)) != sorted(TRANSFER.findall(said)):
            return False
        shown, said = TRANSFER.sub("", shown), TRANSFER.sub("", said)
    pattern = "".join("(.*\n)*" if line == ANY else re.escape(f"{line}\n") for line in shown.splitlines())
    return re.fullmatch(pattern, said) is not None


def _difference(page: Path, step: Step, printed: Printed) -> str:
    shown = "\n".join(step.shown)
    return (
        f"{page.name}: $ {step.typed}\n-- the page shows\n{shown}\n-- it prints (exit {printed.code})\n{printed.text}"
    )


def _rewritten(text: str, steps: Sequence[Step], said: Sequence[Printed]) -> str:
    """Return the page with what the commands print now, where that is not what it shows."""
    lines = text.splitlines()
    for step, printed in reversed(list(zip(steps, said, strict=True))):
        is_new = os.environ["D8_WRITE_PAGES"] == "all" or not _fits(step, printed)
        if step.first is not None and ANY not in step.shown and is_new:
            lines[step.first : step.first + len(step.shown)] = printed.text.strip("\n").splitlines()
    return "\n".join(lines) + "\n"
