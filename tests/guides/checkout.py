"""What a CI job finds: a checkout with d8.toml, d8.lock and the wheel of d8-installer, in a HOME without anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests import command
from tests.guides.desk import GUIDES, PROXY
from tests.guides.proxy import TOKEN
from tests.typed_pages import Reader, Step, blocks_of, compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.managers.machine import Machine
    from tests.typed_pages import Block


class Checkout:
    """A checkout on *machine*, whose images come from the proxy at *url*."""

    def __init__(self, machine: Machine, url: str) -> None:
        self.machine = machine
        self.url = url
        self.directory = machine.home / "work/app"
        (self.directory / "tools").mkdir(parents=True)
        machine.bring_tool(self.directory / "tools")
        machine.variables["D8_RPP_ENDPOINT"] = ""
        (self.directory / "d8.toml").write_text('schema = 1\n\n[[images]]\nname = "stronghold"\nversion = ">=1.4,<2"\n')
        self.lock()

    def lock(self) -> None:
        """Lock the project as its author does, with a HOME of theirs."""
        author = self.machine.root / "author"
        author.mkdir(exist_ok=True)
        env = {"D8_RPP_ENDPOINT": self.url, "D8_RPP_TOKEN": TOKEN}
        done = command.run("lock", home=str(author), env=env, cwd=str(self.directory))
        assert done.code == 0, done

    def outdate(self) -> None:
        """Change the manifest, and forget to lock."""
        manifest = self.directory / "d8.toml"
        manifest.write_text(manifest.read_text().replace(">=1.4", ">=1.3"))

    def reader(self, variables: Mapping[str, str]) -> Reader:
        """Return who types in the checkout."""
        here = {PROXY: self.url}
        everything = self.machine.environment() | {
            name: value.replace(PROXY, self.url) for name, value in variables.items()
        }
        return Reader(self.machine.home, everything, here, self.directory)

    def runs(self, page: str, steps: Sequence[Step], variables: Mapping[str, str]) -> None:
        """Run *steps*; they must print what the page shows."""
        compare(GUIDES / f"{page}.md", steps, self.reader(variables))


def block(page: str, language: str) -> str:
    """Return the first block of *language* of a guide."""
    text = (GUIDES / f"{page}.md").read_text()
    return "\n".join(next(each for each in blocks_of(text) if each.language == language).lines)


def logs(page: str) -> dict[str, Block]:
    """Return the blocks ``text`` by what the line above them names: the log of the step … in backticks."""
    text = (GUIDES / f"{page}.md").read_text()
    found = [each for each in blocks_of(text) if each.language == "text"]
    return {_named(each.above): each for each in found}


def _named(line: str) -> str:
    match = re.search(r"`([^`]+)`:$", line)
    return match[1] if match else ""


def logged(typed: str, log: Block | None) -> Step:
    """Return a step whose output is the block *log*."""
    return Step(typed, log.lines, log.first) if log else Step(typed)
