"""How a connection proves who calls: what is added to each request."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlencode

from taskyard.contracts.integration import OpenConnection
from taskyard.errors import ConfigurationError
from taskyard.executors.integration.rest.oauth import Tokens
from taskyard.executors.integration.rest.shapes import Auth, Secrets
from taskyard.security.egress.client import Egress

_UNSIGNED = "UNSIGNED-PAYLOAD"


class Sent(NamedTuple):
    """A request that is about to be sent; `content` None for one that is sent in pieces."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None


class Credentials(Protocol):
    """One way to prove it."""

    async def sign(self, sent: Sent) -> Sent:
        """The request with the proof. Raises CallFailed where there is none to be had now."""

    def refused(self, sent: Sent) -> bool:
        """The other side did not take what was sent (401): whether there may be another proof by now."""

    async def close(self) -> None:
        """Let go of everything."""


class Fixed:
    """The same headers and query each time."""

    def __init__(self, headers: dict[str, str], query: dict[str, str]) -> None:
        self._headers = headers
        self._query = urlencode(query, quote_via=quote)

    async def sign(self, sent: Sent) -> Sent:
        """See the protocol."""
        url = f"{sent.url}{'&' if '?' in sent.url else '?'}{self._query}" if self._query else sent.url
        return sent._replace(url=url, headers=sent.headers | self._headers)

    def refused(self, sent: Sent) -> bool:
        """See the protocol."""
        del sent
        return False

    async def close(self) -> None:
        """See the protocol."""


class OAuth:
    """An access token of OAuth 2 (RFC 6750)."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def sign(self, sent: Sent) -> Sent:
        """See the protocol."""
        return sent._replace(headers=sent.headers | {"authorization": f"Bearer {await self._tokens.get()}"})

    def refused(self, sent: Sent) -> bool:
        """See the protocol."""
        self._tokens.refused(sent.headers["authorization"].removeprefix("Bearer "))
        return True

    async def close(self) -> None:
        """See the protocol."""
        await self._tokens.close()


class Signature:
    """AWS's signature, version 4.

    <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
    """

    def __init__(self, auth: Auth, secrets: Secrets) -> None:
        try:
            from botocore.auth import S3SigV4Auth, SigV4Auth
            from botocore.credentials import Credentials as AwsCredentials
        except ImportError:
            raise ConfigurationError("AWS signatures need a library: pip install 'taskyard[sqs]'") from None
        credentials = AwsCredentials(secrets.access_key_id, secrets.secret_access_key, secrets.session_token or None)
        kind = S3SigV4Auth if auth.service == "s3" else SigV4Auth
        self._signer = kind(credentials, auth.service, auth.region)

    async def sign(self, sent: Sent) -> Sent:
        """See the protocol."""
        from botocore.awsrequest import AWSRequest

        request: Any = AWSRequest(sent.method, sent.url, headers=dict(sent.headers), data=sent.content or b"")
        if sent.content is None:
            request.headers["x-amz-content-sha256"] = _UNSIGNED
        self._signer.add_auth(request)
        return sent._replace(headers={name.lower(): value for name, value in request.headers.items()})

    def refused(self, sent: Sent) -> bool:
        """See the protocol."""
        del sent
        return False

    async def close(self) -> None:
        """See the protocol."""


def make_credentials(auth: Auth, secrets: Secrets, connection: OpenConnection, egress: Egress) -> Credentials:
    """The way to prove it that the connection names. Raises ConfigurationError where a library is missing."""
    match auth.type:
        case "basic":
            pair = base64.b64encode(f"{secrets.username}:{secrets.password}".encode()).decode()
            connection.conceal(pair)
            return Fixed({"authorization": f"Basic {pair}"}, {})
        case "bearer":
            return Fixed({"authorization": f"Bearer {secrets.token}"}, {})
        case "apiKey" if auth.place == "header":
            return Fixed({auth.name.lower(): secrets.api_key}, {})
        case "apiKey":
            return Fixed({}, {auth.name: secrets.api_key})
        case "oauth2":
            return OAuth(Tokens(auth, secrets, egress, connection.conceal, connection.shared, connection.revision))
        case "sigv4":
            return Signature(auth, secrets)
    return Fixed({}, {})
