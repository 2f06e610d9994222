"""``login`` and ``logout``: keep a token for one origin, or keep it no longer.

A token is checked by one request before it is kept. The file is beside the settings, mode 0600; with ``keyring`` it
says only that the system's keyring has the token.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, DocumentError, NotAllowedError, NotFoundError, UsageError
from d8_installer.model.address import PATH_SCHEMES, shown
from d8_installer.model.identity import Identity
from d8_installer.model.logins import KeptLogin, Logins
from d8_installer.model.reference import CLI_IMAGE
from d8_installer.model.value import Struct, replace, repr_without
from d8_installer.ops.config import changing
from d8_installer.pipeline.login_access import origin_of, system_keyring
from d8_installer.registry.client import is_token
from d8_installer.registry.origin import Origin
from d8_installer.store import logins

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.pipeline.session import Session

_AGAIN = "get a new token, then type `d8-installer login` again"


class TypedToken(Struct, frozen=True):
    """A token as it was given, and what messages call the place that it came from."""

    text: str
    place: str

    def __repr__(self) -> str:
        return repr_without(self, "text")


class LoggedIn(Struct, frozen=True, kw_only=True):
    """The endpoint that accepts the token, the file, whether the keyring has it, and whether anything changed."""

    endpoint: str
    file: str
    keyring: bool
    changed: bool
    dry_run: bool

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "endpoint": self.endpoint,
            "file": self.file,
            "keyring": self.keyring,
            "changed": self.changed,
            "dry_run": self.dry_run,
        }


class LoggedOut(Struct, frozen=True, kw_only=True):
    """The origins whose tokens are no longer kept, the file that had them, and whether anything changed."""

    origins: tuple[str, ...]
    file: str
    changed: bool
    dry_run: bool

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {
            "origins": list(self.origins),
            "file": self.file,
            "changed": self.changed,
            "dry_run": self.dry_run,
        }


def login(
    session: Session, ask: Callable[[str], TypedToken], *, keyring: bool = False, dry_run: bool = False
) -> LoggedIn:
    """Check the token that *ask* returns for the session's endpoint, and keep it for the endpoint's origin.

    If the endpoint refuses the token, nothing is kept.
    """
    url = session.sources.endpoint
    origin = _origin(url)
    if keyring:
        system_keyring()
    token = _given(session, ask)
    _check(session, url, token)
    kept = KeptLogin(origin=origin, cluster=session.sources.trusted_by, token=None if keyring else token.text)
    changed = _keep(session, kept, token.text, dry_run=dry_run)
    _tell_what_comes_first(session)
    return LoggedIn(
        endpoint=shown(url), file=session.scope.logins_file, keyring=keyring, changed=changed, dry_run=dry_run
    )


def logout(session: Session, *, every: bool = False, dry_run: bool = False) -> LoggedOut:
    """Keep no token any longer for the endpoint, or for *every* one. No server is asked.

    Without a named endpoint, that is the only one for which a token is kept.
    """
    file = session.scope.logins_file
    with contextlib.nullcontext() if dry_run else changing(session, file):
        found = _readable(file, every=every)
        gone = _chosen(session, found, every=every)
        changed = bool(gone) or (every and os.path.isfile(file))
        if changed and not dry_run:
            _leave_keyring(gone)
            logins.save(file, found.without(*gone))
    if not changed and found.kept:
        session.reporter.note(f"tokens are kept for {', '.join(_origins(found.kept))}")
    return LoggedOut(origins=_origins(gone), file=file, changed=changed, dry_run=dry_run)


def leave_keyring(session: Session) -> None:
    """Remove every token of ours from the system's keyring; the file still says that they are there."""
    _leave_keyring(logins.load(session.scope.logins_file).kept)


def _leave_keyring(gone: tuple[KeptLogin, ...]) -> None:
    for one in gone:
        if one.is_in_keyring:
            system_keyring().remove(one.name)


# -- login -----------------------------------------------------------------------------------------------------


def _origin(url: str) -> str:
    origin = origin_of(url)
    if origin is not None:
        return origin
    scheme, colon, rest = url.partition(":")
    if scheme in PATH_SCHEMES:
        raise UsageError(f"{shown(url)} is read from this machine, and needs no login")
    if scheme in {"oci", "oci+https", "oci+http"}:
        host = shown(url).partition("://")[2].partition("/")[0]
        raise UsageError(
            f"{shown(url)} is a registry, whose logins docker and skopeo keep",
            hint=f"type `docker login {host}` or `skopeo login {host}`",
        )
    what = f"{shown(url)!r} is" if colon and rest.startswith("//") else "what was typed is"
    raise UsageError(
        f"{what} not the address of an endpoint",
        hint="type `d8-installer login https://HOST`; it asks for the token, or reads it from stdin",
    )


def _given(session: Session, ask: Callable[[str], TypedToken]) -> TypedToken:
    """Return the token of ``--token-file``, else the one that *ask* returns. One that cannot be sent is refused."""
    if session.scope.options.token_file is not None:
        identity = session.sources.identity.current()
        token = TypedToken((identity and identity.token) or "", "--token-file")
    else:
        token = ask(shown(session.sources.endpoint))
    if not token.text:
        raise UsageError(
            f"there is no token in {token.place}",
            hint="type `d8-installer login` in a terminal, or give the token on stdin: `d8-installer login < FILE`",
        )
    session.scope.secrets.add(token.text, *token.text.split())
    if not is_token(token.text):
        raise UsageError(
            f"what {token.place} gave is not a token: it has a space, a line break or a character that no token has",
            hint="give the token alone, in one line, without `Bearer` before it",
        )
    return token


def _check(session: Session, url: str, token: TypedToken) -> None:
    """Send one request with the token. An image that does not exist is an answer, too."""
    identity = Identity(token=token.text, place=token.place)
    access = replace(
        session.sources.access,
        identity=lambda: identity,
        token=lambda: token.text,
        renewed=lambda refused: None,  # noqa: ARG005
        token_from=lambda: token.place,
        tries=1,
    )
    source = session.sources.open_source(url, access)
    try:
        source.tags(CLI_IMAGE)
    except NotFoundError:
        return
    except NotAllowedError as error:
        is_refused = error.code == "token-refused"  # else the server knows who this is, and its hint helps
        raise error.within(more="nothing was kept", hint=_AGAIN if is_refused else None) from error


def _keep(session: Session, login: KeptLogin, token: str, *, dry_run: bool) -> bool:
    """Keep the token; return whether it was not kept before."""
    file = session.scope.logins_file
    if dry_run:
        return not _is_kept(logins.load(file), login, token)
    with changing(session, file):
        before = logins.load(file)
        if _is_kept(before, login, token):
            return False
        old = next((one for one in before.kept if one.name == login.name), None)
        if login.is_in_keyring:
            system_keyring().write(login.name, token)
        logins.save(file, before.adding(login))
        if old is not None and old.is_in_keyring and not login.is_in_keyring:
            system_keyring().remove(old.name)
    return True


def _is_kept(before: Logins, login: KeptLogin, token: str) -> bool:
    return login in before.kept and (not login.is_in_keyring or system_keyring().has(login.name, token))


def _tell_what_comes_first(session: Session) -> None:
    """Warn of a token that commands use before the login, and say it if they ask another endpoint."""
    scope, url = session.scope, session.sources.endpoint
    first = "D8_RPP_TOKEN" if scope.environ.get("D8_RPP_TOKEN") and session.sources.named else None
    if first is None and scope.config.token_file is not None and scope.config.endpoint in {None, url}:
        first = "the setting token_file"
    if first is not None:
        session.reporter.warn(f"{first} is set and comes first, so commands do not use this login")
    settings = (scope.environ.get("D8_RPP_ENDPOINT"), scope.config.endpoint, *scope.config.sources)
    if scope.options.endpoint == url and not any(settings):
        session.reporter.note(f"to use this endpoint, type `d8-installer config set endpoint {shown(url)}`")


# -- logout ----------------------------------------------------------------------------------------------------


def _readable(file: str, *, every: bool) -> Logins:
    """Return the logins. A file that cannot be read as such has none, if it is to be emptied anyway."""
    try:
        return logins.load(file)
    except (ConfigError, DocumentError):
        if not every:
            raise
        return Logins()


def _chosen(session: Session, found: Logins, *, every: bool) -> tuple[KeptLogin, ...]:
    if every:
        return found.kept
    named = session.sources.named
    if named:
        return found.of(_origin(named[0]))
    origins = _origins(found.kept)
    if len(origins) > 1:
        raise UsageError(
            "tokens are kept for several endpoints",
            hint=f"type `d8-installer logout --all`, or one of: {', '.join(map(_typed, origins))}",
        )
    return found.kept


def _typed(origin: str) -> str:
    return f"`d8-installer logout {origin}`"


def _origins(gone: tuple[KeptLogin, ...]) -> tuple[str, ...]:
    return tuple(sorted({short_origin(one.origin) for one in gone}))


def short_origin(text: str) -> str:
    """Return an origin as a person writes it: without the port that its scheme implies."""
    origin = Origin.parse(text)
    usual = {"https": 443, "http": 80}[origin.scheme] == origin.port
    return text.rpartition(":")[0] if usual else text
