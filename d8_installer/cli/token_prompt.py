"""Gets a token from the person: typed without echo at a terminal, else read from stdin."""

from __future__ import annotations

import sys

from d8_installer.errors import UsageError
from d8_installer.model.secrets import text_of_token
from d8_installer.ops.login import TypedToken

_LIMIT = 1 << 16
_PIPE_IT = "give it on stdin: `d8-installer login < FILE`"


def ask_for_token(address: str) -> TypedToken:
    """Return the token for the endpoint at *address*, as it was given."""
    if sys.stdin.isatty():
        return TypedToken(_typed(address), "the prompt")
    raw = sys.stdin.buffer.read(_LIMIT + 1)
    if len(raw) > _LIMIT:
        raise UsageError("stdin has more than a token", hint="give the token alone, in one line")
    return TypedToken(text_of_token(raw), "stdin")


def _typed(address: str) -> str:
    import warnings
    from getpass import GetPassWarning, getpass

    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)  # else the token would be shown while it is typed
        try:
            return getpass(f"Token for {address}: ").strip()
        except EOFError:
            raise UsageError("no token was typed", hint=f"type or paste it, or {_PIPE_IT}") from None
        except GetPassWarning as error:
            raise UsageError("this terminal cannot hide what is typed", hint=_PIPE_IT) from error
