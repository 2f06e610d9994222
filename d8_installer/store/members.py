"""The search for wanted members in an archive, and the errors for those that are missing or ambiguous. No I/O.

A member is a file as a manifest names it (``model.reference.parse_member``): a base name, or a path from the root. The
names in an archive are hostile: they are compared here, and never used as paths.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from d8_installer.store.tar import TarMember

_SHOWN = 5
_MAX_NAME = 1024
_ASK = "ask the image's author"
_WHITEOUT = ".wh."
# Files that no person means: image-spec, layer.md#whiteouts, and those that estargz adds for itself.
_TECHNICAL = frozenset({"stargz.index.json", ".prefetch.landmark", ".no.prefetch.landmark"})


def base_name(name: str) -> str:
    """Return the base name of an entry as the Go client does: without one ``./`` and slashes at the end."""
    return posixpath.basename(name.removeprefix("./").rstrip("/"))


def path_of(name: str) -> str | None:
    """Return an entry's path as a manifest spells it (``usr/bin/d8``, ``/plugin``); None if it contains ``..``."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if not parts or ".." in parts:
        return None
    return "/".join(parts) if len(parts) > 1 else f"/{parts[0]}"


class Search:
    """The search for *wanted* members through one archive, entry by entry."""

    def __init__(self, wanted: Set[str]) -> None:
        self._wanted = wanted
        self._places: dict[str, list[str]] = {}
        self._links: dict[str, tuple[str, str, str]] = {}
        self._deleted: set[str] = set()
        self._others: list[str] = []

    def claims(self, entry: TarMember) -> tuple[str, ...]:
        """Return the wanted members whose first file is *entry*, and note the entry for the errors of ``check``."""
        name = entry.name[:_MAX_NAME]
        base, path = base_name(entry.name), path_of(entry.name)
        if base.startswith(_WHITEOUT):
            self._deleted.add(base.removeprefix(_WHITEOUT)[:_MAX_NAME])
            return ()
        found = self._wanted & {base, path}
        if entry.kind in {"hard link", "symbolic link"}:
            for member in found:
                self._links.setdefault(member, (entry.kind, name, entry.link[:_MAX_NAME]))
        elif entry.kind != "other":
            if not found and len(self._others) < _SHOWN and base not in {*_TECHNICAL, *self._others}:
                self._others.append(base[:_MAX_NAME])
            new = sorted(found - self._places.keys())
            for member in found:
                self._places.setdefault(member, []).append(path or name)
            return tuple(new)
        return ()

    def check(self) -> None:
        """Raise a MismatchError if a member is several files, and a NotFoundError if it is missing."""
        for member, places in sorted(self._places.items()):
            if len(places) > 1:
                raise _ambiguous(member, places)
        missing = sorted(self._wanted - self._places.keys())
        if not missing:
            return
        others = [*sorted(map(base_name, self._places)), *self._others]
        error = not_found(missing, others)
        reasons = [reason for member in missing if (reason := self._reason(member))]
        offers = [error.hint or _ASK] if others or not reasons else []
        raise NotFoundError(error.message, hint="; ".join([*reasons[:1], *offers]), code="no-such-file-in-image")

    def _reason(self, member: str) -> str | None:
        """Return why a member is not a file in the archive, and what to do; None if the archive does not mention it."""
        if member in self._links:
            kind, name, link = self._links[member]
            target = path_of(_resolved(kind, name, link))
            way = _ASK if target is None else f"name that under `binaries`, {_such_as(target)}"
            return f"{quoted(name)} is a {kind} to {quoted(link)}: {way}"
        if base_name(member) in self._deleted:
            return f"the last layer of the image deletes {quoted(member)}: {_ASK}"
        return None


def _resolved(kind: str, name: str, link: str) -> str:
    """Return the target of the link *name*, from the image's root; a target above the root keeps its ``..``."""
    is_relative = kind == "symbolic link" and not link.startswith("/")
    parts: list[str] = []
    for part in [*(name.rstrip("/").split("/")[:-1] if is_relative else ()), *link.split("/")]:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def not_found(missing: Iterable[str], others: Iterable[str]) -> NotFoundError:
    """Return the error for missing members, which offers *others*."""
    names = ", ".join(map(quoted, dict.fromkeys(others)))
    return NotFoundError(
        f"file not found in image: {', '.join(map(quoted, missing))}",
        hint=f"it holds {names}: name one of these under `binaries`" if names else _ASK,
        code="no-such-file-in-image",
    )


def _ambiguous(member: str, places: list[str]) -> MismatchError:
    paths = sorted(dict.fromkeys(places), key=lambda path: ("bin" not in path.split("/"), path))
    if len(paths) == 1:
        return MismatchError(
            f"the image holds two files named {quoted(paths[0])}",
            hint="tell the image's author: tools may disagree about which of them counts",
            code="ambiguous-file",
        )
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    number = "two" if len(paths) == 2 else len(paths)
    return MismatchError(
        f"the image holds {number} files named {quoted(member)}: {', '.join(map(quoted, paths[:_SHOWN]))}{more}",
        hint=f"write the path of the wanted one under `binaries`, {_such_as(paths[0])}",
        code="ambiguous-file",
    )


def _such_as(path: str) -> str:
    """Return a line of a manifest as an example."""
    return f"such as `{base_name(path)} = {quoted(path)}`"


def quoted(member: str) -> str:
    """Return a name from an archive for people: control characters are escaped."""
    return json.dumps(member)
