"""``publish PLATFORM=PATH… --image NAME --version TAG --to URL``"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.cli import parser as grammar
from d8_installer.cli.context import Outcome
from d8_installer.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context
    from d8_installer.model.platform import Platform


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the builds, and where they go."""
    parser.add_argument("builds", metavar="PLATFORM=PATH", nargs="+", help="an executable, or a directory of files")
    parser.add_argument("--image", metavar="NAME", required=True, help="the image's short name")
    parser.add_argument("--version", metavar="TAG", required=True, help="such as v1.4.2")
    parser.add_argument("--to", metavar="URL", required=True, help="oci-layout:DIR, or oci://HOST/ROOT")
    parser.add_argument("--replace", action="store_true", help="give a tag that is already published other bytes")


def execute(context: Context) -> Outcome:
    """Publish; SOURCE_DATE_EPOCH dates the image, without it the image has no date."""
    from d8_installer.model.plurals import sized
    from d8_installer.model.reference import image_name
    from d8_installer.publish.image import ImageOptions
    from d8_installer.publish.push import publish

    typed = context.arguments
    builds = [_build(text) for text in typed.builds]
    options = ImageOptions(typed.replace, grammar.source_date(context.environ))
    with context.session() as session:
        destination = session.sources.open_destination(typed.to)
        result = publish(builds, image_name(typed.image), typed.version, destination, options)
    verb = "published" if result.changed else "already there:"
    children = [f"  {child.platform}  {child.child}  {sized(child.size)}" for child in result.children]
    return Outcome(result.as_json(), [f"{verb} {result.image}:{result.tag}  {result.index}", *children])


def _build(text: str) -> tuple[Platform, str]:
    from d8_installer.model.platform import typed_platform

    platform, equals, path = text.partition("=")
    if not equals or not path:
        raise UsageError(f"{text[:100]!r} is not PLATFORM=PATH", hint="such as linux-amd64=./build/stronghold")
    return typed_platform(platform, known=True), os.path.expanduser(path)
