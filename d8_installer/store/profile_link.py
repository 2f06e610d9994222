"""Where launchers in an environment find their profile: in a link to it, or on Windows in a file that names it.

On Windows only administrators and people in Developer Mode may make symbolic links ("Create symbolic links", security
policy settings). Such a link counts there, too.
"""

from __future__ import annotations

import os
import sys

from d8_installer.errors import DiskError
from d8_installer.store import fs

if sys.platform == "win32":
    _LONGEST = 1 << 16
    _DEVICE = "\\\\?\\"
    """What ``os.readlink`` puts before a path there."""

    def named_profile(link: str) -> str | None:
        """Return the profile's directory that *link* names, or None if nothing or something else is there."""
        if os.path.islink(link):
            line = os.readlink(link).removeprefix(_DEVICE)
        else:
            data = fs.read_head(link, _LONGEST)
            line = data.partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r")
        return line if os.path.isabs(line) and os.path.splitdrive(line)[0] else None

    def name_profile(link: str, profile: str) -> None:
        """Make *link* name *profile*; another file there is a DiskError."""
        found = _own(link)
        if found is None or not _are_same(found, profile):
            if os.path.islink(link):
                fs.remove(link)  # `replace_file` would write into the profile
            fs.replace_file(link, f"{profile}\n".encode("utf-8", "replace"))

    def forget_profile(link: str, profile: str) -> None:
        """Remove *link* if it names *profile*; another file there is a DiskError."""
        found = _own(link)
        if found is not None and _are_same(found, profile):
            fs.remove(link)

    def _own(link: str) -> str | None:
        found = named_profile(link)
        if found is None and os.path.lexists(link):
            raise DiskError(
                f"{link} is in the way: it is not a file of d8-installer", hint="move it away", code="in-the-way"
            )
        return found

    def _are_same(one: str, other: str) -> bool:
        return os.path.normcase(one) == os.path.normcase(other)

else:

    def named_profile(link: str) -> str | None:
        """Return the profile's directory that *link* leads to, or None if nothing or something else is there."""
        try:
            return os.path.join(os.path.dirname(link), os.readlink(link))
        except OSError:
            return None

    def name_profile(link: str, profile: str) -> None:
        """Make *link* lead to *profile*; another file there is a DiskError."""
        if fs.read_link(link) != profile:
            fs.replace_link(profile, link)

    def forget_profile(link: str, profile: str) -> None:
        """Remove *link* if it leads to *profile*; another file there is a DiskError."""
        if fs.read_link(link) == profile:
            fs.remove(link)
