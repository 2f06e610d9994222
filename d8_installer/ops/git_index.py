"""Reads the versions that git keeps of a file during a merge: base, ours, theirs. Runs no code of the repository."""

from __future__ import annotations

import os
import subprocess

from d8_installer.model.value import Struct
from d8_installer.pipeline.search_path import program_on_path

_MAX_BYTES = 64 << 20
_SECONDS = 30
_FILE_MODES = frozenset(["100644", "100755"])
_PLAIN = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "safe.bareRepository=explicit", "protocol.allow=never")
"""Settings that keep those of a hostile repository from running anything. No hook, filter or transport is needed."""
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


class MergeVersions(Struct, frozen=True):
    """The versions in the index (gitrevisions(7), ``:<n>:<path>``). ``base`` is None if both sides added the file."""

    base: bytes | None
    ours: bytes
    theirs: bytes


def merge_versions(path: str) -> MergeVersions | None:
    """Return the versions of the file at *path*, or None if git has none or is not installed."""
    program = program_on_path("git", os.environ)
    if program is None:
        return None
    directory, name = os.path.split(path)
    git = [program, "-C", directory, "--literal-pathspecs", *(word for key in _PLAIN for word in ("-c", key))]
    listed = _output([*git, "ls-files", "--unmerged", "-z", "--", name])
    blobs = {}
    for line in (listed or b"").decode("utf-8", "replace").split("\0"):
        mode, _, rest = line.partition("\t")[0].partition(" ")
        if mode in _FILE_MODES:
            blob, _, stage = rest.partition(" ")
            blobs[stage] = _blob(git, blob)
    ours, theirs = blobs.get("2"), blobs.get("3")
    if ours is None or theirs is None or ("1" in blobs and blobs["1"] is None):
        return None
    return MergeVersions(blobs.get("1"), ours, theirs)


def _blob(git: list[str], name: str) -> bytes | None:
    size = _output([*git, "cat-file", "-s", name])
    if size is None or int(size) > _MAX_BYTES:
        return None
    return _output([*git, "cat-file", "blob", name])


def _output(command: list[str]) -> bytes | None:
    """Return the output of a git command, or None if it fails or hangs."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
