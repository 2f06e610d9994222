"""A simple index on loopback (PEP 503, 658, 691): the only one that the managers under test know."""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import re
import threading
import zipfile
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Wheel:
    """A wheel on offer."""

    path: Path

    @property
    def project(self) -> str:
        return normal(self.path.name.split("-")[0])

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @cached_property
    def metadata(self) -> bytes:
        with zipfile.ZipFile(self.path) as archive:
            (member,) = (
                name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name) is not None
            )
            return archive.read(member)

    @property
    def metadata_sha256(self) -> str:
        return hashlib.sha256(self.metadata).hexdigest()

    @property
    def requires_python(self) -> str | None:
        found = re.search(rb"^Requires-Python: (.+)$", self.metadata, re.MULTILINE)
        return None if found is None else found[1].decode().strip()


class Index:
    """The wheels by project; more may come while it serves, and ``seen`` lists the paths that were asked for."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.url = "http://{}:{}/simple/".format(*address)
        self.seen: list[str] = []
        self._wheels: dict[str, Wheel] = {}

    def add(self, paths: Iterable[Path]) -> None:
        """Offer the wheels at *paths*; one of a name that is there already stays away."""
        for path in paths:
            self._wheels.setdefault(path.name, Wheel(path))

    def wheel_of(self, project: str) -> Path:
        """Return the file of the one wheel that is offered of *project*."""
        (wheel,) = (wheel for wheel in self._wheels.values() if wheel.project == normal(project))
        return wheel.path

    def withdraw(self, project: str) -> None:
        """Offer nothing of *project* any more."""
        self._wheels = {name: wheel for name, wheel in self._wheels.items() if wheel.project != normal(project)}

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Return the content type and body for *path*; None where there is nothing."""
        self.seen.append(path)
        match path.split("/"):
            case ["", "simple", project, ""]:
                return self._project(project)
            case ["", "files", name] if name in self._wheels:
                return "application/octet-stream", self._wheels[name].path.read_bytes()
            case ["", "files", name] if name.removesuffix(".metadata") in self._wheels:
                return "application/octet-stream", self._wheels[name.removesuffix(".metadata")].metadata
        return None

    def as_html(self, project: str) -> bytes:
        """Return the project's page for who does not read JSON."""
        lines = []
        for wheel in self._of(project):
            requires = wheel.requires_python
            extra = "" if requires is None else f' data-requires-python="{html.escape(requires)}"'
            extra += f' data-core-metadata="sha256={wheel.metadata_sha256}"'
            lines.append(f'<a href="/files/{wheel.path.name}#sha256={wheel.sha256}"{extra}>{wheel.path.name}</a>')
        return "\n".join(["<!DOCTYPE html><html><body>", *lines, "</body></html>"]).encode()

    def _project(self, project: str) -> tuple[str, bytes] | None:
        wheels = self._of(project)
        files = [
            {
                "filename": wheel.path.name,
                "url": f"/files/{wheel.path.name}",
                "hashes": {"sha256": wheel.sha256},
                "core-metadata": {"sha256": wheel.metadata_sha256},
                **({} if wheel.requires_python is None else {"requires-python": wheel.requires_python}),
            }
            for wheel in wheels
        ]
        document = {"meta": {"api-version": "1.0"}, "name": project, "files": files}
        return (_JSON, json.dumps(document).encode()) if wheels else None

    def _of(self, project: str) -> list[Wheel]:
        return [wheel for wheel in list(self._wheels.values()) if wheel.project == normal(project)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        index = cast("_Server", self.server).index
        answer = index.answer(self.path)
        if answer is None:
            return self._send(404, "text/plain", b"nothing here\n")
        kind, body = answer
        if kind == _JSON and _JSON not in self.headers.get("Accept", ""):
            kind, body = "text/html", index.as_html(self.path.split("/")[2])
        return self._send(200, kind, body)

    do_HEAD = do_GET  # noqa: N815 - the server's name for it

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: ``Index.seen`` remembers."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.index = Index(("127.0.0.1", self.server_address[1]))

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away in the middle of an answer."""


@contextlib.contextmanager
def serving() -> Iterator[Index]:
    """Serve an index while the context lasts."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def normal(name: str) -> str:
    """Return a project's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()
