"""``facts``: writes what the checks of requirements see in a cluster, as a file that ``--facts`` reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.model.value import Struct
from d8_installer.ops.output_file import output_file
from d8_installer.pipeline.gate import keep_passes
from d8_installer.store import fs

if TYPE_CHECKING:
    from d8_installer.model.facts import ClusterFacts
    from d8_installer.pipeline.session import Session


class WrittenFacts(Struct, frozen=True):
    """The facts of a cluster, and the file that they were written to; None if there is no file."""

    facts: ClusterFacts
    file: str | None

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"file": self.file, "facts": self.facts.as_json()}


def facts(session: Session, output: str | None) -> WrittenFacts:
    """Read all facts of the cluster and, if *output* names a file, write them there in one rename.

    If no cluster is configured, raise ConfigError.
    """
    path = None if output is None else output_file(session, session.profiles.find(), output, "facts.json")
    read = session.checks.every_fact()
    keep_passes(session, session.profiles.generations(session.profiles.find()))
    if path is not None:
        fs.sweep(*os.path.split(path))
        fs.replace_file(path, read.render().encode("utf-8", "surrogateescape"))
    return WrittenFacts(read, path)
