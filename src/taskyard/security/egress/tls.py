"""TLS contexts: the usual authorities, one's own, and client certificates."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

from taskyard.errors import ConfigurationError


class _Named(ssl.SSLContext):
    """Expects the certificate of one name, for clients that connect to an address which the guard has looked at."""

    name = ""

    def wrap_bio(self, *given: Any, **more: Any) -> ssl.SSLObject:
        return super().wrap_bio(*given, **{**more, "server_hostname": self.name})

    def wrap_socket(self, *given: Any, **more: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*given, **{**more, "server_hostname": self.name})


def tls_context(
    *, authorities: str = "", certificate: str = "", key: str = "", password: str | None = None, name: str = ""
) -> ssl.SSLContext:
    """A context that checks certificates and host names; all texts are PEM.

    `authorities` are trusted instead of the usual ones; `certificate` (with its chain) and `key` are shown to servers
    that ask for them. With a `name` the certificate must be that one's, whatever is connected to.
    Raises ConfigurationError for texts that are none of this.
    """
    import httpx  # loaded with the first call, as with `Egress`

    try:
        context = ssl.create_default_context(cadata=authorities) if authorities else httpx.create_ssl_context()
        if name:
            context = _named(name, context)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate:
            _show(context, certificate, key, password or "")
    except (ssl.SSLError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"The certificate, key or authorities cannot be used ({type(error).__name__});"
            " each must be PEM, and the key must fit the certificate and the password the key"
        ) from None
    return context


def _named(name: str, usual: ssl.SSLContext) -> ssl.SSLContext:
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.name = name
    context.load_verify_locations(cadata=b"".join(usual.get_ca_certs(binary_form=True)))
    return context


def _show(context: ssl.SSLContext, certificate: str, key: str, password: str) -> None:
    """Python's ssl reads them from files only: they exist for the moment of reading, for this user alone."""
    handle, name = tempfile.mkstemp(prefix="taskyard-tls-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{certificate}\n{key}\n")
        # With an empty password OpenSSL would ask at the terminal; a function is asked instead.
        context.load_cert_chain(name, password=lambda: password)
    finally:
        Path(name).unlink()
