"""A real proxy process for the tests: ``python -m tests.proxy.serving '{"port": 0, …}'``, ServeOptions as JSON.

Serves one image of a memory source. With ``"stuck": true`` its layer stops halfway and never goes on.
"""

from __future__ import annotations

import json
import sys
import threading

from d8_installer.model.platform import Platform
from d8_installer.proxy.server import ServeOptions, serve
from d8_installer.testing.memory import MemorySource

IMAGE = "deckhouse-cli/plugins/foo"
TAG = "v1.0.0"
LAYER = bytes(range(256)) * 4096
PLATFORM = Platform("linux", "amd64")


def memory_source() -> MemorySource:
    source = MemorySource()
    source.add_index(IMAGE, TAG, {PLATFORM: LAYER, Platform("linux", "arm64"): b"arm"})
    return source


def _stop_halfway(at: int) -> None:
    if at > 0:
        threading.Event().wait()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _announce(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(argument: str) -> None:
    options = json.loads(argument)
    source = memory_source()
    if options.pop("stuck", False):
        source.before_chunk = _stop_halfway
    log = _say if options.pop("access_log", True) else None
    serve(ServeOptions(registry="memory:", log=log, **options), lambda _: source, _announce)
    _say(f"stopped, source closed: {source.closed}")


if __name__ == "__main__":
    main(sys.argv[1])
