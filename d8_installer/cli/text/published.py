"""What an author published or packed: images, wheels, bundles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.text.contracts import contract_lines
from d8_installer.cli.text.written import file_line
from d8_installer.model.plurals import counted, sized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.ops.bundle import BundleResult
    from d8_installer.publish.push import Published
    from d8_installer.publish.wheel import Packed


def publish_lines(result: Published) -> list[str]:
    """Return the image with its index, and below it the platforms and what the contract asks for."""
    published = "would publish" if result.dry_run else "published"
    verb = published if result.changed else "already there:"
    children = [f"  {child.platform}  {child.child}  {sized(child.size)}" for child in result.children]
    asked = [] if result.contract is None else [f"  {line}" for line in contract_lines(result.contract)]
    return [f"{verb} {result.image}:{result.tag}  {result.index}", *children, *asked]


def wheel_lines(wheels: Iterable[Packed], *, dry_run: bool) -> list[str]:
    """Return the wheels that were written, with their sizes; of one that was there with the same bytes, it says so."""
    return [f"{wheel.path}  {sized(wheel.size)}{_made(wheel, dry_run=dry_run)}" for wheel in wheels]


def _made(wheel: Packed, *, dry_run: bool) -> str:
    if not wheel.changed:
        return "  unchanged"
    return "  would be written" if dry_run else ""


def bundle_lines(result: BundleResult) -> list[str]:
    """Return the file, what it holds, and its digest."""
    content = f"{counted(result.images, 'image')}, {counted(result.layers, 'layer')}"
    platforms = f" for {', '.join(result.platforms)}" if result.platforms else ""
    digest = [] if result.digest is None else [str(result.digest)]
    return [f"{file_line(result)} ({content}{platforms}, {sized(result.size)})", *digest]
