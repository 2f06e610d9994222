"""A token service for Debian's docker-registry: distribution's token.md and jwt.md, with tokens that are signed."""

from __future__ import annotations

import base64
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from d8_installer.testing.docker_registry import PASSWORD, USER, docker_registry
from tests.registry.servers import Answer, Received, Running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from d8_installer.testing.docker_registry import RunningRegistry

ISSUER, SERVICE = "the tests' token service", "registry of the tests"


@dataclass
class TokenService:
    """Gives USER all that is asked for, and anybody else nothing. ``life`` is in seconds; ``scopes`` were asked for."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    life: float = 300
    scopes: list[list[str]] = field(default_factory=list)

    def answer(self, received: Received) -> Answer:
        query = parse_qs(urlsplit(received.path).query)
        known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if received.headers.get("authorization") not in (None, f"Basic {known}"):
            return Answer(401)
        if query.get("service") != [SERVICE]:
            return Answer(400)
        self.scopes.append(query.get("scope", []))
        granted = self.scopes[-1] if "authorization" in received.headers else []
        return Answer.json({"token": self._signed(granted), "expires_in": self.life})

    def _signed(self, scopes: list[str]) -> str:
        now = time.time()
        split = [(scope.partition(":")[0], *scope.partition(":")[2].rsplit(":", 1)) for scope in scopes]
        claims = {
            "iss": ISSUER,
            "sub": USER,
            "aud": SERVICE,
            "nbf": int(now) - 10,
            "exp": int(now + self.life),
            "access": [{"type": kind, "name": name, "actions": allowed.split(",")} for kind, name, allowed in split],
        }
        chain = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        parts = [_encoded({"typ": "JWT", "alg": "RS256", "x5c": [chain]}), _encoded(claims)]
        signature = self.key.sign(".".join(parts).encode(), PKCS1v15(), hashes.SHA256())
        return ".".join([*parts, _text(signature)])


def _encoded(document: Mapping[str, object]) -> str:
    return _text(json.dumps(document).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@contextmanager
def token_registry(directory: Path) -> Iterator[tuple[RunningRegistry, TokenService, Running]]:
    """Run docker-registry, and the service whose tokens it takes."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    issued = authority.issue_cert("tokens.example", key_type=trustme.KeyType.RSA)
    authority.cert_pem.write_to_path(directory / "roots.pem")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    service = TokenService(x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()), key)
    with serving(service.answer) as running:
        settings = {
            "realm": f"{running.url}/token",
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(directory / "roots.pem"),
        }
        with docker_registry(str(directory), auth={"token": settings}) as registry:
            yield registry, service, running
