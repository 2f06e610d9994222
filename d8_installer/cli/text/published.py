"""What an author published or packed: images, wheels, bundles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.text.contracts import contract_lines
from d8_installer.model.plurals import counted, sized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d8_installer.ops.bundle import BundleResult
    from d8_installer.publish.push import Published
    from d8_installer.publish.wheel import Packed


def publish_lines(result: Published) -> list[str]:
    """Return the image with its index, and below it the platforms and what the contract asks for."""
    verb = "published" if result.changed else "already there:"
    children = [f"  {child.platform}  {child.child}  {sized(child.size)}" for child in result.children]
    asked = [] if result.contract is None else [f"  {line}" for line in contract_lines(result.contract)]
    return [f"{verb} {result.image}:{result.tag}  {result.index}", *children, *asked]


def wheel_lines(wheels: Iterable[Packed]) -> list[str]:
    """Return the wheels that were written, with their sizes."""
    return [f"{wheel.path}  {sized(wheel.size)}" for wheel in wheels]


def bundle_lines(result: BundleResult) -> list[str]:
    """Return the file, what it holds, and its digest."""
    content = f"{counted(result.images, 'image')}, {counted(result.layers, 'layer')}"
    platforms = f" for {', '.join(result.platforms)}" if result.platforms else ""
    return [f"wrote {result.file} ({content}{platforms}, {sized(result.size)})", str(result.digest)]
