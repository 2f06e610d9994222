"""``proxy serve --from URL --listen HOST:PORT``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.context import RawOutput

if TYPE_CHECKING:
    import argparse

    from d8_installer.cli.context import Context


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what to serve and where; ``--token-file`` holds the tokens that are let in."""
    from d8_installer.cli.options import address, size

    add = parser.add_argument
    add("way", choices=("serve",), metavar="serve", help="serve until SIGTERM, SIGINT or the end of the parent process")
    add("--from", dest="upstream", metavar="URL", required=True, help="oci-layout:DIR, bundle:FILE, oci://HOST/ROOT")
    add(
        "--listen",
        metavar="HOST:PORT",
        type=address,
        default="127.0.0.1:8080",
        help="address to listen on; port 0 takes a free one (default: 127.0.0.1:8080)",
    )
    add("--cache", metavar="DIR", help="directory to cache layers in (default: a temporary one)")
    add("--cache-size", metavar="SIZE", type=size, default=1000**3, help="maximum size of the cache (default: 1GB)")


def execute(context: Context) -> RawOutput:
    """Serve. The address goes to stdout once connections are accepted, the access log to stderr."""
    from d8_installer.plugin.schemes import open_source
    from d8_installer.proxy.server import ServeOptions, serve
    from d8_installer.registry.tls import check_files

    typed, screen = context.arguments, context.talk.screen
    host, port = typed.listen
    with context.session() as session:
        access = session.sources.access.without_identity()
        # A source or a file that cannot be read ends the command, and not every request.
        open_source(typed.upstream, access).close()
        check_files(access.ca_file, access.client_cert, access.client_key, insecure=access.insecure, env=access.env)
        options = ServeOptions(
            registry=typed.upstream,
            host=host,
            port=port,
            cache_dir=typed.cache,
            cache_bytes=typed.cache_size,
            token_file=typed.token_file,
            log=None if typed.quiet else screen.say,
        )
        serve(options, lambda url: open_source(url, access), screen.write)
        if typed.quiet:
            screen.leave_line()
        else:
            screen.say("stopped")
    return RawOutput()
