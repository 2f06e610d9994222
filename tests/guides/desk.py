"""The desk of somebody who reads a guide: a HOME, the images on offer, and the names that the pages use for them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from tests.command import environment
from tests.images import add_image, host_platform
from tests.person import Person
from tests.typed_pages import Reader, check

if TYPE_CHECKING:
    from tests.images import Build

GUIDES = Path(__file__).resolve().parents[2] / "docs/how-to"
PROXY = "https://registry-packages-proxy.example.com"
"""What the pages call the reader's proxy."""
PLATFORMS = ("linux-amd64", "linux-arm64", "darwin-arm64")


def program(name: str, version: str) -> bytes:
    """Return a program of a usual size that prints its name and version, whatever it is asked."""
    ballast = random.Random(version).randbytes(400_000).hex()  # noqa: S311 - the same bytes each time
    return f'#!/bin/sh\necho "{name} {version}"\nexit\n{ballast}\n'.encode()


class Desk(Person):
    """A person whose source is a proxy at *url*, which serves the layouts at *images*."""

    def __init__(self, home: Path, images: Path, url: str) -> None:
        super().__init__(home, url)
        self.images = images
        self.names = {PROXY: url}

    def publish_program(self, name: str, *versions: str, to: Path | None = None) -> None:
        """Publish versions of an image; the program prints its name and version, whatever it is asked."""
        for version in versions:
            build = program(name, version)
            builds: dict[str, Build] = dict.fromkeys((*PLATFORMS, host_platform()), build)
            add_image(str(to or self.images), name, f"v{version}", builds)

    def has_endpoint(self) -> None:
        """Write the endpoint into the settings."""
        self.ok("config", "set", "endpoint", self.endpoint)

    @property
    def variables(self) -> dict[str, str]:
        """What is set in their shell: no endpoint, since it is in the settings."""
        return dict(self.env)

    def types(self, page: str, **variables: str) -> None:
        """Type the commands of a guide; they must print what it shows."""
        path = f"{self.bin}:{environment(str(self.home))['PATH']}"
        reader = Reader(self.home, self.variables | {"PATH": path} | variables, self.names, self.cwd)
        check(GUIDES / f"{page}.md", reader)
