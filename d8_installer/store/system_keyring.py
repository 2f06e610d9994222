"""Tokens in the system's keyring, by the library ``keyring`` (extra ``[keyring]``), which is imported only here.

A keyring that is locked waits for its owner, and on a machine without a desktop it waits for ever. So each call has
three seconds, in a thread that is left behind if they are over.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import ConfigError, TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

T = TypeVar("T")
SECONDS = 3.0
_SERVICE = "d8-installer"
_IN_A_FILE = "type `d8-installer login` without --keyring, which keeps the token in a file that only you can read"


def read(name: str) -> str:
    """Return the token with that name. If the keyring does not have it or does not answer, that is an error."""
    token = _asked(lambda keyring: keyring.get_password(_SERVICE, name))
    if not isinstance(token, str) or not token:
        hint = "type `d8-installer login --keyring` again"
        raise ConfigError("the keyring no longer has the token of your login", hint=hint, code="keyring")
    return token


def write(name: str, token: str) -> None:
    """Keep *token* under that name."""
    _asked(lambda keyring: keyring.set_password(_SERVICE, name, token))


def has(name: str, token: str) -> bool:
    """Whether the keyring has this token under that name."""
    return bool(_asked(lambda keyring: keyring.get_password(_SERVICE, name)) == token)


def remove(name: str) -> None:
    """Remove the token with that name, if there is one."""

    def delete(keyring: ModuleType) -> None:
        if keyring.get_password(_SERVICE, name) is not None:
            keyring.delete_password(_SERVICE, name)

    _asked(delete)


def _asked(call: Callable[[ModuleType], T]) -> T:
    """Return what *call* returns within three seconds. Every failure of the library is a ConfigError."""
    answers: list[T] = []
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            import keyring

            answers.append(call(keyring))
        except BaseException as error:  # noqa: BLE001 - backends raise whatever the system's services raise
            failures.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS)
    if answers:
        return answers[0]
    if not failures:
        raise TryAgainError(
            f"the system's keyring does not answer within {SECONDS:.0f} seconds; it may be locked",
            hint=f"unlock it, or {_IN_A_FILE}",
            code="keyring-locked",
        )
    # Nothing is chained: a backend's text may hold the token.
    raise _failed(failures[0]) from None


def _failed(error: BaseException) -> ConfigError:
    if type(error).__name__ == "NoKeyringError":
        return ConfigError("this machine has no keyring", hint=_IN_A_FILE, code="keyring")
    return ConfigError(f"the system's keyring failed ({type(error).__name__})", hint=_IN_A_FILE, code="keyring")
