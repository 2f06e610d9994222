"""ClusterContext: which cluster a command is for, how its API is reached, and who its user is."""

from __future__ import annotations

import os
from typing import Literal

from d8_installer.errors import ConfigError
from d8_installer.model.shell_words import quoted_path
from d8_installer.model.value import Struct, repr_without

InteractiveMode = Literal["Never", "IfAvailable", "Always"]

LOG_IN = "log in to the cluster again, or choose another context: --context NAME"
"""The hint of an identity that cannot be had."""
_LARGEST = 1 << 20


class Pem(Struct, frozen=True):
    """Certificates or a key: the text itself, or the file that holds it and is read at each use."""

    data: bytes | None = None
    file: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "data")

    def read(self, what: str) -> bytes:
        """Return the text; a file that cannot be read is a ConfigError, which calls it *what*."""
        return self.data if self.data is not None else read_small_file(self.file or "", what, _LARGEST)


class ExecPlugin(Struct, frozen=True, kw_only=True):
    """A program that prints an identity (client.authentication.k8s.io). ``cluster_config`` is passed on to it."""

    api_version: str
    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    mode: InteractiveMode = "IfAvailable"
    install_hint: str = ""
    wants_cluster: bool = False
    cluster_config: object = None

    def __repr__(self) -> str:
        return repr_without(self, "args", "env", "cluster_config")


class OidcLogin(Struct, frozen=True):
    """What the auth provider ``oidc`` keeps: an ID token, and whether a refresh token is there to get another one."""

    id_token: str
    can_refresh: bool = False

    def __repr__(self) -> str:
        return repr_without(self, "id_token")


class ClusterUser(Struct, frozen=True, kw_only=True):
    """A user of a kubeconfig: every way in which it may say who it is. Secrets are not in the repr."""

    name: str = ""
    token: str = ""
    token_file: str | None = None
    username: str = ""
    password: str = ""
    certificate: Pem | None = None
    key: Pem | None = None
    plugin: ExecPlugin | None = None
    oidc: OidcLogin | None = None
    impersonated: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return repr_without(self, "token", "password")

    @property
    def has_secret(self) -> bool:
        """Whether the kubeconfig itself holds a secret of the user, rather than the place of one."""
        has_key = self.key is not None and self.key.data is not None
        return has_key or self.oidc is not None or bool(self.token or self.password)


class ClusterContext(Struct, frozen=True, kw_only=True):
    """A cluster and its user. ``server`` is the API's URL without a slash at its end; a path prefix is kept.

    ``ca`` holds the only roots that the API's certificate may have; None: the system's. ``server_name`` is the name
    that the certificate must be for, if it is not the host. ``proxy`` is the URL of a forward proxy to the API.
    ``files`` are the kubeconfigs that were read, ``place`` what messages call them. With ``is_in_cluster``, this is the
    service account of the pod that the command runs in, and no kubeconfig named it.
    """

    name: str
    cluster: str
    user: ClusterUser
    server: str
    ca: Pem | None = None
    is_insecure: bool = False
    server_name: str | None = None
    proxy: str | None = None
    place: str = ""
    files: tuple[str, ...] = ()
    is_in_cluster: bool = False

    def __repr__(self) -> str:
        return repr_without(self, "proxy")


def read_up_to(file: str, limit: int) -> bytes:
    """Return at most *limit* + 1 bytes of *file*; raises OSError and ValueError.

    It asks for as much as the file has, since Windows touches all of the memory that is asked for. A pipe has no size.
    """
    with open(file, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        return stream.read(min(size or limit, limit) + 1)


def read_small_file(file: str, what: str, limit: int) -> bytes:
    """Return what *file* holds; if it cannot be read or is larger than *limit*, a ConfigError that names it."""
    try:
        raw = read_up_to(file, limit)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it is not a path").lower()
        raise ConfigError(
            f"{what} {quoted_path(file)} cannot be read: {reason}", hint=LOG_IN, code="bad-kubeconfig"
        ) from error
    if len(raw) > limit:
        raise ConfigError(
            f"{what} {quoted_path(file)} has more than {limit} bytes",
            hint="name another file in the kubeconfig",
            code="bad-kubeconfig",
        )
    return raw
