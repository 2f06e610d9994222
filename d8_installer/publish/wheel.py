"""From a plugin's wheel, made by any build back end, to the wheels that are published: thin ones or fat ones.

The package inside is not changed. Launchers and entry points that an earlier run added are removed first, so that the
input can be a thin wheel too.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import DiskError, DocumentError, UsageError
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock
from d8_installer.model.manifest import Manifest
from d8_installer.model.value import Struct, replace
from d8_installer.model.windows_names import clashes, windows_fault
from d8_installer.plugin.dist_info import MANIFESTS
from d8_installer.plugin.launcher import HEAD_BYTES, read_launcher
from d8_installer.publish import wheel_metadata
from d8_installer.publish.wheel_file import Member, read_wheel, write_wheel
from d8_installer.publish.wheel_metadata import CONSOLE, GUI, LAUNCH, OURSELVES
from d8_installer.publish.wheel_parts import ANY, Declared, check_names
from d8_installer.publish.wheel_tags import WINDOWS
from d8_installer.store import fs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from d8_installer.publish.wheel_file import Wheel
    from d8_installer.publish.wheel_parts import Parts

T = TypeVar("T")


class WheelPackage(Struct, frozen=True):
    """A wheel without our additions: its files, its entry points, and the manifest that it declares.

    ``was_thin``: the wheel had launchers, or console scripts in their place. ``lock``: the ``d8.lock`` beside the
    manifest, with the file name for errors.
    """

    wheel: Wheel
    members: tuple[Member, ...]
    entry_points: wheel_metadata.EntryPoints
    declared: Declared
    was_thin: bool
    lock: tuple[Lock, str] | None = None


class Packed(Struct, frozen=True, kw_only=True):
    """A wheel that was written. ``changed``: the file that was there had other bytes, or there was none."""

    path: str
    tag: str
    size: int
    digest: Digest
    changed: bool = True

    def as_json(self) -> dict[str, object]:
        """Return the entry in the result's ``data``."""
        facts = {"file": self.path, "changed": self.changed, "tag": self.tag}
        return {**facts, "size": self.size, "digest": str(self.digest)}


def open_package(path: str, manifest: str | None) -> WheelPackage:
    """Read a plugin's wheel. *manifest* is the manifest's path in it, if the wheel has no entry point for it yet.

    Raises the errors of ``read_wheel``, and DocumentError for a manifest that is missing, is invalid, or has a binary
    that may not be a script of this wheel.
    """
    wheel = read_wheel(path)
    if (wheel.abi, wheel.platform) != ("none", ANY) and not _is_windows_thin(wheel):
        raise UsageError(
            f"{os.path.basename(path)} is only for {wheel.abi}-{wheel.platform}",
            hint="name the none-any wheel of a package without compiled modules; binaries come from the manifest",
        )
    wheel.metadata("METADATA")
    if not wheel_metadata.is_known_format(wheel.metadata("WHEEL")):
        raise DocumentError(
            "has no Wheel-Version 1.x",
            file=path,
            hint="build it with a tool that writes version 1.0",
            about_file=True,
            code="bad-wheel",
        )
    members, had_launchers = _without_launchers(wheel)
    groups = _entry_points(wheel)
    had_console = _take_console(groups)
    declared = _declared(wheel, groups, manifest)
    check_names(declared, _scripts(wheel, members, groups))
    lock = _lock_beside(wheel, declared.path)
    return WheelPackage(wheel, members, groups, declared, had_launchers or had_console, lock)


def _is_windows_thin(wheel: Wheel) -> bool:
    return wheel.platform.startswith("win") and wheel.abi == "none" and _take_console(_entry_points(wheel))


def _without_launchers(wheel: Wheel) -> tuple[tuple[Member, ...], bool]:
    def is_launcher(member: Member) -> bool:
        return member.name.startswith(f"{wheel.scripts}/") and read_launcher(member.data[:HEAD_BYTES]) is not None

    kept = tuple(member for member in wheel.members if not is_launcher(member))
    return kept, len(kept) < len(wheel.members)


def _entry_points(wheel: Wheel) -> wheel_metadata.EntryPoints:
    name = f"{wheel.dist_info}/entry_points.txt"
    member = wheel.find(name)
    return {} if member is None else wheel_metadata.parse_entry_points(member.data, f"{wheel.path}/{name}")


def _take_console(groups: wheel_metadata.EntryPoints) -> bool:
    """Remove the console scripts that stand in for launchers; return whether there were any."""
    before = groups.get(CONSOLE, {})
    groups[CONSOLE] = {name: value for name, value in before.items() if value != LAUNCH}
    return len(groups[CONSOLE]) < len(before)


def _scripts(wheel: Wheel, members: Sequence[Member], groups: wheel_metadata.EntryPoints) -> Iterator[str]:
    yield from groups.get(CONSOLE, ())
    yield from groups.get(GUI, ())
    for member in members:
        if member.name.startswith(f"{wheel.scripts}/"):
            yield member.name.rpartition("/")[2]


def _declared(wheel: Wheel, groups: wheel_metadata.EntryPoints, typed: str | None) -> Declared:
    """Return the manifest. *typed* gets an entry point if the wheel has none."""
    entries = groups.setdefault(MANIFESTS, {})
    file = f"{wheel.path}/{wheel.dist_info}/entry_points.txt"
    if typed is not None:
        value = wheel_metadata.manifest_value(typed)
        if not entries:
            entries[value.partition(".")[0].partition(":")[0]] = value
    else:
        value = next(iter(entries.values()), "")
    if not value:
        raise DocumentError(
            f"has no [{MANIFESTS}], so this is not a plugin's wheel",
            file=file,
            hint="type --manifest PACKAGE/d8.toml",
            about_file=True,
            code="bad-wheel",
        )
    if set(entries.values()) != {value}:
        raise DocumentError(
            f"names {len(entries)} manifests in [{MANIFESTS}]"
            if typed is None
            else f"names a manifest other than {typed}",
            file=file,
            hint="put all [[images]] into one d8.toml, and name that file",
            about_file=True,
            code="bad-wheel",
        )
    path = wheel_metadata.manifest_path(value, file)
    member = wheel.find(path)
    if member is None:
        raise DocumentError(
            f"names {path}, which is not in this wheel",
            file=file,
            hint="make your build back end include it as package data",
            about_file=True,
            code="bad-wheel",
        )
    return Declared(path, f"{wheel.path}/{path}", _parsed(Manifest.parse_plugins, member, wheel))


def _lock_beside(wheel: Wheel, manifest: str) -> tuple[Lock, str] | None:
    name = f"{manifest.rpartition('/')[0]}/d8.lock"
    member = wheel.find(name)
    return None if member is None else (_parsed(Lock.parse, member, wheel), f"{wheel.path}/{name}")


def _parsed(parse: Callable[[bytes, str], T], member: Member, wheel: Wheel) -> T:
    try:
        return parse(member.data, f"{wheel.path}/{member.name}")
    except DocumentError as error:
        hint = error.hint or "correct it in the project, then build the wheel again"
        raise error.within(hint=hint) from error


# -- writing -------------------------------------------------------------------------------------------------


def pack(
    package: WheelPackage, parts: Sequence[Parts], directory: str, epoch: int | None, *, dry_run: bool = False
) -> tuple[Packed, ...]:
    """Write one wheel for each of *parts* into *directory*. Old wheels are replaced after all new ones are complete.

    In a *dry_run* they are made in a temporary directory, and removed.
    """
    if any(one.tag in WINDOWS.values() for one in parts):
        _refuse_for_windows(package)
    if not dry_run:
        fs.make_directories(directory)
    with contextlib.ExitStack() as stack:
        try:
            beside = None if dry_run else directory
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=".d8-wheel-", dir=beside))
        except OSError as error:
            reason = (error.strerror or "no reason given").lower()
            raise DiskError(f"cannot write to {directory}: {reason}", hint="name another -o DIR") from error
        made = [_pack_one(package, one, folder, epoch) for one in parts]
        done = tuple(_in_place(packed, directory) for packed in made)
        for packed, final in zip(made, done, strict=True):
            if final.changed and not dry_run:
                fs.rename(packed.path, final.path)
    return done


def _in_place(packed: Packed, directory: str) -> Packed:
    """Return the wheel as it is to be in *directory*."""
    path = os.path.join(directory, os.path.basename(packed.path))
    return replace(packed, path=path, changed=_digest(path) != packed.digest)


def _digest(path: str) -> Digest | None:
    import hashlib

    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def _refuse_for_windows(package: WheelPackage) -> None:
    """Raise a DocumentError for a file of the package that pip could not unpack on Windows."""
    names = [member.name for member in package.members]
    hint = "rename it in the project, and build the wheel again; --platform can leave the wheels for Windows out"
    for name in names:
        if fault := next(filter(None, map(windows_fault, name.split("/"))), ""):
            raise DocumentError(
                f"holds {name!r}: that {fault}", file=package.wheel.path, hint=hint, about_file=True, code="bad-wheel"
            )
    for first, name in clashes(names):
        raise DocumentError(
            f"holds {first!r} and {name!r}, which are one file on Windows",
            file=package.wheel.path,
            hint=hint,
            about_file=True,
            code="bad-wheel",
        )


def _pack_one(package: WheelPackage, parts: Parts, folder: str, epoch: int | None) -> Packed:
    wheel = package.wheel
    path = os.path.join(folder, wheel.file_name(parts.tag))
    write_wheel(path, _members(package, parts), wheel.dist_info, epoch)
    fs.sync_file(path)
    digest = _digest(path)
    if digest is None:
        raise DiskError(f"{path} is gone", hint="type the same command again")
    return Packed(path=path, tag=f"{wheel.python}-none-{parts.tag}", size=fs.file_size(path) or 0, digest=digest)


def _members(package: WheelPackage, parts: Parts) -> Iterator[Member]:
    wheel = package.wheel
    changed = _metadata(package, parts)
    yield from (member for member in package.members if member.name not in changed)
    yield from (Member(name, data) for name, data in changed.items() if data)
    yield from (Member(f"{wheel.scripts}/{name}", content, executable=True) for name, content in parts.scripts)


def _metadata(package: WheelPackage, parts: Parts) -> dict[str, bytes]:
    """Return the changed metadata files, by path; an empty file is left out."""
    wheel = package.wheel
    groups = {**package.entry_points, CONSOLE: {**package.entry_points.get(CONSOLE, {}), **parts.console_entries()}}
    metadata = wheel.metadata("METADATA")
    if parts.thin:
        metadata = wheel_metadata.with_requirement(metadata)
    else:
        del groups[MANIFESTS]
        if package.was_thin and not wheel_metadata.holds_hooks(groups):
            metadata = wheel_metadata.without_requirement(metadata)
    tags = [f"{python}-none-{tag}" for python in wheel.python.split(".") for tag in sorted(parts.tag.split("."))]
    text = wheel_metadata.with_tags(wheel.metadata("WHEEL"), tags, pure=parts.tag == ANY)
    return {
        f"{wheel.dist_info}/METADATA": metadata,
        f"{wheel.dist_info}/WHEEL": text,
        f"{wheel.dist_info}/entry_points.txt": wheel_metadata.render_entry_points(groups),
    }


# -- for a build back end that packs the wheel itself --------------------------------------------------------


def lay_out_parts(declared: Declared, parts: Parts, directory: str) -> dict[str, object]:
    """Write the scripts of *parts* into *directory*; return the wheel's other needs as the result's ``data``."""
    scripts, changed = {}, False
    for name, content in parts.scripts:
        path = os.path.join(directory, name)
        wanted = Digest.of(content) if isinstance(content, bytes) else Digest(str(content.digest.hex))
        changed = changed or _digest(path) != wanted
        if isinstance(content, bytes):
            fs.replace_file(path, content, mode=0o755, durable=False)
        else:
            fs.make_directories(directory)
            fs.copy_executable(content.path, path)
        scripts[name] = path
    value = wheel_metadata.manifest_value(declared.path)
    entries = {value.partition(".")[0].partition(":")[0]: value}
    return {
        "changed": changed,
        "platform_tag": parts.tag,
        "scripts": scripts,
        "console_scripts": parts.console_entries(),
        "manifests": entries if parts.thin else {},
        "dependencies": [OURSELVES] if parts.thin else [],
    }
