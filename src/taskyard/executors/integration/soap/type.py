"""The connection type `soap`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urljoin

import httpx
import zeep
from lxml import etree
from pydantic_core import to_jsonable_python
from zeep import exceptions
from zeep.helpers import serialize_object
from zeep.wsse.username import UsernameToken

from taskyard.contracts.integration import Answer, Call, OpenConnection, OperationFailed
from taskyard.errors import ConfigurationError, ValidationFailed
from taskyard.executors.integration.shape import ShapedType, read, within
from taskyard.executors.integration.soap.shapes import SoapOperation, SoapSecrets, SoapSettings
from taskyard.executors.integration.soap.wsdl import Loader, bound, origin_of, read_wsdl
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits
from taskyard.security.egress.tls import tls_context
from taskyard.security.egress.url import parse_url

_TEST_SECONDS: Final = 15.0
_KEPT: Final = 32
_DETAIL: Final = 4096
_LATER: Final = {429, 503}
_NOT_LET_IN: Final = {"FailedAuthentication", "InvalidSecurityToken", "SecurityTokenUnavailable"}
_THEIRS: Final = {"server", "receiver"}


class Soap(ShapedType[SoapSettings, SoapSecrets], name="soap", shapes=(SoapSettings, SoapSecrets, SoapOperation)):
    """SOAP 1.1 and 1.2, with `taskyard[soap]`."""

    async def open(self, connection: OpenConnection) -> SoapLink:
        """See the contract."""
        settings, secrets = self._read(connection)
        parse_url(settings.url)
        if settings.auth != "none" and not secrets.username:
            raise ValidationFailed(f"secrets: {settings.auth} needs username and password")
        egress, own = self._house.egress(), False
        if settings.authorities or secrets.certificate:
            try:
                tls = tls_context(authorities=settings.authorities, certificate=secrets.certificate, key=secrets.key)
            except ConfigurationError as error:
                raise ValidationFailed(error.message) from None
            egress, own = egress.with_tls(tls), True
        link = SoapLink(settings, secrets, egress, own=own, most_bytes=self._house.most_bytes)
        if settings.auth == "basic":
            connection.conceal(_pair(secrets))
        return link


class SoapLink:
    """Keeps the WSDLs that it has read. XML is read and written in threads."""

    def __init__(
        self, settings: SoapSettings, secrets: SoapSecrets, egress: Egress, *, own: bool, most_bytes: int
    ) -> None:
        self._url, self._egress, self._own, self._most_bytes = settings.url, egress, own, most_bytes
        self._origin = origin_of(settings.url)
        self._headers: dict[str, str] = {}
        self._token: UsernameToken | None = None
        if settings.auth == "basic":
            self._headers["authorization"] = f"Basic {_pair(secrets)}"
        elif settings.auth != "none":
            digest = settings.auth == "usernameTokenDigest"
            self._token = UsernameToken(secrets.username, secrets.password, use_digest=digest)
        self._clients: dict[str, zeep.Client] = {}
        self._reading = asyncio.Lock()

    def target(self, call: Call) -> str:
        """See the contract."""
        return f"{call.operation.get('operation', '')} at {self._origin}"

    async def call(self, call: Call) -> Answer:
        """See the contract."""
        asked = read(SoapOperation, call.operation, "operation")
        if not isinstance(call.body, Mapping) and call.body is not None:
            raise ValidationFailed("the body must be an object with the operation's parameters")
        seconds = min(asked.timeout or call.deadline, call.deadline)
        async with within(seconds, "no answer"):
            client = await self._client(asked.wsdl, seconds)
            binding, address = bound(client, asked.service, asked.port, asked.operation)
            where = address if origin_of(address) == self._origin else self._url
            envelope, headers = await asyncio.to_thread(
                _written, client, binding, asked.operation, call.body or {}, where
            )
            if call.traceparent:
                headers["traceparent"] = call.traceparent
            response = await self._post(where, envelope, headers, seconds)
            output = await asyncio.to_thread(_answered, client, binding, asked.operation, response)
        return Answer(response.status_code, output, {}, len(envelope), bytes_in=len(response.content))

    async def test(self) -> None:
        """See the contract: the WSDL is read."""
        self._clients.clear()
        await self._client("?wsdl", _TEST_SECONDS)

    async def close(self) -> None:
        """See the contract."""
        self._clients.clear()
        if self._own:
            await self._egress.aclose()

    async def _client(self, wsdl: str, seconds: float) -> zeep.Client:
        url = urljoin(self._url, wsdl) if wsdl != "?wsdl" else f"{self._url.partition('?')[0]}?wsdl"
        async with self._reading:
            if url not in self._clients:
                loader = Loader(self._egress, self._headers, self._origin, seconds)
                client = await asyncio.to_thread(read_wsdl, url, loader, self._token)
                if len(self._clients) >= _KEPT:
                    self._clients.clear()
                self._clients[url] = client
            return self._clients[url]

    async def _post(self, where: str, envelope: bytes, headers: Mapping[str, str], seconds: float) -> httpx.Response:
        limits = Limits(read=seconds, total=seconds, max_bytes=self._most_bytes)
        response = await self._egress.send(
            "POST", where, headers={**headers, **self._headers}, content=envelope, limits=limits
        )
        status = response.status_code
        if status in (401, 403):
            raise OperationFailed(
                f"the service does not let us in (status {status}): check the user and the secrets",
                reason="credentials",
                retryable=False,
                status=status,
            )
        if status in _LATER:
            after = response.headers.get("retry-after", "")
            wait = float(after) if after.isascii() and after.isdecimal() else None
            raise OperationFailed(
                f"the service asks to come back later (status {status})",
                retry_after=wait,
                burns=wait is None,
                counts=status >= 500,
                status=status,
            )
        return response


def _pair(secrets: SoapSecrets) -> str:
    return base64.b64encode(f"{secrets.username}:{secrets.password}".encode()).decode()


def _written(
    client: zeep.Client, binding: Any, operation: str, body: Mapping[str, Any], where: str
) -> tuple[bytes, dict[str, str]]:
    """The envelope and its headers. Raises ValidationFailed for a body that does not fit."""
    try:
        envelope, headers = binding._create(operation, (), dict(body), client=client, options={"address": where})
        return etree.tostring(envelope, xml_declaration=True, encoding="utf-8"), dict(headers)
    except (exceptions.Error, TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        raise ValidationFailed(f"the body does not fit the operation {operation}: {str(error)[:300]}") from None


def _answered(client: zeep.Client, binding: Any, operation: str, response: httpx.Response) -> Any:
    """The output. Raises OperationFailed for a fault, and for what is no answer."""
    status = response.status_code
    try:
        result = binding.process_reply(client, binding.get(operation), response)
        return to_jsonable_python(serialize_object(result, dict), bytes_mode="base64", fallback=str)
    except exceptions.Fault as fault:
        raise _failed(fault, status) from None
    except (exceptions.DTDForbidden, exceptions.EntitiesForbidden):
        raise OperationFailed(
            "the answer has a document type or entities, which are not taken",
            reason="xml",
            retryable=False,
            status=status,
        ) from None
    except (exceptions.Error, etree.LxmlError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise OperationFailed(
            f"the service did not answer with what its WSDL says (status {status}, {type(error).__name__})",
            reason="body",
            retryable=status >= 500,
            status=status,
        ) from None


def _failed(fault: exceptions.Fault, status: int) -> OperationFailed:
    """A fault with a detail is the service's considered answer; one of the server's without any may pass."""
    code = str(fault.code or "").rpartition(":")[2]
    detail = fault.detail
    if detail is not None and not isinstance(detail, (str, bytes)):
        detail = etree.tostring(detail, encoding="unicode")[:_DETAIL] if len(detail) or detail.text else None
    passing = detail is None and code.lower() in _THEIRS
    if not code and status != 200:  # no fault at all, although it is XML
        return OperationFailed(
            f"the service answers with status {status} and no fault", retryable=status >= 500, status=status
        )
    told = " ".join(str(fault.message or "no reason given").split())[:500]
    seen = {"code": code, "message": told, "detail": detail, "subcodes": [str(each) for each in fault.subcodes or ()]}
    return OperationFailed(
        f"the service answers with a fault, {code or 'without a code'}: {told}",
        reason="credentials" if code in _NOT_LET_IN else "fault",
        retryable=passing,
        status=status,
        output=seen,
        details=seen,
    )
