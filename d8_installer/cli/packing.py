"""The two halves of ``wheel``: ``ops`` provides the verified binaries, ``publish`` packs them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome
from d8_installer.cli.text.published import wheel_lines
from d8_installer.errors import UsageError
from d8_installer.model.platform import Platform, typed_platform
from d8_installer.publish.wheel import lay_out_parts, open_package, pack
from d8_installer.publish.wheel_file import StoredFile
from d8_installer.publish.wheel_metadata import manifest_value
from d8_installer.publish.wheel_parts import Declared, check_names, fat_parts, flavours, thin_parts
from d8_installer.publish.wheel_tags import WINDOWS, has_tag
from d8_installer.store import documents

if TYPE_CHECKING:
    from d8_installer.cli.context import Context
    from d8_installer.model.lock import Lock
    from d8_installer.ops.wheel_inputs import GivenLock
    from d8_installer.pipeline.session import Session
    from d8_installer.publish.wheel_parts import Parts


def wheels(context: Context, epoch: int | None) -> Outcome:
    """Pack the typed wheel for each platform that was asked for."""
    typed = context.arguments
    path = os.path.abspath(typed.source)
    directory = os.path.abspath(typed.output or os.path.dirname(path))
    package = open_package(path, typed.manifest)
    from d8_installer.ops.wheel_inputs import GivenLock

    beside = None if package.lock is None else GivenLock(*package.lock)
    if typed.dry_run and typed.mode == "fat":
        return _fat_plan(context, package.declared, beside)
    made = pack(package, _parts(context, package.declared, beside), directory, epoch, dry_run=typed.dry_run)
    changed = any(packed.changed for packed in made)
    data = {"changed": changed, "dry_run": typed.dry_run, "mode": typed.mode}
    lines = wheel_lines(made, dry_run=typed.dry_run)
    return Outcome(data | {"wheels": [packed.as_json() for packed in made]}, lines)


def _fat_plan(context: Context, declared: Declared, beside: GivenLock | None) -> Outcome:
    """Return for which platforms there would be wheels. Their tags depend on the binaries, which are not fetched."""
    from d8_installer.ops.wheel_inputs import lock_of

    typed = context.arguments
    with context.session() as session:
        given = beside if typed.lock is None else _lock(typed.lock)
        lock = lock_of(session, declared.manifest, given, keeps=False)
        platforms = list(map(str, _fat_targets(session, lock, typed.platforms)))
    images = ", ".join(f"{image.name} {image.version}" for image in lock.images)
    data = {"changed": True, "dry_run": True, "mode": "fat", "wheels": []}
    return Outcome(data, [f"would write a wheel for {platform} with {images}" for platform in platforms])


def parts_only(context: Context) -> Outcome:
    """Write the scripts of one wheel to ``--parts``, for a build backend; SOURCE is the manifest."""
    typed = context.arguments
    if typed.dry_run:
        raise UsageError("--parts is for build hooks, which write at once", hint="leave --dry-run out")
    if typed.manifest is None:
        raise UsageError("--parts needs --manifest", hint="it names the manifest's path in the wheel")
    source = os.path.abspath(typed.source)
    if not os.path.isfile(source):
        raise UsageError(f"there is no manifest {source}", hint="name the plugin's d8.toml", code="bad-build-input")
    manifest_value(typed.manifest)
    declared = Declared(typed.manifest, source, documents.load_manifest(source, of_plugin=True).value)
    check_names(declared, typed.taken)
    beside = os.path.join(os.path.dirname(source), "d8.lock")
    found = _parts(context, declared, _lock(beside) if os.path.isfile(beside) else None)
    if len(found) != 1 and typed.platforms:
        raise UsageError("--parts makes one wheel's parts", hint="name one --platform")
    return Outcome(lay_out_parts(declared, found[0], os.path.abspath(typed.parts)), [])


def _parts(context: Context, declared: Declared, beside: GivenLock | None) -> list[Parts]:
    typed = context.arguments
    if typed.mode == "thin":
        return [thin_parts(declared, flavour) for flavour in _thin_targets(declared, typed.platforms)]
    from d8_installer.ops.wheel_inputs import lock_of

    with context.session() as session:
        lock = lock_of(session, declared.manifest, beside if typed.lock is None else _lock(typed.lock))
        return [_fat(session, declared, lock, platform) for platform in _fat_targets(session, lock, typed.platforms)]


def _lock(path: str) -> GivenLock:
    from d8_installer.ops.wheel_inputs import GivenLock

    loaded = documents.load_lock(path)
    if loaded is None:
        raise UsageError(
            f"there is no lock {path}", hint="type `d8-installer lock` beside the manifest", code="bad-build-input"
        )
    return GivenLock(loaded.value, path)


def _thin_targets(declared: Declared, typed: list[str]) -> tuple[Platform | None, ...]:
    """Return the platforms that need a wheel of their own; None stands for all but Windows, which share one."""
    if not typed or "all" in typed:
        return flavours(declared) or (None,)
    found: dict[Platform | None, None] = {}
    for platform in map(_typed, typed):
        found[platform if platform.os == "windows" else None] = None
    return tuple(found)


def _fat_targets(session: Session, lock: Lock, typed: list[str]) -> tuple[Platform, ...]:
    if "all" not in typed:
        return tuple(sorted(set(map(_typed, typed)))) or (session.plugins.host_platform,)
    from d8_installer.ops.wheel_inputs import platforms_of

    known = platforms_of(lock)
    for platform in known:
        if not has_tag(platform):
            session.reporter.warn(f"there is no wheel tag for {platform}: it is skipped")
    return tuple(platform for platform in known if has_tag(platform))


def _typed(text: str) -> Platform:
    platform = typed_platform(text, known=True)
    if not has_tag(platform):
        raise UsageError(
            f"there is no wheel tag for {text}",
            hint=f"wheels are for linux, darwin and windows ({', '.join(sorted(WINDOWS))})",
        )
    return platform


def _fat(session: Session, declared: Declared, lock: Lock, platform: Platform) -> Parts:
    from d8_installer.ops.wheel_inputs import binaries_for

    found = binaries_for(session, lock, platform)
    return fat_parts(declared, {b.name: StoredFile(b.path, b.digest, b.size) for b in found}, platform)
