"""``serve``: the proxy as one process, which listens, announces its address, and ends by a signal or with its parent.

Granian's embedded server runs the ASGI callable in this process, so no worker can outlive its parent. This module has
the socket's address, the signals and the end of the process.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, cast

from d8_installer.errors import ConfigError
from d8_installer.model.value import Struct
from d8_installer.proxy.app import ProxyApp
from d8_installer.proxy.cache import LayerCache
from d8_installer.proxy.handler import Handler
from d8_installer.proxy.own_directory import own_directory
from d8_installer.proxy.parent import Parent
from d8_installer.proxy.token_file import TokenFile
from d8_installer.proxy.upstream import Upstream
from d8_installer.registry.origin import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d8_installer.model.source import Source

_STOP_SECONDS = 3.0
_CUT_SECONDS = 2.0
_THREADS_END_SECONDS = 1.0
_THREADS_POLL_SECONDS = 0.001
_BLIND_PAUSE_SECONDS = 0.1
_HEAD_MILLISECONDS = 5_000
"""A connection that has not sent the head of its next request by then is closed, even if it never sent a byte."""
_BACKLOG = 4096
"""Connections that wait to be accepted; the system may allow fewer (net.core.somaxconn)."""
MAX_CONNECTIONS = 4096
"""The number of connections that may be open at the same time."""
_OTHER_FILES = 256
"""The number of files that may be open besides connections: layers, sources, threads."""
_ACCEPT_TRIES = 200
_ACCEPT_PAUSE_SECONDS = 0.025


class _Server(Protocol):
    """The part of granian's embedded server that is used; granian has no annotations for it."""

    async def serve(self) -> None: ...

    def stop(self) -> None: ...


class ServeOptions(Struct, frozen=True, kw_only=True):
    """How to serve. ``registry`` is a source's URL, the root of all images; port 0 takes a free port.

    Without ``cache_dir`` layers are cached in a temporary directory until the end; ``cache_bytes`` caps it.
    ``token_file`` is read once (``TokenFile.parse``); without one all requests are accepted, and only loopback is
    served. ``log`` gets a line for each request, None logs nothing. With ``exit_with_parent`` the proxy ends when the
    process that started it ends.
    """

    registry: str
    host: str = "127.0.0.1"
    port: int = 0
    cache_dir: str | None = None
    cache_bytes: int = 1 << 30
    token_file: str | None = None
    log: Callable[[str], None] | None = None
    exit_with_parent: bool = True


def serve(options: ServeOptions, open_source: Callable[[str], Source], announce: Callable[[str], None]) -> None:
    """Serve until a signal or the parent's end; return after a clean stop. Only for the main thread.

    The signals are SIGTERM, SIGINT and SIGHUP, on Windows Ctrl-C and Ctrl-Break.

    *announce* gets ``listening on http://HOST:PORT`` once connections are accepted. ConfigError if the extra is
    missing, the address is not available, or it is not a loopback address and there is no token file.
    """
    parent = Parent() if options.exit_with_parent else None
    access = None if options.token_file is None else TokenFile.parse(_read(options.token_file))
    host = _address(options.host)
    if access is None and not is_loopback(host):
        raise ConfigError(
            f"refusing to listen on {host} without a token: anyone could download",
            hint="listen on 127.0.0.1, or give --token-file FILE",
            code="cannot-listen",
        )
    _check_extra()
    with ExitStack() as stack:
        cache_dir = options.cache_dir or stack.enter_context(own_directory())
        handler = Handler(
            Upstream(lambda: options.registry, open_source), LayerCache(cache_dir, options.cache_bytes), access
        )
        stack.callback(handler.close)
        port = _port(host, options.port, stack)
        app = ProxyApp(handler, options.log)
        native = _native_threads()
        asyncio.run(_serve(app, (host, port), announce, parent))
        _let_native_threads_end(native)


async def _serve(
    app: ProxyApp, address: tuple[str, int], announce: Callable[[str], None], parent: Parent | None
) -> None:
    server, stopping = _server(app, *address), asyncio.Event()
    with _signals(stopping):
        serving = asyncio.create_task(server.serve())
        watching = asyncio.create_task(_watch(parent, stopping))
        told = asyncio.create_task(stopping.wait())
        try:
            await _greet(address, announce, serving)
            await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
            server.stop()
            await _end(serving, app)
        finally:
            for task in (watching, told, serving):
                task.cancel()


@contextmanager
def _signals(stopping: asyncio.Event) -> Iterator[None]:
    """Set *stopping* at a signal while the context lasts."""
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":
        # The loop has no signals of its own there, but wakes up for Python's.
        def stop(_number: int, _frame: object) -> None:
            loop.call_soon_threadsafe(stopping.set)

        with ExitStack() as before:
            for number in (signal.SIGINT, signal.SIGBREAK):
                before.callback(signal.signal, number, signal.signal(number, stop))
            yield
    else:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stopping.set)
        yield


async def _end(serving: asyncio.Task[None], app: ProxyApp) -> None:
    """Wait for the server, which waits for open transfers, and cut those that take too long."""
    await asyncio.wait({serving}, timeout=_STOP_SECONDS)
    app.cut()
    await asyncio.wait({serving}, timeout=_CUT_SECONDS)
    if serving.done():
        serving.result()


def _server(app: ProxyApp, host: str, port: int) -> _Server:
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server.embed import Server

    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        # If HTTP/2 is allowed, a connection may wait for its first bytes without a limit.
        http=HTTPModes.http1,
        # The buffer keeps its default size: a smaller one costs a quarter of a layer's speed.
        http1_settings=HTTP1Settings(header_read_timeout=_HEAD_MILLISECONDS),
        backlog=_BACKLOG,
        backpressure=connection_limit(),
        log_level=LogLevels.error,
        # By default granian logs to stdout.
        log_dictconfig=_LOG_TO_STDERR,
    )
    return cast("_Server", server)


def connection_limit() -> int:
    """Return how many connections may be open at the same time, and raise this process's limit of open files for them.

    The limit is raised up to its hard limit, and never lowered.
    """
    if sys.platform == "win32":  # which has no such limit
        return MAX_CONNECTIONS
    import resource

    wanted = MAX_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):  # some systems allow less than their hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    allowed = wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
    return max(allowed - _OTHER_FILES, allowed // 2, 1)


_LOG_TO_STDERR = {
    "handlers": {
        "console": {"formatter": "generic", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"},
        "access": {"formatter": "access", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"},
    }
}


async def _greet(address: tuple[str, int], announce: Callable[[str], None], serving: asyncio.Task[None]) -> None:
    """Announce the address as soon as it accepts a connection; ConfigError if it never does."""
    host, port = address
    for _ in range(_ACCEPT_TRIES):
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            if serving.done():
                serving.result()
            # granian does not tell when its socket listens.
            await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
            continue
        writer.close()
        announce(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")
        return
    raise ConfigError(f"cannot listen on {host}:{port}", code="cannot-listen")


async def _watch(parent: Parent | None, stopping: asyncio.Event) -> None:
    if parent is not None:
        await parent.ended()
        stopping.set()


def _native_threads() -> set[int]:
    """Return the ids of this process's threads that Python did not start; empty without /proc."""
    try:
        everyone = {int(thread) for thread in os.listdir("/proc/self/task")}
    except FileNotFoundError:
        return set()
    return everyone - {thread.native_id for thread in threading.enumerate()}


def _let_native_threads_end(before: set[int]) -> None:
    """Wait, at most a second, for the server's Rust threads.

    Granian's ``serve`` returns a moment before its last thread is done with Python. If such a thread is still running
    when the interpreter is finalized, it aborts the process.
    """
    deadline = time.monotonic() + _THREADS_END_SECONDS
    if not os.path.exists("/proc/self/task"):
        time.sleep(_BLIND_PAUSE_SECONDS)
        return
    while _native_threads() - before and time.monotonic() < deadline:
        time.sleep(_THREADS_POLL_SECONDS)


def _address(host: str) -> str:
    try:
        return "127.0.0.1" if host == "localhost" else str(ipaddress.ip_address(host.strip("[]")))
    except ValueError as error:
        raise ConfigError(
            f"{host!r} is no IP address", hint="listen on an address such as 127.0.0.1", code="cannot-listen"
        ) from error


def _port(host: str, port: int, stack: ExitStack) -> int:
    """Return a free port. A port chosen here, for 0, is reserved until *stack* is left.

    Granian shares its port (SO_REUSEPORT), and reports 0 for 0. A second proxy on the port would get every second
    request, so a plain socket checks first that the port is free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as plain:
        if os.name != "nt":
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            plain.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                hint="choose another --listen HOST:PORT",
                code="cannot-listen",
            ) from error
        chosen = int(plain.getsockname()[1])
    if port == 0 and sys.platform == "linux":
        held = stack.enter_context(socket.socket(family))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, chosen))
    return chosen


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is not UTF-8"
        raise ConfigError(
            f"cannot read the token file {path}: {why}",
            hint="write the tokens that clients may show into a file, one a line, and name it with --token-file",
            code="bad-token",
        ) from error


def _check_extra() -> None:
    try:
        import granian.server.embed  # noqa: F401 - only whether it is there
    except ImportError as error:
        from d8_installer.plugin.self_installation import hint_for_extra

        raise ConfigError(
            f"the proxy needs the extra [proxy], which is not installed: {error}",
            hint=hint_for_extra("proxy"),
            code="missing-extra",
        ) from error
