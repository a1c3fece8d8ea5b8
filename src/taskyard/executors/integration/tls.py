"""TLS of connections that are not HTTP: verified, unless it is turned off or the other side is this machine."""

from __future__ import annotations

import ssl
from typing import Annotated, Literal

from msgspec import Meta

from taskyard.errors import ConfigurationError, ValidationFailed
from taskyard.executors.integration.shape import Secret, Shape, Text
from taskyard.security.egress.rules import literal, normal
from taskyard.security.egress.tls import tls_context


class TlsSettings(Shape, kw_only=True, frozen=True):
    """Of settings."""

    tls: Annotated[
        Literal["", "verify", "off"],
        Meta(description="verify the server's certificate, or go without TLS; empty: verify, but not on this machine"),
    ] = ""
    authorities: Annotated[Text, Meta(description="PEM of the authorities to trust instead of the usual ones")] = ""

    def wants_tls(self, host: str) -> bool:
        """Whether connections to that host are encrypted."""
        address = literal(normal(host))
        return self.tls == "verify" or (self.tls == "" and not (address is not None and address.is_loopback))


class TlsSecrets(Shape, kw_only=True, frozen=True):
    """Of secrets."""

    certificate: Annotated[Secret, Meta(description="PEM of a client certificate, with its chain")] = ""
    key: Annotated[Secret, Meta(description="PEM of the certificate's key")] = ""


def context_for(settings: TlsSettings, secrets: TlsSecrets, host: str, *, name: str = "") -> ssl.SSLContext | None:
    """The context for a connection to `host`, None for one without TLS. The certificate must be that host's, or that of
    another `name`, whatever address is connected to.

    Raises ValidationFailed for texts that are no PEM.
    """
    if not settings.wants_tls(host):
        return None
    try:
        return tls_context(
            authorities=settings.authorities,
            certificate=secrets.certificate,
            key=secrets.key,
            name=normal(name or host),
        )
    except ConfigurationError as error:
        raise ValidationFailed(error.message) from None
