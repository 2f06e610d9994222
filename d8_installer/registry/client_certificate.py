"""How a server says in an HTTP answer that it wants TLS or a client's certificate, and what a person types. No I/O."""

from __future__ import annotations

import re

CLIENT_CERTIFICATE_HINT = "give a certificate of yours and its key: --client-cert FILE --client-key FILE"
# nginx without the certificate that it demands, and with one that it does not accept; its own statuses 495 and 496
_IN_WORDS = re.compile(rb"No required SSL certificate was sent|The SSL certificate error", re.IGNORECASE)


def wants_certificate(status: int, body: bytes) -> bool:
    """Whether an answer says that the server wants a client's certificate, or another one."""
    return status in (495, 496) or (status == 400 and _IN_WORDS.search(body) is not None)


_WANTS_TLS = re.compile(rb"HTTP request (?:was sent )?to (?:an )?HTTPS", re.IGNORECASE)


def wants_tls(status: int, body: bytes) -> bool:
    """Whether a server says in plain http that it speaks https: nginx, Go and Apache answer 400 and a sentence."""
    return status == 400 and _WANTS_TLS.search(body) is not None
