"""``publish PLATFORM=PATH… --image NAME --version TAG --to URL``"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.cli.context import Outcome

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context
    from d8_installer.model.platform import Platform


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the builds, and where they go."""
    parser.add_argument(
        "builds", metavar="PLATFORM=PATH", nargs="+", help="a platform, and its executable or directory of files"
    )
    parser.add_argument("--image", metavar="NAME", required=True, help="short name of the image")
    parser.add_argument("--version", metavar="TAG", required=True, help="tag to publish, such as v1.4.2")
    parser.add_argument("--to", metavar="URL", required=True, help="oci-layout:DIR, or oci://HOST/ROOT")
    parser.add_argument("--contract", metavar="FILE", help="what the plugin requires, in TOML, JSON or YAML")
    parser.add_argument("--replace", action="store_true", help="replace the bytes of a tag that is already published")


def execute(context: Context) -> Outcome:
    """Publish the image, dated by SOURCE_DATE_EPOCH if that is set."""
    from d8_installer.cli.options import source_date
    from d8_installer.cli.text.published import publish_lines
    from d8_installer.model.reference import image_name
    from d8_installer.publish.image import ImageOptions
    from d8_installer.publish.push import publish

    typed, image = context.arguments, image_name(context.arguments.image)
    builds = [_build(text) for text in typed.builds]
    with context.session() as session:
        contract = None
        if typed.contract is not None:
            from d8_installer.publish.contract import read_contract

            contract = read_contract(typed.contract, image, typed.version, session.reporter.warn)
        options = ImageOptions(typed.replace, source_date(context.environ), contract=contract, dry_run=typed.dry_run)
        destination = session.sources.open_destination(typed.to)
        result = publish(builds, image, typed.version, destination, options)
    return Outcome(result.as_json(), publish_lines(result))


def _build(text: str) -> tuple[Platform, str]:
    from d8_installer.errors import UsageError
    from d8_installer.model.platform import typed_platform

    platform, equals, path = text.partition("=")
    if not equals or not path:
        raise UsageError(f"{text[:100]!r} is not PLATFORM=PATH", hint="such as linux-amd64=./build/stronghold")
    return typed_platform(platform, known=True), os.path.expanduser(path)
