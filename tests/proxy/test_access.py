"""Who is let in by a token file, and that nobody sees a token."""

from __future__ import annotations

import pytest

from d8_installer.errors import ConfigError
from d8_installer.proxy.token_file import TokenFile

FILE = "# the build\nfirst.token\n\n  second-token==  \ndeny:third\n"


@pytest.mark.parametrize("header", [b"Bearer first.token", b"bearer second-token==", b"Bearer  first.token"])
def test_a_known_token_is_let_in(header: bytes) -> None:
    assert TokenFile.parse(FILE).refusal(header) is None


@pytest.mark.parametrize("header", [b"", b"Bearer", b"Bearer ", b"Bearer first", b"Basic first.token", b"first.token"])
def test_another_is_unauthorized(header: bytes) -> None:
    refusal = TokenFile.parse(FILE).refusal(header)
    assert refusal is not None
    assert (refusal.status, refusal.body) == (401, b"Unauthorized\n")


def test_a_denied_token_is_forbidden() -> None:
    refusal = TokenFile.parse(FILE).refusal(b"Bearer third")
    assert refusal is not None
    assert refusal.status == 403
    assert refusal.body.endswith(b"verb=get, resource=deployments, subresource=cli-binary)\n")


@pytest.mark.parametrize("text", ["", "# nobody\n", "deny:x\n", "two words\n", "secret:colon\n", "ключ\n", "deny:\n"])
def test_a_bad_file_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TokenFile.parse(text)
    assert text.strip() == "" or text.strip() not in str(caught.value)


def test_a_token_is_not_in_the_repr() -> None:
    assert "first" not in repr(TokenFile.parse(FILE))
