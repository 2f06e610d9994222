"""Every example that the help shows is a command that works as it stands, for the people that it is written for."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli.verb import GROUPS
from d8_installer.cli.verbs import VERBS

if TYPE_CHECKING:
    from d8_installer.cli.verb import Verb


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_every_command_has_examples_of_itself(verb: Verb) -> None:
    assert verb.group in GROUPS
    assert verb.examples
    for line in verb.examples:
        words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
        assert words[:2] == ["d8-installer", verb.name], line
