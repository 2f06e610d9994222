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
    """The facts of a cluster, and the file that they were written to; None if there is no file.

    ``changed``: the file has other bytes than before, or would have in a dry run.
    """

    facts: ClusterFacts
    file: str | None
    changed: bool = False
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"changed": self.changed, "dry_run": self.dry_run, "file": self.file, "facts": self.facts.as_json()}


def facts(session: Session, output: str | None, *, dry_run: bool = False) -> WrittenFacts:
    """Read all facts of the cluster and, if *output* names a file, write them there in one rename.

    If no cluster is configured, raise ConfigError.
    """
    path = None if output is None else output_file(session, session.profiles.find(), output, "facts.json")
    read = session.checks.every_fact()
    if not dry_run:
        keep_passes(session, session.profiles.generations(session.profiles.find()))
    if path is None:
        return WrittenFacts(read, None, dry_run=dry_run)
    data = read.render().encode("utf-8", "surrogateescape")
    changed = fs.read(path, limit=len(data) + 1) != data
    if changed and not dry_run:
        fs.sweep(*os.path.split(path))
        fs.replace_file(path, data)
    return WrittenFacts(read, path, changed, dry_run)
