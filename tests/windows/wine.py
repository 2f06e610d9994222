"""What Wine does otherwise than Windows, as far as portable tests meet it: they are expected to fail there.

`tests/conftest.py` asks for this list under Wine only; on a Windows machine all of them have to pass.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_MATCH = "Wine says CERT_E_CN_NO_MATCH for the address in the certificate; OpenSSL in the same process accepts it"
_NO_ROOT = "Wine says CERT_E_UNTRUSTEDROOT though the CA is the chain engine's exclusive root; OpenSSL accepts it"
EXPECTED = {
    "tests/registry/test_handshake.py::test_a_forward_proxy_may_speak_tls_itself": _NO_MATCH,
    "tests/registry/test_tls.py::test_a_ca_file_is_trusted": _NO_MATCH,
    "tests/registry/test_transport_errors.py::test_a_wanted_certificate_is_named_and_can_be_given": _NO_ROOT,
    "tests/registry/test_transport_errors.py::test_another_origin_does_not_see_the_certificate": _NO_ROOT,
    "tests/registry/test_transport_errors.py::test_the_ca_is_not_blamed_for_another_fault": _NO_ROOT,
}
"""The id of a test, without its parameters if that is so for all, and the proof that it is Wine that fails."""


def is_running() -> bool:
    """Whether this process runs under Wine, whose ntdll has a function that Windows's has not."""
    if sys.platform == "win32":
        import ctypes

        return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
    return False


def expect_failures(items: Iterable[pytest.Item]) -> None:
    """Mark the tests of the list: one that passes is a failure, so that the list stays true."""
    for item in items:
        reason = EXPECTED.get(item.nodeid) or EXPECTED.get(item.nodeid.partition("[")[0])
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
