"""The images and tags of sources on this machine, read quickly: directories of OCI layouts, and bundles.

What is damaged has no names here; a command that reads it says what is wrong.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_ROOT = "deckhouse-cli"
_PLUGINS = os.path.join(_ROOT, "plugins")
_REF_NAME = "org.opencontainers.image.ref.name"
_MOST = 4 << 20
_BLOCK = 512
_FIRST_MEMBERS = 8


def tags_of(source: str, directory: str) -> Iterator[tuple[str, str]]:
    """Yield the images of *source* with their tags; of a source on another machine, none."""
    scheme, _, path = source.partition(":")
    place = os.path.join(directory, os.path.expanduser(path))
    if scheme == "oci-layout":
        yield from _of_layouts(place)
    elif scheme == "bundle":
        with open(place, "rb") as file:
            yield from _of_bundle(file)


def _of_layouts(root: str) -> Iterator[tuple[str, str]]:
    plugins = os.path.join(root, _PLUGINS)
    names = os.listdir(plugins) if os.path.isdir(plugins) else []
    for image in (_ROOT, *(os.path.join(_PLUGINS, name) for name in names)):
        index = os.path.join(root, image, "index.json")
        if os.path.isfile(index) and os.path.getsize(index) <= _MOST:
            with open(index, "rb") as file:
                yield from ((image, name.rpartition(":")[2]) for name in _names(file.read()))


def _of_bundle(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Read the index, which is one of the first members of the tar."""
    for _ in range(_FIRST_MEMBERS):
        header = file.read(_BLOCK)
        size = int(header[124:135] or b"0", 8)
        if header[:100].rstrip(b"\0") == b"index.json" and size <= _MOST:
            for name in _names(file.read(size)):
                image, _, tag = name.rpartition(":")
                yield image, tag
            return
        file.seek(size + -size % _BLOCK, os.SEEK_CUR)


def _names(index: bytes) -> Iterator[str]:
    for entry in json.loads(index)["manifests"]:
        name = entry.get("annotations", {}).get(_REF_NAME)
        if isinstance(name, str):
            yield name
