"""The bearer token of a kubeconfig's user, as the Go CLI takes it (rpp.md §4.2); needs extra ``[cluster]``.

A token, a token file or an exec plugin. Client certificates are no token, and the proxy takes none (rpp.md §3).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

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
    """Offer the kubeconfig's identity, after everybody else."""
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
        from d8_installer.plugin.installation import hint_for_extra

        raise ConfigError(
            "reading a kubeconfig needs the extra [cluster], which is not installed", hint=hint_for_extra("cluster")
        ) from error
    found = _user([_read(KubeConfig, file) for file in files], request.context)
    if found is None:
        return None
    user, directory = found
    if user.token:
        return user.token
    if user.token_file:
        return _first_line(os.path.join(directory, user.token_file))
    return None if user.exec is None else _executed(user.exec, directory, request.env)


def _files(request: CredentialRequest) -> list[str]:
    """Return the kubeconfigs that count: the one that was typed, else those of KUBECONFIG, else kubectl's own."""
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
    except Exception:  # noqa: BLE001 - a YAML parser's and a validator's, whose texts quote the file, and so the token
        raise ConfigError(
            f"{file} is not a kubeconfig that can be read", hint="correct it, or name another one"
        ) from None


def _user(configs: list[KubeConfig], chosen: str | None) -> tuple[User, str] | None:
    """Return the user of the context, and the directory of its file; of several files the first that has it counts."""
    name = chosen or next((config.current_context for config in configs if config.current_context), None)
    if name is None:
        return None
    context: Context | None = next((config.contexts[name] for config in configs if name in config.contexts), None)
    if context is None:
        raise ConfigError(f"the kubeconfig has no context {name[:100]!r}", hint="see `kubectl config get-contexts`")
    for config in configs:
        if context.user in config.users:
            return config.users[context.user], os.path.dirname(os.path.abspath(str(config.fname)))
    return None


def _first_line(file: str) -> str:
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


def _executed(plugin: UserExec, directory: str, env: Mapping[str, str]) -> str:
    """Run an exec plugin as kubectl does (client.authentication.k8s.io, ExecCredential); its stderr is the person's."""
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
        raise ConfigError(f"the kubeconfig's exec plugin {command} ended with {done.returncode}", hint="log in again")
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
