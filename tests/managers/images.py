"""The embedded proxy over a directory of OCI layouts, as a process of its own, and what it was asked for."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING

from tests.command import PROGRAM, environment
from tests.images import add_image, host_platform, script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.images import Build

TIMEOUT = 30


class Images:
    """The images on offer, the proxy's address, and its access log."""

    def __init__(self, root: Path, url: str, log: IO[str]) -> None:
        self.url = url
        self._root = root
        self._lines: list[str] = []
        self._arrived = threading.Condition()
        self._barriers = 0
        self._thread = threading.Thread(target=self._read, args=(log,))
        self._thread.start()

    def publish(self, image: str, tag: str, builds: Mapping[str, Build] | None = None) -> None:
        """Offer *tag* of *image*: a script that prints both, and its arguments, unless *builds* are given."""
        add_image(str(self._root), image, tag, builds or {host_platform(): script(f"{image} {tag}")})

    def fetches(self, image: str) -> int:
        """Return how often a layer of *image* was asked for until now."""
        return sum(f"/deckhouse-cli/plugins/{image}/images/" in line for line in self._log())

    def requests(self, image: str) -> int:
        """Return how often anything of *image* was asked for until now."""
        return sum(f"/deckhouse-cli/plugins/{image}/" in line for line in self._log())

    def end(self) -> None:
        """Wait for the end of the log, which is the proxy's."""
        self._thread.join()

    def _read(self, log: IO[str]) -> None:
        for line in log:
            with self._arrived:
                self._lines.append(line)
                self._arrived.notify_all()

    def _log(self) -> list[str]:
        """Ask for something that does not exist: once its line is there, so are those of all that was answered."""
        self._barriers += 1
        path = f"/barrier-{self._barriers}"
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{self.url}{path}", timeout=TIMEOUT)  # noqa: S310 - http to loopback
        with self._arrived:
            assert self._arrived.wait_for(lambda: any(path in line for line in self._lines), TIMEOUT)
            return list(self._lines)


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Images]:
    """Serve the layouts at *directory* while the context lasts."""
    home, root = directory / "proxy-home", directory / "images"
    home.mkdir()
    add_image(str(root), "first", "v1.0.0", {host_platform(): script("first")})
    command = [PROGRAM, "proxy", "serve", "--from", f"oci-layout:{root}", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        command, env=environment(str(home)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), (line, process.poll())
            images = Images(root, line.removeprefix("listening on ").strip(), process.stderr)
            yield images
        finally:
            process.terminate()
            assert process.wait() == 0
        images.end()
