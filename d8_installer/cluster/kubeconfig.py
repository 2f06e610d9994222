"""Kubeconfigs, merged by the rules of client-go: of several files the first that has an entry counts (rpp.md §14).

Which files, ``store.kubeconfig_choice`` says. Missing ones are skipped. A path in a file is relative to that file. Only
the entries of the chosen context are read in full: a fault in another one disturbs nobody.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, cast, get_args

from d8_installer.cluster.context import (
    ClusterContext,
    ClusterUser,
    ExecPlugin,
    InteractiveMode,
    OidcLogin,
    Pem,
    read_up_to,
)
from d8_installer.cluster.entry import Entry
from d8_installer.errors import ConfigError, DocumentError
from d8_installer.model.shell_words import quoted_path
from d8_installer.model.value import Struct, repr_without

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_BYTES = 8 << 20
_MAX_NAME = 100
_SHOWN = 10
_EXEC_API = "client.authentication.k8s.io/"
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_LABEL = "[A-Za-z0-9_-]{1,63}"
_HOST = rf"(?!.{{254}})(?:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*|(?:{_LABEL}\.)*{_LABEL}\.?)"
_KINDS = ("clusters", "contexts", "users")


class Kubeconfig(Struct, frozen=True, kw_only=True):
    """The files that exist, merged. Each entry is found by its kind and name, with the directory of its file."""

    files: tuple[str, ...]
    current: str
    entries: Mapping[tuple[str, str], _Named]

    def __repr__(self) -> str:
        return repr_without(self, "entries")

    def context(self, chosen: str | None) -> ClusterContext | None:
        """Return the context *chosen*, else the current one; None if there is none. An unknown one is a ConfigError."""
        name = chosen or self.current
        if not name:
            return None
        entry = self._find("contexts", name, "context", "", self.choices).table("context")
        values = entry or Entry.of(None, f"context {_quoted(name)}")
        cluster, user = values.text("cluster"), values.text("user")
        of_context = f" that context {_quoted(name)} names"
        if not cluster or not user:
            raise ConfigError(
                f"context {_quoted(name)} in {self.place} names no {'user' if cluster else 'cluster'}",
                hint=self.choices,
                code="bad-kubeconfig",
            )
        return self._combined(name, cluster, user, of_context)

    def _combined(self, name: str, cluster: str, user: str, of_context: str) -> ClusterContext:
        hint = "correct the kubeconfig, or choose another context: --context NAME"
        found = self._find("clusters", cluster, "cluster", of_context, hint)
        how = found.table("cluster") or Entry.of(None, f"{found.where}.cluster")
        who = self._find("users", user, "user", of_context, hint)
        return ClusterContext(
            name=name,
            cluster=cluster,
            user=_user(user, who, self._directory("users", user), _exec_config(how)),
            server=_server(how),
            ca=_pem(how, "certificate-authority", self._directory("clusters", cluster)),
            is_insecure=_is_insecure(how),
            server_name=_server_name(how),
            proxy=how.text("proxy-url") or None,
            place=self.place,
            files=self.files,
        )

    @property
    def place(self) -> str:
        """What messages call the files."""
        return f"the kubeconfig {', '.join(self.files)}"

    @property
    def choices(self) -> str:
        """The hint that names the contexts that there are."""
        names = [_quoted(name) for kind, name in self.entries if kind == "contexts"]
        if not names:
            return "it has no context: name another kubeconfig with --kubeconfig FILE"
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"choose a context with --context NAME: {', '.join(names[:_SHOWN])}{more}"

    def _find(self, kind: str, name: str, word: str, more: str, hint: str) -> Entry:
        named = self.entries.get((kind, name))
        if named is None:
            where = self.place if self.files else "the kubeconfig: there is none"
            raise ConfigError(f"there is no {word} {_quoted(name)}{more} in {where}", hint=hint, code="bad-kubeconfig")
        return named.entry

    def _directory(self, kind: str, name: str) -> str:
        return os.path.dirname(os.path.abspath(self.entries[kind, name].file))


class _Named(Struct, frozen=True):
    """An entry, and the file that it is in."""

    entry: Entry
    file: str


def load(files: Sequence[str], *, is_typed: bool = False) -> Kubeconfig:
    """Return what *files* say together. Missing ones are skipped, unless a person typed them (ConfigError)."""
    read: list[str] = []
    entries: dict[tuple[str, str], _Named] = {}
    current = ""
    for file in files:
        document = _document(file, must_exist=is_typed)
        if document is None:
            continue
        read.append(file)
        current = current or document.text("current-context")
        for key, entry in _named_entries(document).items():
            entries.setdefault(key, _Named(entry, file))
    return Kubeconfig(files=tuple(read), current=current, entries=entries)


def _document(file: str, *, must_exist: bool) -> Entry | None:
    """Return the document in *file*, None if the file is missing."""
    raw = _read(file, must_exist=must_exist)
    if raw is None:
        return None
    from d8_installer.model.yaml_document import parse_yaml

    try:
        document = Entry.of(parse_yaml(raw, file, limit=MAX_BYTES), f"the kubeconfig {file}: ")
    except DocumentError as error:
        # What the parser says may quote the text, and so a token.
        where = file if error.line is None else f"{file}:{error.line}"
        raise ConfigError(
            f"the kubeconfig {where} is not YAML that can be read", hint=_REPAIR, code="bad-kubeconfig"
        ) from None
    if document.text("apiVersion") not in ("", "v1") or document.text("kind") not in ("", "Config"):
        raise ConfigError(
            f"the kubeconfig {file} is none: its kind is not Config of v1", hint=_REPAIR, code="bad-kubeconfig"
        )
    return document


_REPAIR = "correct it, or name another one: --kubeconfig FILE"


def _read(file: str, *, must_exist: bool) -> bytes | None:
    try:
        raw = read_up_to(file, MAX_BYTES)
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(
                f"there is no kubeconfig {file}", hint="name the file: --kubeconfig FILE", code="bad-kubeconfig"
            ) from None
        return None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it is not a path").lower()
        raise ConfigError(
            f"the kubeconfig {quoted_path(file)} cannot be read: {reason}", hint=_REPAIR, code="bad-kubeconfig"
        ) from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"the kubeconfig {file} has more than {MAX_BYTES} bytes", hint=_REPAIR, code="bad-kubeconfig")
    return raw


def _named_entries(document: Entry) -> dict[tuple[str, str], Entry]:
    found: dict[tuple[str, str], Entry] = {}
    for kind in _KINDS:
        for entry in document.entries(kind):
            key = (kind, entry.text("name"))
            if key in found:
                entry.refuse("name", f"{_quoted(key[1])} is there twice")
            found[key] = entry
    return found


# -- the entries of one context --------------------------------------------------------------------------------


def _server(cluster: Entry) -> str:
    """Return the API's URL. As for kubectl, it is http without a scheme, and a query or fragment does not count."""
    text = cluster.required("server").strip().partition("?")[0].partition("#")[0].rstrip("/")
    return text if "://" in text else f"http://{text}"


def _server_name(cluster: Entry) -> str | None:
    name = cluster.text("tls-server-name")
    if name and not re.fullmatch(_HOST, name, re.ASCII):
        cluster.refuse("tls-server-name", "is not a host name")
    return name or None


def _is_insecure(cluster: Entry) -> bool:
    is_insecure = cluster.flag("insecure-skip-tls-verify")
    if is_insecure and any(cluster.text(f"certificate-authority{more}") for more in ("", "-data")):
        cluster.refuse("insecure-skip-tls-verify", "and certificate-authority exclude each other")
    return is_insecure


def _pem(entry: Entry, key: str, directory: str) -> Pem | None:
    data = entry.data(f"{key}-data")
    file = _path(entry.text(key), directory)
    return Pem(data, None if data is not None else file) if data is not None or file else None


def _path(text: str, directory: str) -> str | None:
    return os.path.normpath(os.path.join(directory, text)) if text else None


def _is_path(command: str) -> bool:
    return os.sep in command or (os.altsep is not None and os.altsep in command)


def _user(name: str, entry: Entry, directory: str, config: object) -> ClusterUser:
    user = entry.table("user") or Entry.of(None, f"{entry.where}.user")
    has_password = bool(user.text("username") or user.text("password"))
    if has_password and user.text("token"):
        user.refuse("token", "and username exclude each other")
    return ClusterUser(
        name=name,
        token=user.text("token").strip(),
        token_file=_path(user.text("tokenFile"), directory),
        username=user.text("username"),
        password=user.text("password"),
        certificate=_pem(user, "client-certificate", directory),
        key=_pem(user, "client-key", directory),
        plugin=_plugin(user, directory, config),
        oidc=_oidc(user),
        impersonated=_impersonated(user),
    )


def _oidc(user: Entry) -> OidcLogin | None:
    """Return the tokens of the auth provider ``oidc``, the only one that kubectl still has."""
    provider = user.table("auth-provider")
    if provider is None:
        return None
    if "exec" in user:
        user.refuse("auth-provider", "and exec exclude each other")
    if provider.text("name") != "oidc":
        user.refuse(
            "auth-provider",
            f"{_quoted(provider.text('name'))} cannot be used: kubectl 1.26 removed it",
            "log in with a program that writes an exec plugin: kubelogin, gke-gcloud-auth-plugin; or take a token",
        )
    config = provider.table("config") or Entry.of(None, provider.where)
    return OidcLogin(config.text("id-token").strip(), bool(config.text("refresh-token")))


def _impersonated(user: Entry) -> tuple[tuple[str, str], ...]:
    """Return the headers of impersonation, for the API alone."""
    named = [("Impersonate-User", user.text("as")), ("Impersonate-Uid", user.text("as-uid"))]
    groups = [("Impersonate-Group", group) for group in user.texts("as-groups")]
    extra = user.table("as-user-extra")
    if extra is not None and not all(key.isprintable() for key in extra.keys):
        user.refuse("as-user-extra", "has a key with a control character")
    more = () if extra is None else _extra(extra)
    return tuple((header, value) for header, value in (*named, *groups, *more) if value)


def _extra(extra: Entry) -> list[tuple[str, str]]:
    from urllib.parse import quote

    return [
        (f"Impersonate-Extra-{quote(key.lower(), safe='')}", value) for key in extra.keys for value in extra.texts(key)
    ]


def _plugin(user: Entry, directory: str, config: object) -> ExecPlugin | None:
    entry = user.table("exec")
    if entry is None:
        return None
    command, version = entry.required("command"), entry.required("apiVersion")
    if version not in (f"{_EXEC_API}v1", f"{_EXEC_API}v1beta1"):
        hint = "have its kubeconfig written anew by a newer program"
        entry.refuse(
            "apiVersion", f"is {version[:_MAX_NAME]!r}, and only v1 and v1beta1 of {_EXEC_API} are known", hint
        )
    return ExecPlugin(
        api_version=version,
        command=_path(command, directory) or "" if _is_path(command) else command,
        args=entry.texts("args"),
        env=tuple((one.required("name"), one.text("value")) for one in entry.entries("env")),
        mode=_mode(entry, version),
        install_hint=_plain(entry.text("installHint")),
        wants_cluster=entry.flag("provideClusterInfo"),
        cluster_config=config,
    )


def _mode(entry: Entry, version: str) -> InteractiveMode:
    mode = entry.text("interactiveMode")
    for known in get_args(InteractiveMode):
        if mode == known:
            return cast("InteractiveMode", mode)
    if mode or version.endswith("/v1"):  # v1beta1 has a default
        entry.refuse("interactiveMode", "is not one of Never, IfAvailable and Always")
    return "IfAvailable"


def _exec_config(cluster: Entry) -> object:
    """Return what the cluster's entry holds for exec plugins, if anything."""
    for extension in cluster.entries("extensions"):
        if extension.text("name") == _EXEC_EXTENSION:
            return extension.raw("extension")
    return None


def _plain(text: str) -> str:
    """Return *text* on one line, without control characters and colours."""
    without = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text[:1000])
    return " ".join("".join(one if one.isprintable() else " " for one in without).split())


def _quoted(name: str) -> str:
    return repr(name[:_MAX_NAME])
