"""Settings, secrets and operations of SOAP services."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from taskyard.executors.integration.shape import Seconds, Secret, Shape, Text


class SoapSettings(Shape, kw_only=True, frozen=True):
    """Of a connection."""

    url: Annotated[
        str,
        Meta(
            title="Address",
            description="the service's; its credentials go to this scheme, host and port only",
            pattern="^https?://",
            max_length=2000,
        ),
    ]
    auth: Annotated[
        Literal["none", "basic", "usernameToken", "usernameTokenDigest"],
        Meta(description="HTTP's, or a token of WS-Security with the password as a text or a digest"),
    ] = "none"
    authorities: Annotated[Text, Meta(description="PEM of the authorities to trust instead of the usual ones")] = ""


class SoapSecrets(Shape, kw_only=True, frozen=True):
    """Of a connection."""

    username: str = ""
    password: Secret = ""
    certificate: Annotated[Secret, Meta(description="PEM of a client certificate, with its chain")] = ""
    key: Annotated[Secret, Meta(description="PEM of the certificate's key")] = ""


class SoapOperation(Shape, kw_only=True, frozen=True):
    """Of a definition."""

    operation: Annotated[str, Meta(description="its name in the WSDL", min_length=1, max_length=255)]
    wsdl: Annotated[
        str, Meta(description="address of the WSDL, or where it is from the service's", max_length=2000)
    ] = "?wsdl"
    service: Annotated[str, Meta(description="of the WSDL, if it has several")] = ""
    port: Annotated[str, Meta(description="of the service, if it has several")] = ""
    timeout: Seconds | None = None
