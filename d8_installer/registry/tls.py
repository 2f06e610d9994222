"""TLS: the roots that an https client trusts, and the certificate that it presents. A context costs 30 to 60 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from d8_installer.registry.origin import Origin


class ClientCertificate(Struct, frozen=True):
    """PEM files of a certificate and its key, and the one origin that may see it, since it identifies the person.

    If ``key_file`` is None, ``cert_file`` holds the key too.
    """

    origin: Origin
    cert_file: str
    key_file: str | None = None


def check_tls_options(*, insecure: bool, ca_file: str | None) -> None:
    """Raise ConfigError if the options contradict each other (rpp.md §4.2); an empty *ca_file* counts as not given."""
    if insecure and ca_file:
        raise ConfigError(
            "unsupported client configuration",
            hint="give one of --ca-file and --insecure-skip-tls-verify, not both",
        )


def no_trust() -> ssl.SSLContext:
    """Return a context without roots: for --insecure, and for plain http, which never uses it."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def trust(*, ca_file: str | None, insecure: bool, env: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context with the roots of SSL_CERT_FILE, SSL_CERT_DIR or the system, plus those of *ca_file*.

    A file that cannot be read, or holds no certificate, is a ConfigError.
    """
    import ssl

    import httpx2

    if insecure:
        return no_trust()
    roots, directory = env.get("SSL_CERT_FILE"), env.get("SSL_CERT_DIR")
    try:
        if roots or directory:
            context = ssl.create_default_context(cafile=roots or None, capath=directory or None)
        else:
            context = httpx2.create_ssl_context(trust_env=False)
        if ca_file:
            context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        named = ca_file or roots or directory
        raise ConfigError(
            f"no certificates can be read from {named!r}: {error.strerror or error}",
            hint="give a file of PEM blocks with --ca-file FILE",
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


def present(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Make *context* present the person's certificate; files without one, or without its key, are a ConfigError."""
    _present(context, certificate.cert_file, certificate.key_file)


def _present(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    try:
        # Without a password from us, OpenSSL would prompt for one on the terminal.
        context.load_cert_chain(cert_file, key_file, password=b"")
    except OSError as error:  # ssl.SSLError is one
        files = " and ".join(filter(None, [cert_file, key_file]))
        raise ConfigError(
            f"no client certificate can be read from {files}: {error.strerror or error}",
            hint="give PEM files, the key without a password: --client-cert FILE --client-key FILE",
        ) from error
