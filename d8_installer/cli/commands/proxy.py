"""``proxy serve --from URL --listen HOST:PORT``"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput
from d8_installer.errors import UsageError

if TYPE_CHECKING:
    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what to serve and where; ``--token-file`` holds the tokens that are let in."""
    parser.add_argument("way", choices=("serve",), metavar="serve", help="serve until SIGTERM or SIGINT")
    parser.add_argument(
        "--from", dest="upstream", metavar="URL", required=True, help="oci-layout:DIR or oci://HOST/ROOT"
    )
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:8080", help="port 0 takes a free one")
    parser.add_argument("--cache", metavar="DIR", help="keep layers there (default: a temporary directory)")
    parser.add_argument(
        "--cache-size", metavar="MIB", type=_mebibytes, default=1024, help="most that the cache holds (1024)"
    )


def execute(context: Context) -> RawOutput:
    """Serve; the address goes to stdout once connections are accepted, the access log to stderr."""
    from d8_installer.plugin.manager import open_source
    from d8_installer.proxy.server import ServeOptions, serve

    typed = context.arguments
    host, colon, port = typed.listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{typed.listen[:100]!r} is not HOST:PORT", hint="such as --listen 127.0.0.1:8080")
    with context.session() as session:
        access = replace(session.access, token=None)
        open_source(typed.upstream, access).close()  # what cannot be read ends the command, not every request
        options = ServeOptions(
            typed.upstream,
            host.strip("[]"),
            int(port),
            cache_dir=typed.cache,
            cache_bytes=typed.cache_size << 20,
            token_file=typed.token_file,
            log=None if typed.quiet else _log,
        )
        serve(options, lambda url: open_source(url, access), _announce)
    return RawOutput()


def _announce(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _mebibytes(text: str) -> int:
    if not text.isdecimal() or int(text) > 1 << 20:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number of MiB")
    return int(text)
