"""The command that makes wheels, with a home and images, for its tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.command import Completed, run
from tests.images import add_image, script, windows_program
from tests.publish.wheels import (
    NAME,
    elf,
    mach,
)

if TYPE_CHECKING:
    from pathlib import Path

STEM = NAME.removesuffix("any.whl")
CONSOLE = b"[console_scripts]\ndemo = d8_installer.launch:console\n\n"


def a_home(tmp_path: Path) -> str:
    path = tmp_path / "home"
    path.mkdir()
    return str(path)


def some_images(tmp_path: Path) -> str:
    """Return the URL of a source that has the image ``demo`` for some platforms."""
    root = str(tmp_path / "images")
    builds = {
        "linux-amd64": elf(),
        "linux-arm64": elf("arm64", "/lib/ld-linux-aarch64.so.1", ["libc.so.6"], ["GLIBC_2.28"]),
        "darwin-arm64": mach("arm64", (12, 0)),
        "windows-amd64": windows_program("demo"),
        "freebsd-amd64": script("demo"),
    }
    add_image(root, "demo", "v1.2.0", builds)
    return f"oci-layout:{root}"


def wheel(home: str, *arguments: str, source: str = "", **env: str) -> Completed:
    return run("wheel", *arguments, home=home, env={"D8_RPP_ENDPOINT": source, **env} if source else env)


def data_of(done: Completed) -> dict[str, Any]:
    assert done.code == 0, done
    return dict(json.loads(done.out)["data"])


def made(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())
