"""Chromium without a window, driven by its own protocol over two pipes. Nothing has to be installed besides it.

Messages are JSON objects that end with a zero byte: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Message = dict[str, Any]
PATIENCE = 60.0
"""Seconds that one answer may take on a busy machine."""


class BrowserError(Exception):
    """Chromium refused a call, or does not answer."""


def program() -> str | None:
    """Return the path of Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Tab:
    """One page of the browser. ``problems`` are the errors of its console, and what it could not load."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> Message:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        request: Message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            request["sessionId"] = self._session
        _write_all(self._requests, json.dumps(request).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error']['message']}")
                result: Message = message["result"]
                return result

    def show(self, width: int, theme: str) -> None:
        """Make the window *width* pixels wide, and prefer the colour scheme *theme*."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])

    def open(self, url: str) -> None:
        """Open a page, and return when it is loaded."""
        self.problems.clear()
        self._loaded = False
        self.call("Page.navigate", url=url)
        while not self._loaded:
            self._next()

    def evaluate(self, script: str) -> Any:
        """Return the value of a script, which may be a promise."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise BrowserError(str(done["exceptionDetails"]))
        return done["result"].get("value")

    def screenshot(self) -> bytes:
        """Return what is seen, as PNG."""
        import base64

        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _next(self) -> Message:
        """Return the next message, after its event has been noted."""
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self._answers, 1 << 20) if ready else b""
            if not chunk:
                raise BrowserError("Chromium does not answer" if not ready else "Chromium has ended")
            self._rest += chunk
        raw, _, self._rest = self._rest.partition(b"\0")
        message: Message = json.loads(raw)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, facts: Message) -> None:
        if event == "Page.loadEventFired":
            self._loaded = True
        elif event == "Runtime.exceptionThrown":
            self.problems.append(str(facts["exceptionDetails"].get("text")))
        elif event == "Runtime.consoleAPICalled" and facts["type"] in ("error", "assert"):
            self.problems.append(" ".join(str(each.get("value")) for each in facts["args"]))
        elif event == "Log.entryAdded" and facts["entry"]["level"] == "error":
            self.problems.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')}")
        elif event == "Network.loadingFailed" and not facts.get("canceled"):
            self.problems.append(facts["errorText"])


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _pipe() -> tuple[int, int]:
    """Return a pipe whose descriptors are not those that Chromium expects, so that none covers another."""
    low = os.pipe()
    read, write = (fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20) for descriptor in low)
    for descriptor in low:
        os.close(descriptor)
    return read, write


@contextmanager
def browser() -> Iterator[Tab]:
    """Start Chromium with one empty tab, and end it afterwards."""
    path = program()
    if path is None:
        raise BrowserError("chromium is not on PATH; on Debian: apt-get install chromium")
    theirs_in, ours_out = _pipe()
    ours_in, theirs_out = _pipe()
    with tempfile.TemporaryDirectory(prefix="d8-chromium-", ignore_cleanup_errors=True) as directory:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        options += ["--remote-debugging-pipe", f"--user-data-dir={directory}", "--no-first-run", "--disable-extensions"]
        options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        # Chromium reads requests from descriptor 3 and writes answers to descriptor 4.
        shell = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        process = subprocess.Popen(
            ["bash", "-c", shell, path, *options],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": directory},
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Tab(ours_out, ours_in)
        finally:
            os.close(ours_out)  # the end of its input ends Chromium
            os.close(ours_in)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
