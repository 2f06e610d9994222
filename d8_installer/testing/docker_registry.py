"""A real registry for tests: Debian's ``docker-registry`` on loopback, while a context lasts."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAM = "docker-registry"
USER, PASSWORD = "user", "secret"
# bcrypt of PASSWORD at the lowest cost, since the registry checks it at every request
_HTPASSWD = f"{USER}:$2b$04$oHW0gwYmcDdD6uy88pWFvOAYNKbawZil8ntKQ904fOrm1C2eMqH26\n"
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")
_SECONDS = 30


class RunningRegistry(Struct, frozen=True):
    """The address of the registry: ``host`` is ``127.0.0.1:<port>``."""

    host: str

    @property
    def url(self) -> str:
        """The URL for ``open_source``."""
        return f"oci://{self.host}"


def is_installed() -> bool:
    """Whether the program is on PATH."""
    return shutil.which(PROGRAM) is not None


@contextmanager
def docker_registry(
    directory: str, *, with_password: bool = False, auth: Mapping[str, object] | None = None
) -> Iterator[RunningRegistry]:
    """Run a registry that stores its data in *directory*, while the context lasts.

    With a password it requires USER and PASSWORD for everything; *auth* replaces the section ``auth`` of its
    configuration. Raise FileNotFoundError if the program is not on PATH, RuntimeError if it does not listen in time.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise FileNotFoundError(f"{PROGRAM} is not on PATH; on Debian: apt-get install {PROGRAM}")
    config = _write_config(directory, auth or (_passwords(directory) if with_password else None))
    process = subprocess.Popen([program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        host = _wait_until_it_listens(process)
        yield RunningRegistry(host)
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _passwords(directory: str) -> Mapping[str, object]:
    path = os.path.join(directory, "htpasswd")
    with open(path, "w", encoding="utf-8") as file:
        file.write(_HTPASSWD)
    return {"htpasswd": {"realm": "test", "path": path}}


def _write_config(directory: str, auth: Mapping[str, object] | None) -> str:
    storage = {"filesystem": {"rootdirectory": os.path.join(directory, "storage")}, "delete": {"enabled": True}}
    # Port 0, and the port from the log: another process could take a port that is chosen in advance.
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": storage,
        "http": {"addr": "127.0.0.1:0", "secret": "of this test"},
    }
    if auth is not None:
        config["auth"] = auth
    path = os.path.join(directory, "config.yml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)  # JSON is YAML
    return path


def _wait_until_it_listens(process: subprocess.Popen[str]) -> str:
    heard: queue.Queue[str | None] = queue.Queue()
    log: list[str] = []
    if process.stderr is None:
        raise ValueError("the process has no pipe to listen to")
    threading.Thread(target=_listen, args=(process.stderr, heard, log), daemon=True).start()
    try:
        host = heard.get(timeout=_SECONDS)
    except queue.Empty:
        host = None
    if host is None:
        raise RuntimeError(f"{PROGRAM} does not listen:\n{''.join(log[-20:])}")
    name, _, port = host.rpartition(":")
    socket.create_connection((name, int(port)), timeout=_SECONDS).close()
    return host


def _listen(pipe: IO[str], heard: queue.Queue[str | None], log: list[str]) -> None:
    """Read the pipe to its end: a full pipe would block the registry."""
    with pipe:
        for line in pipe:
            log.append(line)
            del log[:-100]
            match = _LISTENING.search(line)
            if match:
                heard.put(match[1])
    heard.put(None)
