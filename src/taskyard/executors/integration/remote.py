"""The connection type `remote`: the platform's integration service makes the call, and answers now or later.

It is asked at `/api/integrations/{id}/invoke`. What it accepts (202) it answers with `integration.response_received`
under the correlation id. While it is away requests wait here, and burn no retries.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta

from taskyard.contracts.integration import Accepted, Answer, Call, OpenConnection, OperationFailed
from taskyard.domain.json import dumps, loads
from taskyard.domain.text import printable
from taskyard.errors import CallFailed, ConfigurationError, TaskyardError
from taskyard.executors.integration.house import House
from taskyard.executors.integration.rest.answer import retry_after_of
from taskyard.executors.integration.shape import schema_of
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits

_AWAY = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHOWN = 2048


class Settings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """`integrationId`: its name there. `within`: the seconds that it has to answer what it has accepted."""

    integration_id: Annotated[str, Meta(min_length=1, max_length=255)]
    within: Annotated[float, Meta(gt=0, le=31_536_000)] = 3600.0


class Secrets(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The bearer token it wants to see; empty for none."""

    token: Annotated[str, Meta(pattern="^[!-~]*$")] = ""


class Remote:
    """Makes links to the integration service."""

    name = "remote"
    settings = schema_of(Settings)
    secrets = schema_of(Secrets)
    operation: dict[str, Any] = {"type": "object"}  # noqa: RUF012 - a constant, as the contract has it

    def __init__(self, house: House) -> None:
        self._house = house

    async def open(self, connection: OpenConnection) -> RemoteLink:
        """See the contract."""
        url = self._house.integration_service.rstrip("/")
        if not url:
            raise ConfigurationError("there is no integration service: set TASKYARD_INTEGRATION_SERVICE_URL")
        settings = msgspec.convert(connection.settings, Settings)
        secrets = msgspec.convert(connection.secrets, Secrets)
        return RemoteLink(url, settings, secrets.token, self._house.egress().trusting(url), self._house.most_bytes)


class RemoteLink:
    """The way to one integration there; its connections are shared with the others."""

    def __init__(self, url: str, settings: Settings, token: str, egress: Egress, most_bytes: int) -> None:
        self._service = url
        self._url = f"{url}/api/integrations/{quote(settings.integration_id, safe='')}/invoke"
        self._within = settings.within
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._egress = egress
        self._most_bytes = most_bytes

    def target(self, call: Call) -> str:
        """See the contract."""
        del call
        return f"POST {self._url}"

    async def call(self, call: Call) -> Answer | Accepted:
        """See the contract."""
        content = dumps(
            {
                "correlationId": call.key,
                "idempotencyKey": call.key,
                "operation": call.operation,
                "input": call.body,
                "deadline": call.deadline,
            }
        )
        headers = {**self._headers, "idempotency-key": call.key}
        if call.traceparent:
            headers["traceparent"] = call.traceparent
        limits = Limits(read=call.deadline, total=call.deadline, max_bytes=self._most_bytes)
        try:
            answer = await self._egress.send("POST", self._url, headers=headers, content=content, limits=limits)
        except CallFailed as failed:
            raise _away(failed.message, failed.reason) if failed.retryable else failed from None
        return self._read(answer, call.key, len(content))

    async def test(self) -> None:
        """See the contract: whether anything answers there."""
        await self._egress.send("GET", self._service, headers=self._headers, limits=Limits(total=10.0))

    async def close(self) -> None:
        """See the contract: nothing is its own."""

    def _read(self, answer: Any, key: str, sent: int) -> Answer | Accepted:
        status, told = answer.status_code, _object(answer.content)
        if status in _AWAY:
            after = retry_after_of(answer)
            raise _away(f"the integration service answered {status}", "status", after, status)
        if status == 202:
            return Accepted(str(told.get("correlationId") or key), self._within)
        error = told.get("error")
        if answer.is_success and not isinstance(error, dict):
            output = told.get("output", told or None)
            return Answer(status, output, {}, sent, len(answer.content))
        error = error if isinstance(error, dict) else {}
        raise OperationFailed(
            printable(str(error.get("message") or f"the integration service answered {status}")),
            error_code=printable(str(error.get("code") or "INTEGRATION_ERROR"))[:64],
            retryable=error.get("retryable") is True,
            counts=False,
            status=status,
            output=told or printable(answer.content[:_SHOWN].decode("utf-8", "replace")),
        )


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = loads(content)
    except (TaskyardError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {"output": value}


def _away(message: str, reason: str, after: float | None = None, status: int | str = "") -> OperationFailed:
    return OperationFailed(
        f"the integration service is away: {message}", reason=reason, retry_after=after, burns=False, status=status
    )
