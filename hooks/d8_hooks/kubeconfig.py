"""The bearer token of a kubeconfig's user, as the Go CLI reads it (rpp.md §4.2); needs the extra ``[cluster]``.

It is a token, a token file or the output of an exec plugin. A client certificate is not a token.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from d8_installer.errors import ConfigError
from d8_installer.model.secrets import without_secrets
from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import Credential

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightkube.config.kubeconfig import KubeConfig
    from lightkube.config.models import Context, User, UserExec

    from d8_installer.plugin.records import CredentialRequest

_LIMIT = 8 << 20
_API = "client.authentication.k8s.io/"


@hookimpl
def d8_credentials() -> list[Credential]:
    """Offer the token of the kubeconfig's user, after all other credentials."""
    return [Credential("kubeconfig", token=_token, order=100)]


def _token(request: CredentialRequest) -> str | None:
    files = _files(request)
    if not files:
        return None
    try:
        from lightkube.config.kubeconfig import KubeConfig
    except ImportError as error:
        if request.kubeconfig is None and request.context is None:
            return None
        from d8_installer.plugin.self_installation import hint_for_extra

        raise ConfigError(
            "reading a kubeconfig needs the extra [cluster], which is not installed", hint=hint_for_extra("cluster")
        ) from error
    found = _user([_read(KubeConfig, file) for file in files], request.context)
    if found is None:
        return None
    user = found.user
    if user.token:
        return user.token
    if user.token_file:
        return _read_token(os.path.join(found.directory, user.token_file))
    return None if user.exec is None else _run_plugin(user.exec, found.directory, request.env)


class _Found(NamedTuple):
    """A user, and the directory of the kubeconfig that defines it: relative paths start there."""

    user: User
    directory: str


def _files(request: CredentialRequest) -> list[str]:
    """Return the kubeconfigs to read: the typed one, else those of KUBECONFIG, else kubectl's default."""
    if request.kubeconfig is not None:
        if not os.path.isfile(request.kubeconfig):
            raise ConfigError(f"there is no kubeconfig {request.kubeconfig}", hint="name the file with --kubeconfig")
        return [request.kubeconfig]
    named = [entry for entry in request.env.get("KUBECONFIG", "").split(os.pathsep) if entry]
    if not named and request.env.get("HOME"):
        named = [os.path.join(request.env["HOME"], ".kube", "config")]
    return [file for file in named if os.path.isfile(file)]


def _read(kind: type[KubeConfig], file: str) -> KubeConfig:
    try:
        if os.path.getsize(file) > _LIMIT:
            raise ValueError
        return kind.from_file(file)
    except Exception:  # noqa: BLE001 - the parser's and validator's messages quote the file, and so the token
        raise ConfigError(f"{file} is not a readable kubeconfig", hint="correct it, or name another one") from None


def _user(configs: list[KubeConfig], chosen: str | None) -> _Found | None:
    """Return the user of the context; of several files the first that defines it counts."""
    name = chosen or next((config.current_context for config in configs if config.current_context), None)
    if name is None:
        return None
    context: Context | None = next((config.contexts[name] for config in configs if name in config.contexts), None)
    if context is None:
        raise ConfigError(f"the kubeconfig has no context {name[:100]!r}", hint="see `kubectl config get-contexts`")
    for config in configs:
        if context.user in config.users:
            return _Found(config.users[context.user], os.path.dirname(os.path.abspath(str(config.fname))))
    return None


def _read_token(file: str) -> str:
    try:
        with open(file, "rb") as stream:
            token = stream.read(1 << 16).decode("ascii", "replace").strip()
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise ConfigError(
            f"the kubeconfig's token file {file} cannot be read: {reason}", hint="log in again"
        ) from error
    if not token:
        raise ConfigError(f"the kubeconfig's token file {file} is empty", hint="log in again")
    return token


def _run_plugin(plugin: UserExec, directory: str, env: Mapping[str, str]) -> str:
    """Run an exec plugin as kubectl does (client.authentication.k8s.io, ExecCredential); its stderr is not captured."""
    import subprocess

    command = plugin.command
    if os.sep in command:
        command = os.path.join(directory, command)
    info = {"kind": "ExecCredential", "apiVersion": plugin.apiVersion, "spec": {"interactive": False}}
    more = {variable.name: variable.value for variable in plugin.env or ()}
    try:
        done = subprocess.run(
            [command, *(plugin.args or ())],
            env={**without_secrets(env), **more, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
        )
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise ConfigError(
            f"the kubeconfig's exec plugin {command} cannot be run: {reason}", hint=plugin.installHint or "install it"
        ) from error
    if done.returncode != 0:
        raise ConfigError(f"the kubeconfig's exec plugin {command} exited with {done.returncode}", hint="log in again")
    try:
        credential = json.loads(done.stdout)
        token = credential["status"]["token"]
        if not credential["apiVersion"].startswith(_API) or not isinstance(token, str):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(
            f"the kubeconfig's exec plugin {command} printed no ExecCredential with a token", hint="log in again"
        ) from None
    return token
