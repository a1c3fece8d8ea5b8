"""The connection type `rest`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from taskyard.contracts.integration import Answer, Call, Link, OpenConnection, OperationFailed
from taskyard.domain.policy import invalid
from taskyard.errors import ConfigurationError
from taskyard.executors.integration.rest.answer import headers_of, read
from taskyard.executors.integration.rest.auth import Credentials, Sent, make_credentials
from taskyard.executors.integration.rest.pages import Pages
from taskyard.executors.integration.rest.request import Body, Planned, body_of, plan
from taskyard.executors.integration.rest.shapes import NEEDED, Operation, Secrets, Settings
from taskyard.executors.integration.shape import ShapedType
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits
from taskyard.security.egress.tls import tls_context

_CONNECTIONS = 200
_TEST_SECONDS = 10.0
_SOONEST = 0.001


class Rest(ShapedType[Settings, Secrets], name="rest", shapes=(Settings, Secrets, Operation)):
    """Makes links to HTTP APIs."""

    async def open(self, connection: OpenConnection) -> RestLink:
        """See the contract."""
        settings, secrets = self._read(connection)
        _check(settings, secrets)
        base = self._house.egress()
        if settings.authorities or settings.auth.type == "mtls":
            base = base.with_tls(_tls(settings, secrets))
        credentials = make_credentials(settings.auth, secrets, connection, self._house.egress())
        most = min(settings.max_bytes, self._house.most_bytes)
        return RestLink(settings, credentials, base.apart(_CONNECTIONS), most)

    def spends(self, settings: Mapping[str, Any]) -> bool:
        """See `Lender`: a refresh token may be another after each use."""
        auth = msgspec.convert(settings, Settings).auth
        return auth.type == "oauth2" and auth.grant == "refresh_token"

    async def lend(self, link: Link) -> dict[str, str]:
        """See `Lender`."""
        if not isinstance(link, RestLink):
            raise TypeError("a link of another type")
        return {"accessToken": await link.access_token()}


class RestLink:
    """An open way to one HTTP API, with connections of its own."""

    def __init__(self, settings: Settings, credentials: Credentials, egress: Egress, most_bytes: int) -> None:
        self._settings = settings
        self._base = settings.base_url.rstrip("/")
        self._headers = {name.lower(): value for name, value in settings.headers.items()}
        self._credentials = credentials
        self._egress = egress
        self._most_bytes = most_bytes

    def target(self, call: Call) -> str:
        """See the contract: the path as the definition has it, without what the input puts into it."""
        operation = msgspec.convert(call.operation, Operation)
        return f"{operation.method} {self._base}{operation.path}"

    async def call(self, call: Call) -> Answer:
        """See the contract."""
        operation = msgspec.convert(call.operation, Operation)
        planned = plan(operation, call)
        if operation.pagination is None:
            return await self._once(operation, planned, call)
        pages = Pages(operation.pagination, planned.query, self._most_bytes)
        ends_at = time.monotonic() + call.deadline
        while pages.goes_on:
            page = planned._replace(query=pages.query)
            left = max(ends_at - time.monotonic(), _SOONEST)
            url, asked = pages.next_url, call._replace(key=pages.key(call.key), deadline=left)
            pages.take(await self._once(operation, page, asked, url), url or f"{self._base}{planned.path}")
        return pages.answer()

    async def test(self) -> None:
        """See the contract: `testPath` is asked for; any answer but a refusal or a failure will do."""
        limits = self._limits(_TEST_SECONDS)
        sent = await self._credentials.sign(
            Sent("GET", self._base + self._settings.test_path, dict(self._headers), b"")
        )
        response = await self._egress.send("GET", sent.url, headers=sent.headers, limits=limits)
        if response.status_code in (401, 403) or response.status_code >= 500:
            self._credentials.refused(sent)
            raise OperationFailed(
                f"{response.request.url.host} answered {response.status_code}",
                reason="credentials" if response.status_code < 500 else "status",
                retryable=response.status_code >= 500,
                status=response.status_code,
            )

    async def access_token(self) -> str:
        """One of OAuth 2 that holds."""
        sent = await self._credentials.sign(Sent("GET", self._base, {}, b""))
        return sent.headers["authorization"].removeprefix("Bearer ")

    async def close(self) -> None:
        """See the contract."""
        await self._credentials.close()
        await self._egress.aclose()

    async def _once(self, operation: Operation, planned: Planned, call: Call, url: str | None = None) -> Answer:
        """One request; where its token is not taken, once more with another."""
        query = f"?{urlencode(planned.query, quote_via=quote)}" if planned.query else ""
        where = url or f"{self._base}{planned.path}{query}"
        for is_first in (True, False):
            body = await body_of(operation, call)
            headers = {**self._headers, **planned.headers, **self._of_call(operation, call, body)}
            content = body.content if isinstance(body.content, bytes) else b"" if body.content is None else None
            sent = await self._credentials.sign(Sent(operation.method, where, headers, content))
            try:
                return await self._send(operation, sent, body, call)
            except OperationFailed as failed:
                if not is_first or failed.status != 401 or not self._credentials.refused(sent):
                    raise
        raise AssertionError

    async def _send(self, operation: Operation, sent: Sent, body: Body, call: Call) -> Answer:
        async with self._egress.stream(
            operation.method, sent.url, headers=sent.headers, content=body.content,
            limits=self._limits(call.deadline), redirects=self._settings.redirects,
        ) as answered:  # fmt: skip
            output, size = await read(operation, answered.response, answered.pieces, call.files)
            details = {"headers": headers_of(answered.response)}
            return Answer(answered.response.status_code, output, details, body.size, size)

    def _of_call(self, operation: Operation, call: Call, body: Body) -> dict[str, str]:
        headers = {"accept": "*/*" if operation.expect == "binary" else "application/json, */*;q=0.5"}
        if body.media:
            headers["content-type"] = body.media
            headers["content-length"] = str(body.size)
        if call.traceparent:
            headers["traceparent"] = call.traceparent
        if operation.method not in ("GET", "HEAD", "OPTIONS") and self._settings.idempotency_header:
            headers[self._settings.idempotency_header.lower()] = call.key
        return headers

    def _limits(self, seconds: float) -> Limits:
        s = self._settings
        return Limits(min(s.connect_timeout, seconds), min(s.read_timeout, seconds), seconds, self._most_bytes)


def _check(settings: Settings, secrets: Secrets) -> None:
    """Raise ValidationFailed where what the way to prove it needs is missing."""
    names = {field.name: field.encode_name for field in msgspec.structs.fields(Secrets)}
    for name in NEEDED.get(settings.auth.type, ()):
        if not getattr(secrets, name):
            raise invalid(f"/secrets/{names[name]}", f"is needed for {settings.auth.type}", "required")
    auth = settings.auth
    if auth.type == "oauth2" and auth.token_url is None:
        raise invalid("/settings/auth/tokenUrl", "is needed for oauth2", "required")
    if auth.type == "oauth2" and auth.grant == "refresh_token" and not secrets.refresh_token:
        raise invalid("/secrets/refreshToken", "is needed for the grant refresh_token", "required")
    if auth.type == "sigv4" and not (auth.region and auth.service):
        raise invalid("/settings/auth/region", "and service are needed for sigv4", "required")
    if auth.type == "basic" and ":" in secrets.username:
        raise invalid("/secrets/username", "must have no colon", "pattern")
    header_values = (*settings.headers.values(), secrets.token, secrets.api_key)
    if not all(value.isascii() and (value.isprintable() or not value) for value in header_values):
        raise invalid("/secrets", "or headers hold characters that no header may", "pattern")


def _tls(settings: Settings, secrets: Secrets) -> Any:
    try:
        return tls_context(
            authorities=settings.authorities,
            certificate=secrets.certificate,
            key=secrets.private_key,
            password=secrets.passphrase or None,
        )
    except ConfigurationError as error:
        raise invalid("/secrets/certificate", error.message, "pem") from None
