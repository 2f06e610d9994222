"""Runs an exec plugin of a kubeconfig as kubectl does (client.authentication.k8s.io, ExecCredential).

Its stderr is the person's; its stdout is hostile: capped in size, and in time unless it may ask the person something.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from d8_installer.cluster.context import LOG_IN
from d8_installer.errors import ConfigError, TryAgainError
from d8_installer.model.identity import Identity
from d8_installer.model.secrets import without_secrets
from d8_installer.model.shell_words import quoted_path

if sys.platform == "win32":
    from d8_installer.cluster.windows_job import ProgramJob
    from d8_installer.model.windows_program import batch_line, is_batch, program_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.cluster.context import ClusterContext, ExecPlugin

MAX_OUTPUT = 1 << 20
TIME_LIMIT = 60.0
"""Seconds that a plugin may take, unless it may ask the person something."""


def run_plugin(
    plugin: ExecPlugin,
    context: ClusterContext,
    env: Mapping[str, str],
    *,
    has_terminal: Callable[[], bool],
    at_end: Callable[[Callable[[], None]], object],
    time_limit: float = TIME_LIMIT,
) -> Identity:
    """Return the identity that the plugin prints; a plugin that fails is a ConfigError that quotes nothing of it.

    *at_end* takes what ends the plugin if it still runs when the command ends: Ctrl-C may come while another thread
    waits for it.
    """
    is_interactive = plugin.mode != "Never" and has_terminal()
    if plugin.mode == "Always" and not is_interactive:
        raise ConfigError(
            f"the exec plugin {quoted_path(plugin.command)} wants to ask something, and stdin is not a terminal",
            hint="log in from a terminal first, or choose a context that needs no questions: --context NAME",
            code="exec-plugin-failed",
        )
    info = json.dumps(_info(plugin, context, is_interactive=is_interactive))
    given = _environment(plugin, env) | {"KUBERNETES_EXEC_INFO": info}
    running = _Running(plugin, given, is_interactive=is_interactive)
    at_end(running.stop)
    return parse_output(plugin, running.output(time_limit))


def _environment(plugin: ExecPlugin, env: Mapping[str, str]) -> dict[str, str]:
    own = dict(plugin.env)
    if sys.platform == "win32":  # where a variable has one value, however its name is spelled
        own = {name.upper(): value for name, value in plugin.env}
    return {**without_secrets(env), **own}


def _info(plugin: ExecPlugin, context: ClusterContext, *, is_interactive: bool) -> dict[str, object]:
    spec: dict[str, object] = {"interactive": is_interactive}
    if plugin.wants_cluster:
        ca = None if context.ca is None else b64encode(context.ca.read("the CA of the kubeconfig")).decode()
        cluster: dict[str, object] = {
            "server": context.server,
            "tls-server-name": context.server_name,
            "insecure-skip-tls-verify": context.is_insecure,
            "certificate-authority-data": ca,
            "proxy-url": context.proxy,
            "config": plugin.cluster_config,
        }
        spec["cluster"] = {key: value for key, value in cluster.items() if value}
    return {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}


if sys.platform == "win32":

    def _command_line(plugin: ExecPlugin, env: Mapping[str, str]) -> str | list[str]:
        """Return what to start; a program that is not found is an OSError.

        Windows by itself finds only names that end in .exe, and looks for them in the working directory first.
        """
        path = next(filter(os.path.isfile, program_paths(plugin.command, env)), None)
        if path is None:
            raise FileNotFoundError(errno.ENOENT, "no such file or directory")
        return batch_line(path, plugin.args, env) if is_batch(path) else [path, *plugin.args]


class _Running:
    """A plugin that was started. Unless it shares our terminal it leads a session, so that its children end with it."""

    def __init__(self, plugin: ExecPlugin, env: Mapping[str, str], *, is_interactive: bool) -> None:
        self._command = plugin.command
        self._is_interactive = is_interactive
        self._lock = threading.Lock()
        self._is_over = False
        self._is_late = False
        started: str | list[str] = [plugin.command, *plugin.args]
        try:
            if sys.platform == "win32":
                started = _command_line(plugin, env)
            self._process = subprocess.Popen(
                started,
                env=env,
                stdin=None if is_interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=not is_interactive,
            )
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or "its name or arguments are not usable").lower()
            raise ConfigError(
                f"the exec plugin {quoted_path(plugin.command)} cannot be run: {reason}",
                hint=plugin.install_hint or "install it, or choose another context: --context NAME",
                code="exec-plugin-failed",
            ) from error
        if sys.platform == "win32":
            self._job = ProgramJob(self._process)

    def output(self, time_limit: float) -> bytes:
        """Return what the plugin prints. If it fails or is too slow, no process of it stays."""
        timer = threading.Timer(time_limit, self._stop_late)
        timer.daemon = True
        try:
            if not self._is_interactive:
                timer.start()
            output: bytes = self._process.stdout.read(MAX_OUTPUT + 1) if self._process.stdout is not None else b""
            if len(output) > MAX_OUTPUT:
                raise self._failed(f"prints more than {MAX_OUTPUT} bytes")
            code = self._process.wait()
        finally:
            timer.cancel()
            self._end()
        if self._is_late:
            raise TryAgainError(
                f"the exec plugin {quoted_path(self._command)} took more than {time_limit:.0f} s",
                hint="run it by hand to see why",
                code="exec-plugin-slow",
            )
        if code != 0:
            raise self._failed(f"exited with {code}")
        return output

    def stop(self) -> None:
        """End the plugin, if it has not ended by itself. May be called from any thread."""
        with self._lock:
            if self._is_over:
                return
            if sys.platform == "win32":
                self._job.end()
            elif self._is_interactive:
                self._process.kill()
            else:
                with contextlib.suppress(ProcessLookupError, PermissionError):  # all of them have ended
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _stop_late(self) -> None:
        self._is_late = True
        self.stop()

    def _end(self) -> None:
        if self._process.poll() is None:
            self.stop()
        with self._lock:
            self._process.wait()
            self._is_over = True
            if sys.platform == "win32":
                self._job.close()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _failed(self, how: str) -> ConfigError:
        return ConfigError(
            f"the exec plugin {quoted_path(self._command)} {how}", hint=LOG_IN, code="exec-plugin-failed"
        )


# -- what it printed -----------------------------------------------------------------------------------------


def parse_output(plugin: ExecPlugin, output: bytes) -> Identity:
    """Return the identity in an ExecCredential. What is wrong with it is said, and nothing of it is quoted."""
    try:
        document = json.loads(output)
    except (ValueError, RecursionError):
        document = None
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(document, dict) or document.get("kind") != "ExecCredential" or not isinstance(status, dict):
        raise _wrong(plugin, "no ExecCredential with a status")
    if document.get("apiVersion") != plugin.api_version:
        raise _wrong(plugin, f"another version than {plugin.api_version}")
    token, certificate, key = (
        _text(plugin, status, name) for name in ("token", "clientCertificateData", "clientKeyData")
    )
    if bool(certificate) != bool(key):
        raise _wrong(plugin, "a client certificate without its key, or a key alone")
    if not token and not certificate:
        raise _wrong(plugin, "neither a token nor a client certificate")
    return Identity(
        token=token or None,
        certificate=certificate.encode() or None,
        key=key.encode() or None,
        expires=_time(plugin, _text(plugin, status, "expirationTimestamp")),
    )


def _text(plugin: ExecPlugin, status: Mapping[str, object], key: str) -> str:
    value = status.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(plugin, f"a {key} that is not text")
    return value.strip() if key != "expirationTimestamp" else value


def _time(plugin: ExecPlugin, text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(plugin, "an expirationTimestamp that is not a time") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _wrong(plugin: ExecPlugin, what: str) -> ConfigError:
    return ConfigError(
        f"the exec plugin {quoted_path(plugin.command)} printed {what}", hint=LOG_IN, code="exec-plugin-failed"
    )
