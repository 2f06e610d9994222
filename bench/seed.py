"""Publish many small images to one layout: ``seed.py LAYOUT COUNT PLATFORM…``, run with the rig's Python.

It is a script of its own, so that the bench's process does not grow by importing the product.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import closing

from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName
from d8_installer.publish.image import ImageOptions
from d8_installer.publish.push import publish
from d8_installer.registry.oci_layout import LayoutDestination


def main(layout: str, count: int, platforms: list[str]) -> None:
    """Publish ``tool-0000`` and so on, each with one script for each platform."""
    with tempfile.TemporaryDirectory() as folder, closing(LayoutDestination(layout)) as destination:
        for number in range(count):
            name = f"tool-{number:04}"
            builds = [(Platform.parse(platform), _script(folder, name, platform)) for platform in platforms]
            publish(builds, ImageName.parse(name), "v1.0.0", destination, ImageOptions())


def _script(folder: str, name: str, platform: str) -> str:
    path = os.path.join(folder, f"{name}-{platform}")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"#!/bin/sh\necho {name} on {platform}\n")
    return path


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
