"""What the status of an HTTP answer means to every protocol, before OCI or RPP interpret it. No I/O."""

from __future__ import annotations

import re

CLIENT_CERTIFICATE_HINT = "give a certificate of yours and its key: --client-cert FILE --client-key FILE"
# nginx without the certificate that it requires, and with one that it rejects; 495 and 496 are its own statuses
_WANTS_CERTIFICATE = rb"No required SSL certificate was sent|The SSL certificate error"
_WANTS_TLS = rb"HTTP request (?:was sent )?to (?:an )?HTTPS"


def is_passing(status: int) -> bool:
    """Whether the same request may succeed later: 429 and every 5xx."""
    return status == 429 or 500 <= status <= 599


def wants_certificate(status: int, body: bytes) -> bool:
    """Whether an answer says that the server requires a client certificate, or another one."""
    return status in (495, 496) or (status == 400 and re.search(_WANTS_CERTIFICATE, body, re.IGNORECASE) is not None)


def wants_tls(status: int, body: bytes) -> bool:
    """Whether a server says over plain http that it speaks https: nginx, Go and Apache answer 400 and a sentence."""
    return status == 400 and re.search(_WANTS_TLS, body, re.IGNORECASE) is not None
