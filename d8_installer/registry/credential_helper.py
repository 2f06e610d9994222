"""Docker's credential helpers: programs ``docker-credential-X`` that keep passwords for docker and podman.

The protocol is that of docker/docker-credential-helpers (README, "Development"): the server's name on stdin, a JSON
object with Username and Secret on stdout. What a helper prints may be a secret, so it is never shown.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_ANSWER = 1 << 20
_LAST_BYTES = 1.0
"""Seconds that the answer may take to arrive once the helper has ended."""
# What helpers print (docker-credential-helpers, credentials/error.go) when they know nothing of a server.
_HAS_NONE = b"credentials not found"


def ask_helper(program: str, server: str, env: Mapping[str, str], seconds: float) -> Credentials | None:
    """Return what *program* knows of *server*, or None if it says that it knows nothing.

    Two empty texts say so, too: some helpers answer with them instead of an error. A helper that is missing, fails or
    is not done after *seconds* is a ConfigError that names it.
    """
    import shutil

    path = shutil.which(program, path=env.get("PATH", os.defpath))
    if path is None:
        raise ConfigError(f"{program} is not on PATH")
    try:
        status, output = _run([path, "get"], server, env, seconds)
    except OSError as error:
        raise ConfigError(f"{program} cannot be run: {error.strerror}") from error
    if status is None:
        raise ConfigError(f"{program} did not answer in {seconds:g} s")
    if status and _HAS_NONE in output:
        return None
    user, secret = _parse(output) if status == 0 else (None, None)
    if user is None or secret is None:
        raise ConfigError(f"{program} failed for {server}")
    if not user and not secret:
        return None
    return Credentials("", "", secret) if user == "<token>" else Credentials(user, secret)


def _parse(output: bytes) -> tuple[str | None, str | None]:
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(answer, dict):
        return None, None
    user, secret = answer.get("Username", ""), answer.get("Secret", "")
    return (user, secret) if isinstance(user, str) and isinstance(secret, str) else (None, None)


def _run(command: list[str], server: str, env: Mapping[str, str], seconds: float) -> tuple[int | None, bytes]:
    """Return the exit status, None if it took too long, and what was printed, at most _MAX_ANSWER bytes."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(env),
        start_new_session=True,  # so that what it starts ends with it
    )
    status: int | None = None
    answer: list[bytes] = []
    talk = threading.Thread(target=_talk, args=(process, server, answer), daemon=True)
    talk.start()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(seconds)
            talk.join(_LAST_BYTES)
    finally:
        if status is None:
            _kill(process)
    return status, b"".join(answer)


def _talk(process: subprocess.Popen[bytes], server: str, answer: list[bytes]) -> None:
    """Say the server's name and hear the answer, in a thread: a child that outlives the helper may keep the pipe."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process has no pipes")
    with contextlib.suppress(OSError), process.stdin as pipe:  # it need not read the name
        pipe.write(server.encode())
    with process.stdout as pipe:
        left = _MAX_ANSWER
        while left > 0 and (chunk := os.read(pipe.fileno(), left)):
            answer.append(chunk)
            left -= len(chunk)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # it has ended
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
