"""A person with plugins in pipx environments, for the tests of what these ask for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.images import add_image, executables
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


class PluginUser(Person):
    """Somebody with pipx environments."""

    def binaries(self) -> list[str]:
        """Return what lies in bin."""
        return sorted(os.listdir(self.bin))

    def requesters(self) -> dict[str, list[str]]:
        """Return whose request each locked image answers."""
        return {str(image.name): [who for who, _ in image.requests] for image in self.locked().images}


def a_person(tmp_path: Path) -> PluginUser:
    home, layout = tmp_path / "home", tmp_path / "reg"
    for name in ("hello", "vault"):
        for tag in ("v1.0.0", "v1.1.0", "v2.0.0"):
            add_image(str(layout), name, tag, executables(f"{name} {tag}"))
    return PluginUser(home, layout)
