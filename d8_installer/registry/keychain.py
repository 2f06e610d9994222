"""The credentials on this machine: ``auth.json`` of podman and skopeo, ``config.json`` of docker, and their helpers.

The files' places, order and keys are those of containers-auth.json(5). They are read only when a registry asks for
credentials. A file or helper that fails is recorded in the Login and not raised: a public image needs no credentials.

Helpers are programs named ``docker-credential-X`` (docker/docker-credential-helpers, README, "Development"): they read
the server's name on stdin and print a JSON object with Username and Secret. Their output may hold a secret, so it is
never shown.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple

from d8_installer.errors import ConfigError
from d8_installer.model.secrets import without_secrets
from d8_installer.model.value import Struct, repr_without

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_CONFIG_BYTES = 4 << 20
_HELPER_NAME = r"[A-Za-z0-9._-]{1,100}"
_HELPER_SECONDS = 30.0
_RUNTIME = "/run/containers"
_HUB_SERVER = "https://index.docker.io/v1/"
"""The name of Docker Hub for docker's helpers; podman's helpers use ``docker.io``."""
_HUB = frozenset(["docker.io", "index.docker.io", "registry-1.docker.io"])
_OLD_DOCKER = ".dockercfg"
"""Docker's file before version 1.7: it holds the object ``auths`` alone."""

_MAX_ANSWER = 1 << 20
_LAST_BYTES = 1.0
"""Seconds to wait for the rest of a helper's answer after the helper has exited."""
# What a helper prints if it has no credentials for a server (docker-credential-helpers, credentials/error.go).
_HAS_NONE = b"credentials not found"


class Credentials(Struct, frozen=True):
    """A user and a password, or an identity token (docker's name for an OAuth2 refresh token)."""

    user: str
    password: str
    identity_token: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "user", "password", "identity_token")

    def basic(self) -> str:
        """Return the value of ``Authorization`` (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Login(Struct, frozen=True):
    """What this machine knows about a registry: ``credentials`` and the file that they come from, or None twice.

    ``troubles`` describe the files and helpers that could not be read. A public image needs none of them, so they are
    reported only after a registry has refused.
    """

    credentials: Credentials | None = None
    file: str | None = None
    troubles: tuple[str, ...] = ()


class Keychain:
    """The credentials files that *env* names, and the helpers on its PATH, which have *seconds* to answer.

    *runtime* is the directory that podman uses if XDG_RUNTIME_DIR is not set; it holds a directory for each user id.
    """

    def __init__(self, env: Mapping[str, str], seconds: float = _HELPER_SECONDS, runtime: str = _RUNTIME) -> None:
        self._env = env
        self._seconds = seconds
        self._runtime = runtime

    def find(self, host: str, repository: str) -> Login:
        """Return the first credentials for ``host[:port]/repository``, in the order of containers-auth.json(5).

        Within a file a helper comes first, then the longest key that is the repository or a path above it.
        """
        troubles: list[str] = []
        for path in self._files():
            config = _read_config(path, troubles)
            if config is not None and path.endswith(_OLD_DOCKER):
                config = {"auths": config}
            credentials = None if config is None else self._find_in(config, path, host, repository, troubles)
            if credentials is not None:
                return Login(credentials, path, tuple(troubles))
        return Login(troubles=tuple(troubles))

    def _files(self) -> Iterator[str]:
        env = self._env
        home = env.get("HOME")
        if sys.platform == "win32":
            home = env.get("USERPROFILE") or home  # docker and podman read no other variable there
        runtime = env.get("XDG_RUNTIME_DIR")
        settings = env.get("XDG_CONFIG_HOME") or (os.path.join(home, ".config") if home else None)
        docker = env.get("DOCKER_CONFIG") or (os.path.join(home, ".docker") if home else None)
        if env.get("REGISTRY_AUTH_FILE"):
            yield env["REGISTRY_AUTH_FILE"]
        if runtime:
            yield os.path.join(runtime, "containers", "auth.json")
        if hasattr(os, "getuid"):
            yield os.path.join(self._runtime, str(os.getuid()), "auth.json")
        if settings:
            yield os.path.join(settings, "containers", "auth.json")
        if docker:
            yield os.path.join(docker, "config.json")
        if home:
            yield os.path.join(home, _OLD_DOCKER)

    def _find_in(
        self, config: Mapping[str, object], path: str, host: str, repository: str, troubles: list[str]
    ) -> Credentials | None:
        try:
            for helper in _helpers(config, host):
                found = ask_helper(helper.program, helper.server, without_secrets(self._env), self._seconds)
                if found is not None:
                    return found
        except ConfigError as error:
            troubles.append(f"{error} (named in {path})")
        return _from_auths(config, f"{_plain_host(host)}/{repository}", path, troubles)


def _read_config(path: str, troubles: list[str]) -> Mapping[str, object] | None:
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_MAX_CONFIG_BYTES) or b"{}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        troubles.append(f"{path} cannot be read: {error.strerror}")
        return None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        # The parser's message quotes the file, which holds passwords.
        troubles.append(f"{path} is not a JSON object")
        return None
    return document


class _Helper(NamedTuple):
    program: str
    server: str
    """The helper's name for the server."""


def _helpers(config: Mapping[str, object], host: str) -> Iterator[_Helper]:
    """Yield the helpers to ask.

    A helper in ``credHelpers`` is for one host and takes precedence over ``credsStore``; an empty one disables both.
    """
    named = config.get("credHelpers")
    by_host = {_key(name): helper for name, helper in named.items()} if isinstance(named, dict) else {}
    helper = by_host.get(_plain_host(host), config.get("credsStore"))
    if not helper:
        return
    if not isinstance(helper, str) or not re.fullmatch(_HELPER_NAME, helper, re.ASCII):
        raise ConfigError(f"{str(helper)[:100]!r} is not the name of a credential helper")
    for server in (_HUB_SERVER, "docker.io") if _plain_host(host) == "docker.io" else (host,):
        yield _Helper(f"docker-credential-{helper}", server)


def _from_auths(config: Mapping[str, object], name: str, path: str, troubles: list[str]) -> Credentials | None:
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return None
    matching = [key for key in auths if f"{name}/".startswith(f"{_key(key)}/")]
    for key in sorted(matching, key=lambda key: len(_key(key)), reverse=True):
        entry = auths[key]
        try:
            found = _decode_entry(entry) if isinstance(entry, dict) else None
        except ValueError:  # its message may hold the password
            troubles.append(f"{path}: auths[{key[:100]!r}] is not base64 of user:password")
            continue
        if found is not None:
            return found
    return None


def _key(text: str) -> str:
    """Return ``host[:port][/path]`` of a key; a key with a scheme, as docker writes it, is for the whole host."""
    plain = re.sub(r"^https?://([^/]*).*", r"\1", text, flags=re.DOTALL).rstrip("/")
    host, slash, path = plain.partition("/")
    host = _plain_host(host)
    return host if host == "docker.io" and path in ("v1", "v2") else f"{host}{slash}{path}"


def _plain_host(host: str) -> str:
    """Return the canonical name of a host: in lower case, and ``docker.io`` for every name of Docker Hub."""
    lower = host.lower()
    return "docker.io" if lower in _HUB else lower


def _decode_entry(entry: Mapping[str, object]) -> Credentials | None:
    """Return the credentials in an entry of ``auths``, or None; ValueError if ``auth`` is malformed.

    Line ends are dropped: ``base64`` breaks its output into lines, and ``echo`` ends the password with one.
    """
    token, auth = entry.get("identitytoken"), entry.get("auth")
    user, password = entry.get("username"), entry.get("password")
    if isinstance(auth, str) and auth.strip():
        try:
            plain = base64.b64decode("".join(auth.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError from None
        user, colon, password = plain.rstrip("\x00\r\n").partition(":")
        if not colon:
            raise ValueError
    identity = token.strip() if isinstance(token, str) and token.strip() else None
    if isinstance(user, str) and isinstance(password, str) and (user or identity):
        return Credentials(user, password, identity)
    return Credentials("", "", identity) if identity else None


# -- credential helpers ------------------------------------------------------------------------------------


def ask_helper(program: str, server: str, env: Mapping[str, str], seconds: float) -> Credentials | None:
    """Return the credentials that *program* has for *server*, or None if it says that it has none.

    Some helpers say so with two empty texts instead of an error. A helper that is missing, fails, or has not finished
    after *seconds*, is a ConfigError that names it.
    """
    path = _on_path(program, env)
    if path is None:
        raise ConfigError(f"{program} is not on PATH")
    try:
        done = _run_helper([path, "get"], server, env, seconds)
    except OSError as error:
        raise ConfigError(f"{program} cannot be run: {error.strerror}") from error
    if done.status is None:
        raise ConfigError(f"{program} did not answer in {seconds:g} s")
    if done.status and _HAS_NONE in done.output:
        return None
    found = _parse_answer(done.output) if done.status == 0 else None
    if found is None:
        raise ConfigError(f"{program} failed for {server}")
    if found.user == "<token>":
        return Credentials("", "", found.password)
    return found if found.user or found.password else None


def _on_path(program: str, env: Mapping[str, str]) -> str | None:
    """Return where a program is, or None; the working directory, which may be a stranger's, is never searched."""
    if sys.platform == "win32":
        from d8_installer.model.windows_program import program_paths

        return next(filter(os.path.isfile, program_paths(program, env)), None)
    import shutil

    return shutil.which(program, path=env.get("PATH", os.defpath))


def _parse_answer(output: bytes) -> Credentials | None:
    """Return the user and secret of a helper's answer, or None if it is malformed."""
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    user, secret = answer.get("Username", ""), answer.get("Secret", "")
    return Credentials(user, secret) if isinstance(user, str) and isinstance(secret, str) else None


class _Done(NamedTuple):
    """How a helper ended: ``status`` is None if it took too long, ``output`` has at most _MAX_ANSWER bytes."""

    status: int | None
    output: bytes


def _run_helper(command: list[str], server: str, env: Mapping[str, str], seconds: float) -> _Done:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(env),
        start_new_session=True,  # so that the processes it starts are killed with it
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
    return _Done(status, b"".join(answer))


def _talk(process: subprocess.Popen[bytes], server: str, answer: list[bytes]) -> None:
    """Write the server's name and read the answer, in a thread: a child that outlives the helper may hold the pipe."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process has no pipes")
    with contextlib.suppress(OSError), process.stdin as pipe:  # a helper need not read the name
        pipe.write(server.encode())
    with process.stdout as pipe:
        left = _MAX_ANSWER
        while left > 0 and (chunk := os.read(pipe.fileno(), left)):
            answer.append(chunk)
            left -= len(chunk)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # it has exited
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
