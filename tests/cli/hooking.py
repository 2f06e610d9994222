"""Hooks for tests: a verifier, and a tool of its own to put plugins into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.own import LOGGING, OwnTool

if TYPE_CHECKING:
    from pathlib import Path

VERIFIER = (
    LOGGING
    + """
def verify(subject):
    log(subject.image, subject.tag, subject.platform, subject.source.split(":")[0], subject.size > 0)
    assert subject.manifest(str(subject.index)).digest == subject.index
    assert subject.manifest(str(subject.child)).digest == subject.child
    assert subject.manifest(subject.tag).digest == subject.index
    if os.environ.get("REFUSE") == subject.tag:
        raise NotAllowedError("it is not signed", hint="sign it")
    if os.environ.get("REFUSE") == "boom":
        raise RuntimeError("boom")

@hookimpl
def d8_verifiers():
    return [Verifier("signatures", verify=verify)]
"""
)


def an_own(tmp_path: Path) -> OwnTool:
    return OwnTool(tmp_path)
