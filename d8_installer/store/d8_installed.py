"""What the Go tool has installed: each plugin's program, its major, and the version that its contract names.

Only reads. Nothing here is trusted: a name that is no image's is passed over, and a program is only hashed.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from d8_installer.errors import DiskError
from d8_installer.model.d8_layout import HOME_DIRECTORY
from d8_installer.model.reference import CLI_IMAGE, ImageName, is_image_name
from d8_installer.model.value import Struct
from d8_installer.model.version import Version
from d8_installer.store import fs

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTRACT_LIMIT = 1 << 20
_MAJOR_DIGITS = 9


class InstalledByD8(Struct, frozen=True, kw_only=True):
    """One image as the Go tool installed it; ``program`` is None if its link leads nowhere."""

    name: ImageName
    link: str
    program: str | None
    major: int | None
    written: str | None


def has_install(directory: str) -> bool:
    """Whether a plugin is installed in *directory*: the Go tool goes by the links, even where they lead nowhere."""
    return any(True for _ in installed_plugins(directory))


def installed_plugins(directory: str) -> Iterator[InstalledByD8]:
    """Yield the plugins that are installed in *directory*, by name."""
    top = os.path.join(directory, "plugins")
    for name in fs.list_directory(top) if os.path.isdir(top) else ():
        link = os.path.join(top, name, "current")
        if is_image_name(name) and name != CLI_IMAGE and os.path.lexists(link):
            yield InstalledByD8(
                name=ImageName(name),
                link=link,
                program=_program(link),
                major=_major(link),
                written=_written(os.path.join(directory, "cache", "contracts", f"{name}.json")),
            )


def installed_cli(home: str) -> InstalledByD8 | None:
    """Return deckhouse-cli as it keeps itself below *home*, or None. Its directory has the name of its tag."""
    link = os.path.join(home, HOME_DIRECTORY, "cli", "current")
    if not os.path.islink(link):
        return None
    tag = os.path.basename(os.path.dirname(os.readlink(link)))
    version = Version.try_parse(tag)
    return InstalledByD8(
        name=ImageName(CLI_IMAGE),
        link=link,
        program=_program(link),
        major=None if version is None else version.major,
        written=tag,
    )


def _program(link: str) -> str | None:
    path = os.path.realpath(link)
    return path if os.path.isfile(path) else None


def _major(link: str) -> int | None:
    """Return the major that the link's target names: ``…/v<major>/<name>``."""
    if not os.path.islink(link):
        return None
    directory = os.path.basename(os.path.dirname(os.readlink(link)))
    digits = directory.removeprefix("v")
    is_major = directory != digits and digits.isascii() and digits.isdecimal() and len(digits) <= _MAJOR_DIGITS
    return int(digits) if is_major else None


def _written(path: str) -> str | None:
    """Return the version in a contract's file, which is only a clue."""
    try:
        version = json.loads(fs.read(path, limit=_CONTRACT_LIMIT) or b"")["version"]
    except (DiskError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return version if isinstance(version, str) else None
