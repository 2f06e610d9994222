"""TLS: the roots that an https client trusts, and the certificate that it presents. A context costs 30 to 60 ms."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.value import Struct, repr_without

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from d8_installer.registry.origin import Origin


class ClientCertificate(Struct, frozen=True):
    """PEM files of a certificate and its key, and the one origin that may see it, since it identifies the person.

    If ``key_file`` is None, ``cert_file`` holds the key too.
    """

    origin: Origin
    cert_file: str
    key_file: str | None = None


class CertificateData(Struct, frozen=True):
    """A certificate and its key as PEM text; ``place`` names where they come from. The key is not in the repr."""

    certificate: bytes
    key: bytes
    place: str = ""

    def __repr__(self) -> str:
        return repr_without(self, "certificate", "key")


def check_tls_options(*, insecure: bool, ca_file: str | None) -> None:
    """Raise ConfigError if the options contradict each other (rpp.md §4.2); an empty *ca_file* counts as not given."""
    if insecure and ca_file:
        raise ConfigError(
            "unsupported client configuration",
            hint="give one of --ca-file and --insecure-skip-tls-verify, not both",
            code="bad-certificate-file",
        )


def no_trust() -> ssl.SSLContext:
    """Return a context without roots: for --insecure, and for plain http, which never uses it."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def trust(*, ca_file: str | None, insecure: bool, env: Mapping[str, str], roots: bytes | None = None) -> ssl.SSLContext:
    """Return a context with the roots of SSL_CERT_FILE, SSL_CERT_DIR or the system, plus those of *ca_file*.

    With *roots*, which is PEM text, these count in place of the system's.
    A file that cannot be read, or holds no certificate, is a ConfigError.
    """
    import ssl

    if insecure:
        return no_trust()
    file, directory = env.get("SSL_CERT_FILE"), env.get("SSL_CERT_DIR")
    try:
        if roots is not None:
            context = trust_only(roots)
        elif file or directory:
            context = ssl.create_default_context(cafile=file or None, capath=directory or None)
        else:
            import httpx2

            context = httpx2.create_ssl_context(trust_env=False)
        if ca_file:
            context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        named = ca_file or file or directory
        raise ConfigError(
            f"no certificates can be read from {named!r}: {error.strerror or error}",
            hint="give a file of PEM blocks with --ca-file FILE",
            code="bad-certificate-file",
        ) from error
    return context


def trust_only(roots: bytes) -> ssl.SSLContext:
    """Return a context that trusts the certificates in the PEM text *roots* and no others; as in Go, any may be a root.

    Text without a certificate that can be read is a ConfigError.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    found = re.findall(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", roots)
    try:
        if not found:
            raise OSError(0, "there is none in it")
        context.load_verify_locations(cadata=b"\n".join(found).decode("ascii"))
    except (OSError, UnicodeDecodeError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(
            f"the CA certificate cannot be read: {getattr(error, 'strerror', None) or 'it is not PEM text'}",
            hint="it must be PEM text; `certificate-authority-data` of a kubeconfig holds that in base64",
            code="bad-certificate-file",
        ) from error
    return context


def check_files(
    ca_file: str | None, cert_file: str | None, key_file: str | None, *, insecure: bool, env: Mapping[str, str]
) -> None:
    """Raise the ConfigError that the first connection would raise if a file of certificates cannot be used."""
    if ca_file is not None:
        trust(ca_file=ca_file, insecure=insecure, env=env)
    if cert_file is not None:
        _present(no_trust(), cert_file, key_file)


def present(context: ssl.SSLContext, certificate: ClientCertificate | CertificateData) -> None:
    """Make *context* present the person's certificate; one that cannot be used, or has no key, is a ConfigError."""
    if isinstance(certificate, ClientCertificate):
        _present(context, certificate.cert_file, certificate.key_file)
        return
    with _unnamed_file(certificate.certificate.rstrip() + b"\n" + certificate.key) as file:
        try:
            context.load_cert_chain(file, password=b"")
        except OSError as error:
            raise ConfigError(
                f"the client certificate of {certificate.place} cannot be used: {error.strerror or error}",
                hint="log in to the cluster again; the key must be PEM text without a password",
                code="bad-certificate-file",
            ) from error


@contextmanager
def _unnamed_file(content: bytes) -> Iterator[str]:
    """Yield a path from which *content* can be read. OpenSSL takes keys from a path only, and no disk should see them.

    Where there is no memory file, it is a file that nobody else can read and that is removed at once.
    """
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        with open(os.memfd_create("d8-key"), "wb", buffering=0) as memory:
            memory.write(content)
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    import tempfile

    handle, path = tempfile.mkstemp(prefix="d8-")  # mode 0600
    try:
        with open(handle, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.remove(path)


def _present(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    try:
        # Without a password from us, OpenSSL would prompt for one on the terminal.
        context.load_cert_chain(cert_file, key_file, password=b"")
    except OSError as error:  # ssl.SSLError is one
        files = " and ".join(filter(None, [cert_file, key_file]))
        raise ConfigError(
            f"no client certificate can be read from {files}: {error.strerror or error}",
            hint="give PEM files, the key without a password: --client-cert FILE --client-key FILE",
            code="bad-certificate-file",
        ) from error
