"""Blobs come first and the tag last; a published tag keeps its bytes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from d8_installer.errors import NotAllowedError, TryAgainError
from d8_installer.publish.image import ImageOptions
from d8_installer.publish.push import Published, publish

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.model.platform import Platform


from tests.publish.recorder import AMD64, DARWIN, STRONGHOLD, TAG, Recorder, pushed

# -- pushing ---------------------------------------------------------------------------------------------


def test_blobs_come_first_and_the_tag_last(builds: list[tuple[Platform, str]]) -> None:
    recorder = pushed(builds)
    assert recorder.writes == ["blob"] * 6 + ["child"] * 3 + ["tag"]


@pytest.mark.parametrize("failing", ["blob", "child", "tag"])
def test_a_failed_push_leaves_no_tag_and_can_be_repeated(failing: str, builds: list[tuple[Platform, str]]) -> None:
    recorder = Recorder(failing)
    with pytest.raises(TryAgainError):
        publish(builds, STRONGHOLD, TAG, recorder, ImageOptions())
    assert TAG not in recorder.manifests
    recorder.failing = ""
    assert publish(builds, STRONGHOLD, TAG, recorder, ImageOptions()).changed


def test_equal_blobs_are_written_once(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"#!/bin/sh\n")
    recorder = pushed([(AMD64, str(script)), (DARWIN, str(script))])
    assert recorder.writes == ["blob"] * 3 + ["child"] * 2 + ["tag"]


def test_a_published_tag_keeps_its_bytes_unless_replaced(builds: list[tuple[Platform, str]]) -> None:
    recorder = pushed(builds)
    writes = list(recorder.writes)
    assert not publish(builds, STRONGHOLD, TAG, recorder, ImageOptions()).changed
    with pytest.raises(NotAllowedError, match="is already published in recorder with other bytes") as caught:
        publish(builds[:1], STRONGHOLD, TAG, recorder, ImageOptions())
    assert caught.value.hint is not None
    assert "--replace" in caught.value.hint
    assert recorder.writes == writes
    assert publish(builds[:1], STRONGHOLD, TAG, recorder, ImageOptions(replace=True)).changed


def test_the_result_as_json(builds: list[tuple[Platform, str]]) -> None:
    published = publish(builds[:1], STRONGHOLD, TAG, Recorder(), ImageOptions())
    assert isinstance(published, Published)
    [child] = published.children
    assert published.as_json() == {
        "destination": "recorder",
        "image": "deckhouse-cli/plugins/stronghold",
        "tag": TAG,
        "index": str(published.index),
        "changed": True,
        "dry_run": False,
        "platforms": {
            "linux-amd64": {"child": str(child.child), "layer": str(child.layer), "size": child.size},
        },
        "contract": None,
    }
    json.dumps(published.as_json())


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_nothing_is_left_in_the_temporary_directory(
    builds: list[tuple[Platform, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    pushed(builds)
    with pytest.raises(TryAgainError):
        publish(builds, STRONGHOLD, TAG, Recorder("child"), ImageOptions())
    assert list(temporary.iterdir()) == []
